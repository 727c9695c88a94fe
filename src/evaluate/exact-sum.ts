// Owns the exact distribution of a weighted sum of independent yes-or-no draws: how likely a sum at least as large as the one seen is by chance. Must not
// know what was drawn.

/** One draw: how likely it is a hit by chance, whether it was one, and what a hit weighs. */
export interface Draw {
  readonly chance: number;
  readonly hit: boolean;
  readonly weight: number;
}

/** Steps into which the sum seen is cut, at most; rounding weights costs power, never exactness, as the rounded weights are the test's own. */
const MOST_STEPS = 2048;
const FINEST = 1 / 32;

/**
 * The chance that the hits of `draws` weigh at least as much as they do. 1 for no draws; sums of positive terms only, so that small ones are as exact as
 * large ones. Takes time as draws times steps.
 */
export function exactPValue(draws: readonly Draw[]): number {
  const seenWeight = draws.reduce((sum, { hit, weight }) => sum + (hit ? weight : 0), 0);
  const unit = Math.max(FINEST, seenWeight / MOST_STEPS);
  const steps = draws.map(({ weight }) => Math.max(1, Math.round(weight / unit)));
  const seen = draws.reduce((sum, { hit }, i) => sum + (hit ? steps[i] : 0), 0);
  if (seen === 0) return 1;
  // Chances of each sum below `seen`, and of reaching it, which is never left again.
  let below = new Float64Array(seen);
  let next = new Float64Array(seen);
  below[0] = 1;
  let reached = 0;
  let largest = 0;
  for (const [i, { chance }] of draws.entries()) {
    const step = steps[i];
    for (let sum = Math.max(0, seen - step); sum <= largest; sum++) reached += below[sum] * chance;
    const end = Math.min(seen - 1, largest + step);
    for (let sum = 0; sum <= end; sum++) {
      next[sum] = (sum <= largest ? below[sum] * (1 - chance) : 0) + (sum >= step ? below[sum - step] * chance : 0);
    }
    [below, next] = [next, below];
    largest = end;
  }
  return Math.min(1, reached);
}
