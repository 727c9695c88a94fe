import { expect, test } from 'vitest';
import { checkRows, parseQueries, parseRows, readRows } from './rows.ts';

test('CSV and JSON lines give the same rows', () => {
  const csv = parseRows('Intent,Text,answer\nrefund,"money, please",Soon\nhours,open?,\n');
  const json = parseRows(
    '{"text":"money, please","intent":"refund","answer":"Soon"}\n{"text":"open?","intent":"hours"}\n',
    'a.jsonl',
  );
  expect(csv).toEqual([
    { text: 'money, please', intent: 'refund', answer: 'Soon', row: 2 },
    { text: 'open?', intent: 'hours', row: 3 },
  ]);
  expect(json.map(({ row: _, ...rest }) => rest)).toEqual(csv.map(({ row: _, ...rest }) => rest));
});

test('what cannot be read says where', () => {
  expect(() => parseRows('question,label\na,b')).toThrow(/must name the columns text and intent, got "question,label"/);
  expect(() => parseRows('{"text":"a","intent":"b"}\n{"text":1,"intent":"b"}', 'x.jsonl')).toThrow(
    /text of row 2 must be a string, got 1/,
  );
  expect(() => parseRows('{"text":', 'x.jsonl')).toThrow(/row 1 must be a JSON object/);
});

test('rows without text or intent are refused with their numbers', () => {
  const rows = parseRows('text,intent\nhello,greet\n"  ",greet\nbye,\nsee you,part\n');
  expect(() => checkRows(rows)).toThrow(/row 3 has no text, row 4 has no intent/);
});

test('one intent is refused, also beside rows out of scope', () => {
  const rows = [...'abc'].map((text) => ({ text, intent: 'only' }));
  expect(() => checkRows(rows)).toThrow(/at least two intents, got only "only"/);
  expect(() => checkRows([...rows, { text: 'x', intent: 'oos' }])).toThrow(/at least two intents/);
  expect(() => checkRows([])).toThrow(/at least two intents, got none/);
});

test('more rows than memory is meant for are refused with the limit', () => {
  const row = { text: 'Hello', intent: 'greet' };
  expect(() => checkRows(new Array(200_001).fill(row))).toThrow(/at most 200000 rows are taken, got 200001/);
});

test('duplicates are kept once, contradictions are kept and reported with their rows', () => {
  const rows = [
    { text: 'Hello', intent: 'greet', row: 2 },
    { text: 'hello ', intent: 'greet', answer: 'Hi', row: 3 },
    { text: 'hello', intent: 'part', row: 9 },
  ];
  const { rows: kept, notices } = checkRows(rows);
  expect(kept).toEqual([
    { text: 'Hello', intent: 'greet', answer: 'Hi', row: 2 },
    { text: 'hello', intent: 'part', row: 9 },
  ]);
  expect(notices.join(' ')).toMatch(/1 rows repeat.*rows 2 \(greet\) and 9 \(part\)/);
});

test('invisible characters, spaces and apostrophes make no other text and no other intent', () => {
  const { rows } = checkRows([
    { text: 'Don\u2019t re\u00adfund\u00a0me', intent: 'a' },
    { text: "don't refund  me", intent: 'a\u200b' },
    { text: 'x', intent: 'b' },
  ]);
  expect(rows.map(({ intent }) => intent)).toEqual(['a', 'b']);
  expect(() => checkRows([{ text: '\u200b\u00ad', intent: 'a' }])).toThrow(/row 1 has no text/);
});

test('queries without labels come from lines, CSV and JSON lines', () => {
  expect(parseQueries('one\n\ntwo, three\r\n')).toEqual(['one', 'two, three']);
  expect(parseQueries('id,text\n1,"a, b"\n', 'q.csv')).toEqual(['a, b']);
  expect(parseQueries('\ufefftext\tid\r\na, b\t1\r\n', 'unicode.txt')).toEqual(['a, b']);
  expect(() => parseQueries('id,query\n1,a\n', 'q.csv')).toThrow(/must name the column text, got "id,query"/);
  expect(parseQueries('{"text":"x"}\n', 'q.jsonl')).toEqual(['x']);
});

test('rows that cannot be learnt are told and left out where that is wanted', async () => {
  const lines = [
    { text: 'fly to Rome', intent: 'flight', slots: [{ label: 'to', start: 7, end: 11 }] },
    { text: ' ', intent: 'flight' },
    { text: 'a Ford', intent: 'car', slots: [{ label: '', start: 2, end: 6 }] },
    { text: 'hello', intent: '' },
    { text: 'hello' },
    { text: 'a car', intent: 'car' },
  ];
  const bytes = new TextEncoder().encode(lines.map((line) => JSON.stringify(line)).join('\n'));
  await expect(readRows(bytes, 'x.jsonl')).rejects.toThrow(/row 3: slots must have labels/);
  const problems: string[] = [];
  const rows = await readRows(bytes, 'x.jsonl', { problems });
  expect(rows.map(({ row }) => row)).toEqual([1, 6]);
  for (const [i, told] of ['row 2 has no text', 'row 3: slots', 'row 4 has no intent', 'intent of row 5'].entries())
    expect(problems[i]).toContain(told);
  expect(problems.length).toBe(4);
  const table: string[] = [];
  expect(parseRows('text,intent\nhello,greet\n,greet\nbye,', 'x.csv', { problems: table })).toHaveLength(1);
  expect(table).toEqual(['row 3 has no text', 'row 4 has no intent']);
});
