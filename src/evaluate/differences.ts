// Owns comparing two models on the same questions. Must not know what was asked.
import { type Estimate, meanOf } from './choices.ts';

export interface Difference {
  /** Share right of the first less that of the second, by question: the interval of paired differences. */
  readonly estimate: Estimate;
  /** Questions that only the second has right, and only the first. */
  readonly lost: readonly number[];
  readonly won: readonly number[];
}

/** Compares whether questions were right, in the same order. */
export function differencesOf(first: readonly boolean[], second: readonly boolean[]): Difference {
  const differences = first.map((right, i) => Number(right) - Number(second[i]));
  const where = (value: number) => differences.flatMap((difference, i) => (difference === value ? [i] : []));
  return { estimate: meanOf(differences), lost: where(-1), won: where(1) };
}
