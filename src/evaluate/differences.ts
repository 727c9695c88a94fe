// Owns comparing two models on the same questions. Must not know what was asked. Source of the interval: Newcombe (1998), Statistics in Medicine 17, 2635, method 10.
import { type Estimate, meanOf, shareOf } from './choices.ts';

export interface Difference {
  /** Share right of the first less that of the second: the interval of paired shares, which is one also where both are right on the same questions. */
  readonly estimate: Estimate;
  /** Questions that only the second has right, and only the first. */
  readonly lost: readonly number[];
  readonly won: readonly number[];
}

/** Compares whether questions were right, in the same order. */
export function differencesOf(first: readonly boolean[], second: readonly boolean[]): Difference {
  const differences = first.map((right, i) => Number(right) - Number(second[i]));
  const where = (value: number) => differences.flatMap((difference, i) => (difference === value ? [i] : []));
  const [lost, won] = [where(-1), where(1)];
  const { value, stderr } = meanOf(differences);
  const [one, other] = [shareOf(first), shareOf(second)];
  const phi = correlation(first, second, lost.length, won.length);
  const down = reach(one.value - one.from, other.to - other.value, phi);
  const up = reach(one.to - one.value, other.value - other.from, phi);
  return { estimate: { value, stderr, from: value - down, to: value + up }, lost, won };
}

function reach(a: number, b: number, phi: number): number {
  return Math.sqrt(Math.max(0, a * a - 2 * phi * a * b + b * b));
}

/** How much being right goes together; with the correction for continuity. */
function correlation(first: readonly boolean[], second: readonly boolean[], lost: number, won: number): number {
  const n = first.length;
  const both = first.filter((right, i) => right && second[i]).length;
  const neither = n - both - lost - won;
  const margins = (both + won) * (lost + neither) * (both + lost) * (won + neither);
  const together = both * neither - won * lost;
  return margins === 0 ? 0 : (together > 0 ? Math.max(0, together - n / 2) : together) / Math.sqrt(margins);
}
