// Runs LangChain's standard tests against this server, through the package @langchain/openai: node bench/compat/langchain.mjs --suite DIR
// DIR is the folder internal/standard-tests of a checkout of the public repository langchain-ai/langchainjs. Writes bench/compat/results/langchain.json.
import { fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { load } from '../../dist/index.js';
import { OnebitServer } from '../../dist/server/index.js';
import { listen } from '../../dist/server/node-adapter.js';
import { writeResults } from './results.mjs';

const { values } = parseArgs({
  options: { suite: { type: 'string' }, model: { type: 'string' }, serve: { type: 'boolean' } },
});
if (values.serve) {
  const model = await load(values.model);
  const { url } = await listen(new OnebitServer(model).fetch, { port: 0, host: '127.0.0.1' });
  process.send?.(url);
}

async function run() {
  const server = fork(fileURLToPath(import.meta.url), ['--serve', ...(values.model ? ['--model', values.model] : [])]);
  const [url] = await once(server, 'message');
  const work = fileURLToPath(new URL('../../.cache/compat/langchain/', import.meta.url));
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  cpSync(`${values.suite}/src`, `${work}suite`, { recursive: true });
  writeFileSync(`${work}onebit.test.ts`, TEST);
  const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url));
  const out = `${work}out.json`;
  const args = [vitest, 'run', '--root', work, '--config', 'none', '--reporter', 'json', '--outputFile', out];
  writeFileSync(`${work}vitest.config.mjs`, CONFIG);
  args[args.indexOf('none')] = `${work}vitest.config.mjs`;
  const ran = spawnSync(process.execPath, args, {
    env: { ...process.env, ONEBIT_URL: url },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  server.kill();
  const { testResults } = JSON.parse(readFileSync(out, 'utf8'));
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
  writeResults(
    'langchain',
    tests.map(({ title, status, failureMessages }) => ({
      name: title,
      passed: status === 'passed',
      message: failureMessages?.[0]?.split('\n')[0] ?? '',
    })),
  );
  process.exitCode = ran.error ? 1 : 0;
}

const CONFIG = `export default { test: { testTimeout: 120_000, include: ['onebit.test.ts'] } };\n`;
/** Tests that only hold where the model calls a tool, which small ones seldom do by themselves: the suite lets options be given. */
const FORCED = [
  'testBindToolsWithRunnableToolLike',
  'testBindToolsWithOpenAIFormattedTools',
  'testStreamTokensWithToolCalls',
  'testModelCanAcceptStructuredToolParamsSchema',
  'testStreamTools',
  'testParallelToolCalling',
];
const TEST = `import { ChatOpenAI } from '@langchain/openai';
import { ChatModelUnitTests } from './suite/unit_tests/vitest.ts';
import { ChatModelIntegrationTests } from './suite/integration_tests/vitest.ts';

const fields = {
  Cls: ChatOpenAI,
  chatModelHasToolCalling: true,
  chatModelHasStructuredOutput: true,
  constructorArgs: { model: 'seedling', apiKey: 'none', maxTokens: 200, temperature: 0, maxRetries: 0, configuration: { baseURL: process.env.ONEBIT_URL + '/v1' } },
  supportsStandardContentType: { text: true, image: [], audio: [], file: [] },
};
new (class extends ChatModelIntegrationTests {
  constructor() {
    super({ ...fields, supportsParallelToolCalls: true });
  }
${FORCED.map((name) => `  ${name}() { return super.${name}({ tool_choice: 'required' }); }`).join('\n')}
})().runTests('standard');
`;
if (!values.serve) await run();
