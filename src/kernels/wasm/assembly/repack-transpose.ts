// Owns the 16 x 16 byte transpose of repacking: where rows of a file become lanes of a tile, and back.
// Lane 4 i + q of a tile's 16 bytes is row 4 q + i (the transpose of a 4 x 4 square, its own inverse): products then hold four neighbouring rows in a
// vector of 32-bit lanes without moving anything.

/** The lane of row `r` (below 16), and the row of lane `r`. */
// @ts-ignore: decorator
@inline export function laneOf(r: i32): i32 {
  return ((r & 3) << 2) | (r >> 2);
}

/** Stores at `to` 16 vectors: lane l of vector c is byte c of the 16 bytes at from + row * stride, row = laneOf(l). */
export function transpose(from: usize, to: usize, stride: usize): void {
  // Interleaving vectors i and i + 8 four times transposes.
  const a0 = v128.load(from), a1 = v128.load(from + 4 * stride);
  const a2 = v128.load(from + 8 * stride), a3 = v128.load(from + 12 * stride);
  const a4 = v128.load(from + stride), a5 = v128.load(from + 5 * stride);
  const a6 = v128.load(from + 9 * stride), a7 = v128.load(from + 13 * stride);
  const a8 = v128.load(from + 2 * stride), a9 = v128.load(from + 6 * stride);
  const aa = v128.load(from + 10 * stride), ab = v128.load(from + 14 * stride);
  const ac = v128.load(from + 3 * stride), ad = v128.load(from + 7 * stride);
  const ae = v128.load(from + 11 * stride), af = v128.load(from + 15 * stride);
  const b0 = lower(a0, a8), b1 = upper(a0, a8), b2 = lower(a1, a9), b3 = upper(a1, a9);
  const b4 = lower(a2, aa), b5 = upper(a2, aa), b6 = lower(a3, ab), b7 = upper(a3, ab);
  const b8 = lower(a4, ac), b9 = upper(a4, ac), ba = lower(a5, ad), bb = upper(a5, ad);
  const bc = lower(a6, ae), bd = upper(a6, ae), be = lower(a7, af), bf = upper(a7, af);
  const c0 = lower(b0, b8), c1 = upper(b0, b8), c2 = lower(b1, b9), c3 = upper(b1, b9);
  const c4 = lower(b2, ba), c5 = upper(b2, ba), c6 = lower(b3, bb), c7 = upper(b3, bb);
  const c8 = lower(b4, bc), c9 = upper(b4, bc), ca = lower(b5, bd), cb = upper(b5, bd);
  const cc = lower(b6, be), cd = upper(b6, be), ce = lower(b7, bf), cf = upper(b7, bf);
  last2(to, c0, c4, c8, cc);
  last2(to + 64, c1, c5, c9, cd);
  last2(to + 128, c2, c6, ca, ce);
  last2(to + 192, c3, c7, cb, cf);
}

/** The last two rounds for four of the 16 vectors. */
// @ts-ignore: decorator
@inline function last2(to: usize, v0: v128, v4: v128, v8: v128, vc: v128): void {
  const d0 = lower(v0, v8), d1 = upper(v0, v8), d8 = lower(v4, vc), d9 = upper(v4, vc);
  v128.store(to, lower(d0, d8));
  v128.store(to, upper(d0, d8), 16);
  v128.store(to, lower(d1, d9), 32);
  v128.store(to, upper(d1, d9), 48);
}

// @ts-ignore: decorator
@inline function lower(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

// @ts-ignore: decorator
@inline function upper(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
