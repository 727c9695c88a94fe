// Owns one request as the scheduler sees it: its sequence, what it wants fed next, who waits for that. Must not know other requests or tokens' meaning.
import { onAbort } from '../core/on-abort.ts';
import type { Tensor } from '../kernels/backend.ts';
import type { KvSequence } from '../model/kv-cache.ts';

/** Uses what a step gave for a request's tokens, logits [rows, vocabulary] or states [rows, width]; the first is row `row`. */
export type UseRows<Result> = (values: Tensor, row: number) => Promise<Result>;

/** Tokens to feed. */
export interface Feed {
  /** Tokens that need no logits, in as many steps as it takes, and how many of them are cached by now. */
  prefix: readonly number[];
  done: number;
  /** Tokens that give a row each, in one step after the prefix, and of what. */
  readonly tail: ArrayLike<number>;
  readonly gives: 'logits' | 'states';
  readonly use?: UseRows<unknown>;
  /** Told whenever a part of the prefix is cached. */
  readonly onProgress?: () => void;
  readonly resolve: (result: never) => void;
  readonly reject: (reason: unknown) => void;
}

/** Most tokens of a feed that give states: a step has so many such rows at most, so that others do not wait long. */
export const CHUNK_STATES = 32;

export interface RequestOptions {
  /** Its sequence is the request's own: it may be parked while others need the memory, and what it held is kept for others. */
  readonly shared: boolean;
  /** One whose `priority` is `background`, as signals of the web platform's scheduler have it (TaskSignal), lets all other requests go first. */
  readonly signal?: AbortSignal;
}

/** What the scheduler does for a request. */
export interface RequestOwner {
  submit(request: Request): void;
  cancel(request: Request): void;
  close(request: Request): void;
}

/** Somebody who feeds tokens to one sequence, one feed at a time. */
export class Request {
  readonly sequence: KvSequence;
  readonly shared: boolean;
  readonly signal: AbortSignal | undefined;
  /** Age: requests that came first have the smaller number. */
  readonly order: number;
  feed: Feed | undefined;
  /** Whether it was ever let in. */
  hadPlace = false;
  /** What the sequence held before it was parked. */
  parked: readonly number[] = [];
  /** Tokens that were found in the cache, and those that were evaluated, of all prefixes. */
  cachedTokens = 0;
  evaluatedTokens = 0;
  /** Whether everybody else goes first. */
  readonly isBackground: boolean;
  /** Why it ends before its end, once that is so. */
  cancelled: { readonly reason: unknown } | undefined;
  private readonly owner: RequestOwner;
  private readonly stopListening: (() => void) | undefined;

  constructor(sequence: KvSequence, order: number, owner: RequestOwner, options: RequestOptions) {
    this.sequence = sequence;
    this.order = order;
    this.owner = owner;
    this.shared = options.shared;
    this.signal = options.signal;
    this.isBackground = (this.signal as { priority?: string } | undefined)?.priority === 'background';
    if (this.signal?.aborted) this.cancelled = { reason: this.signal.reason };
    this.stopListening = this.signal && onAbort(this.signal, () => this.cancel(this.signal!.reason));
  }

  /** Whether it comes before `other`: people before what goes on in the background, then by age. */
  isBefore(other: Request): boolean {
    return this.isBackground === other.isBackground ? this.order < other.order : other.isBackground;
  }

  /** Whether it can give all its memory back and have it again later. */
  get canPark(): boolean {
    return this.shared && this.sequence.exactLength === this.sequence.length;
  }

  /** Positions that the sequence has when the feed is done. */
  get goal(): number {
    const { feed } = this;
    return this.sequence.length + (feed ? feed.prefix.length - feed.done + feed.tail.length : 0);
  }

  /** Feeds `tokens`, or finds them in the cache. */
  prefill(tokens: readonly number[], onProgress?: () => void): Promise<void> {
    return this.submit<void>({ prefix: tokens, tail: [], gives: 'logits', onProgress });
  }

  /** Feeds `tokens` in one step and uses their logits before the next. At most as many as a step may give logits. */
  step<Result>(tokens: ArrayLike<number>, use: UseRows<Result>): Promise<Result> {
    return this.submit<Result>({ prefix: [], tail: tokens, gives: 'logits', use });
  }

  /** Feeds at most CHUNK_STATES `tokens` in one step and uses their final states before the next. */
  states<Result>(tokens: ArrayLike<number>, use: UseRows<Result>): Promise<Result> {
    return this.submit<Result>({ prefix: [], tail: tokens, gives: 'states', use });
  }

  /** Fails what it waits for with `reason`, at the end of a step that it takes part in, and whatever it asks for later. */
  cancel(reason: unknown): void {
    this.cancelled ??= { reason };
    this.owner.cancel(this);
  }

  /** Gives the place back. */
  close(): void {
    this.stopListening?.();
    this.owner.close(this);
  }

  private submit<Result>(feed: Pick<Feed, 'prefix' | 'tail' | 'gives' | 'use' | 'onProgress'>): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.feed = { ...feed, done: 0, resolve, reject };
      this.owner.submit(this);
    });
  }
}
