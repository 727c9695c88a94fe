// Owns guessing what follows by looking it up in what was said: the last tokens have occurred before, so what followed them then may follow now.
// The model checks all guesses in one step; wrong ones cost time, never correctness. Source: prompt look-up decoding (A. Saxena, 2023).

/** Longest and shortest run of tokens that must have occurred before. */
const LONGEST_MATCH = 4;
const SHORTEST_MATCH = 2;
/** How far back it looks: far enough for a long document, near enough to cost microseconds. */
const FARTHEST = 8192;

/** Up to `count` tokens that followed the latest earlier occurrence of the end of `history`; none where there is none. */
export function lookUp(history: readonly number[], count: number): number[] {
  const last = history.length - 1;
  let bestLength = SHORTEST_MATCH - 1;
  let bestEnd = -1;
  for (let end = last - 1; end >= Math.max(0, last - FARTHEST) && bestLength < LONGEST_MATCH; end--) {
    let length = 0;
    while (length < LONGEST_MATCH && end - length >= 0 && history[end - length] === history[last - length]) length++;
    if (length > bestLength) {
      bestLength = length;
      bestEnd = end;
    }
  }
  return bestEnd < 0 ? [] : history.slice(bestEnd + 1, bestEnd + 1 + count);
}
