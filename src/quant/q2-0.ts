// Owns both layouts behind ggml's type id 42: an fp16 scale `d`, then 2-bit codes, lowest bits first; codes 0..3 are −1, 0, +1, +2 times d.
// Which of the two a file holds is decided by tensor sizes when it is read (gguf/tensors.ts).
// Sources: ggml's block_q2_0 (64 weights per block); PrismML's fork for the older 128-wide blocks.
import { floatToHalf, halfTable } from '../core/half.ts';
import { checkDecode, checkEncode, readU16, tooLarge, writeU16 } from './blocks.ts';
import type { Format, FormatName } from './format.ts';

/** Q2_0: 2.25 bits per weight, blocks of 64; encoding takes d = max|x| and rounds x / d half away from zero, so ternary weights are kept. */
export const q2_0: Format = q2Format('q2_0', 'Q2_0', 64);

/** The older PrismML Q2_0: 2.125 bits per weight, blocks of 128, otherwise as `q2_0`. */
export const q2_0_128: Format = q2Format('q2_0-128', 'Q2_0 (128 wide)', 128);

function q2Format(name: FormatName, ggmlName: string, blockSize: number): Format {
  const blockBytes = 2 + blockSize / 4;
  const format: Format = {
    name,
    ggmlType: 42,
    ggmlName,
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
        encodeBlock(format, values, i, out, at);
      }
    },
  };
  return format;
}

function encodeBlock(format: Format, values: Float32Array, start: number, out: Uint8Array, at: number): void {
  let d = 0;
  for (let j = start; j < start + format.blockSize; j++) d = Math.max(d, Math.abs(values[j]));
  const half = floatToHalf(d);
  if (half === 0x7c00) throw tooLarge(format, 'max|x|', d, start);
  writeU16(out, at, half);
  out.fill(0, at + 2, at + format.blockBytes);
  // In float32 as the reference computes; |x / d| is at most 1, so code 3 (+2d) is never written. The reciprocal of a subnormal overflows:
  // such blocks have d = 0 in fp16 and read back as zeros anyway.
  const inverse = Math.fround(1 / d);
  const scale = Number.isFinite(inverse) ? inverse : 0;
  for (let j = 0; j < format.blockSize; j++) {
    const scaled = Math.fround(values[start + j] * scale);
    const code = Math.abs(scaled) >= 0.5 ? (scaled > 0 ? 2 : 0) : 1;
    out[at + 2 + (j >> 2)] |= code << ((j & 3) * 2);
  }
}
