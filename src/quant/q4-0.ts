// Owns Q4_0 and Q5_0: blocks of 32 weights, an fp16 scale d, (Q5_0: 4 bytes of fifth bits,) 16 bytes of nibbles. Byte i holds weight i in its low half and
// weight 16 + i in its high half; the weight is (q − 8) · d, or (q − 16) · d. Source: ggml's block_q4_0, block_q5_0 and their reference quantisers.
import { floatToHalf } from '../core/half.ts';
import { checkDecode, checkEncode, scalesOfFewLevels, tooLarge, writeU16 } from './blocks.ts';
import type { FormatOf } from './format.ts';
import { addHighBits, highBits, nibbles } from './nibbles.ts';
import { halfAt, multiplesInQ8 } from './recode.ts';

const BLOCK = 32;
const fround = Math.fround;

/** Q4_0: 4.5 bits per weight; encoding takes d = the value of the largest magnitude / −8. */
export const q4_0 = centred('q4_0', 2, 'Q4_0', 8);

/** Q5_0: 5.5 bits per weight; encoding takes d = the value of the largest magnitude / −16. */
export const q5_0 = centred('q5_0', 6, 'Q5_0', 16);

function centred<Name extends string>(name: Name, ggmlType: number, ggmlName: string, centre: 8 | 16): FormatOf<Name> {
  const high = centre === 16;
  const blockBytes = high ? 22 : 18;
  const codesAt = blockBytes - 16;
  const codes = new Uint8Array(BLOCK);
  const read = (bytes: Uint8Array, at: number) => {
    nibbles(bytes, at + codesAt, codes);
    if (high) addHighBits(bytes, at + 2, codes);
  };
  const write = (half: number, out: Uint8Array, at: number) => {
    writeU16(out, at, half);
    if (high) highBits(codes, out, at + 2);
    for (let j = 0; j < 16; j++) out[at + codesAt + j] = (codes[j] & 15) | ((codes[16 + j] & 15) << 4);
  };
  const format: FormatOf<Name> = {
    name,
    ggmlType,
    ggmlName,
    kind: 'levels',
    blockSize: BLOCK,
    blockBytes,
    decode(bytes, out) {
      checkDecode(format, bytes, out);
      for (let i = 0, at = 0; i < out.length; i += BLOCK, at += blockBytes) {
        const d = halfAt(bytes, at);
        read(bytes, at);
        for (let j = 0; j < BLOCK; j++) out[i + j] = (codes[j] - centre) * d;
      }
    },
    encode(values, out) {
      checkEncode(format, values, out);
      for (let i = 0, at = 0; i < values.length; i += BLOCK, at += blockBytes) {
        let largest = 0;
        for (let j = i; j < i + BLOCK; j++) if (Math.abs(values[j]) > Math.abs(largest)) largest = values[j];
        const d = fround(largest / -centre);
        const half = floatToHalf(d);
        if ((half & 0x7fff) === 0x7c00) throw tooLarge(format, `max|x| / ${centre}`, d, i);
        const inverse = fround(1 / d);
        const scale = Number.isFinite(inverse) ? inverse : 0;
        for (let j = 0; j < BLOCK; j++) {
          codes[j] = Math.min(2 * centre - 1, Math.trunc(fround(fround(values[i + j] * scale) + (centre + 0.5))));
        }
        write(half, out, at);
      }
    },
    otherScales: (values, start) => scalesOfFewLevels(values, start, BLOCK),
    encodeBlock(values, start, scale, out, at) {
      for (let j = 0; j < BLOCK; j++) {
        codes[j] = Math.max(0, Math.min(2 * centre - 1, Math.round(values[start + j] / scale) + centre));
      }
      write(floatToHalf(scale), out, at);
    },
    recode: multiplesInQ8(blockBytes, (bytes, at, out) => {
      read(bytes, at);
      for (let j = 0; j < BLOCK; j++) out[j] = codes[j] - centre;
    }),
  };
  return format;
}
