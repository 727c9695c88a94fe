// Owns finding added tokens (control and user-defined) in text before it is split into words. Knows texts and ids only.
// Source: llama.cpp's order: the longest token first wherever it stands, then the next longest in what is left. (The tokenizers library
// takes the leftmost first; they differ only where the texts of two added tokens overlap.)

interface Node {
  readonly next: Map<number, Node>;
  /** The token that ends here, or −1. */
  token: number;
}

/** A stretch of a text: an added token, or text without any where `token` is −1. */
export interface Part {
  readonly from: number;
  readonly to: number;
  readonly token: number;
}

/** Characters looked at between two rests; each may cost a walk along the longest added token. */
const LOOKS_PER_REST = 4096;
const NONE: readonly never[] = [];

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

  /** The stretches without added tokens and the added tokens, from left to right; undefined where the caller may rest. */
  *parts(source: string): Generator<Part | undefined, void, void> {
    let from = 0;
    for (const found of this.#clusters(source)) {
      for (const { at, token } of found) {
        const to = at + this.#texts[token].length;
        if (at > from) yield { from, to: at, token: -1 };
        yield { from: at, to, token };
        from = to;
      }
      if (found.length === 0) yield undefined;
    }
    if (from < source.length) yield { from, to: source.length, token: -1 };
  }

  /** Added tokens in groups that do not touch the text of each other; an empty group where the caller may rest. */
  *#clusters(source: string): Generator<readonly Candidate[], void, void> {
    const { next } = this.#root;
    if (next.size === 0) return;
    let found: Candidate[] = [];
    const only = next.size === 1 ? String.fromCharCode([...next.keys()][0]) : undefined;
    let free = 0;
    for (let at = 0, looks = 1; at < source.length; at++, looks++) {
      if (looks % LOOKS_PER_REST === 0) yield NONE;
      if (only !== undefined) {
        at = source.indexOf(only, at);
        if (at < 0) break;
      } else if (!next.has(source.charCodeAt(at))) continue;
      const token = this.#longestAt(source, at, source.length);
      if (token < 0) continue;
      if (at >= free) {
        if (found.length > 0) yield this.#resolve(source, found, free);
        found = [];
      }
      free = Math.max(free, at + this.#texts[token].length);
      found.push({ at, token });
    }
    if (found.length > 0) yield this.#resolve(source, found, free);
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

  /**
   * Chooses among candidates before `end` that overlap: most bytes first, then the lower id, then the leftmost; what no longer fits is tried shorter.
   */
  #resolve(source: string, found: readonly Candidate[], end: number): readonly Candidate[] {
    if (found.length === 1) return found;
    const start = found[0].at;
    const taken = new Uint8Array(end - start);
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
        while (fits < end && !taken[fits - start]) fits++;
        if (fits === end) {
          taken.fill(1, candidate.at - start, end - start);
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
