// Owns products with weights stored as f32, f16 or bf16, row-major as in the file. Must not know threads or commands.
//
// matmul_f32 / matmul_f16 / matmul_bf16 (weights, x, out, outStride, rows, cols, tokens, accumulate, row0, row1): out[t, o] (+)= sum over i of
//   x[t, i] * weight[o, i] for all tokens and rows `row0` to `row1`. weights [rows, cols] of 4 or 2 bytes. x [tokens, cols] f32. out: f32, token t at
//   out + t * outStride bytes. accumulate: 0 or 1 (adds to out). Any cols. A token's results are the same bits for any number of tokens and any
//   range of rows: four partial sums over i mod 4, then their sum. Ranges that are multiples of 8 rows are fastest. `rows` is not used.
// decode_f32 / decode_f16 / decode_bf16 (weights, row, cols, out): the row's weights as f32.
import { HALF_FACTOR, halfValue, madd, sumLanes } from './math';

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

/** Four weights at `p` as f32. `mask` and `factor` are those of half floats, kept by the caller: V8 rebuilds vector constants at every use. */
// @ts-ignore: decorator
@inline function load4(kind: i32, p: usize, mask: v128, factor: v128): v128 {
  if (kind == F32) return v128.load(p);
  if (kind == F16) return f32x4.mul(v128.and(i32x4.shl(v128.load16x4_s(p), 13), mask), factor);
  return i32x4.shl(v128.load16x4_u(p), 16);
}

/** 0x8fffffff in all lanes, but no compiler knows; `count` is not negative. */
// @ts-ignore: decorator
@inline function halfMask(count: i32): v128 {
  return i32x4.splat((count >> 31) | 0x8fffffff);
}

/** 2^112 in all lanes, but no compiler knows. */
// @ts-ignore: decorator
@inline function halfFactor(count: i32): v128 {
  return i32x4.splat((count >> 31) | reinterpret<i32>(HALF_FACTOR));
}

/** One weight at `p` as f32. */
// @ts-ignore: decorator
@inline function load1(kind: i32, p: usize): f32 {
  if (kind == F32) return load<f32>(p);
  if (kind == F16) return halfValue(load<u16>(p));
  return reinterpret<f32>(<u32>load<u16>(p) << 16);
}

// Kinds are constants, so that each format gets code of its own: blocks of 4 rows x 2 tokens (15 vector registers hold no more), of 8 rows x 1 token, and
// single rows for the rest.
// @ts-ignore: decorator
@inline function product(
  kind: i32, weights: usize, x: usize, out: usize, outStride: usize, cols: i32, tokens: i32, accumulate: i32, row0: i32,
  row1: i32,
): void {
  const rowBytes = <usize>cols * sizeOf(kind);
  const xBytes: usize = <usize>cols << 2;
  let row = row0;
  for (; row + 8 <= row1; row += 8) {
    const w = weights + <usize>row * rowBytes;
    const to = out + (<usize>row << 2);
    let t = 0;
    for (; t + 2 <= tokens; t += 2) {
      const from = x + <usize>t * xBytes, at = to + <usize>t * outStride;
      block4x2(kind, w, from, at, outStride, cols, accumulate);
      block4x2(kind, w + 4 * rowBytes, from, at + 16, outStride, cols, accumulate);
    }
    if (t < tokens) block8x1(kind, w, x + <usize>t * xBytes, to + <usize>t * outStride, cols, accumulate);
  }
  for (; row < row1; row++) {
    for (let t = 0; t < tokens; t++) {
      const at = out + <usize>t * outStride + (<usize>row << 2);
      block1x1(kind, weights + <usize>row * rowBytes, x + <usize>t * xBytes, at, cols, accumulate);
    }
  }
}

