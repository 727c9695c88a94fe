// Owns what formats of ternary weights in blocks with one fp16 scale have in common: decoding, encoding, and becoming the 2-bit blocks that kernels read.
// A format of its own says only where in a block its codes and scale are. Codes 0, 1, 2 are −1, 0, +1 times the scale (3 is +2 where two bits hold it).
import { floatToHalf, halfTable } from '../core/half.ts';
import { checkDecode, checkEncode, readU16, tooLarge, writeU16 } from './blocks.ts';
import type { FormatOf } from './format.ts';

/** Where a ternary format keeps its codes. */
export interface TernaryLayout<Name extends string> {
  readonly name: Name;
  readonly ggmlType: number;
  readonly ggmlName: string;
  /** A multiple of 128. */
  readonly blockSize: number;
  readonly blockBytes: number;
  readonly scaleAt: number;
  /** Reads the codes [blockSize] of the block at `at`. */
  unpack(bytes: Uint8Array, at: number, codes: Uint8Array): void;
  /** Writes the codes [blockSize] of the block at `at`; those bytes are zero before. */
  pack(codes: Uint8Array, bytes: Uint8Array, at: number): void;
  /** Writes the codes as the kernels have them: those of weight w, a multiple of 4, to w + 3 are byte `pairPlace(to, w)`. Four to five times as fast as `unpack`. */
  pairs(bytes: Uint8Array, at: number, out: Uint8Array, to: number): void;
}

/** Weights and bytes of the kernels' block, `q2_0-128`. */
const SPAN = 128;
const SPAN_BYTES = 34;

/** The format of a layout; encoding takes d = max|x| and rounds x / d half away from zero, as ggml's reference quantisers do. */
export function ternaryFormat<Name extends string>(layout: TernaryLayout<Name>): FormatOf<Name> {
  const { blockSize, blockBytes, scaleAt } = layout;
  const { unpack, pack, pairs, scaleAt: _, ...facts } = layout;
  const format: FormatOf<Name> = {
    ...facts,
    kind: 'ternary',
    halvesAt: [scaleAt],
    decode(bytes, out) {
      checkDecode(layout, bytes, out);
      const table = halfTable();
      const codes = new Uint8Array(blockSize);
      for (let i = 0, at = 0; i < out.length; i += blockSize, at += blockBytes) {
        const d = table[readU16(bytes, at + scaleAt)];
        unpack(bytes, at, codes);
        for (let j = 0; j < blockSize; j++) out[i + j] = (codes[j] - 1) * d;
      }
    },
    encode(values, out) {
      checkEncode(layout, values, out);
      const codes = new Uint8Array(blockSize);
      for (let i = 0, at = 0; i < values.length; i += blockSize, at += blockBytes) {
        const d = largestOf(values, i, blockSize);
        const half = floatToHalf(d);
        if (half === 0x7c00) throw tooLarge(layout, 'max|x|', d, i);
        ternaryCodes(values, i, d, codes);
        out.fill(0, at, at + blockBytes);
        pack(codes, out, at);
        writeU16(out, at + scaleAt, half);
      }
    },
    recode: {
      as: 'q2_0-128',
      lossless: true,
      rows(bytes, out) {
        let to = 0;
        for (let at = 0; at + blockBytes <= bytes.length; at += blockBytes) {
          pairs(bytes, at, out, to);
          for (let j = 0; j < blockSize; j += SPAN, to += SPAN_BYTES) {
            out[to] = bytes[at + scaleAt];
            out[to + 1] = bytes[at + scaleAt + 1];
          }
        }
      },
    },
  };
  return format;
}

/** Where the codes of weights w to w + 3 of a block at `to` go, in blocks of the kernels. */
export function pairPlace(to: number, w: number): number {
  return to + (w >> 7) * SPAN_BYTES + 2 + ((w & (SPAN - 1)) >> 2);
}

/**
 * Four bytes, each with the codes of four weights that lie `step` weights apart, as four bytes with the codes of neighbours: those of the lowest bits at `to`,
 * of the next ones `step` / 4 bytes on, and so on.
 */
export function turnPairs(bytes: Uint8Array, at: number, out: Uint8Array, to: number, stepBytes: number): void {
  const word = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
  for (let shift = 0; shift < 8; shift += 2, to += stepBytes) {
    const x = (word >>> shift) & 0x03030303;
    out[to] = x | (x >>> 6) | (x >>> 12) | (x >>> 18);
  }
}

/** max|x| of `count` values. */
export function largestOf(values: Float32Array, start: number, count: number): number {
  let largest = 0;
  for (let j = start; j < start + count; j++) largest = Math.max(largest, Math.abs(values[j]));
  return largest;
}

/**
 * The codes of x / d rounded half away from zero, in float32; |x| is at most d. The reciprocal of a float32 subnormal overflows: such blocks have d = 0 in
 * fp16 and read back as zeros anyway.
 */
export function ternaryCodes(values: Float32Array, start: number, d: number, codes: Uint8Array): void {
  const inverse = Math.fround(1 / d);
  const scale = Number.isFinite(inverse) ? inverse : 0;
  for (let j = 0; j < codes.length; j++) {
    const scaled = Math.fround(values[start + j] * scale);
    codes[j] = Math.abs(scaled) >= 0.5 ? (scaled > 0 ? 2 : 0) : 1;
  }
}

/** Two bits a code, four to a byte, lowest first: what Q2_0 has behind its scale. */
export function packPairs(codes: Uint8Array, start: number, count: number, out: Uint8Array, at: number): void {
  for (let j = start; j < start + count; j += 4) {
    out[at++] = codes[j] | (codes[j + 1] << 2) | (codes[j + 2] << 4) | (codes[j + 3] << 6);
  }
}
