// Owns products with Q1_0 weights in tiles (repack-q1.ts) by look-up tables (tables.ts). Must not know threads or commands.
//
// matmul_q1_0(weights, tables, out, outStride, rows, cols, tokens, accumulate, tile0, tile1): out[t, o] (+)= sum over i of x[t, i] * weight[o, i] for
//   all tokens and the rows of tiles `tile0` to `tile1` of 32, never past `rows`. weights: address of tile 0. tables [tokens, cols / 128,
//   TABLE_BLOCK bytes] of build_tables. out: f32, 4-byte aligned, token t at out + t * outStride bytes. accumulate: 0 or 1 (adds to out). cols is a
//   multiple of 128. A token's results are the same bits for any number of tokens and any range of tiles.
//
// Eight-bit look-ups are summed into 16 bits in three instructions: `all += v` in 16-bit lanes, wrapping, and `odd += v >> 8`; the even bytes' sum is
// then all - (odd << 8), exact modulo 2^16. What is opaque() could be a constant, but V8 rebuilds vector constants at every use (two more instructions
// on the busiest ports).
import { madd } from './math';
import { Q1_TILE_BLOCK } from './repack-q1';
import { lookUp, TABLE_BLOCK, TABLE_EXTRA, TABLE_SPLIT, TABLE_STEP, TABLES } from './tables';
import { putTile } from './products-tile';

/** Bytes of tables that stay in a core's second-level cache while a tile meets all tokens of a chunk. */
// @ts-ignore: decorator
@inline export const CHUNK_BYTES: i32 = 256 << 10;

export function matmul_q1_0(
  weights: usize, tables: usize, out: usize, outStride: usize, rows: i32, cols: i32, tokens: i32, accumulate: i32,
  tile0: i32, tile1: i32,
): void {
  const blocks = cols >> 7;
  const tileBytes = <usize>blocks * Q1_TILE_BLOCK;
  const tableBytes = <usize>blocks * TABLE_BLOCK;
  const chunk = max(1, CHUNK_BYTES / <i32>tableBytes);
  for (let first = 0; first < tokens; first += chunk) {
    const last = min(first + chunk, tokens);
    for (let tile = tile0; tile < tile1; tile++) {
      const w = weights + <usize>tile * tileBytes;
      const to = out + (<usize>tile << 7);
      for (let t = first; t < last; t++) {
        tileProduct(w, tables + <usize>t * tableBytes, to + <usize>t * outStride, blocks, rows - (tile << 5), accumulate);
      }
    }
  }
}

function tileProduct(w: usize, table: usize, out: usize, blocks: i32, rows: i32, accumulate: i32): void {
  // Zero, but no compiler knows.
  const zero = blocks >> 31;
  const low = i8x16.splat(<i8>(zero | 15));
  const upper = i32x4.splat(zero | 0xffff0000);
  const half = i32x4.splat(zero | 0x0fffe000);
  // Sums begin at minus the bias of all look-ups.
  const allStart = i16x8.splat(<i16>(zero | (-TABLES * 128 * 257)));
  const oddStart = i16x8.splat(<i16>(zero | (-TABLES * 128)));
  let f0 = f32x4.splat(0), f1 = f0, f2 = f0, f3 = f0, f4 = f0, f5 = f0, f6 = f0, f7 = f0;
  for (let b = 0; b < blocks; b++) {
    let all0 = allStart, odd0 = oddStart, all1 = allStart, odd1 = oddStart;
    for (let e: usize = 0; e < 2; e++) {
      const t = v128.load(table + (e << 4), TABLE_EXTRA);
      const s = v128.load(w + load<u32>(table + (e << 2), TABLE_SPLIT), 64);
      const v0 = lookUp(t, v128.and(s, low)), v1 = lookUp(t, v128.and(i16x8.shr_u(s, 4), low));
      all0 = i16x8.add(all0, v0);
      odd0 = i16x8.add(odd0, i16x8.shr_u(v0, 8));
      all1 = i16x8.add(all1, v1);
      odd1 = i16x8.add(odd1, i16x8.shr_u(v1, 8));
    }
    // One address counts, the other is its distance away: the fewest instructions beside the look-ups.
    const distance = table - w - 64;
    const end = w + Q1_TILE_BLOCK;
    let p = w + 64;
    do {
      const t = v128.load(p + distance), s = v128.load(p);
      const v0 = lookUp(t, v128.and(s, low));
      all0 = i16x8.add(all0, v0);
      odd0 = i16x8.add(odd0, i16x8.shr_u(v0, 8));
      const v1 = lookUp(t, v128.and(i16x8.shr_u(s, 4), low));
      all1 = i16x8.add(all1, v1);
      odd1 = i16x8.add(odd1, i16x8.shr_u(v1, 8));
      const t2 = v128.load(p + distance, 16), s2 = v128.load(p, 16);
      const v2 = lookUp(t2, v128.and(s2, low));
      all0 = i16x8.add(all0, v2);
      odd0 = i16x8.add(odd0, i16x8.shr_u(v2, 8));
      const v3 = lookUp(t2, v128.and(i16x8.shr_u(s2, 4), low));
      all1 = i16x8.add(all1, v3);
      odd1 = i16x8.add(odd1, i16x8.shr_u(v3, 8));
      p += 32;
    } while (p < end);
    const step = v128.load32_splat(table, TABLE_STEP);
    const even0 = i16x8.sub(all0, i16x8.shl(odd0, 8)), even1 = i16x8.sub(all1, i16x8.shl(odd1, 8));
    let d = v128.load(w);
    f0 = madd(f32x4.mul(lowSums(even0), lowScales(d, half)), step, f0);
    f2 = madd(f32x4.mul(highSums(even0, upper), highScales(d, half)), step, f2);
    d = v128.load(w, 16);
    f1 = madd(f32x4.mul(lowSums(odd0), lowScales(d, half)), step, f1);
    f3 = madd(f32x4.mul(highSums(odd0, upper), highScales(d, half)), step, f3);
    d = v128.load(w, 32);
    f4 = madd(f32x4.mul(lowSums(even1), lowScales(d, half)), step, f4);
    f6 = madd(f32x4.mul(highSums(even1, upper), highScales(d, half)), step, f6);
    d = v128.load(w, 48);
    f5 = madd(f32x4.mul(lowSums(odd1), lowScales(d, half)), step, f5);
    f7 = madd(f32x4.mul(highSums(odd1, upper), highScales(d, half)), step, f7);
    w = end;
    table += TABLE_BLOCK;
  }
  putTile(out, rows, accumulate, f0, f1, f2, f3, f4, f5, f6, f7);
}

/** The lower 16-bit halves, signed, times 2^16. */
// @ts-ignore: decorator
@inline function lowSums(v: v128): v128 {
  return f32x4.convert_i32x4_s(i32x4.shl(v, 16));
}

/** The upper 16-bit halves, signed, times 2^16. */
// @ts-ignore: decorator
@inline function highSums(v: v128, upper: v128): v128 {
  return f32x4.convert_i32x4_s(v128.and(v, upper));
}

/** The half floats of the lower halves, times 2^-112. */
// @ts-ignore: decorator
@inline function lowScales(d: v128, half: v128): v128 {
  return v128.and(i32x4.shl(d, 13), half);
}

/** The half floats of the upper halves, times 2^-112. */
// @ts-ignore: decorator
@inline function highScales(d: v128, half: v128): v128 {
  return v128.and(i32x4.shr_u(d, 3), half);
}
