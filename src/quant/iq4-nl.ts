// Owns IQ4_NL: blocks of 32 weights, an fp16 scale d, 16 bytes of nibbles. Byte i holds weight i in its low half and weight 16 + i in its high half; a nibble
// names one of sixteen levels that lie closer together around zero, and the weight is level · d. Source: ggml's block_iq4_nl.
import { floatToHalf } from '../core/half.ts';
import { checkDecode, checkEncode, tooLarge, writeU16 } from './blocks.ts';
import type { FormatOf } from './format.ts';
import { nibbles } from './nibbles.ts';
import { halfAt, multiplesInQ8 } from './recode.ts';

const BLOCK = 32;
const BYTES = 18;
const LEVELS = Int8Array.of(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);

const codes = new Uint8Array(BLOCK);

/** IQ4_NL: 4.5 bits per weight; encoding takes d = the value of the largest magnitude / −127, where ggml searches for a better one. */
export const iq4_nl: FormatOf<'iq4_nl'> = {
  name: 'iq4_nl',
  ggmlType: 20,
  ggmlName: 'IQ4_NL',
  kind: 'levels',
  blockSize: BLOCK,
  blockBytes: BYTES,
  decode(bytes, out) {
    checkDecode(iq4_nl, bytes, out);
    for (let i = 0, at = 0; i < out.length; i += BLOCK, at += BYTES) {
      const d = halfAt(bytes, at);
      nibbles(bytes, at + 2, codes);
      for (let j = 0; j < BLOCK; j++) out[i + j] = LEVELS[codes[j]] * d;
    }
  },
  encode(values, out) {
    checkEncode(iq4_nl, values, out);
    for (let i = 0, at = 0; i < values.length; i += BLOCK, at += BYTES) {
      let largest = 0;
      for (let j = i; j < i + BLOCK; j++) if (Math.abs(values[j]) > Math.abs(largest)) largest = values[j];
      const d = Math.fround(largest / LEVELS[0]);
      const half = floatToHalf(d);
      if ((half & 0x7fff) === 0x7c00) throw tooLarge(iq4_nl, 'max|x| / 127', d, i);
      for (let j = 0; j < BLOCK; j++) codes[j] = d === 0 ? 8 : nearestLevel(values[i + j] / d);
      writeU16(out, at, half);
      for (let j = 0; j < 16; j++) out[at + 2 + j] = codes[j] | (codes[16 + j] << 4);
    }
  },
  recode: multiplesInQ8(BYTES, (bytes, at, out) => {
    nibbles(bytes, at + 2, codes);
    for (let j = 0; j < BLOCK; j++) out[j] = LEVELS[codes[j]];
  }),
};

/** The level next to x, the lower of two. */
function nearestLevel(x: number): number {
  let best = 0;
  for (let code = 1; code < LEVELS.length; code++) {
    if (Math.abs(LEVELS[code] - x) < Math.abs(LEVELS[best] - x)) best = code;
  }
  return best;
}
