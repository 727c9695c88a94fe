// Owns how much each key has used of what it may use a minute: the interface, and the form in the memory of one process. Must not know keys, nor where others
// keep it.
import type { Awaitable } from '../core/awaitable.ts';

/** What may be used; it flows in evenly, up to the worth of a minute or of so many. */
export interface Bucket {
  /** Whose, and of what: `KEY:tokens`. */
  readonly name: string;
  readonly perMinute: number;
  /** Default 1. */
  readonly minutes?: number;
}

/** The most that a bucket holds. */
export function worthOf({ perMinute, minutes = 1 }: Bucket): number {
  return perMinute * minutes;
}

/** What is wanted of a bucket: `base`, and as many `parts`, all of one size, at most `most`. */
export interface Wanted {
  readonly base: number;
  readonly parts: number;
  /** A part of this size is waited for; a minute's worth is always enough. */
  readonly wanted: number;
  readonly most: number;
}

/** What came of it. */
export interface Lent {
  /** How long until it is there, in milliseconds; 0 where it was taken. */
  readonly waitMs: number;
  /** The size of each part; all that was taken. */
  readonly part: number;
  readonly taken: number;
}

/** Counts what is used. One process's own, or that of all replicas of a server. */
export interface Quota {
  /** How long until `amount`, or a minute's worth, is there, in milliseconds. */
  waitMs(bucket: Bucket, amount: number): Awaitable<number>;
  /** Takes what is wanted, where it is there; parts as large as there is. */
  lend(bucket: Bucket, wanted: Wanted): Awaitable<Lent>;
  /** Takes so much, also below 0; gives back where `amount` is negative. */
  take(bucket: Bucket, amount: number): Awaitable<void>;
}

/** What is left of a bucket, and since when. */
interface Level {
  left: number;
  atMs: number;
}

/** The quota of one process. */
export class MemoryQuota implements Quota {
  private readonly levels = new Map<string, Level>();
  private readonly now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.now = now;
  }

  waitMs(bucket: Bucket, amount: number): number {
    const missing = Math.min(amount, worthOf(bucket)) - this.level(bucket).left;
    return Math.max(0, (missing / bucket.perMinute) * 60_000);
  }

  lend(bucket: Bucket, { base, parts, wanted, most }: Wanted): Lent {
    const waitMs = this.waitMs(bucket, base + parts * Math.min(wanted, most));
    if (waitMs > 0) return { waitMs, part: 0, taken: 0 };
    const level = this.level(bucket);
    const there = Math.floor((level.left - base) / Math.max(1, parts));
    const part = Math.max(Math.min(most, 1), Math.min(most, there));
    const taken = base + parts * part;
    level.left -= taken;
    return { waitMs, part, taken };
  }

  take(bucket: Bucket, amount: number): void {
    this.level(bucket).left -= amount;
  }

  private level(bucket: Bucket): Level {
    const { name, perMinute } = bucket;
    const now = this.now();
    const most = worthOf(bucket);
    const level = this.levels.get(name) ?? { left: most, atMs: now };
    this.levels.set(name, level);
    level.left = Math.min(most, level.left + ((now - level.atMs) / 60_000) * perMinute);
    level.atMs = now;
    return level;
  }
}
