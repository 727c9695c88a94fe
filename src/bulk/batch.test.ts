import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { isOwnFile } from '../cli/own-files.ts';
import { OnebitError } from '../errors.ts';
import { journalPath, rowChooser, runBatch } from './batch.ts';
import { openRows } from './row-file.ts';
import { rowText } from './row-text.ts';
import { type RowTexts, type RowWork, textOrRefuse } from './row-work.ts';
import { holdsRowsOf } from './whole-output.ts';

const folder = mkdtempSync(join(tmpdir(), 'onebit-batch-'));
afterAll(() => rmSync(folder, { recursive: true }));
let count = 0;
const newFile = (ending: string, text = '') => {
  const path = join(folder, `${count++}${ending}`);
  if (text) writeFileSync(path, text);
  return path;
};

/** Says each text in capitals; `seen` are the rows that it was given. */
function capitals(options: { seen?: number[]; fail?: (row: number) => unknown; slow?: boolean } = {}): RowWork {
  return {
    columns: ['loud', 'length'],
    reads: ['text'],
    settings: { kind: 'capitals' },
    sharesBeginning: false,
    async run(row, signal) {
      options.seen?.push(row.index);
      const error = options.fail?.(row.index);
      if (error) throw error;
      // Later rows are ready first.
      if (options.slow) await new Promise((resolve) => setTimeout(resolve, 10 - (row.index % 10)));
      signal.throwIfAborted();
      const text = textOrRefuse(row.text('text'), 'text');
      return { cells: [text.toUpperCase(), text.length], tokens: { prompt: 2, cached: 1, completion: 1 } };
    },
    preview: (row) => ({ text: row.text('text') ?? '' }),
  };
}

const table = (rows: number) =>
  `id,text\n${Array.from({ length: rows }, (_, i) => `${i},"word ""${i}"", two"`).join('\n')}\n`;

async function run(input: string, output: string, work: RowWork, more: object = {}) {
  return runBatch(await openRows(input, work.reads), work, { output, ...more });
}

test('rows keep their order and their cells; the journal is gone at the end', async () => {
  const output = newFile('.csv');
  const summary = await run(newFile('.csv', table(40)), output, capitals({ slow: true }));
  const lines = readFileSync(output, 'utf8').split('\r\n');
  expect(lines[0]).toBe('\ufeffid,text,loud,length,onebit_error');
  expect(lines[18]).toBe('17,"word ""17"", two","WORD ""17"", TWO",14,');
  expect(lines).toHaveLength(42);
  expect(existsSync(journalPath(output))).toBe(false);
  expect(summary).toMatchObject({ rows: 40, done: 40, failed: 0, tokens: { prompt: 80, cached: 40, completion: 40 } });
});

test('a run that ended goes on: no finished row is done again, none is left out', async () => {
  const input = newFile('.csv', table(50));
  const output = newFile('.csv');
  const seen: number[] = [];
  const dies = (row: number) => (row === 30 ? new OnebitError('device-lost', 'the device is gone') : undefined);
  await expect(run(input, output, capitals({ seen, fail: dies }), { parallel: 1 })).rejects.toThrow('device is gone');
  expect(existsSync(output)).toBe(false);
  await expect(run(input, output, capitals())).rejects.toThrow(/--resume/);
  const again: number[] = [];
  const summary = await run(input, output, capitals({ seen: again }), { resume: true });
  expect(again).toEqual(Array.from({ length: 20 }, (_, i) => i + 30));
  expect(summary).toMatchObject({ rows: 50, done: 50, doneBefore: 30, tokens: { prompt: 100 } });
  expect(readFileSync(output, 'utf8').split('\r\n')).toHaveLength(52);
});

test('a run goes on only with what it began with', async () => {
  const input = newFile('.csv', table(5));
  const output = newFile('.csv');
  const dies = () => new OnebitError('io', 'the disk is full');
  await expect(run(input, output, capitals({ fail: dies }))).rejects.toThrow('disk is full');
  const other = { ...capitals(), settings: { kind: 'other' } };
  await expect(run(input, output, other, { resume: true })).rejects.toThrow(/another kind\. .*--overwrite/);
  await expect(run(input, output, capitals(), { resume: true, limit: 2 })).rejects.toThrow(/another limit/);
  writeFileSync(input, table(6));
  await expect(run(input, output, capitals(), { resume: true })).rejects.toThrow(/another input/);
});

