// Owns Brotli on Node versions whose DecompressionStream does not know it.
import { Duplex } from 'node:stream';
import { createBrotliDecompress } from 'node:zlib';

/** A stream that decompresses. */
export function brotliStream(): ReadableWritablePair<Uint8Array, Uint8Array> {
  return Duplex.toWeb(createBrotliDecompress({ chunkSize: 1 << 16 })) as unknown as ReadableWritablePair<
    Uint8Array,
    Uint8Array
  >;
}
