// Owns noticing that a text only repeats itself. Must not know text: it sees tokens.

/** Longest passage whose repetition is seen, in tokens. */
const LONGEST = 128;
/**
 * A loop is a passage that came so often in a row, and filled so many tokens. Fewer cut what people write: equal rows of tables, empty items, rules of dashes
 * (docs/experiments.md).
 */
const LEAST_TIMES = 6;
const LEAST_TOKENS = 128;

/** Watches the tokens of one answer. */
export class LoopGuard {
  private readonly tokens: number[] = [];
  /** By length of a passage: how many of the newest tokens equal those so many places before them. */
  private readonly runs = new Int32Array(LONGEST + 1);

  /** Takes the next token, and says whether the text has run into a loop. About 100 ns. */
  push(token: number): boolean {
    const { tokens, runs } = this;
    const at = tokens.length;
    tokens.push(token);
    let loops = false;
    for (let length = 1; length <= Math.min(LONGEST, at); length++) {
      runs[length] = tokens[at - length] === token ? runs[length] + 1 : 0;
      if (runs[length] + length >= Math.max(LEAST_TOKENS, LEAST_TIMES * length)) loops = true;
    }
    return loops;
  }
}
