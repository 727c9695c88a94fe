// Owns products with Q1_0 weights in tiles (repack-q1.ts) by look-up tables (tables.ts). Must not know threads or commands.
//
// matmul_q1_0(weights, lanePairs, gap, tables, out, outStride, rows, cols, tokens, accumulate, tile0, tile1): out[t, o] (+)= sum over i of x[t, i] *
//   weight[o, i] for all tokens and the rows of tiles `tile0` to `tile1` of 32, never past `rows`. weights: tiles as repack-q1.ts lays them. tables [tokens, cols / 128,
//   TABLE_BLOCK bytes] of build_tables. out: f32, 4-byte aligned, token t at out + t * outStride bytes. accumulate: 0 or 1 (adds to out). cols is a
//   multiple of 128. A token's results are the same bits for any number of tokens and any range of tiles.
//
// Eight-bit look-ups are summed into 16 bits in three instructions: `all += v` in 16-bit lanes, wrapping, and `odd += v >> 8`; the even bytes' sum is
// then all - (odd << 8), exact modulo 2^16. Vectors made from opaque zeros could be constants, but V8 rebuilds vector constants at every use (two more
// instructions on the busiest ports). A pair of tiles shares its tables, and memory is read in the order of its addresses.
import { madd } from './math';
import { Q1_TILE_BLOCK } from './repack-q1';
import { lookUp, TABLE_BLOCK, TABLE_EXTRA, TABLE_SPLIT, TABLE_STEP, TABLES } from './tables';
import { blockAt, PANEL_BLOCKS, tileStep } from './tile-order';

/** Bytes of tables that stay in a core's second-level cache while tiles meet all tokens of a chunk. */
// @ts-ignore: decorator
@inline export const CHUNK_BYTES: i32 = 256 << 10;

export function matmul_q1_0(
  weights: usize, lanePairs: i32, gap: usize, tables: usize, out: usize, outStride: usize, rows: i32, cols: i32, tokens: i32,
  accumulate: i32, tile0: i32, tile1: i32,
): void {
  const blocks = cols >> 7;
  const tiles = (rows + 31) >> 5;
  const tableBytes = <usize>blocks * TABLE_BLOCK;
  const chunk = max(1, CHUNK_BYTES / <i32>tableBytes);
  for (let first = 0; first < tokens; first += chunk) {
    const from = tables + <usize>first * tableBytes;
    const to = out + <usize>first * outStride;
    const count = min(chunk, tokens - first);
    for (let block = 0; block < blocks; block += PANEL_BLOCKS) {
      const panel = from + <usize>block * TABLE_BLOCK;
      const width = min(blocks - block, PANEL_BLOCKS);
      for (let tile = tile0; tile < tile1; ) {
        const together = tile & 1 || tile + 1 == tile1 ? 1 : 2;
        group(
          weights + blockAt(lanePairs, gap, tile, block, tiles, blocks, Q1_TILE_BLOCK), tileStep(tile, tiles, Q1_TILE_BLOCK), panel, tableBytes, to + (<usize>tile << 7), outStride,
          rows - (tile << 5), width, count, accumulate | block, together,
        );
        tile += together;
      }
    }
  }
}

/** A panel's products of one tile or a pair with all tokens. The first tile is `left` rows before the end, its blocks are `step` bytes apart. */
function group(
  w: usize, step: usize, tables: usize, tableBytes: usize, out: usize, outStride: usize, left: i32, blocks: i32, tokens: i32, accumulate: i32,
  tiles: i32,
): void {
  if (!accumulate) {
    const bytes = <usize>min(left, tiles << 5) << 2;
    for (let t = 0; t < tokens; t++) memory.fill(out + <usize>t * outStride, 0, bytes);
  }
  let t = 0;
  for (; t + 2 <= tokens; t += 2) {
    addPair(w, step, tables, tableBytes, out, outStride, tiles, blocks, left);
    tables += 2 * tableBytes;
    out += 2 * outStride;
  }
  for (; t < tokens; t++) {
    addProducts(w, step, tables, out, tiles, blocks, left);
    tables += tableBytes;
    out += outStride;
  }
}

