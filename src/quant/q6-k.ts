// Owns Q6_K: blocks of 256 weights in sixteen parts of 16, each with an 8-bit scale, a multiple of the block's fp16 d: the weight is (q − 32) · (d · scale).
// Layout: 128 bytes of the lower four bits, 64 of the upper two, 16 scales, d. Source: ggml's block_q6_K.
import { floatToHalf, halfTable } from '../core/half.ts';
import { checkDecode, checkEncode, tooLarge, writeU16 } from './blocks.ts';
import type { FormatOf } from './format.ts';
import { halfAt, roundedToQ8 } from './recode.ts';

const BLOCK = 256;
const BYTES = 210;
const UPPER = 128;
const SCALES = 192;
const SCALE = 208;
const layout = { name: 'q6_k', blockSize: BLOCK, blockBytes: BYTES } as const;

/** Where weight `j` of a block has its lower bits, their shift, its upper bits, their shift. */
const places = Array.from({ length: BLOCK }, (_, j) => {
  const [side, quarter, l] = [j >> 7, (j >> 5) & 3, j & 31];
  return {
    lower: 64 * side + 32 * (quarter & 1) + l,
    shift: 4 * (quarter >> 1),
    upper: UPPER + 32 * side + l,
    upperShift: 2 * quarter,
  };
});

/** Q6_K: 6.5625 bits per weight. Encoding takes each part's largest magnitude as it is; ggml's quantiser searches for a better one. */
export const q6_k: FormatOf<'q6_k'> = {
  ...layout,
  ggmlType: 14,
  ggmlName: 'Q6_K',
  kind: 'levels',
  halvesAt: [SCALE],
  decode,
  encode(values, out) {
    checkEncode(layout, values, out);
    for (let i = 0, at = 0; i < values.length; i += BLOCK, at += BYTES) {
      out.fill(0, at, at + BYTES);
      const scales = Array.from({ length: 16 }, (_, part) => {
        let largest = 0;
        for (const x of values.subarray(i + 16 * part, i + 16 * part + 16)) {
          if (Math.abs(x) > Math.abs(largest)) largest = x;
        }
        return largest / -32;
      });
      const widest = scales.reduce((most, scale) => (Math.abs(scale) > Math.abs(most) ? scale : most), 0);
      const half = floatToHalf(widest / -128);
      if ((half & 0x7fff) === 0x7c00) throw tooLarge(layout, 'the scale', widest / -128, i);
      writeU16(out, at + SCALE, half);
      const d = halfTable()[half];
      for (let j = 0; j < BLOCK; j++) {
        const multiple = d === 0 ? 0 : Math.max(-128, Math.min(127, Math.round(scales[j >> 4] / d)));
        out[at + SCALES + (j >> 4)] = multiple;
        const steps = multiple === 0 ? 0 : Math.round(values[i + j] / (d * multiple));
        const code = 32 + Math.max(-32, Math.min(31, steps));
        const { lower, shift, upper, upperShift } = places[j];
        out[at + lower] |= (code & 15) << shift;
        out[at + upper] |= (code >> 4) << upperShift;
      }
    }
  },
  recode: roundedToQ8({ ...layout, decode }),
};

function decode(bytes: Uint8Array, out: Float32Array): void {
  checkDecode(layout, bytes, out);
  for (let i = 0, at = 0; i < out.length; i += BLOCK, at += BYTES) {
    const d = halfAt(bytes, at + SCALE);
    for (let j = 0; j < BLOCK; j++) {
      const { lower, shift, upper, upperShift } = places[j];
      const code = ((bytes[at + lower] >> shift) & 15) | (((bytes[at + upper] >> upperShift) & 3) << 4);
      const scale = Math.fround(d * ((bytes[at + SCALES + (j >> 4)] << 24) >> 24));
      out[i + j] = scale * (code - 32);
    }
  }
}
