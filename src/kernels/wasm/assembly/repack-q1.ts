// Owns turning Q1_0 rows of a file into the tiles that products-q1.ts reads, and decoding rows of tiles. Must not know where bytes come from.
//
// A file's row is cols / 128 blocks of 18 bytes: a half-float scale d, then 16 bytes; bit j % 8 of byte j / 8 set: +d, else -d (docs/formats.md).
// A tile holds 32 rows: cols / 128 blocks of Q1_TILE_BLOCK = 576 bytes, so 18 bytes per row and block as in the file:
//   0    32 half-float scales, sign bit clear: those with the sign set have their bits inverted instead, which is exact. In 32-bit lane i of the
//        16-byte vectors at 0, 16, 32, 48: low half row i, 4 + i, 16 + i, 20 + i; high half eight rows further
//   64   32 groups of 16 bytes, one for four inputs: low nibble of byte 4 i + q row 4 q + i, high nibble row 16 + 4 q + i
//
// Where blocks lie: tile-order.ts.
//
// repack_q1_0(source, tiles, lanePairs, gap, tile, count, scratch, rows, cols): source [rows, cols / 128, 18 bytes], at most 32 rows, which become
//   tile `tile` of the matrix of `count` tiles at `tiles`, 16-byte aligned; scratch 1024 bytes, 16-byte aligned, a thread's own. Rows that are missing
//   get scales of zero. Gives -1, or row * cols / 128 + block of a scale that is infinite or not a number.
// decode_q1_0(tiles, lanePairs, gap, row, rows, cols, out): the row's cols weights as f32; `rows` of the matrix.
import { HALF_FACTOR } from './math';
import { laneOf, transpose } from './repack-transpose';
import { blockAt } from './tile-order';

// @ts-ignore: decorator
@inline export const Q1_TILE_BLOCK: usize = 576;

export function repack_q1_0(
  source: usize, tiles: usize, lanePairs: i32, gap: usize, tile: i32, count: i32, scratch: usize, rows: i32, cols: i32,
): i32 {
  const blocks = cols >> 7;
  const rowBytes = <usize>blocks * 18;
  let bad = -1;
  for (let b = 0; b < blocks; b++) {
    const from = source + <usize>b * 18;
    const to = tiles + blockAt(lanePairs, gap, tile, b, count, blocks, Q1_TILE_BLOCK);
    const badRow = packScales(from, to, rows, rowBytes, 0x7fff);
    if (badRow >= 0 && bad < 0) bad = badRow * blocks + b;
    stageSigns(from, scratch, rows, rowBytes);
    transpose(scratch, scratch + 512, 16);
    transpose(scratch + 256, scratch + 768, 16);
    joinNibbles(scratch + 512, to + 64);
  }
  return bad;
}

/** Stores the bits `mask` of the scales of `count` rows, `stride` bytes apart. Gives the first row whose scale is not finite, or -1. */
export function packScales(from: usize, tile: usize, count: i32, stride: usize, mask: u32): i32 {
  let bad = -1;
  for (let r = 0; r < 32; r++) {
    const scale: u32 = r < count ? load<u16>(from + <usize>r * stride) & mask : 0;
    if ((scale & 0x7c00) == 0x7c00 && bad < 0) bad = r;
    store<u16>(tile + scaleOffset(r), <u16>scale);
  }
  return bad;
}

/** Where the scale of row `r` of a tile is. Bits of r: 4 the pair of vectors, 3 the half of the lane, 2 the vector of the pair, 1 and 0 the lane. */
// @ts-ignore: decorator
@inline export function scaleOffset(r: i32): usize {
  return ((r >> 4) << 5) | (((r >> 2) & 1) << 4) | ((r & 3) << 2) | (((r >> 3) & 1) << 1);
}

/** Copies the signs of `count` rows to 32 rows of 16 bytes, inverted where the scale is negative; missing rows become zeros. */
function stageSigns(from: usize, to: usize, count: i32, stride: usize): void {
  for (let r = 0; r < 32; r++) {
    v128.store(
      to + (<usize>r << 4),
      r < count ? v128.xor(v128.load(from, 2), i16x8.splat(load<i16>(from) >> 15)) : i32x4.splat(0),
    );
    from += stride;
  }
}

/**
 * Joins the transposed bytes of rows 0 to 15 (16 vectors at `from`) and 16 to 31 (at from + 256) to 32 groups at `to`: the nibbles of byte c belong to
 * groups 2 c and 2 c + 1.
 */
export function joinNibbles(from: usize, to: usize): void {
  const low = i8x16.splat(15);
  for (let c: usize = 0; c < 256; c += 16) {
    const a = v128.load(from + c), z = v128.load(from + c, 256);
    const at = to + (c << 1);
    v128.store(at, v128.or(v128.and(a, low), v128.andnot(i16x8.shl(z, 4), low)));
    v128.store(at, v128.or(v128.and(i16x8.shr_u(a, 4), low), v128.andnot(z, low)), 16);
  }
}

export function decode_q1_0(tiles: usize, lanePairs: i32, gap: usize, row: i32, rows: i32, cols: i32, out: usize): void {
  const blocks = cols >> 7;
  const r = row & 31;
  for (let b = 0; b < blocks; b++) {
    const block = tiles + blockAt(lanePairs, gap, row >> 5, b, (rows + 31) >> 5, blocks, Q1_TILE_BLOCK);
    const d = scaleAt(block, r);
    for (let g = 0; g < 32; g++) {
      const bits = nibbleAt(block + 64, g, r);
      for (let i = 0; i < 4; i++) store<f32>(out + (<usize>i << 2), (bits >> i) & 1 ? d : -d);
      out += 16;
    }
  }
}

/** The scale of row `r` of a tile's block. */
// @ts-ignore: decorator
@inline export function scaleAt(block: usize, r: i32): f32 {
  return reinterpret<f32>(load<u16>(block + scaleOffset(r)) << 13) * HALF_FACTOR;
}

/** The four bits of row `r` in group `g` of the groups at `groups`. */
// @ts-ignore: decorator
@inline export function nibbleAt(groups: usize, g: i32, r: i32): i32 {
  return (load<u8>(groups + <usize>((g << 4) | laneOf(r & 15))) >> ((r >> 4) << 2)) & 15;
}
