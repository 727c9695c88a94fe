// Owns turning Q2_0 rows of a file into the tiles that products-q2.ts reads, and decoding rows of tiles. Must not know where bytes come from.
//
// A file's row is blocks of `span` inputs (64, or 128 in the older layout): a half-float scale d, then span / 4 bytes; the code c of input j is bits
// (j % 4) * 2 of byte j / 4 and stands for (c - 1) * d (docs/formats.md).
// A tile holds 32 rows: cols / span blocks of 64 + 8 * span bytes (576 or 1088), as many bytes as in the file:
//   0    32 half-float scales in the order of repack-q1.ts, with their signs
//   64   plane A: span / 4 groups of 16 bytes as in repack-q1.ts, one bit an input
//   ...  plane B, the same
// The planes depend on `general`. 0: no code is 3, A = (c >= 1), B = (c >= 2), so that c - 1 = (+-A +-B) / 2: the rounding errors of tables mostly
// average out. 1: A and B are the bits 1 and 0 of c, c - 1 = (2 (+-A) +-B + 1) / 2: all codes, 2.5 times the error variance.
//
// repack_q2_0(source, tiles, scratch, rows, cols, span, general): source [rows, cols / span, 2 + span / 4 bytes]; tiles [ceil(rows / 32),
//   cols / span, 64 + 8 span bytes], 16-byte aligned; scratch 1536 bytes, 16-byte aligned, a thread's own. Rows that fill up the last tile get scales of
//   zero. Gives -1; or -2 when `general` is 0 and a code is 3: begin the matrix again with general 1; or row * cols / span + block of a scale that is
//   infinite or not a number. Threads share a matrix by calls on ranges of rows that begin at multiples of 32.
// decode_q2_0(tiles, row, cols, span, general, gain, out): the row's cols weights as f32.
import { halfValue } from './math';
import { joinNibbles, nibbleAt, scaleOffset } from './repack-q1';
import { transpose } from './repack-transpose';

export function repack_q2_0(
  source: usize, tiles: usize, scratch: usize, rows: i32, cols: i32, span: i32, general: i32,
): i32 {
  const blocks = cols / span;
  const stride = <usize>blocks * <usize>(2 + (span >> 2));
  let bad = -1;
  let threes = i32x4.splat(0);
  for (let row = 0; row < rows; row += 32) {
    for (let b = 0; b < blocks; b++) {
      const from = source + <usize>row * stride + <usize>b * <usize>(2 + (span >> 2));
      const count = min(rows - row, 32);
      const badRow = packSignedScales(from, tiles, count, stride);
      if (badRow >= 0 && bad < 0) bad = (row + badRow) * blocks + b;
      // 64 inputs at a time: 16 bytes of codes become 8 bytes of each plane, which transpose together.
      for (let part: usize = 0; part < <usize>span >> 6; part++) {
        threes = v128.or(threes, stagePlanes(from + 2 + (part << 4), scratch, count, stride, general));
        transpose(scratch, scratch + 512, 16);
        transpose(scratch + 256, scratch + 768, 16);
        joinNibbles(scratch + 512, scratch + 1024);
        const to = tiles + 64 + (part << 8);
        memory.copy(to, scratch + 1024, 256);
        memory.copy(to + (<usize>span << 2), scratch + 1280, 256);
      }
      tiles += 64 + <usize>span * 8;
    }
  }
  if (bad < 0 && !general && v128.any_true(threes)) return -2;
  return bad;
}

function packSignedScales(from: usize, tile: usize, count: i32, stride: usize): i32 {
  let bad = -1;
  for (let r = 0; r < 32; r++) {
    const scale: u32 = r < count ? load<u16>(from + <usize>r * stride) : 0;
    if ((scale & 0x7c00) == 0x7c00 && bad < 0) bad = r;
    store<u16>(tile + scaleOffset(r), <u16>scale);
  }
  return bad;
}

/** Stores 8 bytes of plane A and 8 of plane B for each of 32 rows. Gives a vector that is not zero when a code is 3. */
function stagePlanes(from: usize, to: usize, count: i32, stride: usize, general: i32): v128 {
  let threes = i32x4.splat(0);
  for (let r = 0; r < 32; r++) {
    const codes = r < count ? v128.load(from) : i32x4.splat(0);
    const one = i8x16.splat(0x55);
    const high = v128.and(i16x8.shr_u(codes, 1), one), low = v128.and(codes, one);
    threes = v128.or(threes, v128.and(high, low));
    const a = gatherBits(general ? high : v128.or(high, low));
    const b = gatherBits(general ? low : high);
    v128.store(to + (<usize>r << 4), i8x16.narrow_i16x8_u(a, b));
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

export function decode_q2_0(tiles: usize, row: i32, cols: i32, span: i32, general: i32, gain: f32, out: usize): void {
  const r = row & 31;
  const blocks = cols / span;
  const groups = span >> 2;
  let block = tiles + <usize>(row >> 5) * <usize>blocks * (64 + <usize>span * 8);
  for (let b = 0; b < blocks; b++) {
    const d = halfValue(load<u16>(block + scaleOffset(r))) * gain;
    for (let g = 0; g < groups; g++) {
      const a = nibbleAt(block + 64, g, r), z = nibbleAt(block + 64, g + groups, r);
      for (let i = 0; i < 4; i++) {
        const high = (a >> i) & 1, low = (z >> i) & 1;
        store<f32>(out + (<usize>i << 2), <f32>((general ? high * 2 : high) + low - 1) * d);
      }
      out += 16;
    }
    block += 64 + <usize>span * 8;
  }
}
