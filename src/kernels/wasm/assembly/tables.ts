// Owns the look-up tables that 1-bit and 2-bit products read instead of activations: their layout, building and reading.
// Must not know weights' layouts. Idea: T-MAC and bitnet.cpp's TL kernels (see docs/experiments.md for what was measured here).
//
// Of each four activations x0..x3 the 16 sums of +-x0 +-x1 +-x2 +-x3 (bit i of the index set: +xi) are rounded to 8 bits: a table of 16 bytes,
// which one swizzle reads for 16 rows at once. The 128 activations of a block share one step. The two groups with the largest sums of |x| are
// split over two tables each, so the third largest sets the step: the variance of the rounding error is then 1.15 times that of llama.cpp's int8
// blocks of 32 for gaussian activations and 0.4 to 0.7 times for heavy tails; one plain step has 1.71 times, at 1/16 less work.
//
// A block of 128 activations takes TABLE_BLOCK bytes:
//   0    32 tables of 16 unsigned bytes: the entry + 128
//   512  2 extra tables, the other halves of the two split groups
//   544  f32: the step * STEP_FACTOR
//   548  2 u32: 16 * the numbers of the split groups
//   556  2 f32: the sums of the first and the second 64 activations / step
//   564  unused
//
// build_tables(x, tables, from, to): x [blocks, 128] f32, 16-byte aligned; tables [blocks, TABLE_BLOCK]; does blocks `from` to `to`. For several
//   tokens of `cols` activations the blocks simply follow each other: token t's begin at block t * cols / 128.

import { sumLanes, sumLanes4 } from './math';

// @ts-ignore: decorator
@inline export const TABLE_BLOCK: usize = 576;
// @ts-ignore: decorator
@inline export const TABLE_EXTRA: usize = 512;
// @ts-ignore: decorator
@inline export const TABLE_STEP: usize = 544;
// @ts-ignore: decorator
@inline export const TABLE_SPLIT: usize = 548;
// @ts-ignore: decorator
@inline export const TABLE_SUM: usize = 556;

/** Look-ups of a block. */
// @ts-ignore: decorator
@inline export const TABLES: i32 = 34;

/**
 * 2^96: products use half-float scales as float32 times 2^-112 (a shift of the bits) and sums times 2^16 (they sit in the upper halves of 32 bits);
 * the step makes up for both.
 */
// @ts-ignore: decorator
@inline export const STEP_FACTOR: f32 = 79228162514264337593543950336.0;

/** Entries `index` (below 16) of `table`. */
// @ts-ignore: decorator
@inline export function lookUp(table: v128, index: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? i8x16.relaxed_swizzle(table, index) : i8x16.swizzle(table, index);
}

/** Added to a float of magnitude below 2^21 it leaves the nearest integer + 128 in the low bits: cheaper than converting. */
// @ts-ignore: decorator
@inline export const ROUND: f32 = 12582912.0 + 128.0;

export function build_tables(x: usize, tables: usize, from: i32, to: i32): void {
  // All ones, but no compiler knows: V8 would rebuild vector constants at every use.
  const ones = ~((to - from) >> 31);
  const round = i32x4.splat(ones & reinterpret<i32>(ROUND));
  const byte = i32x4.splat(ones & 255);
  const sign = ones & 0x80000000;
  const odd = i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(0), 0, sign), 2, sign);
  const upper = i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(0), 0, sign), 1, sign);
  x += <usize>from * 512;
  tables += <usize>from * TABLE_BLOCK;
  for (let b = from; b < to; b++) {
    const scale = f32x4.splat(prepareBlock(x, tables));
    for (let g: usize = 0; g < 512; g += 16) {
      const v = f32x4.mul(v128.load(x + g), scale);
      const x0 = v128.shuffle<f32>(v, v, 0, 0, 0, 0), x1 = v128.shuffle<f32>(v, v, 1, 1, 1, 1);
      const x2 = v128.shuffle<f32>(v, v, 2, 2, 2, 2), x3 = v128.shuffle<f32>(v, v, 3, 3, 3, 3);
      const low = f32x4.add(v128.xor(x0, odd), v128.xor(x1, upper));
      const both = f32x4.add(x2, x3), one = f32x4.sub(x2, x3);
      const e0 = v128.and(f32x4.add(f32x4.sub(low, both), round), byte);
      const e1 = v128.and(f32x4.add(f32x4.add(low, one), round), byte);
      const e2 = v128.and(f32x4.add(f32x4.sub(low, one), round), byte);
      const e3 = v128.and(f32x4.add(f32x4.add(low, both), round), byte);
      v128.store(
        tables + g,
        i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_s(e0, e1), i16x8.narrow_i32x4_s(e2, e3)),
      );
    }
    split(x, tables, load<u32>(tables, TABLE_SPLIT), TABLE_EXTRA, scale);
    split(x, tables, load<u32>(tables, TABLE_SPLIT + 4), TABLE_EXTRA + 16, scale);
    x += 512;
    tables += TABLE_BLOCK;
  }
}

