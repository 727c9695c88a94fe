// The tree of pages against a plain list of what was said: random texts with common beginnings, sequences that hold pages while others come and go.
import { describe, expect, test } from 'vitest';
import { Random } from '../core/random.ts';
import { type Backend, KV_PAGE, type KvPool } from '../kernels/backend.ts';
import { KvPages, KvSequence } from './kv-cache.ts';
import { PrefixCache } from './prefix-cache.ts';

/** A pool whose pages hold the tokens themselves, so that a wrong page is seen. */
class TokenPool {
  readonly contents: number[][];
  readonly backend: Backend;
  readonly pages: KvPages;
  readonly cache: PrefixCache;

  constructor(pages: number) {
    this.contents = Array.from({ length: pages }, () => []);
    this.backend = {
      copyKvPage: (_: KvPool, from: number, to: number) => {
        this.contents[to] = [...this.contents[from]];
      },
      shiftKeys: () => {},
    } as unknown as Backend;
    this.pages = new KvPages(this.backend, { pages } as KvPool, (owner) => this.cache.evict(owner));
    this.cache = new PrefixCache(this.pages);
  }

  /** Feeds `tokens` as a step does. */
  feed(sequence: KvSequence, tokens: readonly number[]): void {
    const start = sequence.length;
    sequence.reserve(start + tokens.length);
    const table = sequence.pageTable();
    for (const [i, token] of tokens.entries()) {
      const page = table[Math.floor((start + i) / KV_PAGE)];
      expect(this.pages.holders(page)).toBe(1); // a step writes only what is its own
      this.contents[page][(start + i) % KV_PAGE] = token;
    }
    sequence.append(tokens);
  }

  /** The tokens that the pages of `sequence` really hold. */
  stored(sequence: KvSequence): number[] {
    const table = sequence.pageTable();
    return sequence.tokens.map((_, i) => this.contents[table[Math.floor(i / KV_PAGE)]][i % KV_PAGE]);
  }

  /** A sequence of `tokens` that takes what is known; gives it and how much was. */
  begin(tokens: readonly number[], owner = ''): { sequence: KvSequence; known: number } {
    const sequence = new KvSequence(this.pages, owner);
    const known = this.cache.find(owner, tokens);
    sequence.adopt(known.pages, tokens.slice(0, known.length));
    this.feed(sequence, tokens.slice(known.length));
    return { sequence, known: known.length };
  }
}

const range = (length: number, from = 0) => Array.from({ length }, (_, i) => from + i);

