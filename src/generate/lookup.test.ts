import { expect, test } from 'vitest';
import { lookUp } from './lookup.ts';

test('gives what followed the latest longest occurrence of the last tokens', () => {
  expect(lookUp([1, 2, 3, 4, 5, 9, 2, 3], 2)).toEqual([4, 5]);
  expect(lookUp([7, 2, 3, 4, 1, 2, 3, 5, 6, 7, 2, 3], 1)).toEqual([4]); // three tokens match, not only two
  expect(lookUp([2, 3, 4, 2, 3, 5, 2, 3], 1)).toEqual([5]);
});

test('gives no more than there is, and nothing where one token alone repeats', () => {
  expect(lookUp([1, 2, 1, 2], 5)).toEqual([1, 2]);
  expect(lookUp([1, 2, 3, 1], 5)).toEqual([]);
  expect(lookUp([], 5)).toEqual([]);
  expect(lookUp([4], 5)).toEqual([]);
});
