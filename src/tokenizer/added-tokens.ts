// Owns finding added tokens (control and user-defined) in text before it is split into words. Knows texts and ids only.
// Source: llama.cpp's order: the longest token first wherever it stands, then the next longest in what is left. (The tokenizers library
// takes the leftmost first; they differ only where the texts of two added tokens overlap.)

interface Node {
  readonly next: Map<number, Node>;
  /** The token that ends here, or −1. */
  token: number;
}

interface Candidate {
  readonly at: number;
  readonly token: number;
}

/** A set of tokens that are found in text as a whole. */
export class AddedTokens {
  readonly #root: Node = { next: new Map(), token: -1 };
  readonly #texts: readonly string[];
  readonly #byteLengths = new Map<number, number>();

  /**
   * @param texts of all tokens, by id, in the units of the sources to come.
   * @param tokens the ids to be found, each with a text of at most a few hundred characters.
   * @param byteLength bytes of UTF-8 in the text of a token.
   */
  constructor(texts: readonly string[], tokens: readonly number[], byteLength: (token: number) => number) {
    this.#texts = texts;
    for (const token of tokens) {
      let node = this.#root;
      for (let i = 0; i < texts[token].length; i++) {
        const unit = texts[token].charCodeAt(i);
        let child = node.next.get(unit);
        if (!child) {
          child = { next: new Map(), token: -1 };
          node.next.set(unit, child);
        }
        node = child;
      }
      node.token = token;
      this.#byteLengths.set(token, byteLength(token));
    }
  }

  /** Calls `text(from, to)` for each stretch without added tokens and `added(token)` for each added token, from left to right. */
  partition(source: string, text: (from: number, to: number) => void, added: (token: number) => void): void {
    let from = 0;
    for (const { at, token } of this.#find(source)) {
      if (at > from) text(from, at);
      added(token);
      from = at + this.#texts[token].length;
    }
    if (from < source.length) text(from, source.length);
  }

  #find(source: string): Candidate[] {
    const { next } = this.#root;
    if (next.size === 0) return [];
    const found: Candidate[] = [];
    const only = next.size === 1 ? String.fromCharCode([...next.keys()][0]) : undefined;
    let overlaps = false;
    let free = 0;
    for (let at = 0; at < source.length; at++) {
      if (only !== undefined) {
        at = source.indexOf(only, at);
        if (at < 0) break;
      } else if (!next.has(source.charCodeAt(at))) continue;
      const token = this.#longestAt(source, at, source.length);
      if (token < 0) continue;
      if (at < free) overlaps = true;
      free = Math.max(free, at + this.#texts[token].length);
      found.push({ at, token });
    }
    return overlaps ? this.#resolve(source, found) : found;
  }

  /** The longest token at `at` that ends by `to`, or −1. */
  #longestAt(source: string, at: number, to: number): number {
    let token = -1;
    let node: Node | undefined = this.#root;
    for (let i = at; i < to; i++) {
      node = node.next.get(source.charCodeAt(i));
      if (!node) break;
      if (node.token >= 0) token = node.token;
    }
    return token;
  }

  /** Chooses among overlapping candidates: most bytes first, then the lower id, then the leftmost; what no longer fits is tried shorter. */
  #resolve(source: string, found: readonly Candidate[]): Candidate[] {
    const taken = new Uint8Array(source.length);
    const chosen: Candidate[] = [];
    const byLength: Candidate[][] = [];
    const file = (candidate: Candidate) => {
      const length = this.#byteLengths.get(candidate.token)!;
      byLength[length] ??= [];
      byLength[length].push(candidate);
    };
    found.forEach(file);
    for (let length = byLength.length - 1; length > 0; length--) {
      const row = byLength[length]?.sort((a, b) => a.token - b.token || a.at - b.at) ?? [];
      for (const candidate of row) {
        const end = candidate.at + this.#texts[candidate.token].length;
        let fits = candidate.at;
        while (fits < end && !taken[fits]) fits++;
        if (fits === end) {
          taken.fill(1, candidate.at, end);
          chosen.push(candidate);
          continue;
        }
        const token = this.#longestAt(source, candidate.at, fits);
        if (token >= 0) file({ at: candidate.at, token });
      }
    }
    return chosen.sort((a, b) => a.at - b.at);
  }
}