describe('prefix cache', () => {
  test('a text that takes the place of the only one known is found, and its page can be given back', () => {
    const pool = new TokenPool(1);
    const { sequence } = pool.begin(range(3));
    pool.cache.keep(sequence, 3);
    pool.cache.keep(sequence, 2);
    const longer = [...range(3), 9];
    pool.cache.forget(sequence.endPage);
    pool.feed(sequence, [9]);
    pool.cache.keep(sequence, 2);
    pool.cache.keep(sequence, 4); // takes the place of the shorter, the last of its tree
    sequence.dispose();
    expect(pool.cache.find('', longer).length).toBe(4);
    expect(pool.cache.evict('')).toBe(true);
    expect(pool.pages.available).toBe(1);
  });

  test('finds whole pages and the beginning of the next, and never more than asked', () => {
    const pool = new TokenPool(16);
    const { sequence } = pool.begin(range(100));
    pool.cache.keep(sequence, 100);
    sequence.dispose();
    expect(pool.cache.find('', range(200)).length).toBe(100);
    expect(pool.cache.find('', range(200), 70).length).toBe(70);
    expect(pool.cache.find('', [...range(40), 999, ...range(60, 41)]).length).toBe(40);
    expect(pool.cache.find('', [...range(33), 999]).length).toBe(32); // one token of a page is not worth a copy
    expect(pool.cache.find('', range(50, 1)).length).toBe(0);
    expect(pool.pages.available).toBe(12);
  });

  test('a text that goes on replaces its own unfinished page; branches lie side by side', () => {
    const pool = new TokenPool(16);
    for (const tokens of [range(40), range(64), [...range(40), 7, 7]]) {
      const { sequence } = pool.begin(tokens);
      pool.cache.keep(sequence, tokens.length);
      sequence.dispose();
    }
    expect(pool.cache.evictable).toBe(3);
    expect(pool.cache.find('', range(64)).length).toBe(64);
    expect(pool.cache.find('', [...range(40), 7, 7]).length).toBe(42);
  });

  test('equal pages that two evaluated at once become one', () => {
    const pool = new TokenPool(8);
    const sequences = [0, 1].map(() => new KvSequence(pool.pages));
    for (const sequence of sequences) pool.feed(sequence, range(64));
    for (const sequence of sequences) pool.cache.keep(sequence, 64);
    expect(sequences[1].pageTable()).toEqual(sequences[0].pageTable());
    expect(pool.pages.available).toBe(6);
  });

  test('gives back what was not used for longest, leaves first, and nothing that is in use', () => {
    const pool = new TokenPool(4);
    for (const from of [0, 1000]) {
      const { sequence } = pool.begin(range(64, from));
      pool.cache.keep(sequence, 64);
      sequence.dispose();
    }
    pool.cache.find('', range(64)); // now the second is the older
    const { sequence } = pool.begin(range(32, 5000));
    expect(pool.cache.find('', range(64, 1000)).length).toBe(32);
    expect(pool.cache.find('', range(64)).length).toBe(64);
    pool.feed(sequence, range(96, 5032));
    expect(pool.cache.evict('')).toBe(false);
    expect(() => pool.pages.take('')).toThrow(/all 128 tokens of cache memory are in use/);
  });

  test('what a sequence uses stays known under pressure', () => {
    const pool = new TokenPool(4);
    const { sequence } = pool.begin(range(64));
    pool.cache.keep(sequence, 64);
    const { sequence: other } = pool.begin(range(64, 1000));
    pool.cache.keep(other, 64);
    other.dispose();
    pool.begin(range(64, 2000));
    expect(pool.cache.find('', range(64)).length).toBe(64);
    expect(pool.cache.find('', range(64, 1000)).length).toBe(0);
  });

  test('a sequence that slides makes its pages its own first', () => {
    const pool = new TokenPool(9);
    const { sequence } = pool.begin(range(128));
    pool.cache.keep(sequence, 128);
    const { sequence: other } = pool.begin(range(128));
    pool.cache.forget(sequence.pageTable()[1]);
    sequence.slide(1, 2, pool.backend, {} as never);
    expect(sequence.exactLength).toBe(32);
    expect(pool.stored(other)).toEqual(range(128));
  });

  test('nobody finds what another owner left, whoever evaluated it first', () => {
    const pool = new TokenPool(16);
    for (const owner of ['shop', 'rival']) {
      const { sequence, known } = pool.begin(range(70), owner);
      expect(known).toBe(0);
      pool.cache.keep(sequence, 70);
      expect(pool.cache.find(owner, range(70)).length).toBe(70);
      sequence.dispose();
    }
    expect(pool.cache.find('', range(70)).length).toBe(0);
    expect(pool.cache.evictable).toBe(6);
  });

  test('an owner who keeps to an equal share loses nothing to others, however much they say', () => {
    const pool = new TokenPool(8);
    const say = (owner: string, from: number, length: number) => {
      const { sequence } = pool.begin(range(length, from), owner);
      pool.cache.keep(sequence, length);
      sequence.dispose();
    };
    say('small', 0, 2 * KV_PAGE);
    for (let round = 1; round < 40; round++) {
      say('busy', round * 1000, 3 * KV_PAGE);
      say('third', round * 1000, 2 * KV_PAGE);
    }
    expect(pool.cache.find('small', range(2 * KV_PAGE)).length).toBe(2 * KV_PAGE);
    say('small', 5000, 8 * KV_PAGE); // and gets what others hold beyond theirs
    expect(pool.cache.find('small', range(8 * KV_PAGE, 5000)).length).toBeGreaterThan(2 * KV_PAGE);
    while (pool.cache.evict('small'));
    expect(pool.pages.available).toBe(8);
  });

  test('over thousands of random turns it never gives a wrong page, forgets nothing without need, and leaks none', () => {
    const seed = 20261122;
    const random = new Random(seed);
    const pool = new TokenPool(40);
    const said: number[][] = [[]];
    const live: KvSequence[] = [];
    for (let turn = 0; turn < 3000; turn++) {
      const base = said[random.below(said.length)];
      const cut = base.slice(0, random.below(base.length + 1));
      const tokens = [...cut, ...Array.from({ length: 1 + random.below(50) }, () => random.below(3))].slice(0, 300);
      const free = pool.pages.available + pool.cache.evictable;
      if (live.length < 3 && Math.ceil(tokens.length / KV_PAGE) + 1 <= free) {
        const { sequence, known } = pool.begin(tokens);
        expect(known, `seed ${seed}, turn ${turn}`).toBeLessThanOrEqual(tokens.length);
        live.push(sequence);
        said.push(tokens);
        if (said.length > 30) said.shift();
      } else if (live.length > 0) {
        const sequence = live[random.below(live.length)];
        if (random.below(2) === 0) {
          pool.cache.keep(sequence, sequence.length);
          // A single token of a page is not looked for.
          expect(pool.cache.find('', sequence.tokens).length).toBe(
            sequence.length - (sequence.length % KV_PAGE === 1 ? 1 : 0),
          );
        }
        if (random.below(2) === 0) {
          sequence.dispose();
          live.splice(live.indexOf(sequence), 1);
        } else sequence.truncate(random.below(sequence.length + 1));
      }
      for (const sequence of live) expect(pool.stored(sequence), `seed ${seed}, turn ${turn}`).toEqual(sequence.tokens);
    }
    for (const sequence of live) sequence.dispose();
    expect(pool.pages.available + pool.cache.evictable).toBe(40);
    while (pool.cache.evict(''));
    expect(pool.pages.available).toBe(40);
  });
});
