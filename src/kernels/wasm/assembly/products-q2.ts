// Owns products with Q2_0 weights in tiles (repack-q2.ts) by look-up tables (tables.ts) where code 3 occurs; all others are ternary (products-ternary.ts). Must not
// know threads or commands.
//
// matmul_q2_0(weights, lanePairs, gap, tables, out, outStride, rows, cols, tokens, accumulate, tile0, tile1, span, gain): as matmul_ternary.
//
// Both bit planes are looked up in the same tables; plane A counts twice: modulo 2^16 that is exact, and the largest total is 3 * 34 * 127 < 2^15.
import { madd } from './math';
import { CHUNK_BYTES } from './products-q1';
import { putTile } from './products-tile';
import { q2BlockBytes } from './repack-q2';
import { lookUp, TABLE_BLOCK, TABLE_EXTRA, TABLE_SPLIT, TABLE_STEP, TABLE_SUM } from './tables';
import { blockAt, PANEL_BLOCKS, tileStep } from './tile-order';

export function matmul_q2_0(
  weights: usize, lanePairs: i32, gap: usize, tables: usize, out: usize, outStride: usize, rows: i32, cols: i32, tokens: i32, accumulate: i32,
  tile0: i32, tile1: i32, span: i32, gain: f32,
): void {
  const blocks = cols >> 7;
  const tableBytes = <usize>blocks * TABLE_BLOCK;
  const chunk = max(1, CHUNK_BYTES / <i32>tableBytes);
  for (let first = 0; first < tokens; first += chunk) {
    const last = min(first + chunk, tokens);
    for (let tile = tile0; tile < tile1; tile++) {
      const to = out + (<usize>tile << 7);
      for (let t = first; t < last; t++) {
        const table = tables + <usize>t * tableBytes;
        tileProduct(weights, lanePairs, gap, tile, table, to + <usize>t * outStride, rows, blocks, accumulate, span, gain);
      }
    }
  }
}

