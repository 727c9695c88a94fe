// `onebit support` as people run it. Runs bin/onebit.js of the built checkout.
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SupportRow } from '../src/tasks/support/rows.ts';
import { runProgram } from './run-program.ts';
import { outsideRows, trainingRows, unseenRows } from './support-rows.ts';

const folder = mkdtempSync(join(tmpdir(), 'onebit-support-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);
const csv = (rows: readonly SupportRow[]) =>
  `text,intent\n${rows.map(({ text, intent }) => `"${text}",${intent}`).join('\n')}\n`;

const onebit = (args: string[], input?: string) => runProgram(['support', ...args], { input });

beforeAll(async () => {
  writeFileSync(at('train.csv'), csv(trainingRows.slice(0, 120)));
  writeFileSync(at('dev.csv'), csv([...unseenRows.slice(0, 24), ...outsideRows]));
  const { code, stderr } = await onebit(['train', at('train.csv'), '-o', at('shop.gguf'), '--precision', '0.8']);
  expect(stderr).toBe('');
  expect(code).toBe(0);
}, 300_000);

test('predict takes a query, a file, and lines of standard input', async () => {
  const one = await onebit(['predict', 'where is my parcel', '-m', at('shop.gguf'), '--json']);
  expect(JSON.parse(one.stdout)).toMatchObject({ text: 'where is my parcel', intent: 'parcel_status', answered: true });
  const lines = await onebit(['predict', '-m', at('shop.gguf'), '--json'], 'where is my parcel\n\nrefund the shoes\n');
  const intents = lines.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).intent);
  expect(intents).toEqual(['parcel_status', 'refund']);
  const file = await onebit(['predict', '-m', at('shop.gguf'), '--file', at('dev.csv')]);
  expect(file.stdout.match(/^(answer|clarify|handover): /gm)).toHaveLength(39);
});

test('tables of spreadsheets are read, and written back with what the model says beside each row', async () => {
  writeFileSync(at('q.csv'), '\ufeffid;Text\r\n7;where is my parcel\r\n;\r\n8;"=cmd; refund the shoes"\r\n');
  const { code, stdout } = await onebit(['predict', '-m', at('shop.gguf'), '--file', at('q.csv'), '-o', at('out.csv')]);
  expect([code, stdout]).toEqual([0, '']);
  const lines = readFileSync(at('out.csv'), 'utf8').split('\r\n');
  expect(lines[0]).toBe('\ufeffid;Text;onebit_intent;onebit_confidence;onebit_action;onebit_answer');
  expect(lines[1]).toMatch(/^7;where is my parcel;parcel_status;0\.\d{3};answer;$/);
  expect(lines[2]).toMatch(/^8;"'=cmd; refund the shoes";refund;/);
  expect(lines.slice(3)).toEqual(['']);
  const again = await onebit(['predict', '-m', at('shop.gguf'), '--file', at('out.csv'), '--csv']);
  expect(again.stdout.split('\r\n')).toHaveLength(4);
  const over = await onebit(['predict', '-m', at('shop.gguf'), '--file', at('q.csv'), '-o', at('q.csv')]);
  expect(over).toMatchObject({ code: 1, stderr: expect.stringContaining('the command reads it') });
});

test('invisible characters in a query change nothing', async () => {
  const [plain, disguised] = await Promise.all(
    ['where is my parcel', 'whe\u00adre\u00a0is my par\u200bcel\ufeff'].map((text) =>
      onebit(['predict', text, '-m', at('shop.gguf'), '--json']),
    ),
  );
  const { text: _, wishes, ...prediction } = JSON.parse(plain.stdout);
  const found = JSON.parse(disguised.stdout);
  expect(found).toMatchObject(prediction);
  // Wishes stand where they stand in what was written.
  const { text: __, parts: ___, ...wish } = wishes[0];
  expect(found.wishes).toMatchObject([wish]);
});

test('decisions are calibrated on rows that say yes and no in any of the languages that training takes', async () => {
  const rows = trainingRows.slice(0, 40).map(({ text, intent }) => `"${text}",${intent === 'refund' ? 'ja' : 'nein'}`);
  writeFileSync(at('labels.csv'), `text,label\n${rows.join('\n')}\n`);
  const asked = ['calibrate', at('labels.csv'), '-m', at('shop.gguf'), '--ask', 'refund', '--options', 'no,yes'];
  const { stdout, stderr, code } = await runProgram([...asked, '--json']);
  expect([code, stderr]).toEqual([0, '']);
  expect(JSON.parse(stdout)).toMatchObject({ rows: 40, labels: ['no', 'yes'], model: { name: 'shop.gguf' } });
  // It says nothing of another model.
  writeFileSync(at('calibration.json'), stdout);
  const decide = ['decide', 'where is it', '--ask', 'refund', '--calibration', at('calibration.json')];
  expect(await runProgram([...decide, '-m', at('shop.gguf')])).toMatchObject({ code: 0 });
  expect(await runProgram(decide)).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/must be made for seedling\.gguf, it was made for shop\.gguf/),
  });
});

test('evaluate gives the documented keys', async () => {
  const { stdout } = await onebit(['evaluate', at('dev.csv'), '-m', at('shop.gguf'), '--json']);
  const result = JSON.parse(stdout);
  expect(Object.keys(result)).toHaveLength(10);
  expect(result.accuracy).toBeGreaterThan(0.8);
  expect(result.outOfScopeRecall).toBeGreaterThan(0.5);
});

test('report writes a page', async () => {
  const { code, stdout } = await onebit([
    'report',
    at('dev.csv'),
    '-m',
    at('shop.gguf'),
    '-o',
    at('report.html'),
    '--json',
  ]);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual({
    file: at('report.html'),
    bytes: statSync(at('report.html')).size,
    rows: 39,
    unknownIntents: [],
  });
  expect(readFileSync(at('report.html'), 'utf8')).toMatch(/^<!doctype html>/);
});

test('a report on rows of other intents says so', async () => {
  writeFileSync(at('other.csv'), 'text,intent\nwhere is it,whereabouts\nit broke,broken\nit is late,whereabouts\n');
  const asked = ['report', at('other.csv'), '-m', at('shop.gguf'), '-o', at('other.html')];
  expect(await onebit(asked)).toMatchObject({
    code: 0,
    stderr: expect.stringContaining(
      '3 of 3 rows have intents that the model does not know and count as out of scope: whereabouts (2), broken (1); its own are ',
    ),
  });
});

test('mistakes end with 1 or 2, name the row, and leave nothing behind', async () => {
  writeFileSync(at('bad.csv'), 'text,intent\nhello,greet\n,greet\nbye,\n');
  const bad = await onebit(['train', at('bad.csv'), '-o', at('bad.gguf')]);
  expect(bad).toMatchObject({ code: 1, stderr: expect.stringContaining('row 3 has no text, row 4 has no intent') });
  expect(existsSync(at('bad.gguf'))).toBe(false);
  writeFileSync(
    at('some.csv'),
    'text,intent\nhello,greet\n,greet\nhi there,greet\nbye,\nsee you,leave\nso long,leave\n',
  );
  const some = await onebit(['train', at('some.csv'), '-o', at('some.gguf'), '--skip-bad-rows', '--no-card']);
  expect(some).toMatchObject({
    ...{ code: 0, stderr: expect.stringContaining('rows left out: 2 (row 3 has no text; row 5 has no intent)') },
  });
  expect(await onebit(['train', at('bad.csv')])).toMatchObject({ code: 2 });
  const missing = await onebit(['predict', 'x', '-m', at('none.gguf')]);
  expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining('none.gguf') });
});
