// Owns the gradients of weights, sums over tokens of outer products, with factors rounded to 12 bits: twice as fast as float32, because one instruction
// multiplies and adds eight pairs. Each column has a scale for every OUTER_TOKENS tokens, so a sum's error is about a thousandth.
// Sums of OUTER_TOKENS products of 12-bit numbers are exact in 32 bits; blocks of tokens are then added in float32, in order.
import { OUTER_ROWS, OUTER_TOKENS } from './training-opcodes';

/** Largest rounded factor: OUTER_TOKENS * 2047^2 is below 2^30. */
const LARGEST: f32 = 2047;
/** Added to a float of magnitude below 2^21 it leaves the nearest integer in the low bits. */
const ROUND: f32 = 12582912;

/**
 * Items are blocks of OUTER_TOKENS tokens. Operands: out, scales [blocks, columns rounded up to eight], x [tokens, columns], tokens, columns, columns
 * of a panel (4 or 8). out [blocks, panels, OUTER_TOKENS / 2, columns of a panel, 2] int16; what is missing at the edges is zero.
 */
export function packOuter(c: usize, from: i32, to: i32): void {
  const columns = load<i32>(c, 20);
  const width = load<i32>(c, 24);
  const panels = (columns + width - 1) / width;
  const stride: usize = <usize>columns << 2;
  const scaleBytes: usize = <usize>((columns + 7) & ~7) << 2;
  const panelBytes: usize = <usize>(OUTER_TOKENS * width) << 1;
  const whole: usize = <usize>(columns & ~3) << 2;
  for (let block = from; block < to; block++) {
    const first = block * OUTER_TOKENS;
    const count = min(OUTER_TOKENS, load<i32>(c, 16) - first);
    const x: usize = load<usize>(c, 12) + <usize>first * stride;
    const scales: usize = load<usize>(c, 8) + <usize>block * scaleBytes;
    const out: usize = load<usize>(c, 4) + <usize>(block * panels) * panelBytes;
    findScales(scales, x, stride, count, whole, scaleBytes);
    // Eight pairs at a time: their rows stay in the first cache while all panels take their part.
    for (let t = 0; t < OUTER_TOKENS; t += 16) {
      for (let column = 0; column < panels * width; column += 4) {
        const at = out + <usize>(column / width) * panelBytes + (<usize>(t * width + ((column % width) << 1)) << 1);
        const i: usize = <usize>column << 2;
        const pairs = x + <usize>t * stride + i;
        if (i < whole) packPairs(at, <usize>width << 2, v128.load(scales + i), pairs, stride, count - t);
        else packNarrow(at, <usize>width << 2, scales + i, pairs, stride, count - t, columns - column);
      }
    }
  }
}

/** Stores the largest |x| of each column / LARGEST. As integers positive floats sort as they do, and what is not a number sorts last. */
function findScales(scales: usize, x: usize, stride: usize, count: i32, whole: usize, all: usize): void {
  const size = i32x4.splat(0x7fffffff);
  memory.fill(scales, 0, all);
  let t = 0;
  for (; t + 4 <= count; t += 4) {
    for (let i: usize = 0; i < whole; i += 16) {
      const at = x + i;
      const a = i32x4.max_s(v128.and(v128.load(at), size), v128.and(v128.load(at + stride), size));
      const b = i32x4.max_s(v128.and(v128.load(at + 2 * stride), size), v128.and(v128.load(at + 3 * stride), size));
      v128.store(scales + i, i32x4.max_s(v128.load(scales + i), i32x4.max_s(a, b)));
    }
    for (let u = 0; u < 4; u++) {
      raise(scales, x, whole, stride);
      x += stride;
    }
  }
  for (; t < count; t++) {
    raise(scales, x, 0, stride);
    x += stride;
  }
  for (let i: usize = 0; i < all; i += 16) v128.store(scales + i, f32x4.mul(v128.load(scales + i), f32x4.splat(1 / LARGEST)));
}

/** largest[i] = max(largest[i], |x[i]|) for bytes `from` to `to`. */
function raise(largest: usize, x: usize, from: usize, to: usize): void {
  for (let i = from; i < to; i += 4) store<i32>(largest + i, max(load<i32>(largest + i), load<i32>(x + i) & 0x7fffffff));
}

/** Eight pairs of tokens of four columns, as many as there are of `left` tokens, then zeros. */
function packPairs(out: usize, outStride: usize, scale: v128, x: usize, stride: usize, left: i32): void {
  const inverse = v128.and(f32x4.div(f32x4.splat(1), scale), f32x4.gt(scale, f32x4.splat(1e-30)));
  const round = f32x4.splat(ROUND);
  const low = i32x4.splat(0xffff);
  for (let t = 0; t < 16; t += 2) {
    let pair = i32x4.splat(0);
    if (t < left) pair = v128.and(f32x4.add(f32x4.mul(v128.load(x), inverse), round), low);
    if (t + 1 < left) {
      const second = f32x4.add(f32x4.mul(v128.load(x + stride), inverse), round);
      pair = v128.or(pair, i32x4.shl(second, 16));
    }
    v128.store(out, pair);
    out += outStride;
    x += 2 * stride;
  }
}

