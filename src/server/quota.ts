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

/** What is asked of a bucket. */
export interface Asked {
  readonly bucket: Bucket;
  /** `look`: whether `base` is there. `lend`: take `base` and as many `parts`, all of one size, where that is there. `take`: so much, also below 0; a negative amount is given back. */
  readonly how: 'look' | 'lend' | 'take';
  readonly base: number;
  /** Default 0. */
  readonly parts?: number;
  /** A part of this size is waited for, and none is larger than `most`; a minute's worth is always enough. Default 0. */
  readonly wanted?: number;
  readonly most?: number;
  /** So much stays for others; it shortens what goes beyond the wanted parts, and where a whole bucket would not do, a whole one is enough. Default 0. */
  readonly spare?: number;
}

/** What came of it. */
export interface Lent {
  /** How long until all that was asked is there, in milliseconds; 0 where it was. */
  readonly waitMs: number;
  /** Which of the asked is waited for longest. */
  readonly short?: number;
  /** The size of each part, the same in all buckets. */
  readonly part: number;
}

/** Counts what is used. One process's own, or that of all replicas of a server. */
export interface Quota {
  /** Asks several buckets in one piece: first all is taken that is to be taken; then all is lent, or nothing where one of them must be waited for. */
  ask(asked: readonly Asked[]): Awaitable<Lent>;
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

  ask(asked: readonly Asked[]): Lent {
    for (const { bucket, how, base } of asked) if (how === 'take') this.level(bucket).left -= base;
    const waits = asked.map((one) => (one.how === 'take' ? 0 : this.waitMs(one)));
    const waitMs = Math.max(0, ...waits);
    if (waitMs > 0) return { waitMs, short: waits.indexOf(waitMs), part: 0 };
    const lent = asked.filter(({ how }) => how === 'lend');
    const part = lent.length === 0 ? 0 : Math.min(...lent.map((one) => this.partOf(one)));
    for (const { bucket, base, parts = 0 } of lent) this.level(bucket).left -= base + parts * part;
    return { waitMs, part };
  }

  private waitMs({ bucket, base, parts = 0, wanted = 0, most = 0, spare = 0 }: Asked): number {
    const amount = Math.min(base + spare + parts * Math.min(wanted, most), worthOf(bucket));
    return Math.max(0, ((amount - this.level(bucket).left) / bucket.perMinute) * 60_000);
  }

  /** As large as there is, at most as large as may be, and not nothing. */
  private partOf({ bucket, base, parts = 0, wanted = 0, most = 0, spare = 0 }: Asked): number {
    const there = (without: number) => Math.floor((this.level(bucket).left - without) / Math.max(1, parts));
    const least = Math.min(wanted, there(base));
    return Math.max(Math.min(most, 1), Math.min(most, Math.max(least, there(base + spare))));
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
