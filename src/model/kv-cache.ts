// Owns which pages of a KV pool are held, by how many, and which belong to which sequence. Must not know what is stored in them.
import { OnebitError } from '../errors.ts';
import { type Backend, KV_PAGE, type KvPool } from '../kernels/backend.ts';
import type { Adapter } from './adapter.ts';
import type { ModelConfig } from './architecture.ts';
import { ropeOf } from './local-layers.ts';

/**
 * Hands out the pages of one pool, to each sequence such as follow each other if it can: attention reads them as one stream. A page can have several
 * holders; whoever wants to write into a shared one copies it first.
 */
export class KvPages {
  readonly pool: KvPool;
  private readonly backend: Backend;
  private readonly counts: Int32Array;
  private free: number;
  private readonly reclaim: (owner: string) => boolean;

  /** @param reclaim asked when no page is free for `owner`: gives back a page that is held only in case it is useful again, or says false. */
  constructor(backend: Backend, pool: KvPool, reclaim: (owner: string) => boolean) {
    this.backend = backend;
    this.pool = pool;
    this.reclaim = reclaim;
    this.counts = new Int32Array(pool.pages);
    this.free = pool.pages;
  }

  /** Pages that nobody holds. */
  get available(): number {
    return this.free;
  }

  /** How many hold `page`. */
  holders(page: number): number {
    return this.counts[page];
  }

  /** A page for `owner` alone, the one behind `after` if it is free. @throws OnebitError `out-of-memory` when all pages are held. */
  take(owner: string, after = -1): number {
    while (this.free === 0 && this.reclaim(owner));
    if (this.free === 0) throw outOfPages(this.pool);
    const page = this.counts[after + 1] === 0 ? after + 1 : this.roomiest();
    this.counts[page] = 1;
    this.free--;
    return page;
  }

  /** A page for `owner` alone with the contents of `page`, the one behind `after` if it is free. @throws OnebitError `out-of-memory` */
  copy(owner: string, page: number, after?: number): number {
    const copy = this.take(owner, after);
    this.backend.copyKvPage(this.pool, page, copy);
    return copy;
  }

  hold(page: number): void {
    this.counts[page]++;
  }

  give(page: number): void {
    if (--this.counts[page] === 0) this.free++;
  }

  /** The middle of the longest run of free pages: its beginning is left to whoever holds the page before it. */
  private roomiest(): number {
    let [best, length] = [0, 0];
    for (let start = 0, end = 0; start < this.counts.length; start = end + 1) {
      for (end = start; this.counts[end] === 0; ) end++;
      if (end - start > length) [best, length] = [start, end - start];
    }
    return best + (length >> 1);
  }
}

/** What is thrown when no page can be had. */
export function outOfPages(pool: KvPool): OnebitError {
  return new OnebitError(
    'out-of-memory',
    `kv cache: all ${pool.pages * KV_PAGE} tokens of cache memory are in use. End other sessions, or load the model with a larger kvTokens.`,
  );
}

/** The cached tokens of one sequence. Token i lies at position i. */
export class KvSequence {
  /** Whose it is: what it leaves in the prefix cache, others do not find. */
  readonly owner: string;
  /** What its rows are computed with beside the weights. */
  readonly adapter: Adapter | undefined;
  private readonly pages: KvPages;
  private held: number[] = [];
  private slidFrom = Number.POSITIVE_INFINITY;
  /** Ids of the tokens whose keys and values are stored. */
  readonly tokens: number[] = [];

  /** @param owner what another adapter's rows left, nobody finds either: keys and values are others */
  constructor(pages: KvPages, owner = '', adapter?: Adapter) {
    this.pages = pages;
    this.owner = adapter ? `${adapter.digest}:${owner}` : owner;
    this.adapter = adapter;
  }

  get length(): number {
    return this.tokens.length;
  }

  /** Leading tokens whose keys and values follow from the tokens alone: all, unless the sequence has slid. */
  get exactLength(): number {
    return Math.min(this.tokens.length, this.slidFrom);
  }

