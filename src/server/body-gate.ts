// Owns how many bytes of large bodies, or of other work, are in memory at once, over all requests: the others wait, each owner in a line of its own, so
// that nobody's bodies keep another's out. A body that others wait for must come at a good pace.
import { ApiError } from './api-error.ts';

/** Of each body so many bytes are read without asking: small ones never wait, and one that hardly comes holds hardly anything. */
export const FREE_BYTES = 1 << 18;
/** How long a request waits before it is told to come again. */
const WAIT_MS = 20_000;
/** While others wait, bodies inside are looked at so often, and must each time have brought so many bytes. */
const LOOK_MS = 1000;
const PACE_BYTES = 1 << 18;

/** Room for one body. */
export interface Room {
  /** To be told of bytes that have come. */
  arrived(bytes: number): void;
  /** To be told that all have come. */
  complete(): void;
  /** Makes the room free again. */
  leave(): void;
}

/** Who asks for room. */
export interface Guest {
  /** Whose body it is. */
  readonly owner: string;
  readonly bytes: number;
  /** Ends the waiting with its reason. */
  readonly signal?: AbortSignal;
  /** Of a body that is still to come: called with an error where it comes too slowly while others wait. */
  readonly cut?: (error: ApiError) => void;
}

interface Inside {
  readonly guest: Guest;
  /** Bytes that came until now, and those of them that had come at the last look. */
  arrived: number;
  seen: number;
  /** Whether it has been inside for less than a look. */
  isFresh: boolean;
  isComplete: boolean;
}

interface Waiting {
  readonly guest: Guest;
  readonly enter: (entry: Inside) => void;
}

/**
 * Lets bodies in as long as they have at most so many bytes together; one alone may be larger. An owner who has nothing inside goes before those who
 * have, and is let in as long as all have at most twice as many.
 */
export class BodyGate {
  private readonly most: number;
  private readonly inside = new Set<Inside>();
  private readonly line: Waiting[] = [];
  private watch: ReturnType<typeof setInterval> | undefined;

  constructor(most: number) {
    this.most = most;
  }

  /** Waits for room. @throws ApiError 503, or the reason of the signal */
  async enter(guest: Guest): Promise<Room> {
    guest.signal?.throwIfAborted();
    const isFirst = !this.line.some((other) => other.guest.owner === guest.owner);
    const entry = isFirst && this.fits(guest) ? this.admit(guest) : await this.wait(guest);
    return {
      arrived: (bytes) => {
        entry.arrived += bytes;
      },
      complete: () => {
        entry.isComplete = true;
      },
      leave: () => {
        if (this.inside.delete(entry)) this.letIn();
      },
    };
  }

  private admit(guest: Guest): Inside {
    const entry = { guest, arrived: 0, seen: 0, isFresh: true, isComplete: false };
    this.inside.add(entry);
    return entry;
  }

  private holds(owner: string): boolean {
    return [...this.inside].some(({ guest }) => guest.owner === owner);
  }

  private fits({ owner, bytes }: Guest): boolean {
    let all = 0;
    for (const { guest } of this.inside) all += guest.bytes;
    return all === 0 || all + bytes <= (this.holds(owner) ? this.most : 2 * this.most);
  }

  private wait(guest: Guest): Promise<Inside> {
    return new Promise((resolve, reject) => {
      const { signal } = guest;
      const end = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', giveUp);
        this.line.splice(this.line.indexOf(waiting), 1);
        if (this.line.length > 0) return;
        clearInterval(this.watch);
        this.watch = undefined;
      };
      const waiting: Waiting = {
        guest,
        enter: (entry) => {
          end();
          resolve(entry);
        },
      };
      const giveUp = () => {
        end();
        reject(signal?.aborted ? signal.reason : busy('Too many large requests are being prepared.'));
        this.letIn();
      };
      const timer = setTimeout(giveUp, WAIT_MS);
      signal?.addEventListener('abort', giveUp);
      this.line.push(waiting);
      this.watch ??= this.startWatch();
    });
  }

  /** Of each owner the first in line, those before others who have nothing inside. */
  private letIn(): void {
    for (;;) {
      const owners = new Set<string>();
      const first = this.line.filter(({ guest }) => !owners.has(guest.owner) && owners.add(guest.owner));
      const fitting = first.filter(({ guest }) => this.fits(guest));
      const next = fitting.find(({ guest }) => !this.holds(guest.owner)) ?? fitting[0];
      if (!next) return;
      next.enter(this.admit(next.guest));
    }
  }

  private startWatch(): ReturnType<typeof setInterval> {
    for (const entry of this.inside) entry.seen = entry.arrived;
    return setInterval(() => {
      for (const entry of [...this.inside]) {
        const isSlow = !entry.isFresh && !entry.isComplete && entry.arrived - entry.seen < PACE_BYTES;
        entry.seen = entry.arrived;
        entry.isFresh = false;
        if (isSlow) entry.guest.cut?.(busy('The body came too slowly while others waited for its room.'));
      }
    }, LOOK_MS);
  }
}

function busy(what: string): ApiError {
  return new ApiError(503, `${what} Try again later.`, { code: 'busy', retryAfterSeconds: 5 });
}
