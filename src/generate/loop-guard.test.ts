import { expect, test } from 'vitest';
import { LoopGuard } from './loop-guard.ts';

function stopsAt(tokens: readonly number[]): number | undefined {
  const guard = new LoopGuard();
  const at = tokens.findIndex((token) => guard.push(token));
  return at < 0 ? undefined : at + 1;
}
const times = (count: number, passage: readonly number[]) => Array.from({ length: count }, () => passage).flat();
const range = (length: number, from = 0) => Array.from({ length }, (_, i) => from + i);

test('one token again and again is a loop after 48, a sentence after four times', () => {
  expect(stopsAt(times(100, [7]))).toBe(48);
  expect(stopsAt([...range(30, 500), ...times(10, range(20))])).toBe(30 + 80);
  expect(stopsAt(times(9, range(128)))).toBe(512);
});

test('a sentence said three times, a list and a table are none', () => {
  expect(stopsAt([...times(3, range(40)), ...range(40, 100), ...times(3, range(40))])).toBeUndefined();
  expect(stopsAt(range(300).flatMap((i) => [1, 2, 1000 + i, 3]))).toBeUndefined();
  expect(stopsAt([...times(40, [5]), 9, ...times(40, [5])])).toBeUndefined();
});

test('a loop that begins after other text is found as soon as one that begins at once', () => {
  const passage = range(12);
  expect(stopsAt([...range(1000, 50), ...times(20, passage)])).toBe(1000 + 48);
});
