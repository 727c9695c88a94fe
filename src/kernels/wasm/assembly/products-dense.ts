// Owns products with weights stored as f32, f16 or bf16, row-major as in the file. Must not know threads or commands.
//
// matmul_f32 / matmul_f16 / matmul_bf16 (weights, x, out, outStride, rows, cols, tokens, accumulate, row0, row1): out[t, o] (+)= sum over i of
//   x[t, i] * weight[o, i] for all tokens and rows `row0` to `row1`. weights [rows, cols] of 4 or 2 bytes. x [tokens, cols] f32. out: f32, token t at
//   out + t * outStride bytes. accumulate: 0 or 1 (adds to out). Any cols. A token's results are the same bits for any number of tokens and any
//   range of rows: four partial sums over i mod 4, then their sum. Ranges that are multiples of 8 rows are fastest. `rows` is not used.
// decode_f32 / decode_f16 / decode_bf16 (weights, row, cols, out): the row's weights as f32.
import { half4, HALF_FACTOR, halfValue, madd, sumLanes } from './math';

// @ts-ignore: decorator
@inline const F32: i32 = 0;
// @ts-ignore: decorator
@inline const F16: i32 = 1;
// @ts-ignore: decorator
@inline const BF16: i32 = 2;

export function matmul_f32(
  weights: usize, x: usize, out: usize, outStride: usize, rows: i32, cols: i32, tokens: i32, accumulate: i32, row0: i32,
  row1: i32,
): void {
  product(F32, weights, x, out, outStride, cols, tokens, accumulate, row0, row1);
}

export function matmul_f16(
  weights: usize, x: usize, out: usize, outStride: usize, rows: i32, cols: i32, tokens: i32, accumulate: i32, row0: i32,
  row1: i32,
): void {
  product(F16, weights, x, out, outStride, cols, tokens, accumulate, row0, row1);
}

export function matmul_bf16(
  weights: usize, x: usize, out: usize, outStride: usize, rows: i32, cols: i32, tokens: i32, accumulate: i32, row0: i32,
  row1: i32,
): void {
  product(BF16, weights, x, out, outStride, cols, tokens, accumulate, row0, row1);
}

/** Bytes of a weight. */
// @ts-ignore: decorator
@inline function sizeOf(kind: i32): usize {
  return kind == F32 ? 4 : 2;
}

/** Four weights at `p` as f32. */
// @ts-ignore: decorator
@inline function load4(kind: i32, p: usize): v128 {
  if (kind == F32) return v128.load(p);
  if (kind == F16) return f32x4.mul(half4(p), f32x4.splat(HALF_FACTOR));
  return i32x4.shl(v128.load16x4_u(p), 16);
}

/** One weight at `p` as f32. */
// @ts-ignore: decorator
@inline function load1(kind: i32, p: usize): f32 {
  if (kind == F32) return load<f32>(p);
  if (kind == F16) return halfValue(load<u16>(p));
  return reinterpret<f32>(<u32>load<u16>(p) << 16);
}

// Kinds are constants, so that each format gets code of its own: whole rows by blocks of 4 rows x 3 tokens, 8 rows x 1 token, and 1 x 1 for the rest.
// @ts-ignore: decorator
@inline function product(
  kind: i32, weights: usize, x: usize, out: usize, outStride: usize, cols: i32, tokens: i32, accumulate: i32, row0: i32,
  row1: i32,
): void {
  const rowBytes = <usize>cols * sizeOf(kind);
  const xBytes: usize = <usize>cols << 2;
  const whole = cols & ~3;
  let row = row0;
  for (; row + 8 <= row1; row += 8) {
    const w = weights + <usize>row * rowBytes;
    const to = out + (<usize>row << 2);
    let t = 0;
    for (; t + 3 <= tokens; t += 3) {
      for (let r: usize = 0; r < 8; r += 4) {
        block4x3(kind, w + r * rowBytes, x + <usize>t * xBytes, to + <usize>t * outStride + (r << 2), outStride, cols, accumulate);
      }
    }
    for (; t < tokens; t++) {
      block8x1(kind, w, x + <usize>t * xBytes, to + <usize>t * outStride, cols, accumulate);
    }
  }
  for (; row < row1; row++) {
    const w = weights + <usize>row * rowBytes;
    for (let t = 0; t < tokens; t++) {
      const from = x + <usize>t * xBytes;
      let sum = f32x4.splat(0);
      for (let i = 0; i < whole; i += 4) {
        sum = madd(load4(kind, w + <usize>i * sizeOf(kind)), v128.load(from + (<usize>i << 2)), sum);
      }
      put(kind, out + <usize>t * outStride + (<usize>row << 2), accumulate, sum, w, from, cols);
    }
  }
}

