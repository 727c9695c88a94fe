// Owns what generation knows of structured output: which tokens may come next. Knows neither schemas nor how masks are made.

/** Says which tokens may follow, for any number of generations; each starts a matcher of its own. */
export interface Constraint {
  matcher(): Matcher;
  /** Memory that it holds by now, in bytes, where that is known: what is learnt while it is followed stays. */
  readonly bytes?: number;
}

/** Follows one generation token by token. */
export interface Matcher {
  /**
   * The tokens allowed next: bit `token % 32` of word `token / 32`. Tokens that end generation are allowed exactly where the text is complete.
   * Never empty. Valid until the next call; must not be changed.
   */
  mask(): Uint32Array;
  /** Makes the next mask with turns of the event loop in between, where it takes long; `mask` returns it then. @throws OnebitError `over-budget` */
  prepare?(): Promise<void>;
  /** Moves on by a token. @throws OnebitError `bad-argument` when the mask does not allow it */
  accept(token: number): void;
  /** Whether the text so far is complete: the generation may end here. */
  readonly isComplete: boolean;
  /** Whether the text is complete and nothing can follow: the generation ends here. */
  readonly isFinished: boolean;
}

/** Makes all logits −∞ whose tokens `mask` does not allow; tokens beyond the mask are not allowed. */
export function applyMask(logits: Float32Array, mask: Uint32Array): void {
  for (let word = 0, from = 0; from < logits.length; word++, from += 32) {
    const bits = word < mask.length ? mask[word] : 0;
    if (bits === 0xffffffff) continue;
    const to = Math.min(from + 32, logits.length);
    if (bits === 0) logits.fill(Number.NEGATIVE_INFINITY, from, to);
    else for (let token = from; token < to; token++) if (!((bits >>> (token - from)) & 1)) logits[token] = -Infinity;
  }
}