test('what a row does wrong stands in its column, and the others are done', async () => {
  const input = newFile('.jsonl', '{"text":"a"}\n{"other":12345678901234567890}\n\n{"text":"=1+1","n":1.50}\n{}\n');
  const output = newFile('.jsonl');
  const summary = await run(input, output, capitals());
  expect(readFileSync(output, 'utf8').split('\n')).toEqual([
    '{"text":"a","loud":"A","length":1,"onebit_error":null}',
    '{"other":12345678901234567890,"loud":null,"length":null,"onebit_error":"the row must have a text in text, it is empty"}',
    '{"text":"=1+1","n":1.50,"loud":"=1+1","length":4,"onebit_error":null}',
    '{"loud":null,"length":null,"onebit_error":"the row must have a text in text, it is empty"}',
    '',
  ]);
  expect(summary).toMatchObject({ rows: 4, failed: 2, errors: [{ rows: 2 }] });
});

test('JSON lines become a table, and texts no formulas', async () => {
  const output = newFile('.csv');
  await run(newFile('.jsonl', '{"text":"=1+1"}\n{"text":"b","n":[1]}\n'), output, capitals());
  const lines = readFileSync(output, 'utf8').slice(1).split('\r\n');
  expect(lines).toEqual(['text,n,loud,length,onebit_error', "'=1+1,,'=1+1,4,", 'b,[1],B,1,', '']);
});

test('separators, quotes over lines, blank rows and marks are read as other commands read them', async () => {
  const output = newFile('.csv');
  await run(newFile('.csv', '\ufeffID;Text\r\n1;"a\r\nb; c"\r\n\r\n;\r\n2;d\r\n'), output, capitals());
  const wanted = 'ID;Text;loud;length;onebit_error\r\n1;"a\r\nb; c";"A\r\nB; C";7;\r\n2;d;D;1;\r\n';
  expect(readFileSync(output, 'utf8').slice(1)).toBe(wanted);
});

test('a file that is wrong is refused by its row before anything is done', async () => {
  const seen: number[] = [];
  const cases: [string, string, RegExp][] = [
    ['.csv', 'id,text\n1,a\n2\n', /row 3 has 1/],
    ['.csv', 'id,text\n1,a\n2,"b\n3,c\n', /row 3 must be separated values.*never closed/],
    ['.csv', ';;\r\nid;text\r\n1;"a\r\n\r\nb"\r\n2\r\n', /row 6 has 1/],
    ['.csv', ',\r\nid,text\r\n"1\r\n",a\r\n2,"b\r\n3,c\r\n', /row 5 must be separated values.*never closed/],
    ['.csv', 'id,other\n1,a\n', /name the column text/],
    ['.jsonl', '{"text":"a"}\n[1]\n', /row 2 must be a JSON object/],
    ['.jsonl', '{"text":"a"}\n{"text":\n', /row 2 must be a JSON object/],
  ];
  for (const [ending, text, problem] of cases) {
    await expect(run(newFile(ending, text), newFile('.csv'), capitals({ seen }))).rejects.toThrow(problem);
  }
  expect(seen).toEqual([]);
});

test('columns that are there already, and outputs of other kinds, are refused', async () => {
  const input = newFile('.csv', 'text,Loud\na,b\n');
  await expect(run(input, newFile('.csv'), capitals())).rejects.toThrow(/loud is there already.*--prefix/);
  await expect(run(input, newFile('.ods'), capitals())).rejects.toThrow(/must end in \.csv/);
  const output = newFile('.csv');
  await run(input, output, capitals(), { prefix: 'my_' });
  expect(readFileSync(output, 'utf8')).toContain('text,Loud,my_loud,my_length,onebit_error');
  for (const ending of ['.csv', '.jsonl', '.xlsx']) {
    const again = newFile(ending); // what a batch made is read by another
    await run(output, again, capitals(), { prefix: 'new_' });
    expect((await openRows(again, [])).columns.slice(-4)).toEqual([
      'onebit_error',
      'new_loud',
      'new_length',
      'new_onebit_error',
    ]);
    expect(await isOwnFile(again, 'batch')).toBe(true);
  }
});

