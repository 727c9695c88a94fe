// Owns products of Q1_0 weights in tiles (repack-q1.ts) with 8 or 16 tokens at a time: tokens are lanes. Must not know threads or commands.
//
// multiply_octets(weights, lanePairs, gap, octets, out, outStride, rows, cols, tokens, accumulate, tile0, tile1, scratch): as matmul_q1_0 (products-q1.ts), for 1 to 16
//   tokens whose tables are the one or two octets [cols / 128, OCTET_BLOCK bytes] at `octets` (tables-octet.ts); tile1 - tile0 at most PANEL_TILES;
//   scratch OCTET_SCRATCH bytes, 64-byte aligned, a thread's own. The results are the same bits as those of matmul_q1_0.
//
// Two neighbouring groups of four inputs make a table of 256 vectors, each the sum of two entries for all tokens; a row of weights then adds sixteen
// vectors for 128 inputs: plain loads and 16-bit additions instead of byte shuffles and shifts, which only two of the vector units do. The tables of a
// block are made anew for each panel of tiles, so panels should be tall.
import { madd, zeroOf } from './math';
import { OCTET_BLOCK, OCTET_STEPS, PANEL_TILES } from './opcodes';
import { Q1_TILE_BLOCK } from './repack-q1';
import { blockAt } from './tile-order';

/** Bytes from one table of 256 entries to the next. A line more than its size: equal bytes of a row must not all meet in one set of a cache. */
// @ts-ignore: decorator
@inline export const STRIDE_8: usize = 4096 + 64;
// @ts-ignore: decorator
@inline export const STRIDE_16: usize = 8192 + 64;

// Scratch: 16 tables, a tile's indices [16][32 rows] u16, its scales [32] f32, two vectors put aside, sums [PANEL_TILES * 32 rows][tokens] f32. Rows of a
// tile are in the order of its bytes: row 4 q + i of each half is at 4 i + q.
// @ts-ignore: decorator
@inline export const INDICES: usize = 16 * STRIDE_16;
// @ts-ignore: decorator
@inline export const SCALES: usize = INDICES + 1024;
// @ts-ignore: decorator
@inline export const ASIDE: usize = SCALES + 128;
// @ts-ignore: decorator
@inline export const SUMS: usize = ASIDE + 64;

export function multiply_octets(
  weights: usize, lanePairs: i32, gap: usize, octets: usize, out: usize, outStride: usize, rows: i32, cols: i32, tokens: i32, accumulate: i32,
  tile0: i32, tile1: i32, scratch: usize,
): void {
  const blocks = cols >> 7;
  const tiles = (rows + 31) >> 5;
  const both = tokens > 8;
  const tileSums: usize = both ? 2048 : 1024;
  const second: usize = <usize>blocks * OCTET_BLOCK;
  const firstSums = scratch + SUMS;
  if (accumulate) takeSums(firstSums, both, out, outStride, rows, tokens, tile0, tile1);
  else memory.fill(firstSums, 0, <usize>(tile1 - tile0) * tileSums);
  for (let b = 0; b < blocks; b++) {
    const octet = octets + <usize>b * OCTET_BLOCK;
    expandOctet(octet, second, scratch, both);
    let sums = firstSums;
    for (let tile = tile0; tile < tile1; tile++) {
      const w = weights + blockAt(lanePairs, gap, tile, b, tiles, blocks, Q1_TILE_BLOCK);
      orderScales(w, scratch + SCALES);
      if (both) {
        spreadIndices(w + 64, 16, scratch + INDICES, 5);
        addRows16(scratch, sums, octet + OCTET_STEPS, octet + second + OCTET_STEPS);
      } else {
        spreadIndices(w + 64, 16, scratch + INDICES, 4);
        addRows8(scratch, sums, octet + OCTET_STEPS);
      }
      sums += tileSums;
    }
  }
  giveSums(firstSums, both, out, outStride, rows, tokens, tile0, tile1);
}

/** Writes the sums of tiles to the outputs of 8 or, with `both`, 16 tokens. */
export function giveSums(
  sums: usize, both: bool, out: usize, outStride: usize, rows: i32, tokens: i32, tile0: i32, tile1: i32,
): void {
  const step: usize = both ? 64 : 32;
  for (let tile = tile0; tile < tile1; tile++) {
    giveTile(sums, step, out + (<usize>tile << 7), outStride, rows - (tile << 5), tokens);
    sums += 32 * step;
  }
}

/** The opposite. */
export function takeSums(
  sums: usize, both: bool, out: usize, outStride: usize, rows: i32, tokens: i32, tile0: i32, tile1: i32,
): void {
  const step: usize = both ? 64 : 32;
  for (let tile = tile0; tile < tile1; tile++) {
    takeTile(sums, step, out + (<usize>tile << 7), outStride, rows - (tile << 5), tokens);
    sums += 32 * step;
  }
}

