// Owns computing the next piece of a file while the last one is being written. Must not know where bytes go.
import type { Append } from './file-write.ts';

/** An `append` that waits for the piece before the one it is given. */
export interface WriteBehind {
  /** Bytes may be reused when the next call has resolved, not before. @throws what writing this piece or the one before threw */
  append(bytes: Uint8Array): Promise<void>;
  /** Waits for the last piece. @throws what writing it threw */
  finish(): Promise<void>;
}

/** Writes each piece while its caller makes the next: with two buffers in turn nothing waits but for the slower of both. */
export function writeBehind(append: Append): WriteBehind {
  let last = Promise.resolve();
  return {
    async append(bytes) {
      await last;
      last = append(bytes);
      last.catch(() => {}); // whoever waits next is told
    },
    finish: () => last,
  };
}
