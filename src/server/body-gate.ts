// Owns how many bytes of large bodies, or of other work, are in memory at once, over all requests: the others wait in line.
import { ApiError } from './api-error.ts';

/** Bodies up to this size are not counted. */
const SMALL_BYTES = 1 << 16;
/** How long a request waits before it is told to come again. */
const WAIT_MS = 20_000;

interface Waiting {
  readonly bytes: number;
  readonly enter: () => void;
}

/** Lets requests in as long as their bodies together have at most so many bytes; one alone may be larger. */
export class BodyGate {
  private readonly most: number;
  private inside = 0;
  private readonly line: Waiting[] = [];

  constructor(most: number) {
    this.most = most;
  }

  /** Waits for room for `bytes`; gives what makes the room free again. @throws ApiError 503, or the reason of `signal` */
  async enter(bytes: number, signal?: AbortSignal): Promise<() => void> {
    if (bytes <= SMALL_BYTES) return () => {};
    if (this.line.length > 0 || !this.fits(bytes)) await this.wait(bytes, signal);
    else this.inside += bytes;
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.inside -= bytes;
      this.letIn();
    };
  }

  private fits(bytes: number): boolean {
    return this.inside === 0 || this.inside + bytes <= this.most;
  }

  private wait(bytes: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', giveUp);
      };
      const waiting = {
        bytes,
        enter: () => {
          end();
          resolve();
        },
      };
      const giveUp = () => {
        end();
        const at = this.line.indexOf(waiting);
        if (at >= 0) this.line.splice(at, 1);
        reject(signal?.aborted ? signal.reason : tooBusy());
        this.letIn();
      };
      const timer = setTimeout(giveUp, WAIT_MS);
      signal?.addEventListener('abort', giveUp);
      this.line.push(waiting);
      if (signal?.aborted) giveUp();
    });
  }

  private letIn(): void {
    while (this.line.length > 0 && this.fits(this.line[0].bytes)) {
      const next = this.line.shift()!;
      this.inside += next.bytes;
      next.enter();
    }
  }
}

function tooBusy(): ApiError {
  return new ApiError(503, 'Too many large requests are being prepared. Try again later.', {
    code: 'busy',
    retryAfterSeconds: 5,
  });
}
