// Owns five ternary digits in a byte, as TQ1_0 and PTQ1_0 have them. Digit n of byte b is (((b · 3ⁿ) mod 256) · 3) >> 8, the first the most significant:
// the byte is a fraction of 256 rounded up. Source: ggml's quantize_row_tq1_0_ref. Must not know scales.

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
