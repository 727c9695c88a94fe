// Owns what a file that is written in place says of a write, in the browser's private file system. Must not know what is written.
// Source: https://fs.spec.whatwg.org/#api-filesystemsyncaccesshandle.

/**
 * How many of `most` bytes a write took that said `written`; 0 where the storage is full. Chromium's private windows then give the number of an error,
 * 4294967288, instead of throwing one.
 */
export function bytesTaken(written: number, most: number): number {
  return written > 0 && written <= most ? written : 0;
}

/** Whether an error says that the storage is full. */
export function isQuotaError(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'QuotaExceededError';
}
