import { expect, test } from 'vitest';
import { printable, printableJson, printableLines } from './printable.ts';

const hostile = 'a\x1b[31mred\x9b2J\r\nnext\u202egnp.exe\u2066\u200f\u{e0041}\u2028z';

test('nothing is left that a terminal obeys or that reorders text', () => {
  expect(printable(hostile)).toBe('a\\x1b[31mred\\x9b2J\\r\\nnext\\u202egnp.exe\\u2066\\u200f\\u{e0041}\\u2028z');
  expect(printableLines('a\tb\nc\x07')).toBe('a\tb\nc\\x07');
});

test('ordinary text of any script stays', () => {
  for (const text of ['Grüße, 世界!', 'क्‍ष می‌خواهم', '👩🏽‍💻', 'שלום', 'e\u0301']) expect(printable(text)).toBe(text);
});

test('JSON reads back the same', () => {
  const json = printableJson({ [hostile]: [hostile, '\ud800'] }, 2);
  for (const char of '\x1b\x9b\u202e\u2028') expect(json).not.toContain(char);
  expect(JSON.parse(json)).toEqual({ [hostile]: [hostile, '\ud800'] });
});
