// Owns Q4_1 and Q5_1: blocks of 32 weights, an fp16 scale d, an fp16 minimum m, then codes as in Q4_0 and Q5_0; the weight is q · d + m.
// Source: ggml's block_q4_1, block_q5_1 and their reference quantisers.
import { floatToHalf } from '../core/half.ts';
import { checkDecode, checkEncode, scalesOfFewLevels, tooLarge, writeU16 } from './blocks.ts';
import type { FormatOf } from './format.ts';
import { addHighBits, highBits, nibbles } from './nibbles.ts';
import { halfAt, roundedToQ8 } from './recode.ts';

const BLOCK = 32;
const fround = Math.fround;

/** Q4_1: 5 bits per weight; encoding takes m = min x and d = (max x − m) / 15. */
export const q4_1 = shifted('q4_1', 3, 'Q4_1', 15);

/** Q5_1: 6 bits per weight; encoding takes m = min x and d = (max x − m) / 31. */
export const q5_1 = shifted('q5_1', 7, 'Q5_1', 31);

function shifted<Name extends string>(name: Name, ggmlType: number, ggmlName: string, levels: 15 | 31): FormatOf<Name> {
  const high = levels === 31;
  const blockBytes = high ? 24 : 20;
  const codesAt = blockBytes - 16;
  const codes = new Uint8Array(BLOCK);
  const layout = { name, blockSize: BLOCK, blockBytes };
  const decode = (bytes: Uint8Array, out: Float32Array) => {
    checkDecode(layout, bytes, out);
    for (let i = 0, at = 0; i < out.length; i += BLOCK, at += blockBytes) {
      const d = halfAt(bytes, at);
      const m = halfAt(bytes, at + 2);
      nibbles(bytes, at + codesAt, codes);
      if (high) addHighBits(bytes, at + 4, codes);
      for (let j = 0; j < BLOCK; j++) out[i + j] = fround(codes[j] * d) + m;
    }
  };
  const write = (half: number, minimum: number, out: Uint8Array, at: number) => {
    writeU16(out, at, half);
    writeU16(out, at + 2, minimum);
    if (high) highBits(codes, out, at + 4);
    for (let j = 0; j < 16; j++) out[at + codesAt + j] = (codes[j] & 15) | ((codes[16 + j] & 15) << 4);
  };
  return {
    ...layout,
    ggmlType,
    ggmlName,
    kind: 'levels',
    halvesAt: [0, 2],
    decode,
    encode(values, out) {
      checkEncode(layout, values, out);
      for (let i = 0, at = 0; i < values.length; i += BLOCK, at += blockBytes) {
        const some = values.subarray(i, i + BLOCK);
        const [least, most] = [leastOf(values, i), Math.max(...some)];
        const d = fround(fround(most - least) / levels);
        const [half, minimum] = [floatToHalf(d), floatToHalf(least)];
        if ((half & 0x7fff) === 0x7c00) throw tooLarge(layout, 'the scale', d, i);
        if ((minimum & 0x7fff) === 0x7c00) throw tooLarge(layout, 'the minimum', least, i);
        const inverse = fround(1 / d);
        const scale = Number.isFinite(inverse) ? inverse : 0;
        for (let j = 0; j < BLOCK; j++) {
          codes[j] = Math.min(levels, Math.trunc(fround(fround(fround(values[i + j] - least) * scale) + 0.5)));
        }
        write(half, minimum, out, at);
      }
    },
    otherScales: (values, start) => scalesOfFewLevels(values, start, BLOCK, leastOf(values, start)),
    encodeBlock(values, start, scale, out, at) {
      const least = leastOf(values, start);
      for (let j = 0; j < BLOCK; j++) codes[j] = Math.min(levels, Math.round((values[start + j] - least) / scale));
      write(floatToHalf(scale), floatToHalf(least), out, at);
    },
    recode: roundedToQ8({ ...layout, decode }),
  };
}

function leastOf(values: Float32Array, start: number): number {
  return Math.min(...values.subarray(start, start + BLOCK));
}