  /** Pool pages in order of position. */
  pageTable(): Int32Array {
    return Int32Array.from(this.held);
  }

  /** The page that the next token goes to, or −1 when that begins a new one. */
  get endPage(): number {
    return this.held[Math.floor(this.tokens.length / KV_PAGE)] ?? -1;
  }

  /** Pages that `reserve(length)` would take. */
  pagesNeeded(length: number): number {
    return Math.max(0, Math.ceil(length / KV_PAGE) - this.held.length) + (this.sharesEnd(length) ? 1 : 0);
  }

  /** Takes pages so that `length` tokens fit and the new ones can be written. @throws OnebitError `out-of-memory` */
  reserve(length: number): void {
    if (this.sharesEnd(length)) this.own(Math.floor(this.tokens.length / KV_PAGE));
    while (this.held.length * KV_PAGE < length) this.held.push(this.pages.take(this.owner, this.held.at(-1)));
  }

  /** Notes that `tokens` were stored behind the present ones; their pages must be reserved. */
  append(tokens: ArrayLike<number>): void {
    for (let i = 0; i < tokens.length; i++) this.tokens.push(tokens[i]);
  }

  /** Holds `tokens` in `pages`, which others hold as well, in place of what it had. */
  adopt(pages: readonly number[], tokens: readonly number[]): void {
    for (const page of pages) this.pages.hold(page);
    this.dispose();
    this.held = [...pages];
    this.append(tokens);
  }

  /** Holds `page`, which has the same contents, in place of its page `index`. */
  exchange(index: number, page: number): void {
    this.pages.hold(page);
    this.pages.give(this.held[index]);
    this.held[index] = page;
  }

  /** Forgets all tokens from position `length` on. */
  truncate(length: number): void {
    if (length >= this.tokens.length) return;
    this.tokens.length = Math.max(0, length);
    if (this.tokens.length <= this.slidFrom) this.slidFrom = Number.POSITIVE_INFINITY;
    this.trim();
  }

  /** Gives back pages that were reserved for more tokens than came. */
  trim(): void {
    const needed = Math.ceil(this.tokens.length / KV_PAGE);
    for (const page of this.held.splice(needed)) this.pages.give(page);
  }

  /**
   * Drops `count` pages behind the first `sinks` pages and moves the rest forward, for conversations longer than the context
   * (attention sinks: arXiv 2309.17453). The kept keys are rotated to their new positions.
   * @throws OnebitError `out-of-memory` when others hold pages that would change, and there are none to copy them to
   */
  slide(sinks: number, count: number, backend: Backend, config: ModelConfig): void {
    for (const page of this.held.splice(sinks, count)) this.pages.give(page);
    this.tokens.splice(sinks * KV_PAGE, count * KV_PAGE);
    this.slidFrom = Math.min(this.slidFrom, sinks * KV_PAGE);
    for (let i = sinks; i < this.held.length; i++) if (this.pages.holders(this.held[i]) > 1) this.own(i);
    const kept = Int32Array.from(this.held.slice(sinks));
    const { pool } = this.pages;
    if (!config.local) backend.shiftKeys(pool, kept, count * KV_PAGE, config.rope);
    else {
      for (let layer = 0; layer < config.layers; layer++)
        backend.shiftKeys(pool, kept, count * KV_PAGE, ropeOf(config, layer), layer);
    }
  }

  /** Gives all pages back. */
  dispose(): void {
    this.truncate(0);
    this.trim();
  }

  /** Whether tokens up to `length` would be written into a page that others hold. */
  private sharesEnd(length: number): boolean {
    const end = this.tokens.length;
    return length > end && end % KV_PAGE !== 0 && this.pages.holders(this.held[Math.floor(end / KV_PAGE)]) > 1;
  }

  private own(index: number): void {
    const page = this.held[index];
    this.held[index] = this.pages.copy(this.owner, page, this.held[index - 1]);
    this.pages.give(page);
  }
}
