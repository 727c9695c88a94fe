// Owns turning Q2_0 rows of a file into the tiles that products-q2.ts reads, and decoding rows of tiles. Must not know where bytes come from.
//
// A file's row is blocks of `span` inputs (64, or 128 in the older layout): a half-float scale d, then span / 4 bytes; the code c of input j is bits
// (j % 4) * 2 of byte j / 4 and stands for (c - 1) * d (docs/formats.md).
// A tile holds 32 rows: cols / span blocks of 64 + 8 * span bytes (576 or 1088), as many bytes as in the file. Where those of 128 columns lie: tile-order.ts.
//   0    32 half-float scales in the order of repack-q1.ts, with their signs
//   64   span / 4 groups of four inputs in 32 bytes: 16 of rows 0 to 15, then 16 of the others, one bit an input in each of two planes. Byte 2 l is of plane
//        A, byte 2 l + 1 of plane B; row 4 q + i of a half is in lane l = (4 i + q) >> 1, the low nibble where q is even. So the planes of a row meet by adding
//        neighbouring bytes, and products read memory in the order of its addresses: processors that fetch ahead need it
// The planes depend on `general`. 0: no code is 3, A = (c >= 1), B = (c >= 2), so that c - 1 = (+-A +-B) / 2: the rounding errors of tables mostly
// average out. 1: A and B are the bits 1 and 0 of c, c - 1 = (2 (+-A) +-B + 1) / 2: all codes, 2.5 times the error variance.
//
// Rows of a ternary block (general 0) whose scale is negative have their codes turned around instead, which is exact: scales have no signs.
//
// repack_q2_0(source, tiles, lanePairs, gap, tile, count, scratch, rows, cols, span, general): source [rows, cols / span, 2 + span / 4 bytes], at most 32 rows,
//   which become tile `tile` of the matrix of `count` tiles at `tiles`, 16-byte aligned; scratch 1536 bytes, 16-byte aligned, a thread's own. Rows that are
//   missing get scales of zero. Gives -1; or -2 when `general` is 0 and a code is 3: begin the matrix again with general 1; or row * cols / span + block of
//   a scale that is infinite or not a number.
// decode_q2_0(tiles, lanePairs, gap, row, rows, cols, span, general, gain, out): the row's cols weights as f32; `rows` of the matrix.
import { halfValue } from './math';
import { joinNibbles, packScales, scaleOffset } from './repack-q1';
import { laneOf, transpose } from './repack-transpose';
import { blockAt } from './tile-order';

/** Bytes of a tile's blocks for 128 columns: one, or two of 64. */
// @ts-ignore: decorator
@inline export function q2BlockBytes(span: i32): usize {
  return span == 128 ? 1088 : 1152;
}

export function repack_q2_0(
  source: usize, tiles: usize, lanePairs: i32, gap: usize, tile: i32, count: i32, scratch: usize, rows: i32, cols: i32, span: i32, general: i32,
): i32 {
  const blocks = cols / span;
  const fileBlock: usize = 2 + (span >> 2);
  const stride = <usize>blocks * fileBlock;
  let bad = -1;
  let threes = i32x4.splat(0);
  let to: usize = 0;
  for (let b = 0; b < blocks; b++) {
    const from = source + <usize>b * fileBlock;
    const column = b * span;
    if ((column & 127) == 0) to = tiles + blockAt(lanePairs, gap, tile, column >> 7, count, cols >> 7, q2BlockBytes(span));
    const badRow = packScales(from, to, rows, stride, general ? 0xffff : 0x7fff);
    if (badRow >= 0 && bad < 0) bad = badRow * blocks + b;
    // 64 inputs at a time: 16 bytes of codes become 8 bytes of each plane, which transpose together.
    for (let part: usize = 0; part < <usize>span >> 6; part++) {
      threes = v128.or(threes, stagePlanes(from, 2 + (part << 4), scratch, rows, stride, general));
      transpose(scratch, scratch + 512, 16);
      transpose(scratch + 256, scratch + 768, 16);
      joinNibbles(scratch + 512, scratch + 1024);
      for (let g: usize = 0; g < 256; g += 16) {
        joinPlanes(v128.load(scratch + g, 1024), v128.load(scratch + g, 1280), to + 64 + (part << 9) + 2 * g);
      }
    }
    to += 64 + <usize>span * 8;
  }
  if (bad < 0 && !general && v128.any_true(threes)) return -2;
  return bad;
}