/** Stores all of a block but its tables; gives the reciprocal of the step. */
function prepareBlock(x: usize, t: usize): f32 {
  // Keys: the bits of sum |x| of a group, the lowest five replaced by the group's number; as integers they sort as the sums do.
  let numbers = i32x4(0, 1, 2, 3);
  let first = i32x4.splat(0), second = first, third = first;
  for (let half: usize = 0; half < 2; half++) {
    let sum = f32x4.splat(0);
    for (let i = 0; i < 4; i++) {
      const a = v128.load(x), b = v128.load(x, 16), c = v128.load(x, 32), d = v128.load(x, 48);
      sum = f32x4.add(sum, f32x4.add(f32x4.add(a, b), f32x4.add(c, d)));
      const sums = sumLanes4(f32x4.abs(a), f32x4.abs(b), f32x4.abs(c), f32x4.abs(d));
      const key = v128.or(v128.and(sums, i32x4.splat(~31)), numbers);
      const rest = i32x4.min_s(first, key);
      first = i32x4.max_s(first, key);
      third = i32x4.max_s(third, i32x4.min_s(second, rest));
      second = i32x4.max_s(second, rest);
      numbers = i32x4.add(numbers, i32x4.splat(4));
      x += 64;
    }
    store<f32>(t + (half << 2), sumLanes(sum), TABLE_SUM);
  }
  // Each lane has its three largest: two rounds merge them. The n-th largest of two descending lists p, q is the maximum of min(p_i, q_j), i + j = n.
  for (let round = 0; round < 2; round++) {
    const a = turn(first, round), b = turn(second, round), c = turn(third, round);
    third = i32x4.max_s(i32x4.max_s(third, c), i32x4.max_s(i32x4.min_s(second, a), i32x4.min_s(first, b)));
    second = i32x4.max_s(i32x4.max_s(second, b), i32x4.min_s(first, a));
    first = i32x4.max_s(first, a);
  }
  const k1 = i32x4.extract_lane(first, 0), k2 = i32x4.extract_lane(second, 0), k3 = i32x4.extract_lane(third, 0);
  // The number in the low bits counts as if all were set: never below the true sum.
  const largest = max(reinterpret<f32>(k3 | 31), reinterpret<f32>(k1 | 31) * 0.5);
  // Below 1e-30 the reciprocal would overflow; such a block counts as zeros.
  const inverse: f32 = largest > 1e-30 ? 127.0 / largest : 0;
  store<f32>(t, largest > 1e-30 ? (largest / 127.0) * STEP_FACTOR : 0, TABLE_STEP);
  store<u32>(t, (k1 & 31) << 4, TABLE_SPLIT);
  store<u32>(t, (k2 & 31) << 4, TABLE_SPLIT + 4);
  store<f32>(t, load<f32>(t, TABLE_SUM) * inverse, TABLE_SUM);
  store<f32>(t, load<f32>(t, TABLE_SUM + 4) * inverse, TABLE_SUM + 4);
  return inverse;
}

/** Lanes two further (round 0) or one further (round 1). */
// @ts-ignore: decorator
@inline function turn(v: v128, round: i32): v128 {
  return round ? v128.shuffle<i32>(v, v, 1, 2, 3, 0) : v128.shuffle<i32>(v, v, 2, 3, 0, 1);
}

/** Splits the table of the group at byte `at`: the lower half (rounded down) stays, the rest becomes the extra table at byte `extra`. */
function split(x: usize, t: usize, at: usize, extra: usize, scale: v128): void {
  const v = f32x4.mul(v128.load(x + at), scale);
  const x0 = v128.shuffle<f32>(v, v, 0, 0, 0, 0), x1 = v128.shuffle<f32>(v, v, 1, 1, 1, 1);
  const x2 = v128.shuffle<f32>(v, v, 2, 2, 2, 2), x3 = v128.shuffle<f32>(v, v, 3, 3, 3, 3);
  const low = f32x4.add(
    v128.xor(x0, i32x4(0x80000000, 0, 0x80000000, 0)),
    v128.xor(x1, i32x4(0x80000000, 0x80000000, 0, 0)),
  );
  const both = f32x4.add(x2, x3), one = f32x4.sub(x2, x3);
  const whole0 = i16x8.narrow_i32x4_s(whole(f32x4.sub(low, both)), whole(f32x4.add(low, one)));
  const whole1 = i16x8.narrow_i32x4_s(whole(f32x4.sub(low, one)), whole(f32x4.add(low, both)));
  const lower0 = i16x8.shr_s(whole0, 1), lower1 = i16x8.shr_s(whole1, 1);
  const bias = i8x16.splat(-128);
  const rest = i8x16.narrow_i16x8_s(i16x8.sub(whole0, lower0), i16x8.sub(whole1, lower1));
  v128.store(t + at, v128.xor(i8x16.narrow_i16x8_s(lower0, lower1), bias));
  v128.store(t + extra, v128.xor(rest, bias));
}

/** Rounds to whole numbers as i32. */
// @ts-ignore: decorator
@inline function whole(v: v128): v128 {
  return i32x4.sub(f32x4.add(v, f32x4.splat(ROUND)), f32x4.splat(ROUND));
}