// @ts-ignore: decorator
@inline function block8x1(kind: i32, w: usize, x: usize, out: usize, cols: i32, accumulate: i32): void {
  const s = <usize>cols * sizeOf(kind);
  const w1 = w + s, w2 = w1 + s, w3 = w2 + s, w4 = w3 + s, w5 = w4 + s, w6 = w5 + s, w7 = w6 + s;
  let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0, a6 = a0, a7 = a0;
  const end = <usize>(cols & ~3) * sizeOf(kind);
  let p = x;
  for (let i: usize = 0; i < end; i += 4 * sizeOf(kind)) {
    const v = v128.load(p);
    a0 = madd(load4(kind, w + i), v, a0);
    a1 = madd(load4(kind, w1 + i), v, a1);
    a2 = madd(load4(kind, w2 + i), v, a2);
    a3 = madd(load4(kind, w3 + i), v, a3);
    a4 = madd(load4(kind, w4 + i), v, a4);
    a5 = madd(load4(kind, w5 + i), v, a5);
    a6 = madd(load4(kind, w6 + i), v, a6);
    a7 = madd(load4(kind, w7 + i), v, a7);
    p += 16;
  }
  put(kind, out, accumulate, a0, w, x, cols);
  put(kind, out + 4, accumulate, a1, w1, x, cols);
  put(kind, out + 8, accumulate, a2, w2, x, cols);
  put(kind, out + 12, accumulate, a3, w3, x, cols);
  put(kind, out + 16, accumulate, a4, w4, x, cols);
  put(kind, out + 20, accumulate, a5, w5, x, cols);
  put(kind, out + 24, accumulate, a6, w6, x, cols);
  put(kind, out + 28, accumulate, a7, w7, x, cols);
}

function block4x3(kind: i32, w: usize, x: usize, out: usize, outStride: usize, cols: i32, accumulate: i32): void {
  if (kind == F32) rows4x3(F32, w, x, out, outStride, cols, accumulate);
  else if (kind == F16) rows4x3(F16, w, x, out, outStride, cols, accumulate);
  else rows4x3(BF16, w, x, out, outStride, cols, accumulate);
}

// @ts-ignore: decorator
@inline function rows4x3(kind: i32, w: usize, x: usize, out: usize, outStride: usize, cols: i32, accumulate: i32): void {
  const s = <usize>cols * sizeOf(kind), xs: usize = <usize>cols << 2;
  const w1 = w + s, w2 = w1 + s, w3 = w2 + s, x1 = x + xs, x2 = x1 + xs;
  let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0, c0 = a0, c1 = a0, c2 = a0, c3 = a0;
  const end = <usize>(cols & ~3) * sizeOf(kind);
  let j: usize = 0;
  for (let i: usize = 0; i < end; i += 4 * sizeOf(kind)) {
    const u0 = v128.load(x + j), u1 = v128.load(x1 + j), u2 = v128.load(x2 + j);
    let v = load4(kind, w + i);
    a0 = madd(v, u0, a0);
    b0 = madd(v, u1, b0);
    c0 = madd(v, u2, c0);
    v = load4(kind, w1 + i);
    a1 = madd(v, u0, a1);
    b1 = madd(v, u1, b1);
    c1 = madd(v, u2, c1);
    v = load4(kind, w2 + i);
    a2 = madd(v, u0, a2);
    b2 = madd(v, u1, b2);
    c2 = madd(v, u2, c2);
    v = load4(kind, w3 + i);
    a3 = madd(v, u0, a3);
    b3 = madd(v, u1, b3);
    c3 = madd(v, u2, c3);
    j += 16;
  }
  put(kind, out, accumulate, a0, w, x, cols);
  put(kind, out + 4, accumulate, a1, w1, x, cols);
  put(kind, out + 8, accumulate, a2, w2, x, cols);
  put(kind, out + 12, accumulate, a3, w3, x, cols);
  out += outStride;
  put(kind, out, accumulate, b0, w, x1, cols);
  put(kind, out + 4, accumulate, b1, w1, x1, cols);
  put(kind, out + 8, accumulate, b2, w2, x1, cols);
  put(kind, out + 12, accumulate, b3, w3, x1, cols);
  out += outStride;
  put(kind, out, accumulate, c0, w, x2, cols);
  put(kind, out + 4, accumulate, c1, w1, x2, cols);
  put(kind, out + 8, accumulate, c2, w2, x2, cols);
  put(kind, out + 12, accumulate, c3, w3, x2, cols);
}

/** Stores (or adds) the sum of the lanes and of what the last cols % 4 inputs contribute. */
// @ts-ignore: decorator
@inline function put(kind: i32, out: usize, accumulate: i32, lanes: v128, w: usize, x: usize, cols: i32): void {
  let sum = sumLanes(lanes);
  if (cols & 3) sum += rest(kind, w, x, cols);
  store<f32>(out, accumulate ? load<f32>(out) + sum : sum);
}

function rest(kind: i32, w: usize, x: usize, cols: i32): f32 {
  let sum: f32 = 0;
  for (let i = cols & ~3; i < cols; i++) sum += load1(kind, w + <usize>i * sizeOf(kind)) * load<f32>(x + (<usize>i << 2));
  return sum;
}

export function decode_f32(weights: usize, row: i32, cols: i32, out: usize): void {
  memory.copy(out, weights + (<usize>row * <usize>cols << 2), <usize>cols << 2);
}

export function decode_f16(weights: usize, row: i32, cols: i32, out: usize): void {
  decodeRow(F16, weights + (<usize>row * <usize>cols << 1), cols, out);
}

export function decode_bf16(weights: usize, row: i32, cols: i32, out: usize): void {
  decodeRow(BF16, weights + (<usize>row * <usize>cols << 1), cols, out);
}

function decodeRow(kind: i32, from: usize, cols: i32, out: usize): void {
  for (let i = 0; i < cols; i++) store<f32>(out + (<usize>i << 2), load1(kind, from + (<usize>i << 1)));
}
