import { expect, test } from 'vitest';
import { beginsTable, parseTable } from './table.ts';

const wanted = ['text', 'intent'];
const table = (text: string) => parseTable(text, 'q.csv', wanted);
const lines = (...all: string[]) => `${all.join('\r\n')}\r\n`;

test.each([
  ['commas', ',', lines('text,intent', 'hi,greet')],
  ['semicolons and a mark', ';', `\ufeff${lines('Text;Intent', 'hi;greet')}`],
  ['tabs', '\t', lines('text\tintent', 'hi\tgreet')],
  ['a first line that says it', '|', lines('sep=|', 'text|intent', 'hi|greet')],
  ['a first line that says it, in quotes', ';', `\ufeff${lines('"sep=;"', '"text";"intent"', 'hi;greet')}`],
])('%s', (_, separator, text) => {
  const { columns, rows, separator: found } = table(text);
  expect([columns.map((name) => name.toLowerCase()), found]).toEqual([wanted, separator]);
  expect(rows).toEqual([{ line: text.includes('sep=') ? 3 : 2, fields: ['hi', 'greet'] }]);
});

test('quoted fields hold separators, quotes and line breaks; blank rows are left out; rows know their line', () => {
  const text = 'text,intent\n"a, ""b""\nc",x\n\n  \n,\nd,y\r\n';
  expect(table(text).rows).toEqual([
    { line: 2, fields: ['a, "b"\nc', 'x'] },
    { line: 7, fields: ['d', 'y'] },
  ]);
});

test.each(['\n', '\r\n', '\r'])('rows know their line whatever ends lines in cells and outside (%j)', (end) => {
  for (const within of ['\n', '\r\n', '\r', '\r\n\r\n']) {
    const text = [',', 'text,intent', `"a${within}b",x`, `"${within}",`, 'c,y', 'd"e,z'].join(end);
    const breaks = within.match(/\r\n|\n|\r/g)!.length;
    expect(() => table(text)).toThrow(`row ${6 + 2 * breaks} must`);
    expect(table(text.replace('"e', '')).rows.map(({ line }) => line)).toEqual([3, 5 + 2 * breaks, 6 + 2 * breaks]);
  }
});

test.each([';', ',', '\t'])('rows of nothing but %j before the header are blank', (separator) => {
  const text = `${separator}\r\n""${separator}""\r\n\r\n${['text', 'intent'].join(separator)}\r\n${['a', 'b'].join(separator)}`;
  expect(table(text)).toMatchObject({ columns: wanted, rows: [{ line: 5, fields: ['a', 'b'] }] });
});

test.each([
  [
    'a quote that swallows other rows',
    'text,intent\na,x\n"b,x\nc,x\n"d",x\n',
    /row 3 must be separated values, but after the quote/,
  ],
  [
    'a quote that is never closed',
    'text,intent\n\na,x\n"b,x\nc,x\n',
    /row 4 must .* a quote is opened and never closed/,
  ],
  ['a quote inside a field', 'text,intent\na "b" c,x\n', /row 2 must .* inside a field/],
  ['after a line that names the separator', 'sep=;\ntext;intent\na;x\nb"c;x\n', /row 4 must/],
  [
    'fields too many and too few',
    'text,intent\na,x\nb, c,x\nd\n',
    /the 2 fields of the first line, but row 3 has 3, row 4 has 1/,
  ],
  ['other names', 'query;label\na;x\n', /must name the columns text and intent, got "query,label"/],
  ['two columns of one name', 'text,intent,Text\na,x,b\n', /one column must be named text/],
  ['an empty file', '', /got an empty file/],
])('%s: refused by row', (_, text, message) => {
  expect(() => table(text)).toThrow(message);
});

test('a header is told from a query', () => {
  expect(['text\tid\n', 'id;text;intent\n', 'sep=;\n'].map((text) => beginsTable(text, ['text']))).toEqual([
    true,
    true,
    true,
  ]);
  expect(['text, call or mail?\n', 'text\n', 'where is it\n'].map((text) => beginsTable(text, ['text']))).toEqual([
    false,
    false,
    false,
  ]);
});
