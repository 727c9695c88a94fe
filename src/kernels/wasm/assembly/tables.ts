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
//   556  f32: the sum of the 128 activations / step
//
// build_tables(x, tables, from, to): x [blocks, 128] f32, 16-byte aligned; tables [blocks, TABLE_BLOCK]; does blocks `from` to `to`. For several
//   tokens of `cols` activations the blocks simply follow each other: token t's begin at block t * cols / 128.

// @ts-ignore: decorator
@inline export const TABLE_BLOCK: usize = 560;
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
@inline const ROUND: f32 = 12582912.0 + 128.0;

export function build_tables(x: usize, tables: usize, from: i32, to: i32): void {
  x += <usize>from * 512;
  tables += <usize>from * TABLE_BLOCK;
  for (let b = from; b < to; b++) {
    buildBlock(x, tables);
    x += 512;
    tables += TABLE_BLOCK;
  }
}

function buildBlock(x: usize, t: usize): void {
  const sum = magnitudes(x, t);
  // The three largest magnitudes; ties go to the lower group.
  let first: f32 = -1, second: f32 = -1, third: f32 = -1;
  let firstAt: usize = 0, secondAt: usize = 1;
  for (let g: usize = 0; g < 32; g++) {
    const s = load<f32>(t + (g << 2));
    if (s > third) {
      if (s > second) {
        third = second;
        if (s > first) {
          second = first;
          secondAt = firstAt;
          first = s;
          firstAt = g;
        } else {
          second = s;
          secondAt = g;
        }
      } else third = s;
    }
  }
  const largest = max(third, first * 0.5);
  // Below 1e-30 the reciprocal would overflow; such a block counts as zeros.
  const inverse: f32 = largest > 1e-30 ? 127.0 / largest : 0;
  store<f32>(t, largest > 1e-30 ? (largest / 127.0) * STEP_FACTOR : 0, TABLE_STEP);
  store<u32>(t, <u32>(firstAt << 4), TABLE_SPLIT);
  store<u32>(t, <u32>(secondAt << 4), TABLE_SPLIT + 4);
  store<f32>(t, sum * inverse, TABLE_SUM);
  const scale = f32x4.splat(inverse);
  for (let g: usize = 0; g < 512; g += 16) v128.store(t + g, tableOf(f32x4.mul(v128.load(x + g), scale), 0));
  split(x, t, firstAt << 4, TABLE_EXTRA, scale);
  split(x, t, secondAt << 4, TABLE_EXTRA + 16, scale);
}

/** Stores sum |x| of each of the 32 groups at `t` (f32) and gives the sum of all x. */
function magnitudes(x: usize, t: usize): f32 {
  let sum = f32x4.splat(0);
  for (let g: usize = 0; g < 128; g += 16) {
    const a = v128.load(x), b = v128.load(x, 16), c = v128.load(x, 32), d = v128.load(x, 48);
    sum = f32x4.add(sum, f32x4.add(f32x4.add(a, b), f32x4.add(c, d)));
    const a1 = f32x4.abs(a), b1 = f32x4.abs(b), c1 = f32x4.abs(c), d1 = f32x4.abs(d);
    const ab = f32x4.add(v128.shuffle<f32>(a1, b1, 0, 4, 1, 5), v128.shuffle<f32>(a1, b1, 2, 6, 3, 7));
    const cd = f32x4.add(v128.shuffle<f32>(c1, d1, 0, 4, 1, 5), v128.shuffle<f32>(c1, d1, 2, 6, 3, 7));
    v128.store(t + g, f32x4.add(v128.shuffle<f32>(ab, cd, 0, 1, 4, 5), v128.shuffle<f32>(ab, cd, 2, 3, 6, 7)));
    x += 64;
  }
  return (
    f32x4.extract_lane(sum, 0) + f32x4.extract_lane(sum, 1) + (f32x4.extract_lane(sum, 2) + f32x4.extract_lane(sum, 3))
  );
}

/** Splits the table of the group at byte `at`: the lower half (rounded down) stays, the rest becomes the extra table at `extra`. */
function split(x: usize, t: usize, at: usize, extra: usize, scale: v128): void {
  const v = f32x4.mul(v128.load(x + at), scale);
  v128.store(t + at, tableOf(v, 1));
  v128.store(t + extra, tableOf(v, 2));
}

/** The 16 rounded sums + 128 of the four scaled activations `v`; half 1 gives the entries' halves rounded down, half 2 what remains. */
// @ts-ignore: decorator
@inline function tableOf(v: v128, half: i32): v128 {
  const x0 = v128.shuffle<f32>(v, v, 0, 0, 0, 0), x1 = v128.shuffle<f32>(v, v, 1, 1, 1, 1);
  const x2 = v128.shuffle<f32>(v, v, 2, 2, 2, 2), x3 = v128.shuffle<f32>(v, v, 3, 3, 3, 3);
  const low = f32x4.add(
    v128.xor(x0, i32x4(0x80000000, 0, 0x80000000, 0)),
    v128.xor(x1, i32x4(0x80000000, 0x80000000, 0, 0)),
  );
  const both = f32x4.add(x2, x3), one = f32x4.sub(x2, x3);
  return i8x16.narrow_i16x8_u(
    i16x8.narrow_i32x4_s(entry(f32x4.sub(low, both), half), entry(f32x4.add(low, one), half)),
    i16x8.narrow_i32x4_s(entry(f32x4.sub(low, one), half), entry(f32x4.add(low, both), half)),
  );
}

// @ts-ignore: decorator
@inline function entry(value: v128, half: i32): v128 {
  const rounded = f32x4.add(value, f32x4.splat(ROUND));
  if (half == 0) return v128.and(rounded, i32x4.splat(255));
  const whole = i32x4.sub(rounded, f32x4.splat(ROUND));
  const lower = i32x4.shr_s(whole, 1);
  return i32x4.add(half == 1 ? lower : i32x4.sub(whole, lower), i32x4.splat(128));
}
