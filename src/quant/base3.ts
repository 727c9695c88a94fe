// Owns five ternary digits in a byte, as TQ1_0 and PTQ1_0 have them. Digit n of byte b is (((b · 3ⁿ) mod 256) · 3) >> 8, the first the most significant:
// the byte is a fraction of 256 rounded up. Source: ggml's quantize_row_tq1_0_ref. Must not know scales.
import { pairPlace } from './ternary.ts';

/** `width` bytes from `at`: digit n of byte m is the code of weight `weight + width · n + m`. */
export interface DigitGroup {
  readonly at: number;
  readonly width: number;
  readonly weight: number;
  /** 5, or 4 in bytes that hold no more. */
  readonly digits: number;
}

/** [digit, byte]. */
const digits = Uint8Array.from({ length: 5 * 256 }, (_, i) => ((((i & 255) * 3 ** (i >> 8)) & 255) * 3) >> 8);

/** Reads the codes of a block at `at`. */
export function unpackBase3(groups: readonly DigitGroup[], bytes: Uint8Array, at: number, codes: Uint8Array): void {
  for (const group of groups) {
    let to = group.weight;
    for (let n = 0; n < group.digits; n++) {
      const from = at + group.at;
      for (let m = 0; m < group.width; m++) codes[to++] = digits[(n << 8) | bytes[from + m]];
    }
  }
}

/** Writes the codes of a block at `at`. */
export function packBase3(groups: readonly DigitGroup[], codes: Uint8Array, bytes: Uint8Array, at: number): void {
  for (const group of groups) {
    for (let m = 0; m < group.width; m++) {
      let number = 0;
      for (let n = 0; n < 5; n++) {
        number = 3 * number + (n < group.digits ? codes[group.weight + group.width * n + m] : 0);
      }
      bytes[at + group.at + m] = Math.floor((number * 256 + 242) / 243);
    }
  }
}

/** Of each byte, digits 0 to 2 and 3 to 4, in bytes of their own. */
const firstThree = Uint32Array.from(
  { length: 256 },
  (_, b) => digits[b] | (digits[256 | b] << 8) | (digits[512 | b] << 16),
);
const lastTwo = Uint32Array.from({ length: 256 }, (_, b) => digits[768 | b] | (digits[1024 | b] << 8));

/** Writes the codes of a block at `at` as the kernels have them, four bytes' worth at a time. */
export function pairsOfBase3(
  groups: readonly DigitGroup[],
  bytes: Uint8Array,
  at: number,
  out: Uint8Array,
  to: number,
): void {
  for (const { at: first, width, weight, digits: count } of groups) {
    if (width < 4) {
      for (let n = 0; n < count; n += 2) {
        const [a, b] = [bytes[at + first], bytes[at + first + 1]];
        const low = digits[(n << 8) | a] | (digits[(n << 8) | b] << 2);
        const high = digits[((n + 1) << 8) | a] | (digits[((n + 1) << 8) | b] << 2);
        out[pairPlace(to, weight + 2 * n)] = low | (high << 4);
      }
      continue;
    }
    for (let m = 0; m < width; m += 4) {
      const from = at + first + m;
      const [a, b, c, d] = [bytes[from], bytes[from + 1], bytes[from + 2], bytes[from + 3]];
      const three = firstThree[a] | (firstThree[b] << 2) | (firstThree[c] << 4) | (firstThree[d] << 6);
      const two = lastTwo[a] | (lastTwo[b] << 2) | (lastTwo[c] << 4) | (lastTwo[d] << 6);
      out[pairPlace(to, weight + m)] = three;
      out[pairPlace(to, weight + width + m)] = three >>> 8;
      out[pairPlace(to, weight + 2 * width + m)] = three >>> 16;
      out[pairPlace(to, weight + 3 * width + m)] = two;
      if (count === 5) out[pairPlace(to, weight + 4 * width + m)] = two >>> 8;
    }
  }
}
