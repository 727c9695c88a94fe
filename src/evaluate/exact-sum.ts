// Owns the exact distribution of a sum of independent scores: how likely a sum at least as large as the one seen is by chance. Must not know what was drawn.

/** One draw: what could come, how likely by chance and what it scores, and what came. */
export interface Draw {
  readonly chances: ArrayLike<number>;
  readonly scores: ArrayLike<number>;
  /** Index of what came. */
  readonly seen: number;
}

/** Steps into which the sum seen is cut, at most; rounding scores costs power, never exactness, as the rounded scores are the test's own. */
const MOST_STEPS = 2048;
const FINEST = 1 / 32;

/**
 * The chance that the scores of `draws` sum to at least what they do. 1 for no draws; sums of positive terms only, so that small ones are as exact as
 * large ones. Takes time as draws times steps times outcomes.
 */
export function exactPValue(draws: readonly Draw[]): number {
  // The least score of a draw is its zero.
  const above = draws.map(({ scores, seen }) => ({ least: leastOf(scores), seen: scores[seen] }));
  const seenSum = above.reduce((sum, { least, seen }) => sum + seen - least, 0);
  const unit = Math.max(FINEST, seenSum / MOST_STEPS);
  const steps = draws.map(({ scores, chances }, i) => stepsOf(scores, chances, above[i].least, unit));
  const seen = draws.reduce((sum, { scores, seen }, i) => sum + stepOf(scores[seen] - above[i].least, unit), 0);
  if (seen === 0) return 1;
  // Chances of each sum below `seen`, and of reaching it, which is never left again.
  let below = new Float64Array(seen);
  let next = new Float64Array(seen);
  below[0] = 1;
  let reached = 0;
  let largest = 0;
  for (const outcomes of steps) {
    next.fill(0);
    let end = 0;
    for (const [step, chance] of outcomes) {
      const kept = Math.min(largest, seen - 1 - step);
      for (let sum = 0; sum <= kept; sum++) next[sum + step] += below[sum] * chance;
      for (let sum = Math.max(0, kept + 1); sum <= largest; sum++) reached += below[sum] * chance;
      end = Math.max(end, kept + step);
    }
    [below, next] = [next, below];
    largest = Math.max(0, end);
  }
  return Math.min(1, reached);
}

function leastOf(scores: ArrayLike<number>): number {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < scores.length; i++) least = Math.min(least, scores[i]);
  return least;
}

function stepOf(score: number, unit: number): number {
  return Math.round(score / unit);
}

/** Chances by steps: outcomes that round to the same score are one. */
function stepsOf(
  scores: ArrayLike<number>,
  chances: ArrayLike<number>,
  least: number,
  unit: number,
): Map<number, number> {
  const steps = new Map<number, number>();
  for (let i = 0; i < scores.length; i++) {
    const step = stepOf(scores[i] - least, unit);
    steps.set(step, (steps.get(step) ?? 0) + chances[i]);
  }
  return steps;
}
