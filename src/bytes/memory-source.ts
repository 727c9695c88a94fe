// Owns reading from bytes that are already in memory.
import { checkArgument } from '../core/check.ts';
import { OnebitError } from '../errors.ts';
import type { ByteSource } from './source.ts';

/** A source over `bytes`, which it does not copy. */
export function memorySource(bytes: Uint8Array, name = 'memory'): ByteSource {
  checkArgument('memorySource', 'bytes', bytes, 'bytes');
  checkArgument('memorySource', 'name', name, 'text');
  return {
    name,
    size: bytes.length,
    async readInto(target, offsetBytes, signal) {
      signal?.throwIfAborted();
      if (offsetBytes < 0 || offsetBytes + target.length > bytes.length) {
        throw new OnebitError(
          'bad-file',
          `read: need bytes ${offsetBytes}..${offsetBytes + target.length} of ${name}, it has ${bytes.length}. The file is cut short; get it again.`,
        );
      }
      target.set(bytes.subarray(offsetBytes, offsetBytes + target.length));
    },
    async close() {},
  };
}