// @ts-ignore: decorator
@inline function block1x1(kind: i32, w: usize, x: usize, out: usize, cols: i32, accumulate: i32): void {
  const mask = halfMask(cols), factor = halfFactor(cols);
  let sum = f32x4.splat(0);
  const end = <usize>(cols & ~3) * sizeOf(kind);
  let p = x;
  for (let i: usize = 0; i < end; i += 4 * sizeOf(kind)) {
    sum = madd(load4(kind, w + i, mask, factor), v128.load(p), sum);
    p += 16;
  }
  put(kind, out, accumulate, sum, w, x, cols);
}

// @ts-ignore: decorator
@inline function block8x1(kind: i32, w: usize, x: usize, out: usize, cols: i32, accumulate: i32): void {
  const s = <usize>cols * sizeOf(kind);
  const w1 = w + s, w2 = w1 + s, w3 = w2 + s, w4 = w3 + s, w5 = w4 + s, w6 = w5 + s, w7 = w6 + s;
  let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0, a6 = a0, a7 = a0;
  const mask = halfMask(cols), factor = halfFactor(cols);
  const end = <usize>(cols & ~3) * sizeOf(kind);
  let p = x;
  for (let i: usize = 0; i < end; i += 4 * sizeOf(kind)) {
    const v = v128.load(p);
    a0 = madd(load4(kind, w + i, mask, factor), v, a0);
    a1 = madd(load4(kind, w1 + i, mask, factor), v, a1);
    a2 = madd(load4(kind, w2 + i, mask, factor), v, a2);
    a3 = madd(load4(kind, w3 + i, mask, factor), v, a3);
    a4 = madd(load4(kind, w4 + i, mask, factor), v, a4);
    a5 = madd(load4(kind, w5 + i, mask, factor), v, a5);
    a6 = madd(load4(kind, w6 + i, mask, factor), v, a6);
    a7 = madd(load4(kind, w7 + i, mask, factor), v, a7);
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

function block4x2(kind: i32, w: usize, x: usize, out: usize, outStride: usize, cols: i32, accumulate: i32): void {
  if (kind == F32) rows4x2(F32, w, x, out, outStride, cols, accumulate);
  else if (kind == F16) rows4x2(F16, w, x, out, outStride, cols, accumulate);
  else rows4x2(BF16, w, x, out, outStride, cols, accumulate);
}

// @ts-ignore: decorator
@inline function rows4x2(kind: i32, w: usize, x: usize, out: usize, outStride: usize, cols: i32, accumulate: i32): void {
  const s = <usize>cols * sizeOf(kind), xs: usize = <usize>cols << 2;
  const w1 = w + s, w2 = w1 + s, w3 = w2 + s;
  const mask = halfMask(cols), factor = halfFactor(cols);
  let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
  const end = <usize>(cols & ~3) * sizeOf(kind);
  let p = x;
  for (let i: usize = 0; i < end; i += 4 * sizeOf(kind)) {
    const u0 = v128.load(p), u1 = v128.load(p + xs);
    const v0 = load4(kind, w + i, mask, factor);
    a0 = madd(v0, u0, a0);
    b0 = madd(v0, u1, b0);
    const v1 = load4(kind, w1 + i, mask, factor);
    a1 = madd(v1, u0, a1);
    b1 = madd(v1, u1, b1);
    const v2 = load4(kind, w2 + i, mask, factor);
    a2 = madd(v2, u0, a2);
    b2 = madd(v2, u1, b2);
    const v3 = load4(kind, w3 + i, mask, factor);
    a3 = madd(v3, u0, a3);
    b3 = madd(v3, u1, b3);
    p += 16;
  }
  put(kind, out, accumulate, a0, w, x, cols);
  put(kind, out + 4, accumulate, a1, w1, x, cols);
  put(kind, out + 8, accumulate, a2, w2, x, cols);
  put(kind, out + 12, accumulate, a3, w3, x, cols);
  out += outStride;
  put(kind, out, accumulate, b0, w, x + xs, cols);
  put(kind, out + 4, accumulate, b1, w1, x + xs, cols);
  put(kind, out + 8, accumulate, b2, w2, x + xs, cols);
  put(kind, out + 12, accumulate, b3, w3, x + xs, cols);
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
