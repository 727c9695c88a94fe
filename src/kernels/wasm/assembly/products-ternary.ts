// Owns products of ternary weights: Q2_0 tiles (repack-q2.ts) without code 3, by look-up tables (tables.ts). Must not know threads or commands.
//
// matmul_ternary(weights, lanePairs, gap, tables, out, outStride, rows, cols, tokens, accumulate, tile0, tile1, span, gain): as matmul_q1_0 (products-q1.ts);
//   span 64 or 128 inputs a scale. `gain` multiplies the products. A token's results are the same bits for any number of tokens and any range of tiles.
//
// A group's table is read for both planes of 32 rows while it is in a register: one vector of tables, two of weights, 128 weights. Sums as in products-q1.ts.
import { addBlock, CHUNK_BYTES } from './products-q1';
import { q2BlockBytes } from './repack-q2';
import { lookUp, TABLE_BLOCK, TABLE_EXTRA, TABLE_SPLIT, TABLE_STEP } from './tables';
import { blockAt, PANEL_BLOCKS, tileStep } from './tile-order';

export function matmul_ternary(
  weights: usize, lanePairs: i32, gap: usize, tables: usize, out: usize, outStride: usize, rows: i32, cols: i32, tokens: i32,
  accumulate: i32, tile0: i32, tile1: i32, span: i32, gain: f32,
): void {
  const blockBytes = q2BlockBytes(span);
  const blocks = cols >> 7;
  const tiles = (rows + 31) >> 5;
  const tableBytes = <usize>blocks * TABLE_BLOCK;
  const chunk = max(1, CHUNK_BYTES / <i32>tableBytes);
  for (let first = 0; first < tokens; first += chunk) {
    const from = tables + <usize>first * tableBytes;
    const to = out + <usize>first * outStride;
    const count = min(chunk, tokens - first);
    for (let block = 0; block < blocks; block += PANEL_BLOCKS) {
      const width = min(blocks - block, PANEL_BLOCKS);
      for (let tile = tile0; tile < tile1; ) {
        const together = tile & 1 || tile + 1 == tile1 ? 1 : 2;
        const w = weights + blockAt(lanePairs, gap, tile, block, tiles, blocks, blockBytes);
        const step = tileStep(tile, tiles, blockBytes), left = rows - (tile << 5);
        let table = from + <usize>block * TABLE_BLOCK, at = to + (<usize>tile << 7);
        for (let t = 0; t < count; t++) {
          if (!(accumulate | block)) memory.fill(at, 0, <usize>min(left, together << 5) << 2);
          addProducts(w, step, table, at, together, width, left, span, gain);
          table += tableBytes;
          at += outStride;
        }
        tile += together;
      }
    }
  }
}

/** Adds the products to the outputs of one tile or a pair, of which the first is `left` rows before the end. */
function addProducts(weights: usize, step: usize, table: usize, out: usize, tiles: i32, blocks: i32, left: i32, span: i32, gain: f32): void {
  // Zero, but no compiler knows.
  const zero = blocks >> 31;
  const low = i8x16.splat(<i8>(zero | 15));
  const upper = i32x4.splat(zero | 0xffff0000);
  const half = i32x4.splat(zero | 0x0fffe000);
  // Sums begin at minus the bias of all look-ups, two for each group.
  const oddStart = i16x8.splat(<i16>(-64 * span));
  const allStart = i16x8.splat(<i16>(-64 * 257 * span));
  const byte = i16x8.splat(<i16>(zero | 255)), bias = i16x8.splat(<i16>(zero | 256));
  // The planes give twice the weights.
  const halved = f32x4.splat(gain * 0.5);
  const groupBytes: usize = <usize>span << 2;
  for (let b = 0; b < blocks; b++) {
    let w = weights, to = out, rows = left;
    const stepSize = f32x4.mul(v128.load32_splat(table, TABLE_STEP), halved);
    for (let i = 0; i < tiles; i++) {
      /** Byte of the table block where the groups of this scale begin: 0, and 256 for the second 64 inputs. */
      for (let base: usize = 0; base < 512; base += groupBytes) {
        let all0 = allStart, odd0 = oddStart, all1 = allStart, odd1 = oddStart;
        const end = w + 64 + 2 * groupBytes;
        let p = w + 64, q = table + base;
        do {
          const t = v128.load(q), s = v128.load(p), r = v128.load(p, 16);
          const v0 = lookUp(t, v128.and(s, low));
          all0 = i16x8.add(all0, v0);
          odd0 = i16x8.add(odd0, i16x8.shr_u(v0, 8));
          const u0 = lookUp(t, v128.and(r, low));
          all0 = i16x8.add(all0, u0);
          odd0 = i16x8.add(odd0, i16x8.shr_u(u0, 8));
          const v1 = lookUp(t, v128.and(i16x8.shr_u(s, 4), low));
          all1 = i16x8.add(all1, v1);
          odd1 = i16x8.add(odd1, i16x8.shr_u(v1, 8));
          const u1 = lookUp(t, v128.and(i16x8.shr_u(r, 4), low));
          all1 = i16x8.add(all1, u1);
          odd1 = i16x8.add(odd1, i16x8.shr_u(u1, 8));
          p += 32;
          q += 16;
        } while (p < end);
        // The split groups again, once they are there: read first, they would come out of the order in which memory is fetched.
        for (let e: usize = 0; e < 2; e++) {
          const at = <usize>load<u32>(table + (e << 2), TABLE_SPLIT) - base;
          if (at >= groupBytes) continue;
          const t = v128.load(table + (e << 4), TABLE_EXTRA), s = v128.load(w + 2 * at, 64), r = v128.load(w + 2 * at, 80);
          const v0 = lookUp(t, v128.and(s, low)), u0 = lookUp(t, v128.and(r, low));
          const v1 = lookUp(t, v128.and(i16x8.shr_u(s, 4), low)), u1 = lookUp(t, v128.and(i16x8.shr_u(r, 4), low));
          const o0 = i16x8.sub(i16x8.add(i16x8.shr_u(v0, 8), i16x8.shr_u(u0, 8)), bias);
          const o1 = i16x8.sub(i16x8.add(i16x8.shr_u(v1, 8), i16x8.shr_u(u1, 8)), bias);
          const e0 = i16x8.sub(i16x8.add(v128.and(v0, byte), v128.and(u0, byte)), bias);
          const e1 = i16x8.sub(i16x8.add(v128.and(v1, byte), v128.and(u1, byte)), bias);
          odd0 = i16x8.add(odd0, o0);
          odd1 = i16x8.add(odd1, o1);
          all0 = i16x8.add(all0, i16x8.add(e0, i16x8.shl(o0, 8)));
          all1 = i16x8.add(all1, i16x8.add(e1, i16x8.shl(o1, 8)));
        }
        addBlock(w, stepSize, to, rows, all0, odd0, all1, odd1, upper, half);
        w = end;
      }
      to += 128;
      rows -= 32;
    }
    weights += step;
    table += TABLE_BLOCK;
  }
}
