// Owns the browsers: one cell each, which is that browser's part of test/browsers.test.ts. A browser that is not there is no yes.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const MOST_MS = 20 * 60_000;

export const browsers = ['Chromium', 'Firefox', 'WebKit'].map((name) => ({
  id: name.toLowerCase(),
  name: `${name}: chat, training, storage, threads where it has them, policy`,
  async run(project) {
    const out = project.path('results.json');
    const args = ['run', 'test/browsers.test.ts', '-t', `in ${name}`, '--reporter=json', `--outputFile=${out}`];
    const { stderr } = spawnSync(process.execPath, ['node_modules/vitest/vitest.mjs', ...args], {
      cwd: root,
      encoding: 'utf8',
      timeout: MOST_MS,
    });
    const { testResults } = JSON.parse(readFileSync(out, 'utf8'));
    const tests = testResults
      .flatMap(({ assertionResults }) => assertionResults)
      .filter(({ fullName }) => fullName.startsWith(`in ${name}`));
    const bad = tests.filter(({ status }) => status !== 'passed');
    if (bad.length > 0 || tests.length === 0) {
      const said = bad.map(({ fullName, status, failureMessages }) =>
        [fullName, status, ...failureMessages].join('\n'),
      );
      throw new Error([`${tests.length - bad.length} of ${tests.length} tests pass`, ...said, stderr].join('\n'));
    }
  },
}));
