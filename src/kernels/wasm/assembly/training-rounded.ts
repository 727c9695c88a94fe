// Owns matrix products with factors rounded to 12 bits: twice as fast as float32, because one instruction multiplies and adds eight pairs. Each line of a
// factor (a row of A, a column of B) has a scale for every ROUNDED_SUM summands, so a sum's error is about a thousandth.
// Sums of ROUNDED_SUM products of 12-bit numbers are exact in 32 bits; blocks are then added in float32, in order.
import { ROUNDED_ROWS, ROUNDED_SUM } from './training-opcodes';

/** Largest rounded number: ROUNDED_SUM * 2047^2 is below 2^30. */
const LARGEST: f32 = 2047;
/** Added to a float of magnitude below 2^21 it leaves the nearest integer in the low bits. */
const ROUND: f32 = 12582912;

/**
 * Items are blocks of ROUNDED_SUM summands. Operands: out, x, summands, lines, lines of a panel (4 or 8), whether lines lie apart (x [summands, lines])
 * or are contiguous (x [lines, summands]). out: [blocks, panels, ROUNDED_SUM / 2, lines of a panel, 2] int16, then scales [blocks, lines rounded up to
 * eight]; lines that are missing at the edges are zero, and so is what makes an odd number of summands even.
 */
export function packRounded(c: usize, from: i32, to: i32): void {
  const summands = load<i32>(c, 12);
  const lines = load<i32>(c, 16);
  const width = load<i32>(c, 20);
  const panels = (lines + width - 1) / width;
  const blocks = (summands + ROUNDED_SUM - 1) / ROUNDED_SUM;
  const panelBytes: usize = <usize>(ROUNDED_SUM * width) << 1;
  const scaleBytes: usize = <usize>((lines + 7) & ~7) << 2;
  for (let block = from; block < to; block++) {
    const first = block * ROUNDED_SUM;
    const count = min(ROUNDED_SUM, summands - first);
    const out: usize = load<usize>(c, 4) + <usize>(block * panels) * panelBytes;
    const scales: usize = load<usize>(c, 4) + <usize>(blocks * panels) * panelBytes + <usize>block * scaleBytes;
    if (load<i32>(c, 24)) packApart(out, scales, load<usize>(c, 8) + <usize>(first * lines) * 4, count, lines, width);
    else packContiguous(out, scales, load<usize>(c, 8) + <usize>first * 4, <usize>summands * 4, count, lines, width);
  }
}

/** A block of lines that are contiguous, `stride` bytes apart. */
function packContiguous(out: usize, scales: usize, x: usize, stride: usize, count: i32, lines: i32, width: i32): void {
  const pairBytes: usize = <usize>width << 2;
  const whole = count & ~7;
  const end = (count + 1) & ~1;
  for (let line = 0; line < ((lines + width - 1) / width) * width; line += 4) {
    const at = out + <usize>(line / width) * (<usize>(ROUNDED_SUM * width) << 1) + (<usize>(line % width) << 2);
    if (line + 4 <= lines) {
      const inverse0 = lineScale(scales, x, count), inverse1 = lineScale(scales + 4, x + stride, count);
      const inverse2 = lineScale(scales + 8, x + 2 * stride, count), inverse3 = lineScale(scales + 12, x + 3 * stride, count);
      let to = at;
      let i: usize = 0;
      for (; i < <usize>whole << 2; i += 32) {
        const a = eightRounded(x + i, inverse0), b = eightRounded(x + stride + i, inverse1);
        const d = eightRounded(x + 2 * stride + i, inverse2), e = eightRounded(x + 3 * stride + i, inverse3);
        const ab0 = v128.shuffle<i32>(a, b, 0, 4, 1, 5), ab1 = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
        const de0 = v128.shuffle<i32>(d, e, 0, 4, 1, 5), de1 = v128.shuffle<i32>(d, e, 2, 6, 3, 7);
        v128.store(to, v128.shuffle<i32>(ab0, de0, 0, 1, 4, 5));
        v128.store(to + pairBytes, v128.shuffle<i32>(ab0, de0, 2, 3, 6, 7));
        v128.store(to + 2 * pairBytes, v128.shuffle<i32>(ab1, de1, 0, 1, 4, 5));
        v128.store(to + 3 * pairBytes, v128.shuffle<i32>(ab1, de1, 2, 3, 6, 7));
        to += 4 * pairBytes;
      }
      lineRest(at, x, whole, count, end, pairBytes, inverse0);
      lineRest(at + 4, x + stride, whole, count, end, pairBytes, inverse1);
      lineRest(at + 8, x + 2 * stride, whole, count, end, pairBytes, inverse2);
      lineRest(at + 12, x + 3 * stride, whole, count, end, pairBytes, inverse3);
    } else {
      for (let i = 0; i < 4; i++) {
        const exists = line + i < lines;
        const inverse = lineScale(scales + (<usize>i << 2), x + <usize>i * stride, exists ? count : 0);
        lineRest(at + (<usize>i << 2), x + <usize>i * stride, 0, exists ? count : 0, end, pairBytes, inverse);
      }
    }
    x += 4 * stride;
    scales += 16;
  }
}