/** The same where fewer than four columns exist. */
function packNarrow(out: usize, outStride: usize, scales: usize, x: usize, stride: usize, left: i32, columns: i32): void {
  for (let i = 0; i < 4; i++) {
    const scale: f32 = i < columns ? load<f32>(scales) : 0;
    const inverse: f32 = scale > 1e-30 ? 1 / scale : 0;
    for (let t: usize = 0; t < 16; t++) {
      const value: f32 = i < columns && <i32>t < left ? load<f32>(x + t * stride) : 0;
      store<u16>(out + (t >> 1) * outStride + ((t & 1) << 1), <u16>reinterpret<u32>(value * inverse + ROUND));
    }
    scales += 4;
    out += 4;
    x += 4;
  }
}

/**
 * Items are blocks of out [rows, cols]: OUTER_ROWS rows by `width` columns, columns innermost. Operands: out, panels of four of the rows' factor, its
 * scales, panels of eight of the columns' factor, its scales, tokens, rows, cols, width (a multiple of eight), scratch, scratch bytes a thread.
 */
export function outerSum(c: usize, from: i32, to: i32, thread: i32): void {
  const rows = load<i32>(c, 28);
  const cols = load<i32>(c, 32);
  const width = load<i32>(c, 36);
  const across = (cols + width - 1) / width;
  const blocks = (load<i32>(c, 24) + OUTER_TOKENS - 1) / OUTER_TOKENS;
  const rowPanels = (rows + 3) >> 2;
  const colPanels = (cols + 7) >> 3;
  const sums: usize = load<usize>(c, 40) + <usize>thread * load<usize>(c, 44);
  const rowScales: usize = <usize>((rows + 7) & ~7) << 2;
  const colScales: usize = <usize>((cols + 7) & ~7) << 2;
  for (let item = from; item < to; item++) {
    const row = (item / across) * OUTER_ROWS;
    const col = (item % across) * width;
    for (let b = 0; b < blocks; b++) {
      for (let j = col; j < min(col + width, cols); j += 8) {
        const right: usize = load<usize>(c, 16) + (<usize>((b * colPanels + (j >> 3)) * OUTER_TOKENS) << 4);
        const rightScales: usize = load<usize>(c, 20) + <usize>b * colScales + (<usize>j << 2);
        for (let i = row; i < min(row + OUTER_ROWS, rows); i += 4) {
          const left: usize = load<usize>(c, 8) + (<usize>((b * rowPanels + (i >> 2)) * OUTER_TOKENS) << 3);
          outerTile(left, right, OUTER_TOKENS / 2, sums);
          const out: usize = load<usize>(c, 4) + ((<usize>i * <usize>cols + <usize>j) << 2);
          const leftScales: usize = load<usize>(c, 12) + <usize>b * rowScales + (<usize>i << 2);
          addTile(out, <usize>cols << 2, sums, leftScales, rightScales, min(4, rows - i), min(8, cols - j));
        }
      }
    }
  }
}

/** Adds a tile's integer sums, times the scales of rows and columns, to what exists of it in the output. */
function addTile(out: usize, stride: usize, sums: usize, leftScales: usize, rightScales: usize, rows: i32, cols: i32): void {
  const right0 = v128.load(rightScales);
  const right1 = v128.load(rightScales, 16);
  for (let i = 0; i < rows; i++) {
    const scale = v128.load32_splat(leftScales + (<usize>i << 2));
    const a = f32x4.mul(f32x4.convert_i32x4_s(v128.load(sums)), f32x4.mul(right0, scale));
    const b = f32x4.mul(f32x4.convert_i32x4_s(v128.load(sums, 16)), f32x4.mul(right1, scale));
    if (cols == 8) {
      v128.store(out, f32x4.add(v128.load(out), a));
      v128.store(out, f32x4.add(v128.load(out, 16), b), 16);
    } else {
      v128.store(sums, a);
      v128.store(sums, b, 16);
      for (let j: usize = 0; j < <usize>cols << 2; j += 4) store<f32>(out + j, load<f32>(out + j) + load<f32>(sums + j));
    }
    sums += 32;
    out += stride;
  }
}

/** Four rows by eight columns over `pairs` pairs of tokens, stored at `out` row by row. Its form matters as that of `tile` in training-gemm.ts does. */
export function outerTile(a: usize, b: usize, pairs: i32, out: usize): void {
  let c00 = i32x4.splat(0), c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00, c30 = c00, c31 = c00;
  while (pairs) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load32_splat(a);
    c00 = i32x4.add(c00, i32x4.dot_i16x8_s(x, b0));
    c01 = i32x4.add(c01, i32x4.dot_i16x8_s(x, b1));
    x = v128.load32_splat(a, 4);
    c10 = i32x4.add(c10, i32x4.dot_i16x8_s(x, b0));
    c11 = i32x4.add(c11, i32x4.dot_i16x8_s(x, b1));
    x = v128.load32_splat(a, 8);
    c20 = i32x4.add(c20, i32x4.dot_i16x8_s(x, b0));
    c21 = i32x4.add(c21, i32x4.dot_i16x8_s(x, b1));
    x = v128.load32_splat(a, 12);
    c30 = i32x4.add(c30, i32x4.dot_i16x8_s(x, b0));
    c31 = i32x4.add(c31, i32x4.dot_i16x8_s(x, b1));
    a += 16;
    b += 32;
    pairs--;
  }
  v128.store(out, c00);
  v128.store(out, c01, 16);
  v128.store(out, c10, 32);
  v128.store(out, c11, 48);
  v128.store(out, c20, 64);
  v128.store(out, c21, 80);
  v128.store(out, c30, 96);
  v128.store(out, c31, 112);
}
