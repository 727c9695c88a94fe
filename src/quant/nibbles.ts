// Owns the codes of blocks of 32 weights in 16 bytes, low halves first, and the fifth bits beside them. Source: ggml's block_q4_0 and block_q5_0.

/** Reads 32 codes of four bits. */
export function nibbles(bytes: Uint8Array, at: number, codes: Uint8Array): void {
  for (let j = 0; j < 16; j++) {
    codes[j] = bytes[at + j] & 15;
    codes[16 + j] = bytes[at + j] >> 4;
  }
}

/** Adds the fifth bits, one of 32 bits a weight, lowest first. */
export function addHighBits(bytes: Uint8Array, at: number, codes: Uint8Array): void {
  for (let j = 0; j < 32; j++) codes[j] |= ((bytes[at + (j >> 3)] >> (j & 7)) & 1) << 4;
}

/** Writes the fifth bits of 32 codes. */
export function highBits(codes: Uint8Array, bytes: Uint8Array, at: number): void {
  bytes.fill(0, at, at + 4);
  for (let j = 0; j < 32; j++) bytes[at + (j >> 3)] |= (codes[j] >> 4) << (j & 7);
}
