import { expect, test } from 'vitest';
import { Random } from './random.ts';

test('from state 1, 2, 3, 4 it gives the sequence of the reference xoshiro128** 1.1', () => {
  const random = new Random(0);
  random.state.set([1, 2, 3, 4]);
  // Made by the authors' xoshiro128starstar.c (1.1); the Rust crate rand_xoshiro and .NET's runtime test against the same numbers.
  const expected = [
    11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
  ];
  expect(expected.map(() => random.uint32())).toEqual(expected);
});

test('the same seed gives the same numbers, other seeds others, fractions count', () => {
  const first = (seed: number) => new Random(seed).uint32();
  expect(first(7)).toBe(first(7));
  expect(new Set([0, 1, 1.5, -1, 2, 2 ** 40, 2 ** 40 + 1].map(first)).size).toBe(7);
});

test('a restored state continues the sequence', () => {
  const random = new Random(3);
  random.normal();
  const copy = new Random(0);
  copy.state.set(random.state);
  expect([copy.normal(), copy.uniform(), copy.below(10)]).toEqual([
    random.normal(),
    random.uniform(),
    random.below(10),
  ]);
});

test('uniform stays in [0, 1) with mean 1/2 and below covers its range evenly', () => {
  const random = new Random(4);
  const counts = new Array(10).fill(0);
  let sum = 0;
  for (let i = 0; i < 100_000; i++) {
    const x = random.uniform();
    if (!(x >= 0 && x < 1)) throw new Error(`uniform gave ${x}`);
    sum += x;
    counts[random.below(10)]++;
  }
  expect(sum / 100_000).toBeCloseTo(0.5, 2);
  for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
});

test('normal has mean 0, deviation 1 and the share of a bell curve beyond 2', () => {
  const random = new Random(5);
  let sum = 0;
  let squares = 0;
  let beyond = 0;
  const n = 100_000;
  for (let i = 0; i < n; i++) {
    const x = random.normal();
    sum += x;
    squares += x * x;
    if (Math.abs(x) > 2) beyond++;
  }
  expect(Math.abs(sum / n)).toBeLessThan(0.015);
  expect(Math.abs(squares / n - 1)).toBeLessThan(0.02);
  expect(Math.abs(beyond / n - 0.0455)).toBeLessThan(0.004);
});
