// Owns turning stored weights of one and two bits into other formats without decoding them, for pairs of which every weight stays what it is and the bytes are those
// that decoding and encoding give: some thirty times as fast. Must not know files or tensors.
import { floatToHalf, halfTable } from '../core/half.ts';
import { readU16, tooLarge, writeU16 } from './blocks.ts';
import type { Loss } from './exact.ts';
import { f16 } from './f16.ts';
import type { Format, FormatName } from './formats.ts';

/**
 * Turns whole blocks into as many weights of the other format; scales are finite. False where there are weights that only decoding and encoding turn: formats of which
 * that can be add the squares of those that it turned to `loss`.
 */
export type Direct = (bytes: Uint8Array, out: Uint8Array, loss?: Loss) => boolean;

const SIGN = 0x8000;

/** How blocks of `from` become `to`; undefined where only decoding leads there. */
export function directly(from: Format, to: Format): Direct | undefined {
  const name: FormatName = from.name;
  if (name === 'q1_0') return to.name === 'f16' ? bitsToHalves : to.name === 'q2_0' ? bitsToPairs : undefined;
  if (name === 'f16' && to.name === 'q1_0') return halvesToBits;
  const hasPairs = name === 'q2_0' || name === 'q2_0-128' || name === 'pq2_0';
  return hasPairs && to.name === 'f16' ? pairsToHalves(from) : undefined;
}

/** Q1_0 to F16: d, with the sign turned for bits that are 0. */
function bitsToHalves(bytes: Uint8Array, out: Uint8Array): boolean {
  const words = wordsOf(out);
  signs ??= signsOfBytes();
  for (let at = 0, to = 0; at < bytes.length; at += 18) {
    const d = readU16(bytes, at);
    const both = d | (d << 16);
    for (let i = at + 2; i < at + 18; i++, to += 4) {
      const from = 4 * bytes[i];
      words[to] = both ^ signs[from];
      words[to + 1] = both ^ signs[from + 1];
      words[to + 2] = both ^ signs[from + 2];
      words[to + 3] = both ^ signs[from + 3];
    }
  }
  if (words.buffer !== out.buffer) out.set(new Uint8Array(words.buffer, 0, out.length));
  return true;
}

/** F16 to Q1_0 where all of a block are d or −d: their mean is d to the bit. */
function halvesToBits(bytes: Uint8Array, out: Uint8Array, loss?: Loss): boolean {
  if (bytes.byteOffset % 4 !== 0) return false;
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  const table = halfTable();
  let size = 0;
  for (let from = 0, to = 0; from < words.length; to += 18) {
    const d = words[from] & ~SIGN & 0xffff;
    const both = d | (d << 16);
    if (d === 0) return false;
    writeU16(out, to, d);
    let others = 0;
    for (let i = to + 2; i < to + 18; i++) {
      let below = 0;
      for (let j = 0; j < 8; j += 2) {
        const word = words[from++];
        others |= (word & 0x7fff7fff) ^ both;
        below |= (((word >>> 15) & 1) | ((word >>> 30) & 2)) << j;
      }
      out[i] = ~below;
    }
    if (others !== 0) return false;
    size += 128 * table[d] * table[d];
  }
  if (loss) loss.size += size;
  return true;
}

/** `out` as words of 32 bits, or as many others where it does not begin at a whole word. */
function wordsOf(out: Uint8Array): Uint32Array {
  const isAligned = out.byteOffset % 4 === 0;
  return isAligned ? new Uint32Array(out.buffer, out.byteOffset, out.length >> 2) : new Uint32Array(out.length >> 2);
}

/** Of each byte, for its bits two at a time: the sign bit of two halves where the bit is 0. */
function signsOfBytes(): Uint32Array {
  const result = new Uint32Array(4 * 256);
  for (let byte = 0; byte < 256; byte++) {
    for (let j = 0; j < 8; j++) if (!((byte >> j) & 1)) result[4 * byte + (j >> 1)] |= SIGN << (16 * (j & 1));
  }
  return result;
}
let signs: Uint32Array | undefined;

/** Q1_0 to Q2_0: −d and d are the codes 0 and 2 of the same scale, which Q2_0's encoder takes as |d|; of zeros it makes code 1. */
function bitsToPairs(bytes: Uint8Array, out: Uint8Array): boolean {
  codes ??= codesOfBits();
  const table = codes;
  const words = wordsOf(out);
  const halves = halvesOf(bytes);
  // Two blocks of 64 weights, of a scale and eight codes of 16 bits each, are nine words; those of a block of bits nine half words.
  for (let at = 0, to = 0; at < halves.length; at += 9, to += 9) {
    const d = halves[at];
    const size = d & ~SIGN;
    if (d === size && d !== 0) {
      const first = table[halves[at + 1]];
      const second = table[halves[at + 2]];
      const third = table[halves[at + 3]];
      const fourth = table[halves[at + 4]];
      words[to] = d | (first << 16);
      words[to + 1] = (first >>> 16) | (second << 16);
      words[to + 2] = (second >>> 16) | (third << 16);
      words[to + 3] = (third >>> 16) | (fourth << 16);
      words[to + 4] = (fourth >>> 16) | (d << 16);
      for (let i = 5; i < 9; i++) words[to + i] = table[halves[at + i]];
      continue;
    }
    const keep = size === 0 ? 0 : -1;
    const flip = size === 0 ? 0x55555555 : 0xaaaaaaaa;
    let before = size;
    for (let i = 0; i < 4; i++) {
      const code = (table[halves[at + 1 + i]] & keep) ^ flip;
      words[to + i] = before | (code << 16);
      before = code >>> 16;
    }
    words[to + 4] = before | (size << 16);
    for (let i = 5; i < 9; i++) words[to + i] = (table[halves[at + i]] & keep) ^ flip;
  }
  if (words.buffer !== out.buffer) out.set(new Uint8Array(words.buffer, 0, out.length));
  return true;
}

/** `bytes` as half words, copied where they do not begin at a whole one. */
function halvesOf(bytes: Uint8Array): Uint16Array {
  const { buffer, byteOffset } = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
  return new Uint16Array(buffer, byteOffset, bytes.length >> 1);
}

/** Of each 16 bits: the code of two bits for each, 2 where it is set. */
function codesOfBits(): Int32Array {
  const result = new Int32Array(1 << 16);
  for (let bits = 1; bits < result.length; bits++) {
    const highest = 31 - Math.clz32(bits);
    result[bits] = result[bits ^ (1 << highest)] | (2 << (2 * highest));
  }
  return result;
}
let codes: Int32Array | undefined;

/** Two-bit codes behind a scale to F16: −d, 0, d, 2d. */
function pairsToHalves({ blockBytes, blockSize }: Format): Direct {
  const levels = new Uint8Array(8);
  return (bytes, out) => {
    const table = halfTable();
    for (let at = 0, to = 0; at < bytes.length; at += blockBytes) {
      const d = table[readU16(bytes, at)];
      for (let code = 0; code < 4; code++) writeU16(levels, 2 * code, floatToHalf((code - 1) * d));
      const hasNoTwice = (levels[7] & 0x7f) === 0x7c;
      for (let i = at + 2; i < at + blockBytes; i++) {
        const four = bytes[i];
        for (let shift = 0; shift < 8; shift += 2, to += 2) {
          const code = (four >> shift) & 3;
          if (hasNoTwice && code === 3) throw tooLarge(f16, 'a weight', 2 * d, ((at / blockBytes) | 0) * blockSize);
          out[to] = levels[2 * code];
          out[to + 1] = levels[2 * code + 1];
        }
      }
    }
    return true;
  };
}
