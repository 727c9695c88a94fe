// Owns which rows of the logits can be chosen: those whose token exists. Files have more rows than tokens (padding), and ids that stand for nothing.
import { OnebitError } from '../errors.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';

/** The rows of a model that may be chosen. */
export class Choosable {
  /** Rows from here on have no token. */
  readonly length: number;
  /** Rows before it that have none, in order: few models have any. */
  readonly gaps: readonly number[];
  private readonly isGap: ReadonlySet<number>;

  /** @param length rows that may be chosen but for the gaps; at least one of them must be left */
  constructor(length: number, gaps: readonly number[] = []) {
    this.length = length;
    this.gaps = gaps;
    this.isGap = new Set(gaps);
  }

  /** Whether row `token` may be chosen. */
  has(token: number): boolean {
    return token < this.length && !this.isGap.has(token);
  }

  /** Makes the logits of all rows that have no token −∞. */
  exclude(logits: Float32Array): void {
    logits.fill(Number.NEGATIVE_INFINITY, this.length);
    for (const gap of this.gaps) logits[gap] = Number.NEGATIVE_INFINITY;
  }
}

/** The rows of a model whose tokens exist: not of type unused, and with a text. @throws OnebitError `bad-file` where there is none */
export function choosableOf(tokenizer: Tokenizer): Choosable {
  const unused: number[] = [];
  let length = 0;
  for (let token = 0; token < tokenizer.vocabularySize; token++) {
    if (tokenizer.isUnused(token)) unused.push(token);
    else length = token + 1;
  }
  if (length === 0) {
    throw new OnebitError('bad-file', 'load: at least one token must have a text, got none. Convert the model again.');
  }
  return new Choosable(
    length,
    unused.filter((token) => token < length),
  );
}
