// Writes the section of other projects' tests in docs/compatibility.md from bench/compat/results: node bench/compat/table.mjs
// Every test that fails is listed with its reason; one without a reason ends the script with 1.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { REASONS } from './reasons.mjs';
import { readResults } from './results.mjs';

const BEGIN = '<!-- made by node bench/compat/table.mjs -->';
const END = '<!-- end of the suites -->';
const SUITES = {
  templates:
    'Chat templates of real models that know tools, in ten conversations, beside Jinja2 (`node bench/templates/compare.mjs FOLDER --write`; the templates are those of public repositories)',
  langchain:
    'LangChain’s standard tests (`internal/standard-tests` of langchain-ai/langchainjs), through `@langchain/openai`, with the model of the package',
  llama:
    'llama.cpp’s tests of its server (`tools/server/tests` of ggml-org/llama.cpp), those of them that ask routes which are here, with stories260K',
  ollama:
    'Ollama’s integration tests (`integration` of ollama/ollama), those of them that ask routes which are here, with the model of the package', // biome-ignore format: short
};

const path = new URL('../../docs/compatibility.md', import.meta.url);
const lines = ['## Other projects’ tests', ''];
let unexplained = 0;
for (const [name, title] of Object.entries(SUITES)) {
  if (!existsSync(new URL(`./results/${name}.json`, import.meta.url))) continue;
  const tests = readResults(name);
  const failed = tests.filter(({ passed }) => !passed);
  lines.push(
    `${title}: **${tests.length - failed.length} of ${tests.length}** ${name === 'templates' ? 'give the same prompt' : 'pass'}.`,
    '',
  );
  if (failed.length > 0) lines.push('| fails | why |', '|---|---|');
  for (const [reason, names] of groups(name, failed)) lines.push(`| ${names.join('<br>')} | ${reason} |`);
  if (failed.length > 0) lines.push('');
}
const text = existsSync(path) ? readFileSync(path, 'utf8') : '# Compatibility\n';
const section = [BEGIN, '', ...lines, END].join('\n');
const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
const whole =
  begin < 0 ? `${text.trimEnd()}\n\n${section}\n` : text.slice(0, begin) + section + text.slice(end + END.length);
writeFileSync(path, whole);
process.exitCode = unexplained > 0 ? 1 : 0;

/** Failures by their reason. */
function groups(suite, failed) {
  const found = new Map();
  for (const { name, message } of failed) {
    const known = REASONS.find(
      (one) => one.suite === suite && one.test.test(name) && (one.message ?? /./).test(message || ' '),
    );
    if (!known) unexplained++;
    const reason = known?.reason ?? `not explained yet: ${message.replaceAll('|', '\\|').slice(0, 120)}`;
    found.set(reason, [...(found.get(reason) ?? []), `\`${name.replaceAll('|', '\\|')}\``]);
  }
  return found;
}