/** Stores the scale of `count` contiguous numbers and returns its inverse, 0 where all are next to nothing. */
function lineScale(scale: usize, x: usize, count: i32): f32 {
  const size = i32x4.splat(0x7fffffff);
  let most = i32x4.splat(0);
  const whole = x + (<usize>(count & ~3) << 2);
  const end = x + (<usize>count << 2);
  for (; x < whole; x += 16) most = i32x4.max_s(most, v128.and(v128.load(x), size));
  let largest = max(
    max(i32x4.extract_lane(most, 0), i32x4.extract_lane(most, 1)), max(i32x4.extract_lane(most, 2), i32x4.extract_lane(most, 3)),
  );
  for (; x < end; x += 4) largest = max(largest, load<i32>(x) & 0x7fffffff);
  const step: f32 = reinterpret<f32>(largest) * (1 / LARGEST);
  store<f32>(scale, step);
  return step > 1e-30 ? 1 / step : 0;
}

/** Eight numbers as int16. */
// @ts-ignore: decorator
@inline function eightRounded(x: usize, inverse: f32): v128 {
  const factor = f32x4.splat(inverse), round = f32x4.splat(ROUND), bias = i32x4.splat(reinterpret<i32>(ROUND));
  const low = i32x4.sub(f32x4.add(f32x4.mul(v128.load(x), factor), round), bias);
  const high = i32x4.sub(f32x4.add(f32x4.mul(v128.load(x, 16), factor), round), bias);
  return i16x8.narrow_i32x4_s(low, high);
}

/** Stores the numbers of one line from `from` on, then zeros up to `end`. */
function lineRest(out: usize, x: usize, from: i32, count: i32, end: i32, pairBytes: usize, inverse: f32): void {
  for (let i = from; i < end; i++) {
    const value: f32 = i < count ? load<f32>(x + (<usize>i << 2)) : 0;
    store<u16>(out + <usize>(i >> 1) * pairBytes + (<usize>(i & 1) << 1), <u16>reinterpret<u32>(value * inverse + ROUND));
  }
}

/** A block of lines whose summands are `lines` numbers apart. */
function packApart(out: usize, scales: usize, x: usize, count: i32, lines: i32, width: i32): void {
  const panels = (lines + width - 1) / width;
  const panelBytes: usize = <usize>(ROUNDED_SUM * width) << 1;
  const stride: usize = <usize>lines << 2;
  const whole: usize = <usize>(lines & ~3) << 2;
  findScales(scales, x, stride, count, whole, <usize>((lines + 7) & ~7) << 2);
  // Eight pairs at a time: they stay in the first cache while all panels take their part.
  for (let t = 0; t < count; t += 16) {
    for (let line = 0; line < panels * width; line += 4) {
      const at = out + <usize>(line / width) * panelBytes + (<usize>(t * width + ((line % width) << 1)) << 1);
      const i: usize = <usize>line << 2;
      const pairs = x + <usize>t * stride + i;
      if (i < whole) packPairs(at, <usize>width << 2, v128.load(scales + i), pairs, stride, count - t);
      else packNarrow(at, <usize>width << 2, scales + i, pairs, stride, count - t, lines - line);
    }
  }
}

/** Stores the largest |x| of each line / LARGEST. As integers positive floats sort as they do, and what is not a number sorts last. */
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

/** Eight pairs of summands of four lines, as many as there are of `left`, then zeros. */
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

/** The same where fewer than four lines exist. */
function packNarrow(out: usize, outStride: usize, scales: usize, x: usize, stride: usize, left: i32, lines: i32): void {
  for (let i = 0; i < 4; i++) {
    const scale: f32 = i < lines ? load<f32>(scales) : 0;
    const inverse: f32 = scale > 1e-30 ? 1 / scale : 0;
    for (let t: usize = 0; t < 16; t++) {
      const value: f32 = i < lines && <i32>t < left ? load<f32>(x + t * stride) : 0;
      store<u16>(out + (t >> 1) * outStride + ((t & 1) << 1), <u16>reinterpret<u32>(value * inverse + ROUND));
    }
    scales += 4;
    out += 4;
    x += 4;
  }
}

