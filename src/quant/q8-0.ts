// Owns the Q8_0 format: blocks of 32 weights, an fp16 scale `d` and 32 signed bytes. Source: ggml's block_q8_0 and its reference quantiser.
import { floatToHalf, halfTable } from '../core/half.ts';
import { checkDecode, checkEncode, readU16, scalesOfFewLevels, tooLarge, writeU16 } from './blocks.ts';
import type { FormatOf } from './format.ts';

const BLOCK = 32;
const BYTES = 34;
const fround = Math.fround;

/** Q8_0: 8.5 bits per weight; encoding takes d = max|x| / 127 in float32 and rounds x / d half away from zero, before d becomes fp16. */
export const q8_0: FormatOf<'q8_0'> = {
  name: 'q8_0',
  ggmlType: 8,
  ggmlName: 'Q8_0',
  kind: 'levels',
  blockSize: BLOCK,
  blockBytes: BYTES,
  decode(bytes, out) {
    checkDecode(q8_0, bytes, out);
    const table = halfTable();
    for (let i = 0, at = 0; i < out.length; i += BLOCK, at += BYTES) {
      const d = table[readU16(bytes, at)];
      for (let j = 0; j < BLOCK; j++) out[i + j] = d * ((bytes[at + 2 + j] << 24) >> 24);
    }
  },
  encode(values, out) {
    checkEncode(q8_0, values, out);
    for (let i = 0, at = 0; i < values.length; i += BLOCK, at += BYTES) encodeBlock(values, i, out, at);
  },
  /** Weights of a format with few levels are multiples of the least of them. */
  otherScales: (values, start) => scalesOfFewLevels(values, start, BLOCK),
  encodeBlock(values, start, scale, out, at) {
    writeU16(out, at, floatToHalf(scale));
    for (let j = 0; j < BLOCK; j++) {
      out[at + 2 + j] = Math.max(-128, Math.min(127, Math.round(values[start + j] / scale)));
    }
  },
};

function encodeBlock(values: Float32Array, start: number, out: Uint8Array, at: number): void {
  let largest = 0;
  for (let j = start; j < start + BLOCK; j++) largest = Math.max(largest, Math.abs(values[j]));
  const d = fround(largest / 127);
  const half = floatToHalf(d);
  if (half === 0x7c00) throw tooLarge(q8_0, 'max|x| / 127', d, start);
  writeU16(out, at, half);
  // The reciprocal of a float32 subnormal overflows; such blocks have d = 0 in fp16 and read back as zeros anyway.
  const inverse = fround(1 / d);
  const scale = Number.isFinite(inverse) ? inverse : 0;
  for (let j = 0; j < BLOCK; j++) {
    const scaled = fround(values[start + j] * scale);
    const magnitude = Math.floor(Math.abs(scaled) + 0.5);
    out[at + 2 + j] = scaled < 0 ? -magnitude : magnitude;
  }
}
