// Owns the layouts with an fp16 scale `d` and then 2-bit codes, lowest bits first; codes 0..3 are −1, 0, +1, +2 times d: both behind ggml's type id 42, and
// PrismML's PQ2_0, which has an id of its own. Which of the two a file holds is decided by tensor sizes when it is read (gguf/tensors.ts).
// Sources: ggml's block_q2_0 (64 weights per block); PrismML's fork for the 128-wide blocks.
import { floatToHalf, halfTable } from '../core/half.ts';
import { checkDecode, checkEncode, readU16, tooLarge, writeU16 } from './blocks.ts';
import type { FormatOf } from './format.ts';
import { largestOf, packPairs, ternaryCodes } from './ternary.ts';

/** Q2_0: 2.25 bits per weight, blocks of 64; encoding takes d = max|x| and rounds x / d half away from zero, so ternary weights are kept. */
export const q2_0 = q2Format('q2_0', 42, 'Q2_0', 64);

/** The older PrismML Q2_0: 2.125 bits per weight, blocks of 128, otherwise as `q2_0`. */
export const q2_0_128 = { ...q2Format('q2_0-128', 42, 'Q2_0 (128 wide)', 128), isFork: true } as const;

/** PQ2_0: the same bytes as `q2_0-128` behind an id that nothing else has. */
export const pq2_0: FormatOf<'pq2_0'> = {
  ...q2Format('pq2_0', 142, "PrismML's PQ2_0", 128),
  isFork: true,
  recode: { as: 'q2_0-128', lossless: true, rows: (bytes, out) => out.set(bytes) },
};

function q2Format<Name extends string>(
  name: Name,
  ggmlType: number,
  ggmlName: string,
  blockSize: number,
): FormatOf<Name> {
  const blockBytes = 2 + blockSize / 4;
  const codes = new Uint8Array(blockSize);
  const format: FormatOf<Name> = {
    name,
    ggmlType,
    ggmlName,
    kind: 'ternary',
    blockSize,
    blockBytes,
    decode(bytes, out) {
      checkDecode(format, bytes, out);
      const table = halfTable();
      for (let i = 0, at = 0; i < out.length; i += blockSize, at += blockBytes) {
        const d = table[readU16(bytes, at)];
        for (let j = 0; j < blockSize; j++) {
          out[i + j] = (((bytes[at + 2 + (j >> 2)] >> ((j & 3) * 2)) & 3) - 1) * d;
        }
      }
    },
    encode(values, out) {
      checkEncode(format, values, out);
      for (let i = 0, at = 0; i < values.length; i += blockSize, at += blockBytes) {
        const d = largestOf(values, i, blockSize);
        const half = floatToHalf(d);
        if (half === 0x7c00) throw tooLarge(format, 'max|x|', d, i);
        // |x / d| is at most 1, so code 3 (+2d) is not written.
        ternaryCodes(values, i, d, codes);
        writeU16(out, at, half);
        packPairs(codes, 0, blockSize, out, at + 2);
      }
    },
    /** Blocks with +2d have twice the scale that the encoder takes for them. */
    otherScales: (values, start) => {
      const d = largestOf(values, start, blockSize) / 2;
      return [d, -d];
    },
    encodeBlock(values, start, scale, out, at) {
      for (let j = 0; j < blockSize; j++)
        codes[j] = Math.min(3, Math.max(0, 1 + Math.round(values[start + j] / scale)));
      writeU16(out, at, floatToHalf(scale));
      packPairs(codes, 0, blockSize, out, at + 2);
    },
  };
  return format;
}