/** Adds the products with one token to the outputs of one tile or a pair, of which the first is `left` rows before the end. */
function addProducts(weights: usize, step: usize, table: usize, out: usize, tiles: i32, blocks: i32, left: i32): void {
  // Zero, but no compiler knows.
  const zero = blocks >> 31;
  const low = i8x16.splat(<i8>(zero | 15));
  const upper = i32x4.splat(zero | 0xffff0000);
  const half = i32x4.splat(zero | 0x0fffe000);
  // Sums begin at minus the bias of all look-ups.
  const allStart = i16x8.splat(<i16>(zero | (-TABLES * 128 * 257)));
  const oddStart = i16x8.splat(<i16>(zero | (-TABLES * 128)));
  for (let b = 0; b < blocks; b++) {
    let w = weights, to = out, rows = left;
    for (let i = 0; i < tiles; i++) {
      let all0 = allStart, odd0 = oddStart, all1 = allStart, odd1 = oddStart;
      let t: v128, s: v128, v0: v128, v1: v128;
      // One address counts, the other is its distance away: the fewest instructions beside the look-ups.
      const distance = table - w - 64;
      const end = w + Q1_TILE_BLOCK;
      let p = w + 64;
      do {
        t = v128.load(p + distance);
        s = v128.load(p);
        v0 = lookUp(t, v128.and(s, low));
        all0 = i16x8.add(all0, v0);
        odd0 = i16x8.add(odd0, i16x8.shr_u(v0, 8));
        v1 = lookUp(t, v128.and(i16x8.shr_u(s, 4), low));
        all1 = i16x8.add(all1, v1);
        odd1 = i16x8.add(odd1, i16x8.shr_u(v1, 8));
        t = v128.load(p + distance, 16);
        s = v128.load(p, 16);
        v0 = lookUp(t, v128.and(s, low));
        all0 = i16x8.add(all0, v0);
        odd0 = i16x8.add(odd0, i16x8.shr_u(v0, 8));
        v1 = lookUp(t, v128.and(i16x8.shr_u(s, 4), low));
        all1 = i16x8.add(all1, v1);
        odd1 = i16x8.add(odd1, i16x8.shr_u(v1, 8));
        p += 32;
      } while (p < end);
      // The split groups again, once they are there: read first, they would come out of the order in which memory is fetched.
      t = v128.load(table, TABLE_EXTRA);
      s = v128.load(w + load<u32>(table, TABLE_SPLIT), 64);
      v0 = lookUp(t, v128.and(s, low));
      v1 = lookUp(t, v128.and(i16x8.shr_u(s, 4), low));
      all0 = i16x8.add(all0, v0);
      odd0 = i16x8.add(odd0, i16x8.shr_u(v0, 8));
      all1 = i16x8.add(all1, v1);
      odd1 = i16x8.add(odd1, i16x8.shr_u(v1, 8));
      t = v128.load(table, TABLE_EXTRA + 16);
      s = v128.load(w + load<u32>(table, TABLE_SPLIT + 4), 64);
      v0 = lookUp(t, v128.and(s, low));
      v1 = lookUp(t, v128.and(i16x8.shr_u(s, 4), low));
      all0 = i16x8.add(all0, v0);
      odd0 = i16x8.add(odd0, i16x8.shr_u(v0, 8));
      all1 = i16x8.add(all1, v1);
      odd1 = i16x8.add(odd1, i16x8.shr_u(v1, 8));
      addBlock(w, v128.load32_splat(table, TABLE_STEP), to, rows, all0, odd0, all1, odd1, upper, half);
      w = end;
      to += 128;
      rows -= 32;
    }
    weights += step;
    table += TABLE_BLOCK;
  }
}

/** Adds the products of one tile or a pair with two tokens, the same sums as addProducts: they share the reading of indices and scales. */
function addPair(
  weights: usize, step: usize, table: usize, tableBytes: usize, out: usize, outStride: usize, tiles: i32, blocks: i32, left: i32,
): void {
  const zero = blocks >> 31;
  const low = i8x16.splat(<i8>(zero | 15));
  const upper = i32x4.splat(zero | 0xffff0000);
  const half = i32x4.splat(zero | 0x0fffe000);
  const allStart = i16x8.splat(<i16>(zero | (-TABLES * 128 * 257)));
  const oddStart = i16x8.splat(<i16>(zero | (-TABLES * 128)));
  for (let b = 0; b < blocks; b++) {
    let w = weights, to = out, rows = left;
    for (let i = 0; i < tiles; i++) {
      let all0 = allStart, odd0 = oddStart, all1 = allStart, odd1 = oddStart;
      let all2 = allStart, odd2 = oddStart, all3 = allStart, odd3 = oddStart;
      for (let e: usize = 0; e < 2; e++) {
        let t = v128.load(table + (e << 4), TABLE_EXTRA);
        let s = v128.load(w + load<u32>(table + (e << 2), TABLE_SPLIT), 64);
        let v0 = lookUp(t, v128.and(s, low)), v1 = lookUp(t, v128.and(i16x8.shr_u(s, 4), low));
        all0 = i16x8.add(all0, v0);
        odd0 = i16x8.add(odd0, i16x8.shr_u(v0, 8));
        all1 = i16x8.add(all1, v1);
        odd1 = i16x8.add(odd1, i16x8.shr_u(v1, 8));
        t = v128.load(table + tableBytes + (e << 4), TABLE_EXTRA);
        s = v128.load(w + load<u32>(table + tableBytes + (e << 2), TABLE_SPLIT), 64);
        v0 = lookUp(t, v128.and(s, low));
        v1 = lookUp(t, v128.and(i16x8.shr_u(s, 4), low));
        all2 = i16x8.add(all2, v0);
        odd2 = i16x8.add(odd2, i16x8.shr_u(v0, 8));
        all3 = i16x8.add(all3, v1);
        odd3 = i16x8.add(odd3, i16x8.shr_u(v1, 8));
      }
      const end = w + Q1_TILE_BLOCK;
      let p = w + 64, q = table;
      do {
        const s = v128.load(p);
        const i0 = v128.and(s, low), i1 = v128.and(i16x8.shr_u(s, 4), low);
        const t0 = v128.load(q);
        const v0 = lookUp(t0, i0);
        all0 = i16x8.add(all0, v0);
        odd0 = i16x8.add(odd0, i16x8.shr_u(v0, 8));
        const v1 = lookUp(t0, i1);
        all1 = i16x8.add(all1, v1);
        odd1 = i16x8.add(odd1, i16x8.shr_u(v1, 8));
        const t1 = v128.load(q + tableBytes);
        const v2 = lookUp(t1, i0);
        all2 = i16x8.add(all2, v2);
        odd2 = i16x8.add(odd2, i16x8.shr_u(v2, 8));
        const v3 = lookUp(t1, i1);
        all3 = i16x8.add(all3, v3);
        odd3 = i16x8.add(odd3, i16x8.shr_u(v3, 8));
        p += 16;
        q += 16;
      } while (p < end);
      addBlock(w, v128.load32_splat(table, TABLE_STEP), to, rows, all0, odd0, all1, odd1, upper, half);
      addBlock(w, v128.load32_splat(table + tableBytes, TABLE_STEP), to + outStride, rows, all2, odd2, all3, odd3, upper, half);
      w = end;
      to += 128;
      rows -= 32;
    }
    weights += step;
    table += TABLE_BLOCK;
  }
}

