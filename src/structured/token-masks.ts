// Owns which tokens a situation allows: walks of the machine over the tree of tokens, and what is remembered of them.
// What a token does inside of the rule it begins in does not depend on the stack, so it is computed once a state; only tokens that go beyond
// the rule's end are followed for each stack. Idea: XGrammar (arXiv 2411.15100).
import type { Machine, Reading, Situation, Stack } from './machine.ts';
import { stringWalkOf } from './string-walk.ts';
import type { TokenTrie } from './token-trie.ts';

/** Masks of situations kept, 19 KB each with 151,669 tokens. */
const MOST_MASKS = 256;
/** States of which it is remembered what tokens do. */
const MOST_STATES = 1024;
/** Up to this many tokens are kept as a list, more as a mask. */
const FEW = 2048;

/** What tokens do that begin in a state, as far as its rule goes. */
interface LocalWalk {
  /** Tokens that end within the rule or with it. */
  readonly tokens: Int32Array | undefined;
  readonly mask: Uint32Array | undefined;
  /** Nodes of the tree with more below, at which the rule has ended. */
  readonly exits: Int32Array;
}

export class TokenMasks {
  private readonly machine: Machine;
  private readonly trie: TokenTrie;
  private readonly words: number;
  private readonly walks = new Map<number, LocalWalk>();
  private readonly masked = new Set<Situation>();
  private readonly along: Situation[] = [];

  constructor(machine: Machine, trie: TokenTrie) {
    this.machine = machine;
    this.trie = trie;
    this.words = Math.ceil(trie.vocabularySize / 32);
  }

  /** The mask of `situation`; shared, not to be changed. */
  of(situation: Situation): Uint32Array {
    if (situation.mask) return situation.mask;
    const mask = new Uint32Array(this.words);
    for (const reading of situation.readings) {
      if (reading.string) this.addString(reading, mask);
      else this.addReading(reading, mask);
    }
    if (situation.ended) for (const token of this.trie.endTokens) mask[token >>> 5] |= 1 << (token & 31);
    situation.mask = mask;
    this.masked.add(situation);
    if (this.masked.size > MOST_MASKS) {
      const [oldest] = this.masked;
      oldest.mask = undefined;
      this.masked.delete(oldest);
    }
    return mask;
  }

  private addReading({ state, stack }: Reading, mask: Uint32Array): void {
    const walk = this.localWalk(state);
    if (walk.mask) for (let word = 0; word < mask.length; word++) mask[word] |= walk.mask[word];
    else for (const token of walk.tokens!) mask[token >>> 5] |= 1 << (token & 31);
    this.addBeyond(walk.exits, stack, mask);
  }

  private addString({ state, stack, string }: Reading, mask: Uint32Array): void {
    const { min, max, count } = string!;
    const walk = stringWalkOf(this.trie, state);
    walk.addTokens(max - count, mask);
    const exits: number[] = [];
    walk.addEnds(min - count, max - count, mask, exits);
    this.addBeyond(exits, stack, mask);
  }

  /** Adds the tokens that go on after the rule on top of `stack` has ended at one of `exits`. */
  private addBeyond(exits: ArrayLike<number>, stack: Stack, mask: Uint32Array): void {
    if (exits.length === 0 || !stack.below) return;
    const after = this.machine.afterTop(stack);
    const allow = (token: number) => {
      mask[token >>> 5] |= 1 << (token & 31);
    };
    for (let i = 0; i < exits.length; i++) this.walk(exits[i], after, allow);
  }

  private localWalk(state: number): LocalWalk {
    let walk = this.walks.get(state);
    if (walk) return walk;
    const tokens: number[] = [];
    const exits: number[] = [];
    const start = this.machine.only({ state, stack: this.machine.bottom, string: undefined });
    this.walk(
      0,
      start,
      (token) => tokens.push(token),
      (node) => exits.push(node),
    );
    walk = { tokens: Int32Array.from(tokens), mask: undefined, exits: Int32Array.from(exits) };
    if (tokens.length > FEW) {
      const mask = new Uint32Array(this.words);
      for (const token of tokens) mask[token >>> 5] |= 1 << (token & 31);
      walk = { tokens: undefined, mask, exits: walk.exits };
    }
    if (this.walks.size >= MOST_STATES) this.walks.clear();
    this.walks.set(state, walk);
    return walk;
  }

  /** Follows all tokens below `root`, where the situation is `start`; tells those that stay possible, and where the bottom of the stack is left. */
  private walk(root: number, start: Situation, allow: (token: number) => void, leave?: (node: number) => void): void {
    const { byte, depth, end, token, twin } = this.trie;
    const { along, machine } = this;
    along[depth[root]] = start;
    const to = end[root];
    for (let node = root + 1; node < to; ) {
      const from = along[depth[node] - 1];
      const known = from.next?.[byte[node]];
      const situation = known === undefined ? machine.step(from, byte[node]) : known;
      if (situation === null) {
        node = end[node];
        continue;
      }
      for (let id = token[node]; id >= 0; id = twin[id]) allow(id);
      if (situation.ended && leave && end[node] > node + 1) leave(node);
      along[depth[node]] = situation;
      node = situation.readings.length === 0 ? end[node] : node + 1;
    }
  }
}
