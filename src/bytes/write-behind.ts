// Owns computing the next piece of a file while the last ones are being written. Must not know where bytes go.
import type { Append } from './file-write.ts';

/** An `append` that waits only where too much is on its way. */
export interface WriteBehind {
  /** Bytes may be reused when as many further calls as pieces may be on their way have resolved, not before. @throws what writing this piece or one before threw */
  append(bytes: Uint8Array): Promise<void>;
  /** Waits for the last pieces. @throws what writing one threw */
  finish(): Promise<void>;
}

/**
 * Writes pieces while their caller makes the next: with a buffer more than pieces are on their way nothing waits but for the slower of both. With two on their way
 * the disk need not wait for the caller between them.
 */
export function writeBehind(append: Append, pieces = 1): WriteBehind {
  const running: Promise<void>[] = [];
  return {
    async append(bytes) {
      while (running.length >= pieces) await running.shift();
      const writing = append(bytes);
      writing.catch(() => {}); // whoever waits next is told
      running.push(writing);
    },
    async finish() {
      while (running.length > 0) await running.shift();
    },
  };
}
