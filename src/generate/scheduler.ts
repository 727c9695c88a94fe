// Owns who may run: so many requests at once, the others wait in order. Must not know what requests compute.
import { OnebitError } from '../errors.ts';

export interface SchedulerOptions {
  /** Most requests that run at once. */
  readonly parallel: number;
  /** Most requests that wait for a place. */
  readonly queue: number;
}

/** Places for requests. */
export class Scheduler {
  private readonly options: SchedulerOptions;
  private readonly queue: (() => void)[] = [];
  /** Requests that have a place. */
  running = 0;

  constructor(options: SchedulerOptions) {
    this.options = options;
  }

  /** Requests without a place. */
  get waiting(): number {
    return this.queue.length;
  }

  /** Waits for a place. @throws OnebitError `busy` when too many wait already; the signal's reason when aborted */
  async enter(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.running < this.options.parallel) {
      this.running++;
      return;
    }
    if (this.queue.length >= this.options.queue) {
      throw new OnebitError(
        'busy',
        `generate: at most ${this.options.queue} requests may wait, and so many do. Try again later.`,
      );
    }
    await new Promise<void>((resolve, reject) => {
      const enter = () => {
        signal?.removeEventListener('abort', abort);
        resolve();
      };
      const abort = () => {
        this.queue.splice(this.queue.indexOf(enter), 1);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.queue.push(enter);
    });
  }

  /** Gives a place back: the first who waits takes it. */
  leave(): void {
    const next = this.queue.shift();
    if (next) next();
    else this.running--;
  }
}
