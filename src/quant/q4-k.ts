// Owns Q4_K and Q5_K: blocks of 256 weights in eight parts of 32, each with a 6-bit scale and a 6-bit minimum, multiples of the block's fp16 d and dmin: the
// weight is q · (d · scale) − dmin · minimum. Layout: d, dmin, 12 bytes of scales and minima, (Q5_K: 32 bytes of fifth bits,) 128 bytes of nibbles.
// Source: ggml's block_q4_K, block_q5_K and get_scale_min_k4.
import { floatToHalf, halfTable } from '../core/half.ts';
import { checkDecode, checkEncode, tooLarge, writeU16 } from './blocks.ts';
import type { FormatOf } from './format.ts';
import { halfAt, roundedToQ8 } from './recode.ts';

const BLOCK = 256;
const PART = 32;
const SCALES = 4;
const fround = Math.fround;

/** Q4_K: 4.5 bits per weight. Encoding takes each part's range as it is; ggml's quantiser searches for better ones. */
export const q4_k = kFormat('q4_k', 12, 'Q4_K', 15);

/** Q5_K: 5.5 bits per weight; encoding as `q4_k`. */
export const q5_k = kFormat('q5_k', 13, 'Q5_K', 31);

function kFormat<Name extends string>(name: Name, ggmlType: number, ggmlName: string, levels: 15 | 31): FormatOf<Name> {
  const high = levels === 31;
  const blockBytes = high ? 176 : 144;
  const codesAt = blockBytes - 128;
  const layout = { name, blockSize: BLOCK, blockBytes };
  const decode = (bytes: Uint8Array, out: Float32Array) => {
    checkDecode(layout, bytes, out);
    for (let i = 0, at = 0; i < out.length; i += BLOCK, at += blockBytes) {
      const d = halfAt(bytes, at);
      const dmin = halfAt(bytes, at + 2);
      for (let part = 0; part < 8; part++) {
        const scale = fround(d * scaleOf(bytes, at + SCALES, part));
        const minimum = fround(dmin * minimumOf(bytes, at + SCALES, part));
        const from = at + codesAt + (part >> 1) * PART;
        const shift = (part & 1) * 4;
        for (let j = 0; j < PART; j++) {
          let code = (bytes[from + j] >> shift) & 15;
          if (high) code |= ((bytes[at + 16 + j] >> part) & 1) << 4;
          out[i + part * PART + j] = fround(scale * code) - minimum;
        }
      }
    }
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
        out.fill(0, at, at + blockBytes);
        const parts = Array.from({ length: 8 }, (_, part) => {
          const some = values.subarray(i + part * PART, i + (part + 1) * PART);
          const least = Math.min(0, ...some);
          return { some, least, scale: (Math.max(...some) - least) / levels };
        });
        const halves = [
          Math.max(...parts.map(({ scale }) => scale)),
          Math.max(...parts.map(({ least }) => -least)),
        ].map((most) => floatToHalf(most / 63));
        if (halves.includes(0x7c00)) throw tooLarge(layout, 'the scale', halves[0], i);
        writeU16(out, at, halves[0]);
        writeU16(out, at + 2, halves[1]);
        const [d, dmin] = halves.map((half) => halfTable()[half]);
        for (const [part, { some, least, scale }] of parts.entries()) {
          const multiple = d === 0 ? 0 : Math.min(63, Math.round(scale / d));
          const minimum = dmin === 0 ? 0 : Math.min(63, Math.round(-least / dmin));
          putScales(out, at + SCALES, part, multiple, minimum);
          for (let j = 0; j < PART; j++) {
            const steps = multiple === 0 ? 0 : Math.round((some[j] + dmin * minimum) / (d * multiple));
            const code = Math.min(levels, Math.max(0, steps));
            out[at + codesAt + (part >> 1) * PART + j] |= (code & 15) << ((part & 1) * 4);
            if (high) out[at + 16 + j] |= (code >> 4) << part;
          }
        }
      }
    },
    recode: roundedToQ8({ ...layout, decode }),
  };
}

function scaleOf(bytes: Uint8Array, at: number, part: number): number {
  return part < 4 ? bytes[at + part] & 63 : (bytes[at + part + 4] & 15) | ((bytes[at + part - 4] >> 6) << 4);
}

function minimumOf(bytes: Uint8Array, at: number, part: number): number {
  return part < 4 ? bytes[at + part + 4] & 63 : (bytes[at + part + 4] >> 4) | ((bytes[at + part] >> 6) << 4);
}

function putScales(out: Uint8Array, at: number, part: number, scale: number, minimum: number): void {
  if (part < 4) {
    out[at + part] |= scale;
    out[at + part + 4] |= minimum;
    return;
  }
  out[at + part + 4] |= (scale & 15) | ((minimum & 15) << 4);
  out[at + part - 4] |= (scale >> 4) << 6;
  out[at + part] |= (minimum >> 4) << 6;
}
