// Owns finding numbers in stored weights that are not finite: elements of float formats, scales of the others. Must not know tensors or backends.
import type { Format } from './formats.ts';

/** Of 16- and 32-bit floats, the bits of the exponent: all set for infinity and NaN. */
const exponents = { f32: 0x7f800000, f16: 0x7c007c00, bf16: 0x7f807f80 } as const;
/** The lowest bit of each exponent: adding it carries into the sign where all its bits are set. */
const carries = { f32: 0x00800000, f16: 0x04000400, bf16: 0x00800080 } as const;
const signs = { f32: 0x80000000, f16: 0x80008000, bf16: 0x80008000 } as const;

/**
 * The index of the first block (of float formats: element) in `bytes`, whole blocks from their start, with a number that is infinite or NaN; −1 where
 * there is none. About 0.1 s a gigabyte.
 */
export function findNotFinite(format: Format, bytes: Uint8Array): number {
  const { name, blockBytes } = format;
  if (name === 'f32' || name === 'f16' || name === 'bf16') {
    const words = bytes.byteLength >>> 2;
    if (bytes.byteOffset % 4 === 0 && !anySet(bytes, words, exponents[name], carries[name], signs[name])) {
      return search(format, bytes, words * (4 / blockBytes));
    }
    return search(format, bytes, 0);
  }
  const { buffer, byteOffset, byteLength } = bytes;
  let first = -1;
  for (const halfAt of format.halvesAt ?? [0]) {
    const end = first < 0 ? byteLength : first * blockBytes;
    if (byteOffset % 2 !== 0) {
      for (let at = halfAt + 1; at < end && first < 0; at += blockBytes) {
        if ((bytes[at] & 0x7c) === 0x7c) first = (at - halfAt - 1) / blockBytes;
      }
      continue;
    }
    const halves = new Uint16Array(buffer, byteOffset, end >>> 1);
    const step = blockBytes / 2;
    for (let at = halfAt / 2; at < halves.length; at += step) {
      if ((halves[at] & 0x7c00) !== 0x7c00) continue;
      first = (at - halfAt / 2) / step;
      break;
    }
  }
  return first;
}

/** Whether all of `values` are finite. */
export function areFinite(values: Float32Array): boolean {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] * 0;
  return sum === 0; // NaN where one is infinite or NaN
}

/** Whether any exponent in `count` words is all ones. */
function anySet(bytes: Uint8Array, count: number, exponent: number, carry: number, sign: number): boolean {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, count);
  let found = 0;
  for (let i = 0; i < count; i++) found |= (words[i] & exponent) + carry;
  return (found & sign) !== 0;
}

/** Of float formats the same element by element, from element `first` on. */
function search(format: Format, bytes: Uint8Array, first: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = bytes.length / format.blockBytes;
  for (let block = first; block < count; block++) {
    const at = block * format.blockBytes;
    if (format.name === 'f32') {
      if ((view.getUint32(at, true) & 0x7f800000) === 0x7f800000) return block;
    } else {
      const exponent = format.name === 'bf16' ? 0x7f80 : 0x7c00;
      if ((view.getUint16(at, true) & exponent) === exponent) return block;
    }
  }
  return -1;
}
