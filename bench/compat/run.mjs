// Other projects' tests against a started `onebit serve`: llama.cpp's server tests and Ollama's integration tests for the routes that are here, and with
// --langchain LangChain's standard tests. Writes bench/compat/results/*.json and the tables of docs/compatibility.md.
//   node bench/compat/run.mjs --stories FILE [--langchain DIR]
// FILE is stories260K.gguf, for which llama.cpp's tests know the answers; DIR is internal/standard-tests of a checkout of langchain-ai/langchainjs.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { problemOf } from './ask.mjs';
import { llamaCases, llamaKeyCases } from './llama-cases.mjs';
import { ollamaCases } from './ollama-cases.mjs';
import { writeResults } from './results.mjs';

const { values } = parseArgs({
  options: { stories: { type: 'string' }, langchain: { type: 'string' }, only: { type: 'string' } },
});
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const KEY = 'sk-this-is-the-secret-key';

/** Runs cases against a server of its own. */
async function run(flags, casesOf) {
  const args = [here('../../bin/onebit.js'), 'serve', '--port', '0', '--allow-host', 'localhost', ...flags];
  const server = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  const url = await new Promise((resolve, reject) => {
    const listen = (chunk) => {
      said += chunk;
      const found = /listening on (http:\S+)/.exec(said)?.[1];
      if (found) resolve(found.replace(/\/$/, ''));
    };
    server.stdout.on('data', listen);
    server.stderr.on('data', listen);
    server.once('exit', () => reject(new Error(said)));
  });
  const found = [];
  try {
    for (const one of await casesOf(url)) {
      const message = await problemOf(url, one).catch((error) => `threw ${error.message}`);
      found.push({ name: one.name, passed: message === undefined, message: message ?? '' });
      if (message !== undefined) console.log(`✗ ${one.name}: ${message}`);
    }
  } finally {
    server.kill();
    await once(server, 'exit');
  }
  return found;
}

if (values.stories && values.only !== 'ollama') {
  const small = ['-m', values.stories];
  const plain = await run(small, () => llamaCases);
  const keyed = await run([...small, '--api-key', KEY, '--cors', '*'], () => llamaKeyCases(KEY));
  writeResults('llama', [...plain, ...keyed]);
}
if (values.only !== 'llama') {
  writeResults(
    'ollama',
    await run([], async (url) => ollamaCases((await (await fetch(`${url}/api/tags`)).json()).models[0].name)),
  );
}
if (values.langchain) {
  spawnSync(process.execPath, [here('./langchain.mjs'), '--suite', values.langchain], { stdio: 'inherit' });
}
spawnSync(process.execPath, [here('./table.mjs')], { stdio: 'inherit' });