function tileProduct(
  weights: usize, lanePairs: i32, gap: usize, tile: i32, table: usize, out: usize, rows: i32, blocks: i32, accumulate: i32, span: i32, gain: f32,
): void {
  const tiles = (rows + 31) >> 5;
  const blockBytes = q2BlockBytes(span);
  const beyond = tileStep(tile, tiles, blockBytes) - blockBytes;
  let w: usize = 0;
  const zero = blocks >> 31;
  const low = i8x16.splat(<i8>(zero | 15));
  const upper = i32x4.splat(zero | 0xffff0000);
  const half = i32x4.splat(zero | 0x8fffe000);
  const planeBytes: usize = <usize>span << 2;
  let f0 = f32x4.splat(0), f1 = f0, f2 = f0, f3 = f0, f4 = f0, f5 = f0, f6 = f0, f7 = f0;
  /** Byte of the table block where this weight block's groups begin: always 0 for span 128, 0 or 256 for 64. */
  let base: usize = 0;
  for (let b = 0; b < blocks; ) {
    if (base == 0 && (b & (PANEL_BLOCKS - 1)) == 0) w = weights + blockAt(lanePairs, gap, tile, b, tiles, blocks, blockBytes);
    let a0 = i16x8.splat(0), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
    let lookUps = 3 * (span >> 2);
    for (let g: usize = 0; g < planeBytes + 32; g += 16) {
      // The groups, then the other halves of those that are split.
      let at = g, t: v128;
      if (g < planeBytes) t = v128.load(table + base + g);
      else {
        const e = (g - planeBytes) >> 4;
        at = <usize>load<u32>(table + (e << 2), TABLE_SPLIT) - base;
        if (at >= planeBytes) continue;
        t = v128.load(table + (e << 4), TABLE_EXTRA);
        lookUps += 3;
      }
      const s = v128.load(w + 2 * at, 64), r = v128.load(w + 2 * at, 80);
      // Bytes of plane A are the lower ones: a + 256 b.
      const v0 = lookUp(t, v128.and(s, low)), v1 = lookUp(t, v128.and(i16x8.shr_u(s, 4), low));
      const v2 = lookUp(t, v128.and(r, low)), v3 = lookUp(t, v128.and(i16x8.shr_u(r, 4), low));
      a0 = i16x8.add(a0, v0);
      b0 = i16x8.add(b0, i16x8.shr_u(v0, 8));
      a1 = i16x8.add(a1, v1);
      b1 = i16x8.add(b1, i16x8.shr_u(v1, 8));
      a2 = i16x8.add(a2, v2);
      b2 = i16x8.add(b2, i16x8.shr_u(v2, 8));
      a3 = i16x8.add(a3, v3);
      b3 = i16x8.add(b3, i16x8.shr_u(v3, 8));
    }
    const bias = i16x8.splat(<i16>(lookUps << 7));
    const even0 = i16x8.sub(twiceAndOnce(a0, b0), bias), odd0 = i16x8.sub(twiceAndOnce(a1, b1), bias);
    const even1 = i16x8.sub(twiceAndOnce(a2, b2), bias), odd1 = i16x8.sub(twiceAndOnce(a3, b3), bias);
    // Halved: the planes give twice the weights. Sums and scales as in products-q1.ts.
    const step = f32x4.mul(v128.load32_splat(table, TABLE_STEP), f32x4.splat(0.5));
    const sum = f32x4.splat(partSum(table, base, planeBytes) * 65536.0);
    let d = v128.load(w);
    f0 = madd(f32x4.mul(lowSums(even0, sum), lowScales(d, half)), step, f0);
    f2 = madd(f32x4.mul(highSums(even0, sum, upper), highScales(d, half)), step, f2);
    d = v128.load(w, 16);
    f1 = madd(f32x4.mul(lowSums(odd0, sum), lowScales(d, half)), step, f1);
    f3 = madd(f32x4.mul(highSums(odd0, sum, upper), highScales(d, half)), step, f3);
    d = v128.load(w, 32);
    f4 = madd(f32x4.mul(lowSums(even1, sum), lowScales(d, half)), step, f4);
    f6 = madd(f32x4.mul(highSums(even1, sum, upper), highScales(d, half)), step, f6);
    d = v128.load(w, 48);
    f5 = madd(f32x4.mul(lowSums(odd1, sum), lowScales(d, half)), step, f5);
    f7 = madd(f32x4.mul(highSums(odd1, sum, upper), highScales(d, half)), step, f7);
    w += 64 + 2 * planeBytes;
    base += planeBytes;
    if (base == 512) {
      base = 0;
      table += TABLE_BLOCK;
      w += beyond;
      b++;
    }
  }
  const g = f32x4.splat(gain);
  f0 = f32x4.mul(f0, g);
  f1 = f32x4.mul(f1, g);
  f2 = f32x4.mul(f2, g);
  f3 = f32x4.mul(f3, g);
  f4 = f32x4.mul(f4, g);
  f5 = f32x4.mul(f5, g);
  f6 = f32x4.mul(f6, g);
  f7 = f32x4.mul(f7, g);
  putTile(out, rows - (tile << 5), accumulate, f0, f1, f2, f3, f4, f5, f6, f7);
}

/** Twice plane A and plane B: `both` sums a + 256 b, `b` plane B alone. */
// @ts-ignore: decorator
@inline function twiceAndOnce(both: v128, b: v128): v128 {
  return i16x8.add(i16x8.shl(i16x8.sub(both, i16x8.shl(b, 8)), 1), b);
}

/** The sum of the activations of this weight block, in steps. */
// @ts-ignore: decorator
@inline function partSum(table: usize, base: usize, planeBytes: usize): f32 {
  if (planeBytes == 512) return load<f32>(table, TABLE_SUM) + load<f32>(table, TABLE_SUM + 4);
  return load<f32>(table + (base >> 6), TABLE_SUM);
}

// @ts-ignore: decorator
@inline function lowSums(v: v128, sum: v128): v128 {
  return f32x4.add(f32x4.convert_i32x4_s(i32x4.shl(v, 16)), sum);
}

// @ts-ignore: decorator
@inline function highSums(v: v128, sum: v128, upper: v128): v128 {
  return f32x4.add(f32x4.convert_i32x4_s(v128.and(v, upper)), sum);
}

/** The signed half floats of the lower halves, times 2^-112. */
// @ts-ignore: decorator
@inline function lowScales(d: v128, half: v128): v128 {
  return v128.and(i32x4.shr_s(i32x4.shl(d, 16), 3), half);
}

// @ts-ignore: decorator
@inline function highScales(d: v128, half: v128): v128 {
  return v128.and(i32x4.shr_s(d, 3), half);
}
