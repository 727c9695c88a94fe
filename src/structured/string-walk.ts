// Owns what tokens do inside of a JSON string: how many characters each brings, where the closing quote comes. Once a vocabulary, for all grammars.
import { jsonCharacters } from './json-character.ts';
import type { TokenTrie } from './token-trie.ts';

const QUOTE = 0x22;
const walks = new WeakMap<TokenTrie, (StringWalk | undefined)[]>();

/** What tokens do that begin in `state` of `jsonCharacters`. Computed at the first call (some 5 ms for state 0 with 151,669 tokens). */
export function stringWalkOf(trie: TokenTrie, state: number): StringWalk {
  let known = walks.get(trie);
  if (!known) {
    known = [];
    walks.set(trie, known);
  }
  known[state] ??= new StringWalk(trie, state);
  return known[state];
}

/** Tokens or nodes, by how many characters must be free for them. */
interface Counted {
  readonly ids: Int32Array;
  readonly characters: Int32Array;
}

export class StringWalk {
  /** Tokens that stay inside of the string, those with most characters first. */
  private readonly inside: Counted;
  private readonly insideMask: Uint32Array;
  /** Tokens whose last byte is the closing quote. */
  private readonly closing: Counted;
  /** Nodes with more below, at which the quote has just come. */
  private readonly exits: Counted;

  constructor(trie: TokenTrie, state: number) {
    const { byte, depth, end, token, twin } = trie;
    const [inside, closing, exits]: [number, number][][] = [[], [], []];
    const states = new Int16Array(2048);
    const counts = new Int32Array(2048);
    states[0] = state;
    for (let node = 1; node < trie.nodes; ) {
      const above = depth[node] - 1;
      if (states[above] === 0 && byte[node] === QUOTE) {
        for (let id = token[node]; id >= 0; id = twin[id]) closing.push([id, counts[above]]);
        if (end[node] > node + 1) exits.push([node, counts[above]]);
        node = end[node];
        continue;
      }
      const next = jsonCharacters.next[states[above] * 256 + byte[node]];
      if (next < 0) {
        node = end[node];
        continue;
      }
      states[above + 1] = next;
      counts[above + 1] = counts[above] + (next === 0 ? 1 : 0);
      // A character that is only begun needs a place as well.
      const needed = counts[above + 1] + (next === 0 ? 0 : 1);
      for (let id = token[node]; id >= 0; id = twin[id]) inside.push([id, needed]);
      node++;
    }
    this.inside = counted(inside.sort((a, b) => b[1] - a[1]));
    this.closing = counted(closing);
    this.exits = counted(exits);
    this.insideMask = new Uint32Array(Math.ceil(trie.vocabularySize / 32));
    for (const [id] of inside) this.insideMask[id >>> 5] |= 1 << (id & 31);
  }

  /** Adds the tokens that stay inside of a string with `free` characters left. */
  addTokens(free: number, mask: Uint32Array): void {
    const { ids, characters } = this.inside;
    let tooLong = 0;
    while (tooLong < ids.length && characters[tooLong] > free) tooLong++;
    if (tooLong < ids.length / 2) {
      const { insideMask } = this;
      if (tooLong === 0) {
        for (let word = 0; word < mask.length; word++) mask[word] |= insideMask[word];
        return;
      }
      const allowed = insideMask.slice();
      for (let i = 0; i < tooLong; i++) allowed[ids[i] >>> 5] &= ~(1 << (ids[i] & 31));
      for (let word = 0; word < mask.length; word++) mask[word] |= allowed[word];
      return;
    }
    for (let i = tooLong; i < ids.length; i++) mask[ids[i] >>> 5] |= 1 << (ids[i] & 31);
  }

  /** Adds the tokens that close a string which needs `least` more characters and has `free` left, and collects the nodes to go on from. */
  addEnds(least: number, free: number, mask: Uint32Array, exits: number[]): void {
    const { ids, characters } = this.closing;
    for (let i = 0; i < ids.length; i++) {
      if (characters[i] >= least && characters[i] <= free) mask[ids[i] >>> 5] |= 1 << (ids[i] & 31);
    }
    for (let i = 0; i < this.exits.ids.length; i++) {
      const fits = this.exits.characters[i] >= least && this.exits.characters[i] <= free;
      if (fits) exits.push(this.exits.ids[i]);
    }
  }
}

function counted(pairs: readonly [number, number][]): Counted {
  return { ids: Int32Array.from(pairs, ([id]) => id), characters: Int32Array.from(pairs, ([, count]) => count) };
}
