// Owns which pages of a KV pool belong to which sequence. Must not know what is stored in them.
import { OnebitError } from '../errors.ts';
import { type Backend, KV_PAGE, type KvPool, type RopeSpec } from '../kernels/backend.ts';

/** Hands out the pages of one pool. */
export class KvPages {
  readonly pool: KvPool;
  private readonly free: number[];
  private readonly reclaim: () => boolean;

  /** @param reclaim asked when no page is free: gives pages back that somebody holds only in case they are useful again, or says false. */
  constructor(pool: KvPool, reclaim: () => boolean) {
    this.pool = pool;
    this.reclaim = reclaim;
    this.free = Array.from({ length: pool.pages }, (_, i) => pool.pages - 1 - i);
  }

  /** Pages that nobody holds. */
  get available(): number {
    return this.free.length;
  }

  /** @throws OnebitError `out-of-memory` when all pages are held. */
  take(): number {
    while (this.free.length === 0 && this.reclaim());
    const page = this.free.pop();
    if (page === undefined) {
      throw new OnebitError(
        'out-of-memory',
        `kv cache: all ${this.pool.pages * KV_PAGE} tokens of cache memory are in use. End other sessions, or load the model with a larger contextTokens.`,
      );
    }
    return page;
  }

  give(page: number): void {
    this.free.push(page);
  }
}

/** The cached tokens of one sequence. Token i lies at position i. */
export class KvSequence {
  private readonly pages: KvPages;
  private held: number[] = [];
  /** Ids of the tokens whose keys and values are stored. */
  readonly tokens: number[] = [];

  constructor(pages: KvPages) {
    this.pages = pages;
  }

  get length(): number {
    return this.tokens.length;
  }

  /** Pool pages in order of position. */
  pageTable(): Int32Array {
    return Int32Array.from(this.held);
  }

  /** Takes pages so that `length` tokens fit. @throws OnebitError `out-of-memory` */
  reserve(length: number): void {
    while (this.held.length * KV_PAGE < length) this.held.push(this.pages.take());
  }

  /** Notes that `tokens` were stored behind the present ones; their pages must be reserved. */
  append(tokens: ArrayLike<number>): void {
    for (let i = 0; i < tokens.length; i++) this.tokens.push(tokens[i]);
  }

  /** Forgets all tokens from position `length` on. */
  truncate(length: number): void {
    if (length >= this.tokens.length) return;
    this.tokens.length = Math.max(0, length);
    const needed = Math.ceil(this.tokens.length / KV_PAGE);
    for (const page of this.held.splice(needed)) this.pages.give(page);
  }

  /**
   * Drops `count` pages behind the first `sinks` pages and moves the rest forward, for conversations longer than the context
   * (attention sinks: arXiv 2309.17453). The kept keys are rotated to their new positions.
   */
  slide(sinks: number, count: number, backend: Backend, rope: RopeSpec): void {
    for (const page of this.held.splice(sinks, count)) this.pages.give(page);
    this.tokens.splice(sinks * KV_PAGE, count * KV_PAGE);
    backend.shiftKeys(this.pages.pool, Int32Array.from(this.held.slice(sinks)), count * KV_PAGE, rope);
  }

  /** Gives all pages back. */
  dispose(): void {
    this.truncate(0);
    for (const page of this.held.splice(0)) this.pages.give(page);
  }
}
