// Owns turning Q1_0 rows of a file into the tiles that products-q1.ts reads. Must not know where the bytes come from.
//
// A file's row is cols / 128 blocks of 18 bytes: a half-float scale d, then 16 bytes; bit j % 8 of byte j / 8 set: +d, else -d (docs/formats.md).
// A tile holds 32 rows: cols / 128 blocks of Q1_TILE_BLOCK = 576 bytes, so 18 bytes a row and block as in the file:
//   0    32 half-float scales, sign bit clear: those with the sign set have their bits inverted instead, which is exact. In 32-bit lane i of the
//        16-byte vectors at 0, 16, 32, 48: low half row i, 4 + i, 16 + i, 20 + i; high half eight rows further
//   64   32 groups of 16 bytes, one for four inputs: low nibble of byte 4 i + q row 4 q + i, high nibble row 16 + 4 q + i
//
// repack_q1_0(source, tiles, scratch, rows, cols): source [rows, cols / 128, 18 bytes]; tiles [ceil(rows / 32), cols / 128, 576 bytes], 16-byte
//   aligned; scratch 512 bytes, 16-byte aligned, a thread's own. Rows that fill up the last tile get scales of zero. Gives -1, or row * cols / 128 +
//   block of a scale that is infinite or not a number. Threads share a matrix by calls on ranges of rows that begin at multiples of 32.

// @ts-ignore: decorator
@inline export const Q1_TILE_BLOCK: usize = 576;

export function repack_q1_0(source: usize, tiles: usize, scratch: usize, rows: i32, cols: i32): i32 {
  const blocks = cols >> 7;
  const rowBytes = <usize>blocks * 18;
  let bad = -1;
  for (let row = 0; row < rows; row += 32) {
    for (let b = 0; b < blocks; b++) {
      const from = source + <usize>row * rowBytes + <usize>b * 18;
      const count = min(rows - row, 32);
      const badRow = packScales(from, tiles, count, rowBytes);
      if (badRow >= 0 && bad < 0) bad = (row + badRow) * blocks + b;
      transpose(from, scratch, min(count, 16), rowBytes);
      transpose(from + 16 * rowBytes, scratch + 256, count - 16, rowBytes);
      const low = i8x16.splat(15);
      for (let c: usize = 0; c < 256; c += 16) {
        const a = v128.load(scratch + c), z = v128.load(scratch + c, 256);
        const at = tiles + 64 + (c << 1);
        v128.store(at, v128.or(v128.and(a, low), v128.andnot(i16x8.shl(z, 4), low)));
        v128.store(at, v128.or(v128.and(i16x8.shr_u(a, 4), low), v128.andnot(z, low)), 16);
      }
      tiles += Q1_TILE_BLOCK;
    }
  }
  return bad;
}

/** Stores the scales of `count` rows without their signs. Gives the first row whose scale is not finite, or -1. */
function packScales(from: usize, tile: usize, count: i32, rowBytes: usize): i32 {
  let bad = -1;
  for (let r = 0; r < 32; r++) {
    const scale: u32 = r < count ? load<u16>(from + <usize>r * rowBytes) & 0x7fff : 0;
    if (scale >= 0x7c00 && bad < 0) bad = r;
    // Bits of r: 4 the pair of vectors, 3 the half of the lane, 2 the vector of the pair, 1 and 0 the lane.
    store<u16>(tile + (((r >> 4) << 5) | (((r >> 2) & 1) << 4) | ((r & 3) << 2) | (((r >> 3) & 1) << 1)), <u16>scale);
  }
  return bad;
}

/** The 16 bytes of signs of a row, inverted where the scale is negative. */
// @ts-ignore: decorator
@inline function signs(from: usize, row: i32, count: i32, rowBytes: usize): v128 {
  if (row >= count) return i32x4.splat(0);
  const at = from + <usize>row * rowBytes;
  return v128.xor(v128.load(at, 2), i16x8.splat(load<i16>(at) >> 15));
}

/** Stores at `to` the 16 vectors c: byte 4 i + q is byte c of row 4 q + i; rows from `count` on are zero. */
function transpose(from: usize, to: usize, count: i32, rowBytes: usize): void {
  // Interleaving vectors i and i + 8 four times transposes; the order of loading puts row 4 q + i into byte 4 i + q.
  const a0 = signs(from, 0, count, rowBytes), a1 = signs(from, 4, count, rowBytes), a2 = signs(from, 8, count, rowBytes);
  const a3 = signs(from, 12, count, rowBytes), a4 = signs(from, 1, count, rowBytes), a5 = signs(from, 5, count, rowBytes);
  const a6 = signs(from, 9, count, rowBytes), a7 = signs(from, 13, count, rowBytes), a8 = signs(from, 2, count, rowBytes);
  const a9 = signs(from, 6, count, rowBytes), aa = signs(from, 10, count, rowBytes), ab = signs(from, 14, count, rowBytes);
  const ac = signs(from, 3, count, rowBytes), ad = signs(from, 7, count, rowBytes), ae = signs(from, 11, count, rowBytes);
  const af = signs(from, 15, count, rowBytes);
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