/** Makes the 16 tables of a block of an octet or, with `both`, of it and the one `second` bytes further, at `tables`. */
export function expandOctet(octet: usize, second: usize, tables: usize, both: bool): void {
  for (let g: usize = 0; g < 16; g++) {
    if (both) {
      expand<u16>(octet + (g << 9), tables + g * STRIDE_16);
      expand<u16>(octet + second + (g << 9), tables + g * STRIDE_16 + 16);
    } else expand<u8>(octet + (g << 9), tables + g * STRIDE_8);
  }
}

/** Makes the table of two groups of an octet: entry lower + 16 * upper is the sum of both groups' entries, 16 * sizeof<P>() bytes apart. */
function expand<P>(groups: usize, table: usize): void {
  const end = groups + 256;
  for (let upper: usize = 0; upper < 256; upper += 32) {
    const u = v128.load(groups + upper, 256), v = v128.load(groups + upper, 272);
    let lower = groups;
    let to = table + upper * 16 * sizeof<P>();
    do {
      const x = v128.load(lower), y = v128.load(lower, 16);
      v128.store(to, i16x8.add(x, u));
      v128.store(to, i16x8.add(y, u), 16 * sizeof<P>());
      v128.store(to, i16x8.add(x, v), 256 * sizeof<P>());
      v128.store(to, i16x8.add(y, v), 272 * sizeof<P>());
      lower += 32;
      to += 32 * sizeof<P>();
    } while (lower < end);
  }
}

/** From the nibbles of a tile's block, groups `step` bytes apart, the offsets into the 16 tables for its rows: 8 bits of a row times 2^shift. */
// @ts-ignore: decorator
@inline export function spreadIndices(groups: usize, step: usize, to: usize, shift: i32): void {
  const low = i8x16.splat(<i8>(15 | zeroOf(to))), high = i16x8.shl(low, 4);
  const end = to + 1024;
  do {
    const first = v128.load(groups), second = v128.load(groups + step);
    const x = v128.or(v128.and(first, low), v128.and(i16x8.shl(second, 4), high));
    const y = v128.or(v128.and(i16x8.shr_u(first, 4), low), v128.and(second, high));
    v128.store(to, i16x8.shl(i16x8.extend_low_i8x16_u(x), shift));
    v128.store(to, i16x8.shl(i16x8.extend_high_i8x16_u(x), shift), 16);
    v128.store(to, i16x8.shl(i16x8.extend_low_i8x16_u(y), shift), 32);
    v128.store(to, i16x8.shl(i16x8.extend_high_i8x16_u(y), shift), 48);
    groups += 2 * step;
    to += 64;
  } while (to < end);
}

/** The scales of a tile's block times 2^-112 as products-q1.ts uses them, in the order of bytes. */
export function orderScales(w: usize, to: usize): void {
  const half = i32x4.splat(0x0fffe000);
  for (let i: usize = 0; i < 64; i += 32) {
    const d = v128.load(w + i), e = v128.load(w + i, 16);
    const q0 = v128.and(i32x4.shl(d, 13), half), q2 = v128.and(i32x4.shr_u(d, 3), half);
    const q1 = v128.and(i32x4.shl(e, 13), half), q3 = v128.and(i32x4.shr_u(e, 3), half);
    putColumns(to, 16, q0, q1, q2, q3);
    to += 64;
  }
}

/** Stores the columns of four vectors, `step` bytes apart. */
// @ts-ignore: decorator
@inline export function putColumns(to: usize, step: usize, a: v128, b: v128, c: v128, d: v128): void {
  const x = v128.shuffle<f32>(a, b, 0, 4, 1, 5), y = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
  const z = v128.shuffle<f32>(a, b, 2, 6, 3, 7), w = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<f32>(x, y, 0, 1, 4, 5));
  v128.store(to + step, v128.shuffle<f32>(x, y, 2, 3, 6, 7));
  v128.store(to + 2 * step, v128.shuffle<f32>(z, w, 0, 1, 4, 5));
  v128.store(to + 3 * step, v128.shuffle<f32>(z, w, 2, 3, 6, 7));
}

