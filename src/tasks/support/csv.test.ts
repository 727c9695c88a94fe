import { expect, test } from 'vitest';
import { parseCsv } from './csv.ts';

const fields = (text: string) => parseCsv(text).map((record) => record.fields);

test('quoted fields hold separators, quotes and line breaks', () => {
  expect(fields('a,"b, c","say ""hi""",\r\n"two\nlines",x\n')).toEqual([
    ['a', 'b, c', 'say "hi"', ''],
    ['two\nlines', 'x'],
  ]);
  expect(fields('\ufeffa,b')).toEqual([['a', 'b']]);
  expect(fields('')).toEqual([]);
});

test('records know their line, empty lines are left out', () => {
  expect(parseCsv('a,b\n\n"x\ny",2\nz,3').map(({ line }) => line)).toEqual([1, 3, 5]);
});

test('a quote that is never closed is named with its line', () => {
  expect(() => parseCsv('a,b\nc,"d\ne')).toThrow(/opened on line 2 must be closed/);
});
