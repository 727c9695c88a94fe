// Owns the growing list of ids that encoding writes, and the memory of words already encoded. Knows nothing of how they are encoded.
import { runSteps, type Steps } from '../core/steps.ts';

/** A list of token ids that grows. */
export class TokenList {
  #tokens = new Int32Array(256);
  #count = 0;

  get length(): number {
    return this.#count;
  }

  push(token: number): void {
    if (this.#count === this.#tokens.length) this.#reserve(1);
    this.#tokens[this.#count++] = token;
  }

  append(tokens: Int32Array): void {
    if (this.#count + tokens.length > this.#tokens.length) this.#reserve(tokens.length);
    const own = this.#tokens;
    for (let i = 0; i < tokens.length; i++) own[this.#count + i] = tokens[i];
    this.#count += tokens.length;
  }

  /** A copy of the ids so far. */
  toArray(): Int32Array {
    return this.#tokens.slice(0, this.#count);
  }

  #reserve(more: number): void {
    const grown = new Int32Array(Math.ceil(1.5 * (this.#count + more)));
    grown.set(this.#tokens);
    this.#tokens = grown;
  }
}

/** Longer words are rare and would fill memory. */
const LONGEST_WORD = 48;
/** About 10 MB at most; a full memory is emptied, which costs one more encoding a word. */
const MOST_WORDS = 65536;

/** Remembers the ids of short words, a bounded number of them. */
export class WordCache {
  readonly #words = new Map<string, Int32Array>();
  readonly #encode: (word: string) => Steps<Int32Array>;

  /** @param encode the ids of a word; always the same for the same word. */
  constructor(encode: (word: string) => Steps<Int32Array>) {
    this.#encode = encode;
  }

  /** The ids of source[from, to). */
  tokens(source: string, from: number, to: number): Int32Array {
    const word = source.slice(from, to);
    if (to - from > LONGEST_WORD) return runSteps(this.#encode(word));
    let tokens = this.#words.get(word);
    if (!tokens) {
      tokens = runSteps(this.#encode(word));
      if (this.#words.size >= MOST_WORDS) this.#words.clear();
      // A slice keeps all of its source alive: the key is made anew.
      this.#words.set(detached(word), tokens);
    }
    return tokens;
  }
}

/** The same text in memory of its own. */
function detached(word: string): string {
  const units = new Uint16Array(word.length);
  for (let i = 0; i < word.length; i++) units[i] = word.charCodeAt(i);
  return String.fromCharCode.apply(null, units as unknown as number[]);
}
