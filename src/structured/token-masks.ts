// Owns which tokens a situation allows: walks of the machine over the tree of tokens, and what is remembered of them.
// What a token does inside of the rule it begins in does not depend on the stack, so it is computed once a state; only tokens that go beyond
// the rule's end are followed for each stack. Idea: XGrammar (arXiv 2411.15100).
import { OnebitError } from '../errors.ts';
import { type Characters, isCharacters } from './characters.ts';
import type { Machine, Reading, Situation } from './machine.ts';
import { addString, prepareStrings } from './string-walk.ts';
import type { TokenTrie } from './token-trie.ts';
import { DEEPEST } from './trie-contents.ts';
import { UniqueStrings } from './unique-strings.ts';
import type { Work } from './work.ts';

/** Masks of situations kept, 19 KB each with 151,669 tokens. */
const MOST_MASKS = 256;
/** States of which it is remembered what tokens do. */
const MOST_WALKS = 8192;
const MOST_WALK_BYTES = 16 << 20;
/** Up to this many tokens are kept as a list, more as a mask. */
const FEW = 2048;
/** More readings than this outside of strings are followed together. */
const MANY_READINGS = 8;
/** Nodes of the tree between two looks at the clock: well under a millisecond. */
const NODES_PER_LOOK = 2000;
const SLICE_MS = 10;

/** Marks in tables of situations. */
const UNKNOWN = -2;
const NOTHING = -1;
/** Situations that the tokens of one mask may lead to: 1 KB each. */
const MOST_SITUATIONS = 20_000;
/** Entries of a table that is kept for the next mask. */
const LARGEST_TABLE = 1 << 18;

