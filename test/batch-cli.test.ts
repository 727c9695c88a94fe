// `onebit batch` as people run it. Runs bin/onebit.js of the built checkout.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'csv-parse/sync';
import { afterAll, expect, test } from 'vitest';

const program = fileURLToPath(new URL('../bin/onebit.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'onebit-batch-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs the command; it is killed as soon as `isDue`. */
function batch(args: string[], isDue?: () => boolean): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [program, 'batch', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    const outcome = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk) => {
      outcome.stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      outcome.stderr += chunk;
    });
    const timer = isDue && setInterval(() => isDue() && child.kill('SIGKILL'), 5);
    child.on('close', (code) => {
      clearInterval(timer);
      resolve({ ...outcome, code });
    });
  });
}

const texts = ['I want a table for two.', 'A taxi to the station please.', 'Is the museum open?', 'Book me a room.'];
const rows = Array.from({ length: 24 }, (_, i) => ({ id: String(i), message: texts[i % 4] }));
writeFileSync(at('in.csv'), `id,message\n${rows.map(({ id, message }) => `${id},"${message}"`).join('\n')}\n`);
const schema = {
  type: 'object',
  properties: { topic: { enum: ['table', 'taxi', 'other'] }, sure: { type: 'boolean' } },
  required: ['topic', 'sure'],
};
writeFileSync(at('schema.json'), JSON.stringify(schema));
const asked = [
  at('in.csv'),
  '--prompt',
  'Say what this is about, {{id}}: {{message}}',
  '--json-schema',
  at('schema.json'),
];

test('killed in the midst and resumed, it gives the same file as without, and the beginning is computed once', async () => {
  const whole = await batch([...asked, '-o', at('whole.csv'), '--json']);
  expect(whole.code).toBe(0);
  const summary = JSON.parse(whole.stdout);
  expect(summary).toMatchObject({ rows: 24, done: 24, doneBefore: 0, failed: 0 });
  expect(summary.tokens.cached).toBeGreaterThan(0);

  const journal = at('killed.csv.journal');
  const isDue = () => existsSync(journal) && readFileSync(journal, 'utf8').split('\n').length > 8;
  const killed = await batch([...asked, '-o', at('killed.csv')], isDue);
  expect(killed.code).toBe(null);
  expect(existsSync(at('killed.csv'))).toBe(false);
  const refused = await batch([...asked, '-o', at('killed.csv')]);
  expect(refused.stderr).toMatch(/Go on with --resume, or begin anew with --overwrite/);
  const resumed = await batch([...asked, '-o', at('killed.csv'), '--resume', '--json']);
  expect(resumed.code).toBe(0);
  expect(JSON.parse(resumed.stdout).doneBefore).toBeGreaterThan(0);
  expect(readFileSync(at('killed.csv'), 'utf8')).toBe(readFileSync(at('whole.csv'), 'utf8'));
  const found = parse(readFileSync(at('killed.csv')), { bom: true, columns: true }) as Record<string, string>[];
  for (const [i, row] of found.entries()) {
    expect(row).toMatchObject({ ...rows[i], onebit_error: '', topic: expect.stringMatching(/^(table|taxi|other)$/) });
    expect(row.sure).toMatch(/^(true|false)$/);
  }

  const before = statSync(at('killed.csv')).mtimeMs;
  const again = await batch([...asked, '-o', at('killed.csv'), '--resume']);
  expect(again.code).toBe(0);
  expect(again.stderr).toContain('is whole already');
  const table = readFileSync(at('in.csv'), 'utf8');
  for (const [other, more] of [
    [table.replace('Is the', 'Was the'), []],
    [table, ['--limit', '1']],
  ] as const) {
    writeFileSync(at('other.csv'), other);
    const elsewhere = await batch([at('other.csv'), ...asked.slice(1), ...more, '-o', at('killed.csv'), '--resume']);
    expect(elsewhere.code).toBe(1);
    expect(elsewhere.stderr).toMatch(/is whole and of others than/);
  }
  expect(statSync(at('killed.csv')).mtimeMs).toBe(before);
}, 300_000);

test('questions about each row give columns of their own, by the model or by their names', async () => {
  const questions = [
    {
      type: 'choice',
      name: 'topic',
      instructions: 'What is it about?',
      options: [{ label: 'taxi' }, { label: 'table' }],
    },
    { type: 'score', name: 'hurry', instructions: 'How urgent is it?', levels: ['low', 'high'] },
  ];
  writeFileSync(at('questions.json'), JSON.stringify(questions));
  const asked = [at('in.csv'), '--column', 'message', '--limit', '4', '--json', '-o'];
  const several = await batch([...asked, at('asked.csv'), '--questions', at('questions.json')]);
  expect(several.stderr).toBe('');
  expect(JSON.parse(several.stdout)).toMatchObject({ rows: 4, failed: 0 });
  for (const row of parse(readFileSync(at('asked.csv')), { bom: true, columns: true }) as Record<string, string>[]) {
    expect(Object.keys(row).slice(2)).toEqual([
      'topic',
      'topic_probability',
      'hurry',
      'hurry_level',
      'hurry_probability',
      'onebit_error',
    ]);
    expect(row).toMatchObject({ topic: expect.stringMatching(/^(taxi|table)$/), onebit_error: '' });
    expect(Number(row.topic_probability)).toBeGreaterThanOrEqual(0.5);
  }
  const refused = await batch([...asked, at('no.csv'), '--ask', 'Is it?', '--regex', 'a']);
  expect(refused.stderr).toMatch(/--regex must not be given with --ask/);
  const alone = await batch([...asked, at('no.csv'), '--options', 'a,b']);
  expect(alone.stderr).toMatch(/--options must not be given without --ask or --questions/);
}, 300_000);

test('a dry run shows what would be asked and writes nothing; inputs and foreign files are not written over', async () => {
  const dry = await batch([...asked, '-o', at('dry.csv'), '--dry-run', '--sample', '2', '--json']);
  expect(JSON.parse(dry.stdout)).toMatchObject({
    rows: 2,
    columns: ['id', 'message', 'topic', 'sure', 'onebit_error'],
    shown: [{ tokens: expect.any(Number), text: expect.stringContaining('Say what this is about') }, {}],
  });
  expect(existsSync(at('dry.csv'))).toBe(false);
  const over = await batch([...asked, '-o', at('in.csv')]);
  expect(over.code).toBe(1);
  expect(over.stderr).toContain('the command reads it');
  writeFileSync(at('mine.csv'), 'a,b\n1,2\n');
  const foreign = await batch([...asked, '-o', at('mine.csv')]);
  expect(foreign.stderr).toContain('nothing in it says that onebit made it');
  const cut = await batch([at('in.csv'), '-o', at('cut.csv'), '--column', 'message', '-n', '1', '--limit', '2']);
  expect(cut.code).toBe(1);
  expect(readFileSync(at('cut.csv'), 'utf8')).toContain('the answer was cut off after 1 tokens');
  expect(cut.stderr).toContain('rows with an error: 2');
}, 300_000);
