// Owns merging neighbouring symbols in order of rank: the loop that both kinds of vocabulary share. Knows ids, not text.
// Words up to SHORT symbols are scanned, longer ones go through a heap: n log n, so a text without a space cannot stall it. Long ones rest now and then.
import type { Steps } from '../core/steps.ts';

/**
 * A hash table from pairs of symbol ids (0..2³¹−1) to one number each. Seeded at random: a file cannot choose pairs that collide.
 */
export class PairTable {
  #size = 0;
  #mask: number;
  #keys: Int32Array;
  #values: Int32Array;
  readonly #a = (Math.random() * 2 ** 32) | 1;
  readonly #b = (Math.random() * 2 ** 32) | 1;

  /** @param expected how many pairs are to be held without growing. */
  constructor(expected: number) {
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(expected, 8) * 2));
    this.#mask = capacity - 1;
    this.#keys = new Int32Array(2 * capacity).fill(-1);
    this.#values = new Int32Array(capacity);
  }

  get size(): number {
    return this.#size;
  }

  /** The number of a pair, or −1. */
  get(left: number, right: number): number {
    const slot = this.#slot(left, right);
    return this.#keys[2 * slot] < 0 ? -1 : this.#values[slot];
  }

  /** Sets the number of a pair that is not in the table; returns false and changes nothing where it is. */
  add(left: number, right: number, value: number): boolean {
    const slot = this.#slot(left, right);
    if (this.#keys[2 * slot] >= 0) return false;
    this.#keys[2 * slot] = left;
    this.#keys[2 * slot + 1] = right;
    this.#values[slot] = value;
    if (++this.#size * 2 > this.#mask) this.#grow();
    return true;
  }

  #slot(left: number, right: number): number {
    let hash = Math.imul(left, this.#a) + Math.imul(right, this.#b);
    hash ^= hash >>> 15;
    hash = Math.imul(hash, this.#a);
    let slot = (hash ^ (hash >>> 13)) & this.#mask;
    const keys = this.#keys;
    while (keys[2 * slot] >= 0 && (keys[2 * slot] !== left || keys[2 * slot + 1] !== right))
      slot = (slot + 1) & this.#mask;
    return slot;
  }

  #grow(): void {
    const keys = this.#keys;
    const values = this.#values;
    this.#mask = this.#mask * 2 + 1;
    this.#keys = new Int32Array(2 * (this.#mask + 1)).fill(-1);
    this.#values = new Int32Array(this.#mask + 1);
    for (let i = 0; i < values.length; i++) {
      if (keys[2 * i] < 0) continue;
      const slot = this.#slot(keys[2 * i], keys[2 * i + 1]);
      this.#keys[2 * slot] = keys[2 * i];
      this.#keys[2 * slot + 1] = keys[2 * i + 1];
      this.#values[slot] = values[i];
    }
  }
}

/** What the loop asks of a vocabulary. */
export interface Merges {
  /** The number of the merge of two neighbouring symbols, or −1. */
  find(left: number, right: number): number;
  /** Rank of each merge, at most 2²²−1; the lowest goes first, the leftmost of equals. */
  readonly rank: Int32Array;
  /** The symbol each merge makes. */
  readonly result: Int32Array;
}

/** Up to this many symbols a scan for the lowest rank beats the heap. */
const SHORT = 40;
const scratch = new Int32Array(SHORT);

/** How many merges, or looks for one, go without a rest. */
const MERGES_PER_REST = 8192;

/** Merges symbols[0, count) in place, lowest rank first, until no pair merges. Gives how many are left; rests when there are many. */
export function* mergeSymbols(symbols: Int32Array, count: number, merges: Merges): Steps<number> {
  return count <= SHORT ? mergeShort(symbols, count, merges) : yield* mergeLong(symbols, count, merges);
}

function mergeShort(symbols: Int32Array, count: number, merges: Merges): number {
  const { rank, result } = merges;
  const found = scratch;
  for (let i = 0; i + 1 < count; i++) found[i] = merges.find(symbols[i], symbols[i + 1]);
  for (;;) {
    let best = -1;
    let bestRank = 0x7fffffff;
    for (let i = 0; i + 1 < count; i++) {
      if (found[i] < 0 || rank[found[i]] >= bestRank) continue;
      bestRank = rank[found[i]];
      best = i;
    }
    if (best < 0) return count;
    symbols[best] = result[found[best]];
    count--;
    for (let i = best + 1; i < count; i++) {
      symbols[i] = symbols[i + 1];
      found[i] = found[i + 1];
    }
    if (best > 0) found[best - 1] = merges.find(symbols[best - 1], symbols[best]);
    if (best + 1 < count) found[best] = merges.find(symbols[best], symbols[best + 1]);
  }
}

function* mergeLong(symbols: Int32Array, count: number, merges: Merges): Steps<number> {
  const { rank, result } = merges;
  const next = new Int32Array(count);
  const previous = new Int32Array(count);
  /** The merge of the symbol at i with the one after it; −1 where there is none or i is gone. */
  const found = new Int32Array(count).fill(-1);
  // Outdated entries are recognised by their rank; one that fits by chance names the same merge at the same place.
  const isLive = (key: number) => {
    const left = key % POSITIONS;
    return found[left] >= 0 && rank[found[left]] === (key - left) / POSITIONS;
  };
  const heap = new KeyHeap(count, isLive);
  for (let i = 0; i < count; i++) {
    previous[i] = i - 1;
    next[i] = i + 1;
  }
  const look = (left: number, right: number) => {
    found[left] = merges.find(symbols[left], symbols[right]);
    if (found[left] >= 0) heap.push(rank[found[left]] * POSITIONS + left);
  };
  let untilRest = MERGES_PER_REST;
  for (let i = 0; i + 1 < count; i++) {
    look(i, i + 1);
    if (--untilRest > 0) continue;
    untilRest = MERGES_PER_REST;
    yield;
  }
  for (let key = heap.pop(); key >= 0; key = heap.pop()) {
    if (--untilRest <= 0) {
      untilRest = MERGES_PER_REST;
      yield;
    }
    if (!isLive(key)) continue;
    const left = key % POSITIONS;
    const right = next[left];
    symbols[left] = result[found[left]];
    found[right] = -1;
    found[left] = -1;
    next[left] = next[right];
    if (next[left] < count) {
      previous[next[left]] = left;
      look(left, next[left]);
    }
    if (previous[left] >= 0) look(previous[left], left);
  }
  let kept = 0;
  for (let i = 0; i < count; i = next[i]) symbols[kept++] = symbols[i];
  return kept;
}

/** Heap keys are rank·2³¹ + position: exact in a float64, and ordered by rank, then leftmost. */
const POSITIONS = 2 ** 31;

/** A binary heap of numbers, lowest first. When it is full, what is outdated is thrown out: a word of megabytes shall not take all memory. */
class KeyHeap {
  #keys: Float64Array;
  readonly #isLive: (key: number) => boolean;
  #size = 0;

  /** @param live how many keys can be live at once, about. */
  constructor(live: number, isLive: (key: number) => boolean) {
    this.#keys = new Float64Array(live + (live >> 1));
    this.#isLive = isLive;
  }

  push(key: number): void {
    if (this.#size === this.#keys.length) this.#makeRoom();
    const keys = this.#keys;
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (keys[parent] <= key) break;
      keys[at] = keys[parent];
      at = parent;
    }
    keys[at] = key;
  }

  /** Takes the lowest key, or −1 where there is none. */
  pop(): number {
    if (this.#size === 0) return -1;
    const lowest = this.#keys[0];
    this.#sink(0, this.#keys[--this.#size]);
    return lowest;
  }

  /** Puts `key` where it belongs at or below `at`. */
  #sink(at: number, key: number): void {
    const keys = this.#keys;
    for (let child = 1; child < this.#size; child = 2 * at + 1) {
      if (child + 1 < this.#size && keys[child + 1] < keys[child]) child++;
      if (keys[child] >= key) break;
      keys[at] = keys[child];
      at = child;
    }
    keys[at] = key;
  }

  #makeRoom(): void {
    const keys = this.#keys;
    const size = this.#size;
    this.#size = 0;
    for (let i = 0; i < size; i++) if (this.#isLive(keys[i])) keys[this.#size++] = keys[i];
    if (this.#size < size) for (let at = (this.#size >> 1) - 1; at >= 0; at--) this.#sink(at, keys[at]);
    if (this.#size <= 0.75 * keys.length) return;
    this.#keys = new Float64Array(2 * keys.length);
    this.#keys.set(keys.subarray(0, this.#size));
  }
}