type Pace = () => boolean;

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
  private readonly walks = new Map<string | number, LocalWalk>();
  private walkBytes = 0;
  private readonly masked = new Set<Situation>();
  /** The tables of a walk that has ended, for the next one. */
  private table: Int32Array | undefined;
  private along: Int32Array | undefined;

  constructor(machine: Machine, trie: TokenTrie) {
    this.machine = machine;
    this.trie = trie;
    this.words = Math.ceil(trie.vocabularySize / 32);
    prepareStrings(trie);
  }

  /** Memory of what is remembered, roughly. */
  get bytes(): number {
    return this.walkBytes + 4 * this.words * this.masked.size;
  }

  /** Makes the mask of `situation` in slices of some 10 ms; shared, not to be changed. */
  *of(situation: Situation, spend: (steps: number) => void): Work<Uint32Array> {
    if (situation.mask) return situation.mask;
    const mask = new Uint32Array(this.words);
    const allow = (token: number) => {
      mask[token >>> 5] |= 1 << (token & 31);
    };
    const pace = this.pace(spend);
    let { readings } = situation;
    if (readings.length > MANY_READINGS) {
      const others = readings.filter((reading) => !this.isInString(reading));
      if (others.length > MANY_READINGS) {
        yield* this.walk([0], this.machine.together(others), pace, allow);
        readings = readings.filter((reading) => this.isInString(reading));
      }
    }
    for (const reading of readings) {
      const exits = yield* this.addReading(reading, pace, mask);
      // Tokens that go on after the rule on top of the stack has ended.
      if (exits.length === 0 || reading.stack.frames.length === 0) continue;
      const after = this.machine.afterTop(reading.stack);
      yield* this.walk(exits, after, pace, allow);
    }
    if (situation.ended) for (const token of this.trie.endTokens) allow(token);
    situation.mask = mask;
    this.masked.add(situation);
    if (this.masked.size > MOST_MASKS) {
      const [oldest] = this.masked;
      oldest.mask = undefined;
      this.masked.delete(oldest);
    }
    return mask;
  }

  private isInString(reading: Reading): boolean {
    const language = this.machine.followedAt(reading);
    if (language instanceof UniqueStrings)
      return language.stringAt(reading.standing as typeof language.start) !== undefined;
    return isCharacters(language) && language.at(reading.standing) !== undefined;
  }

  /** Adds the tokens that stay within the reading's rule. Returns where it is left in the middle of tokens. */
  private *addReading(reading: Reading, pace: Pace, mask: Uint32Array): Work<ArrayLike<number>> {
    const language = this.machine.followedAt(reading);
    const place = isCharacters(language) ? language.at(reading.standing) : undefined;
    if (place) {
      return addString(this.trie, language as Characters, place.place, place.count, mask);
    }
    if (language instanceof UniqueStrings) {
      const exits = yield* this.addUnique(language, reading, pace, mask);
      if (exits) return exits;
    }
    const walk = yield* this.localWalk(reading, pace);
    if (walk.mask) for (let word = 0; word < mask.length; word++) mask[word] |= walk.mask[word];
    else for (const token of walk.tokens!) mask[token >>> 5] |= 1 << (token & 31);
    return walk.exits;
  }

  /** Adds the tokens in a string that must not be one of those before; undefined outside of strings. */
  private *addUnique(
    language: UniqueStrings,
    reading: Reading,
    pace: Pace,
    mask: Uint32Array,
  ): Work<number[] | undefined> {
    const string = language.stringAt(reading.standing as typeof language.start);
    if (!string) return undefined;
    const { trie } = this;
    const own = new Uint32Array(mask.length);
    let closed = addString(trie, string.language, string.place, string.count, own);
    // Tokens along the strings before are looked at one by one.
    const forbidden = new Set<number>();
    for (const bytes of string.taken) {
      let standing: typeof language.start | undefined = reading.standing as typeof language.start;
      let node = 0;
      for (const unit of `${bytes}"`) {
        node = childOf(trie, node, unit.charCodeAt(0));
        if (node < 0) break;
        standing = standing && language.step(standing, unit.charCodeAt(0));
        if (standing) continue;
        forbidden.add(node);
        for (let at = node; at < trie.end[node]; at++) {
          for (let id = trie.token[at]; id >= 0; id = trie.twin[id]) own[id >>> 5] &= ~(1 << (id & 31));
        }
        break;
      }
    }
    if (forbidden.size > 0) {
      closed = closed.filter((node) => ![...forbidden].some((from) => node >= from && node < trie.end[from]));
    }
    for (let word = 0; word < mask.length; word++) mask[word] |= own[word];
    const exits: number[] = [];
    const after = this.machine.only({ ...reading, standing: string.after });
    const allow = (token: number) => {
      mask[token >>> 5] |= 1 << (token & 31);
    };
    yield* this.walk(closed, after, pace, allow, (node) => exits.push(node));
    return exits;
  }

  private *localWalk(reading: Reading, pace: Pace): Work<LocalWalk> {
    const key = this.machine.localKey(reading);
    let walk = this.walks.get(key);
    if (walk) return walk;
    const tokens: number[] = [];
    const exits: number[] = [];
    yield* this.walk(
      [0],
      this.machine.only(reading),
      pace,
      (token) => tokens.push(token),
      (node) => exits.push(node),
    );
    walk = { tokens: Int32Array.from(tokens), mask: undefined, exits: Int32Array.from(exits) };
    if (tokens.length > FEW) {
      const mask = new Uint32Array(this.words);
      for (const token of tokens) mask[token >>> 5] |= 1 << (token & 31);
      walk = { tokens: undefined, mask, exits: walk.exits };
    }
    if (this.walks.size >= MOST_WALKS || this.walkBytes > MOST_WALK_BYTES) {
      this.walks.clear();
      this.walkBytes = 0;
    }
    this.walkBytes += 200 + 4 * ((walk.tokens?.length ?? 0) + (walk.mask?.length ?? 0) + walk.exits.length);
    this.walks.set(key, walk);
    return walk;
  }

  /** Follows all tokens below each of `roots`, where the situation is `start`; tells those that stay possible, and where the bottom of the stack is left. */
  private *walk(
    roots: ArrayLike<number>,
    start: Situation,
    pace: Pace,
    allow: (token: number) => void,
    leave?: (node: number) => void,
    isOnce = leave !== undefined,
  ): Work<void> {
    const { byte, depth, end, token, twin } = this.trie;
    const { machine } = this;
    // Situations are numbered, and where they lead kept in one table, so that the loop over most of the tree touches little memory.
    const known = isOnce ? new Map<string, Situation>() : undefined;
    const numbers = new Map<Situation, number>([[start, 0]]);
    const situations = [start];
    let next = this.table ?? new Int32Array(64 * 256);
    this.table = undefined;
    next.fill(UNKNOWN, 0, 256);
    const along = this.along ?? new Int32Array(DEEPEST);
    this.along = undefined;
    along[0] = 0;
    let left = NODES_PER_LOOK;
    for (let i = 0, node = 0, to = 0, base = 0; ; left--) {
      if (node === to) {
        if (i === roots.length) {
          if (next.length <= LARGEST_TABLE) this.table = next;
          this.along = along;
          return;
        }
        base = depth[roots[i]];
        to = end[roots[i]];
        node = roots[i++] + 1;
        continue;
      }
      if (left <= 0) {
        left = NODES_PER_LOOK;
        if (pace()) yield;
      }
      const level = depth[node] - base;
      const at = along[level - 1] * 256 + byte[node];
      let number = next[at];
      if (number === UNKNOWN) {
        const from = situations[along[level - 1]];
        const situation = known ? machine.follow(from, byte[node], known) : machine.step(from, byte[node]);
        number = NOTHING;
        if (situation) {
          number = numbers.get(situation) ?? situations.length;
          if (number === situations.length) {
            numbers.set(situation, number);
            situations.push(situation);
            if (number > MOST_SITUATIONS) throw tooManySituations();
            if (situations.length * 256 > next.length) {
              const larger = new Int32Array(next.length * 2);
              larger.set(next);
              next = larger;
            }
            next.fill(UNKNOWN, number * 256, situations.length * 256);
          }
        }
        next[at] = number;
      }
      if (number === NOTHING) {
        node = end[node];
        continue;
      }
      for (let id = token[node]; id >= 0; id = twin[id]) allow(id);
      if (leave && situations[number].ended && end[node] > node + 1) leave(node);
      along[level] = number;
      node = situations[number].readings.length === 0 ? end[node] : node + 1;
    }
  }

  /** Spends what was done since the last call; says whether a slice is over. */
  private pace(spend: (steps: number) => void): Pace {
    let steps = this.machine.steps;
    let began = performance.now();
    return () => {
      spend(this.machine.steps - steps + NODES_PER_LOOK / 4);
      steps = this.machine.steps;
      const now = performance.now();
      if (now - began < SLICE_MS) return false;
      began = now;
      return true;
    };
  }
}

function childOf({ byte, depth, end }: TokenTrie, parent: number, value: number): number {
  for (let node = parent + 1; node < end[parent]; node = end[node]) {
    if (depth[node] === depth[parent] + 1 && byte[node] === value) return node;
  }
  return -1;
}

function tooManySituations(): OnebitError {
  return new OnebitError(
    'over-budget',
    `generate: the tokens of one step must lead to at most ${MOST_SITUATIONS} situations of the form, got more. Use fewer alternatives, or simpler patterns.`,
  );
}
