// Owns BitNet's I2_S: 2-bit codes of a whole tensor, then one float32 scale in a tail of 32 bytes. Codes 0, 1, 2 are −1, 0, +1; 3 does not occur.
// Two orders have been written, and nothing in a file says which: in groups of 128 weights (x86 builds, all converters), where byte i of 32 holds weights
// i, 32 + i, 64 + i, 96 + i in bits 7:6, 5:4, 3:2, 1:0, and in groups of 64 (ARM builds), the same with 16 bytes. Both hold the same codes, so counting codes
// does not tell them apart: a row that is no multiple of 128 does, and so does the user (gguf/tensors.ts).
// Source: Microsoft's BitNet, ggml-bitnet-mad.cpp.
import { OnebitError } from '../errors.ts';
import { checkDecode, checkEncode, writeU16 } from './blocks.ts';
import type { FormatOf, KernelFormatName } from './format.ts';
import { largestOf, ternaryCodes, turnPairs } from './ternary.ts';

const TAIL = 32;
const HALF_ONE = 0x3c00;

/** I2_S in the order of x86 builds and converters: 2 bits per weight; encoding takes the scale max|x| of the whole tensor. */
export const i2_s = i2Format('i2_s', "BitNet's I2_S", 128, 'q2_0-128');

/** I2_S in the order of ARM builds. */
export const i2_s_64 = i2Format('i2_s-64', "BitNet's I2_S (64 wide)", 64, 'q2_0');

function i2Format<Name extends string>(
  name: Name,
  ggmlName: string,
  blockSize: number,
  as: KernelFormatName,
): FormatOf<Name> {
  const blockBytes = blockSize / 4;
  const codes = new Uint8Array(blockSize);
  const unpack = (bytes: Uint8Array, at: number) => {
    let to = 0;
    for (let shift = 6; shift >= 0; shift -= 2) {
      for (let i = 0; i < blockBytes; i++) codes[to++] = (bytes[at + i] >> shift) & 3;
    }
  };
  const format: FormatOf<Name> = {
    name,
    ggmlType: 36,
    ggmlName,
    kind: 'ternary',
    isFork: true,
    blockSize,
    blockBytes,
    tailBytes: TAIL,
    halvesAt: [],
    decode(bytes, out) {
      checkDecode(format, bytes, out);
      const scale = scaleOf(bytes.subarray(bytes.length - TAIL));
      for (let i = 0, at = 0; i < out.length; i += blockSize, at += blockBytes) {
        unpack(bytes, at);
        for (let j = 0; j < blockSize; j++) out[i + j] = (codes[j] - 1) * scale;
      }
    },
    encode(values, out) {
      checkEncode(format, values, out);
      const scale = largestOf(values, 0, values.length);
      let at = 0;
      for (let i = 0; i < values.length; i += blockSize) {
        ternaryCodes(values, i, scale, codes);
        for (let b = 0; b < blockBytes; b++, at++) {
          out[at] =
            (codes[b] << 6) |
            (codes[blockBytes + b] << 4) |
            (codes[2 * blockBytes + b] << 2) |
            codes[3 * blockBytes + b];
        }
      }
      out.fill(0, at, at + TAIL);
      new DataView(out.buffer, out.byteOffset + at).setFloat32(0, scale, true);
    },
    recode: {
      as,
      lossless: true,
      rows(bytes, out) {
        for (let i = 0; i < bytes.length; i++) if ((bytes[i] & (bytes[i] >> 1) & 0x55) !== 0) throw codeThree(i);
        for (let at = 0, to = 0; at < bytes.length; at += blockBytes, to += 2 + blockBytes) {
          writeU16(out, to, HALF_ONE);
          // The first quarter of the group is in the highest bits.
          const step = blockBytes / 4;
          for (let i = 0; i < blockBytes; i += 4) {
            turnPairs(bytes, at + i, out, to + 2 + 3 * step + i / 4, -step);
          }
        }
      },
      gain: scaleOf,
    },
  };
  return format;
}

function scaleOf(tail: Uint8Array): number {
  return new DataView(tail.buffer, tail.byteOffset, tail.byteLength).getFloat32(0, true);
}

function codeThree(at: number): OnebitError {
  return new OnebitError(
    'bad-file',
    `I2_S: codes must be 0, 1 or 2, got 3 (in byte ${at} of the rows being read). The file is damaged, or these are no I2_S weights.`,
  );
}
