import { expect, test } from 'vitest';
import { LoopGuard } from './loop-guard.ts';

function stopsAt(tokens: readonly number[]): number | undefined {
  const guard = new LoopGuard();
  const at = tokens.findIndex((token) => guard.push(token));
  return at < 0 ? undefined : at + 1;
}
const times = (count: number, passage: readonly number[]) => Array.from({ length: count }, () => passage).flat();
const range = (length: number, from = 0) => Array.from({ length }, (_, i) => from + i);

test('one token again and again is a loop after 128, a sentence after six times', () => {
  expect(stopsAt(times(200, [7]))).toBe(128);
  expect(stopsAt([...range(30, 500), ...times(10, range(20))])).toBe(30 + 128);
  expect(stopsAt([...range(30, 500), ...times(10, range(40))])).toBe(30 + 240);
  expect(stopsAt(times(9, range(128)))).toBe(768);
});

test('a sentence said five times, a list, a table with equal rows and a rule are none', () => {
  expect(stopsAt([...times(5, range(40)), ...range(40, 100), ...times(5, range(40))])).toBeUndefined();
  expect(stopsAt(range(300).flatMap((i) => [1, 2, 1000 + i, 3]))).toBeUndefined();
  expect(stopsAt([...times(127, [5]), 9, ...times(127, [5])])).toBeUndefined();
  expect(stopsAt([...range(20, 500), ...times(10, range(12))])).toBeUndefined();
});

test('a loop that begins after other text is found as soon as one that begins at once', () => {
  const passage = range(12);
  expect(stopsAt([...range(1000, 50), ...times(20, passage)])).toBe(1000 + 128);
});