/** Stores the 32 bytes of a group, of which `a` and `b` are the planes in the form of repack-q1.ts. */
// @ts-ignore: decorator
@inline function joinPlanes(a: v128, b: v128, to: usize): void {
  const low = i16x8.splat(0x000f), high = i16x8.splat(0x00f0);
  const a0 = v128.or(v128.and(a, low), v128.and(i16x8.shr_u(a, 4), high));
  const b0 = v128.or(v128.and(b, low), v128.and(i16x8.shr_u(b, 4), high));
  const a1 = v128.or(v128.and(i16x8.shr_u(a, 4), low), v128.and(i16x8.shr_u(a, 8), high));
  const b1 = v128.or(v128.and(i16x8.shr_u(b, 4), low), v128.and(i16x8.shr_u(b, 8), high));
  v128.store(to, v128.or(a0, i16x8.shl(b0, 8)));
  v128.store(to, v128.or(a1, i16x8.shl(b1, 8)), 16);
}

/** The four bits of plane 0 (A) or 1 of row `r` in group `g` of the groups at `groups`. */
// @ts-ignore: decorator
@inline function planeBits(groups: usize, g: i32, r: i32, plane: i32): i32 {
  const lane = laneOf(r & 15);
  return (load<u8>(groups + <usize>((g << 5) | (r & 16) | (lane & ~1) | plane)) >> ((lane & 1) << 2)) & 15;
}

/** Makes the groups of a block from `from` to `end` general: A' = B, B' = A xor B. */
export function widenGroups(from: usize, end: usize): void {
  for (let p = from; p < end; p += 16) {
    const v = v128.load(p);
    v128.store(p, v128.xor(i16x8.shr_u(v, 8), v128.and(v128.xor(v, i16x8.shl(v, 8)), i16x8.splat(<i16>0xff00))));
  }
}

/** Stores 8 bytes of plane A and 8 of plane B for each of 32 rows, whose codes are `at` bytes behind their scale. Gives a vector that is not zero when a code is 3. */
function stagePlanes(from: usize, at: usize, to: usize, count: i32, stride: usize, general: i32): v128 {
  let threes = i32x4.splat(0);
  const one = i8x16.splat(0x55);
  for (let r = 0; r < 32; r++) {
    const codes = r < count ? v128.load(from + at) : i32x4.splat(0);
    const high = v128.and(i16x8.shr_u(codes, 1), one), low = v128.and(codes, one);
    threes = v128.or(threes, v128.and(high, low));
    let a = general ? high : v128.or(high, low), b = general ? low : high;
    if (!general && r < count && load<i16>(from) < 0) {
      const c = a;
      a = v128.xor(b, one);
      b = v128.xor(c, one);
    }
    v128.store(to + (<usize>r << 4), i8x16.narrow_i16x8_u(gatherBits(a), gatherBits(b)));
    from += stride;
  }
  return threes;
}

/** Moves the eight even bits of each 16-bit lane together into its low byte. */
// @ts-ignore: decorator
@inline function gatherBits(v: v128): v128 {
  v = v128.and(v128.or(v, i16x8.shr_u(v, 1)), i8x16.splat(0x33));
  v = v128.and(v128.or(v, i16x8.shr_u(v, 2)), i8x16.splat(0x0f));
  return v128.and(v128.or(v, i16x8.shr_u(v, 4)), i16x8.splat(0xff));
}

export function decode_q2_0(
  tiles: usize, lanePairs: i32, gap: usize, row: i32, rows: i32, cols: i32, span: i32, general: i32, gain: f32, out: usize,
): void {
  const r = row & 31;
  const groups = span >> 2;
  let block: usize = 0;
  for (let column = 0; column < cols; column += span) {
    if ((column & 127) == 0) {
      block = tiles + blockAt(lanePairs, gap, row >> 5, column >> 7, (rows + 31) >> 5, cols >> 7, q2BlockBytes(span));
    }
    const d = halfValue(load<u16>(block + scaleOffset(r))) * gain;
    for (let g = 0; g < groups; g++) {
      const a = planeBits(block + 64, g, r, 0), z = planeBits(block + 64, g, r, 1);
      for (let i = 0; i < 4; i++) {
        const high = (a >> i) & 1, low = (z >> i) & 1;
        store<f32>(out + (<usize>i << 2), <f32>((general ? high * 2 : high) + low - 1) * d);
      }
      out += 16;
    }
    block += 64 + <usize>span * 8;
  }
}
