// Owns becoming Q8_0, for formats of more levels than two bits hold. Must not know any one of them.
import { halfTable } from '../core/half.ts';
import { readU16 } from './blocks.ts';
import type { Recode } from './format.ts';
import { q8_0 } from './q8-0.ts';

const BLOCK = 32;
const BYTES = 34;

/** Rounds the decoded weights to Q8_0. How much that loses is said in docs/formats.md. */
export function roundedToQ8(format: {
  blockSize: number;
  blockBytes: number;
  decode(bytes: Uint8Array, out: Float32Array): void;
}): Recode {
  return {
    as: 'q8_0',
    lossless: false,
    rows(bytes, out) {
      // A few blocks at a time: their values stay in cache.
      const values = new Float32Array(format.blockSize * 16);
      const step = 16 * format.blockBytes;
      for (let at = 0, to = 0; at < bytes.length; at += step) {
        const piece = bytes.subarray(at, at + step);
        const some = values.subarray(0, (piece.length / format.blockBytes) * format.blockSize);
        format.decode(piece, some);
        q8_0.encode(some, out.subarray(to));
        to += (some.length / BLOCK) * BYTES;
      }
    },
  };
}

/** Blocks of 32 whose weights are whole multiples of their fp16 scale, which comes first: the same scale, the multiples as bytes. */
export function multiplesInQ8(
  blockBytes: number,
  multiples: (bytes: Uint8Array, at: number, out: Int8Array) => void,
): Recode {
  const codes = new Int8Array(BLOCK);
  return {
    as: 'q8_0',
    lossless: true,
    rows(bytes, out) {
      for (let at = 0, to = 0; at < bytes.length; at += blockBytes, to += BYTES) {
        multiples(bytes, at, codes);
        out[to] = bytes[at];
        out[to + 1] = bytes[at + 1];
        for (let j = 0; j < BLOCK; j++) out[to + 2 + j] = codes[j];
      }
    },
  };
}

/** The 16-bit float at `at`. */
export function halfAt(bytes: Uint8Array, at: number): number {
  return halfTable()[readU16(bytes, at)];
}
