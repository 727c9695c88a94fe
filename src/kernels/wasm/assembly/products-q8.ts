// Owns products with Q8_0 weights, row-major as in the file, and quantising activations for them. Must not know threads or commands.
//
// A file's row is cols / 32 blocks of 34 bytes: a half-float scale d, then 32 int8 (docs/formats.md). Activations are quantised to int8 with one step
// for 32, max |x| / 127, to nearest, as llama.cpp does (whose step is rounded to half precision besides); the integer products are exact.
//
// quantize_q8_0(x, blocks, from, to): x [blocks, 32] f32; blocks [blocks, Q8_ACTIVATION_BLOCK = 80 bytes], 16-byte aligned: the 32 integers as i16, then
//   f32 step * 2^112, 12 bytes unused; does blocks `from` to `to`. Several tokens' blocks follow each other: token t's begin at t * cols / 32.
// matmul_q8_0(weights, activations, out, outStride, rows, cols, tokens, accumulate, row0, row1): out[t, o] (+)= sum over i of x[t, i] * weight[o, i] for
//   all tokens and rows `row0` to `row1`. weights [rows, cols / 32, 34 bytes]; activations [tokens, cols / 32, 80 bytes]; out: f32, token t at
//   out + t * outStride bytes. cols is a multiple of 32. A token's results are the same bits for any number of tokens and any range of rows. Ranges of
//   multiples of 4 rows are fastest. `rows` is not used.
// decode_q8_0(weights, row, cols, out): the row's weights as f32.
import { HALF_FACTOR, halfValue, madd, maxLane, sumLanes } from './math';

// @ts-ignore: decorator
@inline export const Q8_ACTIVATION_BLOCK: usize = 80;

// @ts-ignore: decorator
@inline const BLOCK_BYTES: usize = 34;

export function quantize_q8_0(x: usize, blocks: usize, from: i32, to: i32): void {
  x += <usize>from << 7;
  blocks += <usize>from * Q8_ACTIVATION_BLOCK;
  for (let b = from; b < to; b++) {
    let largest = f32x4.splat(0);
    for (let i: usize = 0; i < 128; i += 16) largest = f32x4.pmax(largest, f32x4.abs(v128.load(x + i)));
    const m = maxLane(largest);
    // Below 1e-30 the reciprocal would overflow; such a block counts as zeros.
    const inverse = f32x4.splat(m > 1e-30 ? 127.0 / m : 0);
    for (let i: usize = 0; i < 128; i += 32) {
      const a = rounded(f32x4.mul(v128.load(x + i), inverse)), b4 = rounded(f32x4.mul(v128.load(x + i, 16), inverse));
      v128.store(blocks + (i >> 1), i16x8.narrow_i32x4_s(a, b4));
    }
    store<f32>(blocks, m > 1e-30 ? (m / 127.0) * HALF_FACTOR : 0, 64);
    x += 128;
    blocks += Q8_ACTIVATION_BLOCK;
  }
}

/** To nearest whole numbers as i32, for magnitudes below 2^22: adding 1.5 * 2^23 leaves them in the low bits. */
// @ts-ignore: decorator
@inline function rounded(v: v128): v128 {
  return i32x4.sub(f32x4.add(v, f32x4.splat(12582912.0)), f32x4.splat(12582912.0));
}

export function matmul_q8_0(
  weights: usize, activations: usize, out: usize, outStride: usize, rows: i32, cols: i32, tokens: i32, accumulate: i32,
  row0: i32, row1: i32,
): void {
  const blocks = cols >> 5;
  const rowBytes = <usize>blocks * BLOCK_BYTES;
  const tokenBytes = <usize>blocks * Q8_ACTIVATION_BLOCK;
  let row = row0;
  for (; row + 4 <= row1; row += 4) {
    const w = weights + <usize>row * rowBytes;
    for (let t = 0; t < tokens; t++) {
      rows4(w, rowBytes, activations + <usize>t * tokenBytes, out + <usize>t * outStride + (<usize>row << 2), blocks, accumulate);
    }
  }
  for (; row < row1; row++) {
    for (let t = 0; t < tokens; t++) {
      const sum = rowSum(weights + <usize>row * rowBytes, activations + <usize>t * tokenBytes, blocks);
      put(out + <usize>t * outStride + (<usize>row << 2), accumulate, sum);
    }
  }
}

function rows4(w: usize, rowBytes: usize, x: usize, out: usize, blocks: i32, accumulate: i32): void {
  let a = f32x4.splat(0), b = a, c = a, d = a;
  const w1 = rowBytes, w2 = w1 + rowBytes, w3 = w2 + rowBytes;
  for (let i = 0; i < blocks; i++) {
    const x0 = v128.load(x), x1 = v128.load(x, 16), x2 = v128.load(x, 32), x3 = v128.load(x, 48);
    const step = load<f32>(x, 64);
    a = madd(blockSum(w, x0, x1, x2, x3), blockScale(w, step), a);
    b = madd(blockSum(w + w1, x0, x1, x2, x3), blockScale(w + w1, step), b);
    c = madd(blockSum(w + w2, x0, x1, x2, x3), blockScale(w + w2, step), c);
    d = madd(blockSum(w + w3, x0, x1, x2, x3), blockScale(w + w3, step), d);
    w += BLOCK_BYTES;
    x += Q8_ACTIVATION_BLOCK;
  }
  put(out, accumulate, a);
  put(out + 4, accumulate, b);
  put(out + 8, accumulate, c);
  put(out + 12, accumulate, d);
}

function rowSum(w: usize, x: usize, blocks: i32): v128 {
  let sum = f32x4.splat(0);
  for (let i = 0; i < blocks; i++) {
    const integers = blockSum(w, v128.load(x), v128.load(x, 16), v128.load(x, 32), v128.load(x, 48));
    sum = madd(integers, blockScale(w, load<f32>(x, 64)), sum);
    w += BLOCK_BYTES;
    x += Q8_ACTIVATION_BLOCK;
  }
  return sum;
}

/** Four partial sums of a block's integer products, as f32. */
// @ts-ignore: decorator
@inline function blockSum(w: usize, x0: v128, x1: v128, x2: v128, x3: v128): v128 {
  return f32x4.convert_i32x4_s(
    i32x4.add(
      i32x4.add(i32x4.dot_i16x8_s(v128.load8x8_s(w, 2), x0), i32x4.dot_i16x8_s(v128.load8x8_s(w, 10), x1)),
      i32x4.add(i32x4.dot_i16x8_s(v128.load8x8_s(w, 18), x2), i32x4.dot_i16x8_s(v128.load8x8_s(w, 26), x3)),
    ),
  );
}

/** The product of both steps; the activations' carries the half float's factor. */
// @ts-ignore: decorator
@inline function blockScale(w: usize, step: f32): v128 {
  return f32x4.splat(reinterpret<f32>((<i32>load<i16>(w) << 13) & 0x8fffffff) * step);
}

// @ts-ignore: decorator
@inline function put(out: usize, accumulate: i32, lanes: v128): void {
  const sum = sumLanes(lanes);
  store<f32>(out, accumulate ? load<f32>(out) + sum : sum);
}

export function decode_q8_0(weights: usize, row: i32, cols: i32, out: usize): void {
  let w = weights + <usize>row * <usize>(cols >> 5) * BLOCK_BYTES;
  for (let b = cols >> 5; b > 0; b--) {
    const d = halfValue(load<u16>(w));
    for (let i: usize = 0; i < 32; i++) store<f32>(out + (i << 2), <f32>load<i8>(w + i, 2) * d);
    w += BLOCK_BYTES;
    out += 128;
  }
}