/**
 * Items are blocks of out [m, n]: ROUNDED_ROWS rows by `width` columns, columns innermost: out = alpha * A * B + beta * base. Operands: out, base,
 * packed A in panels of four, packed B in panels of eight, summands, m, n, width (a multiple of eight), scratch, scratch bytes per thread, alpha, beta.
 */
export function roundedProduct(c: usize, from: i32, to: i32, thread: i32): void {
  const k = load<i32>(c, 20);
  const m = load<i32>(c, 24);
  const n = load<i32>(c, 28);
  const width = load<i32>(c, 32);
  const across = (n + width - 1) / width;
  const blocks = (k + ROUNDED_SUM - 1) / ROUNDED_SUM;
  const rowPanels = (m + 3) >> 2;
  const colPanels = (n + 7) >> 3;
  const left = load<usize>(c, 12), right = load<usize>(c, 16);
  const leftScales = left + (<usize>(blocks * rowPanels * ROUNDED_SUM) << 3);
  const rightScales = right + (<usize>(blocks * colPanels * ROUNDED_SUM) << 4);
  const sums: usize = load<usize>(c, 36) + <usize>thread * load<usize>(c, 40);
  const alpha = load<f32>(c, 44);
  for (let item = from; item < to; item++) {
    const row = (item / across) * ROUNDED_ROWS;
    const col = (item % across) * width;
    let base: usize = load<usize>(c, 8);
    let beta = load<f32>(c, 48);
    for (let b = 0; b < blocks; b++) {
      // The last block may be short; what is behind its end is zero.
      const pairs = (min(ROUNDED_SUM, k - b * ROUNDED_SUM) + 1) >> 1;
      for (let j = col; j < min(col + width, n); j += 8) {
        const panel = right + (<usize>((b * colPanels + (j >> 3)) * ROUNDED_SUM) << 4);
        const scales = rightScales + (<usize>(b * (colPanels << 3) + j) << 2);
        for (let i = row; i < min(row + ROUNDED_ROWS, m); i += 4) {
          roundedTile(left + (<usize>((b * rowPanels + (i >> 2)) * ROUNDED_SUM) << 3), panel, pairs, sums);
          const at: usize = (<usize>i * <usize>n + <usize>j) << 2;
          const rowScales = leftScales + (<usize>(b * ((m + 7) & ~7) + i) << 2);
          addTile(load<usize>(c, 4) + at, base + at, <usize>n << 2, sums, rowScales, scales, alpha, beta, min(4, m - i), min(8, n - j));
        }
      }
      base = load<usize>(c, 4);
      beta = 1;
    }
  }
}

/** Out = beta * base + alpha * a tile's integer sums times the scales of its rows and columns, for what exists of the tile. */
function addTile(
  out: usize, base: usize, stride: usize, sums: usize, rowScales: usize, colScales: usize, alpha: f32, beta: f32, rows: i32, cols: i32,
): void {
  const right0 = f32x4.mul(v128.load(colScales), f32x4.splat(alpha));
  const right1 = f32x4.mul(v128.load(colScales, 16), f32x4.splat(alpha));
  for (let i = 0; i < rows; i++) {
    const scale = v128.load32_splat(rowScales + (<usize>i << 2));
    let a = f32x4.mul(f32x4.convert_i32x4_s(v128.load(sums)), f32x4.mul(right0, scale));
    let b = f32x4.mul(f32x4.convert_i32x4_s(v128.load(sums, 16)), f32x4.mul(right1, scale));
    if (cols == 8) {
      if (beta != 0) {
        a = f32x4.add(f32x4.mul(v128.load(base), f32x4.splat(beta)), a);
        b = f32x4.add(f32x4.mul(v128.load(base, 16), f32x4.splat(beta)), b);
      }
      v128.store(out, a);
      v128.store(out, b, 16);
    } else {
      v128.store(sums, a);
      v128.store(sums, b, 16);
      for (let j: usize = 0; j < <usize>cols << 2; j += 4) {
        const added: f32 = beta != 0 ? beta * load<f32>(base + j) : 0;
        store<f32>(out + j, added + load<f32>(sums + j));
      }
    }
    sums += 32;
    out += stride;
    base += stride;
  }
}

/** Four rows by eight columns over `pairs` pairs of summands, stored at `out` row by row. Its form matters as that of `tile` in training-gemm.ts does. */
export function roundedTile(a: usize, b: usize, pairs: i32, out: usize): void {
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
