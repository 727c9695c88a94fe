// Owns long lists of words, followed by narrowing a range of the sorted list: memory for the words, and no states.
import type { Followed } from './language.ts';

/** Words from `from` to before `to` share their first `depth` bytes. */
interface Narrowed {
  readonly from: number;
  readonly to: number;
  readonly depth: number;
}

/** One of `words` (one byte per character), each followed by its end. */
export class WordList implements Followed {
  readonly start: Narrowed;
  private readonly words: readonly string[];

  constructor(words: readonly string[]) {
    this.words = [...new Set(words)].sort();
    this.start = { from: 0, to: this.words.length, depth: 0 };
  }

  step({ from, to, depth }: Narrowed, byte: number): Narrowed | undefined {
    const low = this.firstWith(from, to, depth, byte);
    const high = this.firstWith(low, to, depth, byte + 1);
    return low < high ? { from: low, to: high, depth: depth + 1 } : undefined;
  }

  mayEnd({ from, depth }: Narrowed): boolean {
    return this.words[from].length === depth;
  }

  key({ from, to, depth }: Narrowed): string {
    return `${from}-${to}-${depth}`;
  }

  /** The first word of the range whose byte at `depth` is at least `byte`; a word that ends there comes before all. */
  private firstWith(from: number, to: number, depth: number, byte: number): number {
    let [low, high] = [from, to];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const word = this.words[middle];
      if (word.length > depth && word.charCodeAt(depth) >= byte) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
