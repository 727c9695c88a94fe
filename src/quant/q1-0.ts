// Owns the Q1_0 format: blocks of 128 weights, an fp16 scale `d` and 128 bits, lowest bit first; 1 is +d, 0 is −d.
// Source: ggml's block_q1_0 and its reference quantiser.
import { floatToHalf, halfTable } from '../core/half.ts';
import { checkDecode, checkEncode, readU16, tooLarge, writeU16 } from './blocks.ts';
import type { FormatOf } from './format.ts';

const BLOCK = 128;
const BYTES = 18;

/**
 * Q1_0: 1.125 bits per weight; encoding takes d = mean|x| and bit = x >= 0. Meant for weights that already are ±d: those with d > 0 representable
 * in fp16 come back bit for bit.
 */
export const q1_0: FormatOf<'q1_0'> = {
  name: 'q1_0',
  ggmlType: 41,
  ggmlName: 'Q1_0',
  kind: 'binary',
  blockSize: BLOCK,
  blockBytes: BYTES,
  decode(bytes, out) {
    checkDecode(q1_0, bytes, out);
    const table = halfTable();
    const either = new Float32Array(2); // looked up, since no processor guesses a random bit
    for (let i = 0, at = 0; i < out.length; i += BLOCK, at += BYTES) {
      either[1] = table[readU16(bytes, at)];
      either[0] = -either[1];
      for (let j = 0; j < BLOCK; j++) out[i + j] = either[(bytes[at + 2 + (j >> 3)] >> (j & 7)) & 1];
    }
  },
  encode(values, out) {
    checkEncode(q1_0, values, out);
    const words = new Int32Array(values.buffer, values.byteOffset, values.length);
    for (let i = 0, at = 0; i < values.length; i += BLOCK, at += BYTES) {
      let sum = 0; // In float32 and in order, as the reference sums.
      for (let j = i; j < i + BLOCK; j++) sum = Math.fround(sum + Math.abs(values[j]));
      const half = floatToHalf(sum / BLOCK);
      if (half === 0x7c00) throw tooLarge(q1_0, 'mean|x|', sum / BLOCK, i);
      writeU16(out, at, half);
      for (let b = 0, j = i; b < BLOCK / 8; b++) {
        let below = 0; // from the sign bit, since no processor guesses a random one; −0 is not below 0
        for (let k = 0; k < 8; k++, j++) {
          const size = words[j] << 1;
          below |= ((words[j] & (size | -size)) >>> 31) << k;
        }
        out[at + 2 + b] = ~below;
      }
    }
  },
};