/** Adds a block's products of a tile with 16 tokens to its sums. */
function addRows16(scratch: usize, sums: usize, steps: usize, steps2: usize): void {
  const table = scratch, aside = scratch + ASIDE;
  const step0 = v128.load(steps), step1 = v128.load(steps, 16), step2 = v128.load(steps2), step3 = v128.load(steps2, 16);
  const zero = i32x4.splat(zeroOf(scratch));
  let scale = scratch + SCALES;
  let p = scratch + INDICES;
  const end = p + 64;
  do {
    let t: usize, a: v128, b: v128;
    // The stores keep V8 from putting off the additions until all loads are done, for which there are not enough registers.
    t = table + <usize>load<u16>(p);
    a = v128.load(t); b = v128.load(t, 16);
    t = table + <usize>load<u16>(p, 64);
    a = i16x8.add(a, v128.load(t, STRIDE_16)); b = i16x8.add(b, v128.load(t, STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 128);
    a = i16x8.add(a, v128.load(t, 2 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 2 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 192);
    a = i16x8.add(a, v128.load(t, 3 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 3 * STRIDE_16 + 16));
    v128.store(aside, a); v128.store(aside, b, 16);
    t = table + <usize>load<u16>(p, 256);
    a = i16x8.add(a, v128.load(t, 4 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 4 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 320);
    a = i16x8.add(a, v128.load(t, 5 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 5 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 384);
    a = i16x8.add(a, v128.load(t, 6 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 6 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 448);
    a = i16x8.add(a, v128.load(t, 7 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 7 * STRIDE_16 + 16));
    v128.store(aside, a); v128.store(aside, b, 16);
    t = table + <usize>load<u16>(p, 512);
    a = i16x8.add(a, v128.load(t, 8 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 8 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 576);
    a = i16x8.add(a, v128.load(t, 9 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 9 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 640);
    a = i16x8.add(a, v128.load(t, 10 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 10 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 704);
    a = i16x8.add(a, v128.load(t, 11 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 11 * STRIDE_16 + 16));
    v128.store(aside, a); v128.store(aside, b, 16);
    t = table + <usize>load<u16>(p, 768);
    a = i16x8.add(a, v128.load(t, 12 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 12 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 832);
    a = i16x8.add(a, v128.load(t, 13 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 13 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 896);
    a = i16x8.add(a, v128.load(t, 14 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 14 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 960);
    a = i16x8.add(a, v128.load(t, 15 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 15 * STRIDE_16 + 16));
    const d = v128.load32_splat(scale);
    v128.store(sums, madd(f32x4.mul(lowerSums(a, zero), d), step0, v128.load(sums)));
    v128.store(sums, madd(f32x4.mul(upperSums(a, zero), d), step1, v128.load(sums, 16)), 16);
    v128.store(sums, madd(f32x4.mul(lowerSums(b, zero), d), step2, v128.load(sums, 32)), 32);
    v128.store(sums, madd(f32x4.mul(upperSums(b, zero), d), step3, v128.load(sums, 48)), 48);
    sums += 64;
    scale += 4;
    p += 2;
  } while (p < end);
}

/** Adds a block's products of a tile with 8 tokens to its sums. */
function addRows8(scratch: usize, sums: usize, steps: usize): void {
  const table = scratch, aside = scratch + ASIDE;
  const step0 = v128.load(steps), step1 = v128.load(steps, 16);
  const zero = i32x4.splat(zeroOf(scratch));
  let scale = scratch + SCALES;
  let p = scratch + INDICES;
  const end = p + 64;
  do {
    let t: usize, a: v128;
    t = table + <usize>load<u16>(p);
    a = v128.load(t);
    t = table + <usize>load<u16>(p, 64);
    a = i16x8.add(a, v128.load(t, STRIDE_8));
    t = table + <usize>load<u16>(p, 128);
    a = i16x8.add(a, v128.load(t, 2 * STRIDE_8));
    t = table + <usize>load<u16>(p, 192);
    a = i16x8.add(a, v128.load(t, 3 * STRIDE_8));
    v128.store(aside, a);
    t = table + <usize>load<u16>(p, 256);
    a = i16x8.add(a, v128.load(t, 4 * STRIDE_8));
    t = table + <usize>load<u16>(p, 320);
    a = i16x8.add(a, v128.load(t, 5 * STRIDE_8));
    t = table + <usize>load<u16>(p, 384);
    a = i16x8.add(a, v128.load(t, 6 * STRIDE_8));
    t = table + <usize>load<u16>(p, 448);
    a = i16x8.add(a, v128.load(t, 7 * STRIDE_8));
    v128.store(aside, a);
    t = table + <usize>load<u16>(p, 512);
    a = i16x8.add(a, v128.load(t, 8 * STRIDE_8));
    t = table + <usize>load<u16>(p, 576);
    a = i16x8.add(a, v128.load(t, 9 * STRIDE_8));
    t = table + <usize>load<u16>(p, 640);
    a = i16x8.add(a, v128.load(t, 10 * STRIDE_8));
    t = table + <usize>load<u16>(p, 704);
    a = i16x8.add(a, v128.load(t, 11 * STRIDE_8));
    v128.store(aside, a);
    t = table + <usize>load<u16>(p, 768);
    a = i16x8.add(a, v128.load(t, 12 * STRIDE_8));
    t = table + <usize>load<u16>(p, 832);
    a = i16x8.add(a, v128.load(t, 13 * STRIDE_8));
    t = table + <usize>load<u16>(p, 896);
    a = i16x8.add(a, v128.load(t, 14 * STRIDE_8));
    t = table + <usize>load<u16>(p, 960);
    a = i16x8.add(a, v128.load(t, 15 * STRIDE_8));
    const d = v128.load32_splat(scale);
    v128.store(sums, madd(f32x4.mul(lowerSums(a, zero), d), step0, v128.load(sums)));
    v128.store(sums, madd(f32x4.mul(upperSums(a, zero), d), step1, v128.load(sums, 16)), 16);
    sums += 32;
    scale += 4;
    p += 2;
  } while (p < end);
}

/** The first four 16-bit sums, times 2^16. */
// @ts-ignore: decorator
@inline export function lowerSums(v: v128, zero: v128): v128 {
  return f32x4.convert_i32x4_s(v128.shuffle<i16>(zero, v, 0, 8, 1, 9, 2, 10, 3, 11));
}

/** The last four 16-bit sums, times 2^16. */
// @ts-ignore: decorator
@inline export function upperSums(v: v128, zero: v128): v128 {
  return f32x4.convert_i32x4_s(v128.shuffle<i16>(zero, v, 4, 12, 5, 13, 6, 14, 7, 15));
}

/** Stores a tile's sums, `step` bytes per row, as outputs of `tokens` tokens and the first `left` rows. */
function giveTile(sums: usize, step: usize, out: usize, outStride: usize, left: i32, tokens: i32): void {
  for (let t = 0; t < tokens; t += 4) {
    for (let row = 0; row < min(left, 32); row += 4) {
      const from = rowSums(sums, step, row) + (<usize>t << 2);
      const a = v128.load(from), b = v128.load(from + 4 * step), c = v128.load(from + 8 * step), d = v128.load(from + 12 * step);
      const x = v128.shuffle<f32>(a, b, 0, 4, 1, 5), y = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
      const z = v128.shuffle<f32>(a, b, 2, 6, 3, 7), w = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
      const to = out + (<usize>row << 2) + <usize>t * outStride;
      put(to, v128.shuffle<f32>(x, y, 0, 1, 4, 5), left - row);
      if (t + 1 < tokens) put(to + outStride, v128.shuffle<f32>(x, y, 2, 3, 6, 7), left - row);
      if (t + 2 < tokens) put(to + 2 * outStride, v128.shuffle<f32>(z, w, 0, 1, 4, 5), left - row);
      if (t + 3 < tokens) put(to + 3 * outStride, v128.shuffle<f32>(z, w, 2, 3, 6, 7), left - row);
    }
  }
}

/** The opposite: fills a tile's sums from outputs; those of other tokens and rows do not matter. */
function takeTile(sums: usize, step: usize, out: usize, outStride: usize, left: i32, tokens: i32): void {
  for (let t = 0; t < tokens; t += 4) {
    for (let row = 0; row < min(left, 32); row += 4) {
      const from = out + (<usize>row << 2) + <usize>t * outStride;
      const a = get(from, left - row);
      const b = t + 1 < tokens ? get(from + outStride, left - row) : a;
      const c = t + 2 < tokens ? get(from + 2 * outStride, left - row) : a;
      const d = t + 3 < tokens ? get(from + 3 * outStride, left - row) : a;
      putColumns(rowSums(sums, step, row) + (<usize>t << 2), 4 * step, a, b, c, d);
    }
  }
}

/** Where the sums of row `row` of a tile are, a multiple of four; the next three rows' are 4 rows further each. */
// @ts-ignore: decorator
@inline function rowSums(sums: usize, step: usize, row: i32): usize {
  return sums + <usize>((row & 16) | ((row >> 2) & 3)) * step;
}

/** Stores the first `count` lanes. */
function put(to: usize, v: v128, count: i32): void {
  if (count >= 4) {
    v128.store(to, v);
    return;
  }
  v128.store32_lane(to, v, 0);
  if (count > 1) v128.store32_lane(to, v, 1, 4);
  if (count > 2) v128.store32_lane(to, v, 2, 8);
}

/** Four values, or as many as `count`. */
function get(from: usize, count: i32): v128 {
  if (count >= 4) return v128.load(from);
  let v = v128.load32_zero(from);
  if (count > 1) v = v128.load32_lane(from, v, 1, 4);
  if (count > 2) v = v128.load32_lane(from, v, 2, 8);
  return v;
}