/** Adds a block's sums, times the scales and the step, to the outputs of a tile. */
// @ts-ignore: decorator
@inline function addBlock(
  w: usize, step: v128, out: usize, rows: i32, all0: v128, odd0: v128, all1: v128, odd1: v128, upper: v128, half: v128,
): void {
  addSums(w, step, out, rows, i16x8.sub(all0, i16x8.shl(odd0, 8)), odd0, i16x8.sub(all1, i16x8.shl(odd1, 8)), odd1, upper, half);
}

/** The same of 16-bit sums in the order of scales (repack-q1.ts). */
// @ts-ignore: decorator
@inline export function addSums(
  w: usize, step: v128, out: usize, rows: i32, even0: v128, odd0: v128, even1: v128, odd1: v128, upper: v128, half: v128,
): void {
  const d0 = v128.load(w), d1 = v128.load(w, 16), d2 = v128.load(w, 32), d3 = v128.load(w, 48);
  const p0 = f32x4.mul(lowSums(even0), lowScales(d0, half)), p2 = f32x4.mul(highSums(even0, upper), highScales(d0, half));
  const p1 = f32x4.mul(lowSums(odd0), lowScales(d1, half)), p3 = f32x4.mul(highSums(odd0, upper), highScales(d1, half));
  const p4 = f32x4.mul(lowSums(even1), lowScales(d2, half)), p6 = f32x4.mul(highSums(even1, upper), highScales(d2, half));
  const p5 = f32x4.mul(lowSums(odd1), lowScales(d3, half)), p7 = f32x4.mul(highSums(odd1, upper), highScales(d3, half));
  if (rows >= 32) {
    v128.store(out, madd(p0, step, v128.load(out)));
    v128.store(out, madd(p1, step, v128.load(out, 16)), 16);
    v128.store(out, madd(p2, step, v128.load(out, 32)), 32);
    v128.store(out, madd(p3, step, v128.load(out, 48)), 48);
    v128.store(out, madd(p4, step, v128.load(out, 64)), 64);
    v128.store(out, madd(p5, step, v128.load(out, 80)), 80);
    v128.store(out, madd(p6, step, v128.load(out, 96)), 96);
    v128.store(out, madd(p7, step, v128.load(out, 112)), 112);
  } else {
    addSome(out, rows, p0, step);
    addSome(out + 16, rows - 4, p1, step);
    addSome(out + 32, rows - 8, p2, step);
    addSome(out + 48, rows - 12, p3, step);
    addSome(out + 64, rows - 16, p4, step);
    addSome(out + 80, rows - 20, p5, step);
    addSome(out + 96, rows - 24, p6, step);
    addSome(out + 112, rows - 28, p7, step);
  }
}

/** Adds a * b to four outputs, or to as many as there are rows. */
function addSome(out: usize, rows: i32, a: v128, b: v128): void {
  if (rows > 0) v128.store32_lane(out, madd(a, b, v128.load32_splat(out)), 0);
  if (rows > 1) v128.store32_lane(out, madd(a, b, v128.load32_splat(out, 4)), 1, 4);
  if (rows > 2) v128.store32_lane(out, madd(a, b, v128.load32_splat(out, 8)), 2, 8);
  if (rows > 3) v128.store32_lane(out, madd(a, b, v128.load32_splat(out, 12)), 3, 12);
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
