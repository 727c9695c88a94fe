// `onebit decide train`: what stands behind it is for it, though `decide` has options of the same names.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { loadSupport } from '../src/tasks/support/index.ts';

const program = fileURLToPath(new URL('../bin/onebit.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'onebit-decide-train-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);
const run = (...args: string[]) =>
  execFileSync(process.execPath, [program, 'decide', 'train', ...args], { encoding: 'utf8', stdio: 'pipe' });

test('the question, the levels and --json of decide train are kept, wherever they stand', async () => {
  const rows = ['furious now', 'all is well', 'so angry', 'thank you', 'a disgrace', 'many thanks'];
  const lines = rows.map((text, i) => `${text},${i % 2 === 0 ? 'high' : 'low'}`);
  writeFileSync(at('mood.csv'), `text,label\n${lines.join('\n')}\n`);
  const asked = ['--ask', 'How angry?', '--json', '--no-card'];
  const said = run(at('mood.csv'), '--levels', 'low,high', '-o', at('mood.gguf'), ...asked);
  expect(JSON.parse(said)).toMatchObject({ type: 'score', labels: ['low', 'high'], rows: 6 });
  const model = await loadSupport(new Uint8Array(readFileSync(at('mood.gguf'))));
  expect(model.parts.question).toEqual({ type: 'score', instructions: 'How angry?', labels: ['low', 'high'] });
  // It need not be told its own question, and says which that is where it is asked another.
  const decide = (...more: string[]) =>
    spawnSync(process.execPath, [program, 'decide', 'what a disgrace', '-m', at('mood.gguf'), ...more], {
      encoding: 'utf8',
    });
  const own = decide('--json');
  expect([own.status, own.stderr]).toEqual([0, '']);
  expect(JSON.parse(own.stdout)).toMatchObject([
    { type: 'score', probabilities: [{ label: 'low' }, { label: 'high' }] },
  ]);
  expect(decide('--ask', 'how angry', '--levels', 'low,high').stderr).toBe('');
  expect(decide('--ask', 'Is it raining?', '--levels', 'low,high').stderr).toMatch(/one question.*How angry\?/);
  // A level that no row has is no silent choice among the others.
  expect(() => run('--levels', 'low,middle,high', at('mood.csv'), '-o', at('other.gguf'), ...asked)).toThrow(
    /none of middle/,
  );
}, 120_000);