test('a column of any name is read as it is, and a template must name one', async () => {
  const texts = (reads: readonly string[], textOf: (row: RowTexts) => string) => [reads, textOf(strange)];
  const strange: RowTexts = { index: 0, text: (name) => ({ 'a {b}': 'one', '{c}': 'two', text: 'three' })[name] };
  const column = rowText({ column: '{c}' });
  expect(texts(column.reads, column)).toEqual([['{c}'], 'two']);
  const prompt = rowText({ prompt: '{{{text}}} {{ a {b} }}, {"x":{{text}}}' });
  expect(texts(prompt.reads, prompt)).toEqual([['text', 'a {b}'], '{three} one, {"x":three}']);
  expect(() => rowText({ prompt: 'Summarise: {text}' })).toThrow(/must name a column/);
  const empty: RowTexts = { index: 0, text: () => ' ' };
  expect(() => prompt(empty)).toThrow('the row must have a text in text or a {b}, it is empty');
  const file = await openRows(newFile('.jsonl', '{"text":"a","Text":"b"}\n{"Text":"c"}\n'), ['text']);
  expect(file.count).toBe(2);
});

test('a first line of any length is read in the time that it takes to read it', async () => {
  const input = newFile('.csv', `text,${'c,'.repeat(400_000)}last`);
  const began = performance.now();
  expect((await openRows(input, ['text'])).columns).toHaveLength(400_002);
  expect(performance.now() - began).toBeLessThan(10_000); // quadratic before
}, 30_000);

test('with columns of one name the whole output is known as one of these rows', async () => {
  const input = newFile('.csv', 'id,text,id,\n1,a,2,\n3,b,4,x\n');
  const other = newFile('.csv', 'id,text,id,\n1,a,2,\n3,b,5,x\n');
  const output = newFile('.csv');
  await run(input, output, capitals());
  expect(await holdsRowsOf(output, await openRows(input, ['text']), {})).toBe(true);
  expect(await holdsRowsOf(output, await openRows(other, ['text']), {})).toBe(false);
});

test('a sample is as large as was asked for, in order, and the same for the same seed', () => {
  const chosen = (seed: number) => {
    const isChosen = rowChooser(1000, { sample: 50, seed });
    return Array.from({ length: 1000 }, (_, i) => i).filter((i) => isChosen(i));
  };
  expect(chosen(1)).toHaveLength(50);
  expect(chosen(1)).toEqual(chosen(1));
  expect(chosen(1)).not.toEqual(chosen(2));
  expect(() => rowChooser(10, { sample: 1, limit: 1 })).toThrow(/Leave one out/);
});

test('a file that changes meanwhile is noticed before the output appears', async () => {
  const input = newFile('.csv', table(5));
  const output = newFile('.csv');
  const work = capitals();
  const file = await openRows(input, ['text']);
  writeFileSync(input, table(5).replace('word', 'ward'));
  await expect(runBatch(file, work, { output })).rejects.toThrow(/it has changed/);
  expect(existsSync(output)).toBe(false);
});

test('a workbook holds texts as texts, numbers as numbers, and says what was cut off; it is known as one that was made here', async () => {
  const long = 'x'.repeat(40_000);
  const input = newFile('.csv', `id,text\n1,=1+1\n2,"a\u0001\n b"\n3,${long}\n`);
  const output = newFile('.xlsx');
  const summary = await run(
    input,
    output,
    capitals({ fail: (row) => (row === 1 ? new OnebitError('too-long', 'no') : undefined) }),
  );
  expect(summary).toMatchObject({ rows: 3, failed: 1 });
  const back = await openRows(output, ['onebit_error']);
  expect(back.columns).toEqual(['id', 'text', 'loud', 'length', 'onebit_error']);
  const cells: (readonly (string | undefined)[])[] = [];
  for await (const row of back.rows()) cells.push(row.cells);
  expect(cells[0].slice(0, 4)).toEqual(['1', '=1+1', '=1+1', '4']);
  expect(cells[1][1]).toMatch(/^a\ufffd?\n b$/);
  expect(cells[1].at(-1)).toBe('no');
  expect(cells[2][2]).toHaveLength(32_767);
  expect(cells[2][4]).toMatch(/text was cut off at 32767 characters.*; loud was cut off/);
  expect(await isOwnFile(output, 'batch')).toBe(true);
  expect(existsSync(journalPath(output))).toBe(false);
});
