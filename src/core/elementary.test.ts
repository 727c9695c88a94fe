import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { cosSin, exp, lengthOf, log, power } from './elementary.ts';
import { Random } from './random.ts';

const random = new Random(1);
const spread = (low: number, high: number) =>
  Array.from({ length: 20_000 }, () => low + (high - low) * random.uniform());
const exponents = spread(-700, 700);
const numbers = [...exponents.map((x) => Math.exp(x)), ...spread(0.5, 2)];
const angles = [...spread(-10, 10), ...spread(-1e6, 1e6)];

/** Largest distance of `found` from `expected`, in units of `scale(expected)` times 2⁻⁵². */
function unitsOff(found: number[], expected: number[], scale = Math.abs): number {
  return Math.max(...found.map((value, i) => Math.abs(value - expected[i]) / scale(expected[i]))) * 2 ** 52;
}

describe('elementary functions', () => {
  test("agree with the engine's own", () => {
    expect(unitsOff(exponents.map(exp), exponents.map(Math.exp))).toBeLessThanOrEqual(2);
    expect(unitsOff(numbers.map(log), numbers.map(Math.log))).toBeLessThanOrEqual(2);
    const found = angles.map((angle) => cosSin(angle));
    const one = () => 1;
    expect(
      unitsOff(
        found.map(([cos]) => cos),
        angles.map(Math.cos),
        one,
      ),
    ).toBeLessThanOrEqual(2);
    expect(
      unitsOff(
        found.map(([, sin]) => sin),
        angles.map(Math.sin),
        one,
      ),
    ).toBeLessThanOrEqual(2);
  });

  test('give these bits in every engine', () => {
    const values = [
      ...spread(-50, 0).map(exp),
      ...spread(0, 1000).map(log),
      ...spread(0, 4096).flatMap((x) => [...cosSin(x)]),
    ];
    const digest = createHash('sha256').update(Float64Array.from(values)).digest('hex');
    expect(digest).toBe('7739ca033e1a8cfc64d6428e10389905702b4552648419e751a8072b9d86b3a0');
  });

  test('powers and lengths are what they should be', () => {
    expect([power(3, 0), power(3, 5), power(0.5, 40), power(-2, 3)]).toEqual([1, 243, 2 ** -40, -8]);
    expect(unitsOff([power(0.999, 1000)], [0.999 ** 1000])).toBeLessThanOrEqual(100);
    expect([lengthOf([]), lengthOf([3, 4]), lengthOf(Float32Array.of(-2))]).toEqual([0, 5, 2]);
  });

  test('at the ends of their ranges', () => {
    expect([exp(0), exp(-1000), exp(Number.NEGATIVE_INFINITY), exp(Number.NaN)]).toEqual([1, 0, 0, Number.NaN]);
    expect([exp(711), exp(1e9), exp(Number.POSITIVE_INFINITY)]).toEqual(new Array(3).fill(Number.POSITIVE_INFINITY));
    expect(unitsOff([exp(709.7)], [Math.exp(709.7)])).toBeLessThanOrEqual(4);
    expect([log(1), log(Number.POSITIVE_INFINITY), log(Number.NaN)]).toEqual([0, Number.POSITIVE_INFINITY, Number.NaN]);
    expect([log(0), log(-1)]).toEqual([Number.NEGATIVE_INFINITY, Number.NaN]);
    expect(unitsOff([log(2 ** -1060)], [Math.log(2 ** -1060)])).toBeLessThanOrEqual(2);
    expect(unitsOff([exp(709), log(2 ** -1022)], [Math.exp(709), Math.log(2 ** -1022)])).toBeLessThanOrEqual(2);
    expect(unitsOff([log(Number.MAX_VALUE)], [Math.log(Number.MAX_VALUE)])).toBeLessThanOrEqual(1);
    expect([...cosSin(0)]).toEqual([1, 0]);
  });
});
