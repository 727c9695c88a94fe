// Owns products of ternary weights: Q2_0 tiles (repack-q2.ts) without code 3, by look-up tables (tables.ts). Must not know threads or commands.
//
// matmul_ternary(weights, lanePairs, gap, tables, out, outStride, rows, cols, tokens, accumulate, tile0, tile1, span, gain): as matmul_q1_0 (products-q1.ts);
//   span 64 or 128 inputs a scale. `gain` multiplies the products. A token's results are the same bits for any number of tokens and any range of tiles.
//
// A group's table is read for both planes of 32 rows while it is in a register: one vector of tables, two of weights, 128 weights. The planes of a row are
// neighbouring bytes: one instruction adds them and widens to 16 bits, where 1-bit weights need two more (products-q1.ts).
import { addSums, CHUNK_BYTES } from './products-q1';
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
  // The planes give twice the weights.
  const halved = f32x4.splat(gain * 0.5);
  const groupBytes: usize = <usize>span << 2;
  for (let b = 0; b < blocks; b++) {
    let w = weights, to = out, rows = left;
    const stepSize = f32x4.mul(v128.load32_splat(table, TABLE_STEP), halved);
    for (let i = 0; i < tiles; i++) {
      /** Byte of the table block where the groups of this scale begin: 0, and 256 for the second 64 inputs. */
      for (let base: usize = 0; base < 512; base += groupBytes) {
        const split0 = <usize>load<u32>(table, TABLE_SPLIT) - base, split1 = <usize>load<u32>(table, TABLE_SPLIT + 4) - base;
        // Sums begin at minus the bias of all look-ups, two for each group and for each split one that is here.
        let sum0 = i16x8.splat(<i16>(-64 * span - 256 * (<i32>(split0 < groupBytes) + <i32>(split1 < groupBytes))));
        let sum1 = sum0, sum2 = sum0, sum3 = sum0;
        const end = w + 64 + 2 * groupBytes;
        let p = w + 64, q = table + base;
        let t: v128, s: v128;
        do {
          t = v128.load(q);
          s = v128.load(p);
          sum0 = i16x8.add(sum0, lookUpPairs(t, v128.and(s, low)));
          sum1 = i16x8.add(sum1, lookUpPairs(t, v128.and(i16x8.shr_u(s, 4), low)));
          s = v128.load(p, 16);
          sum2 = i16x8.add(sum2, lookUpPairs(t, v128.and(s, low)));
          sum3 = i16x8.add(sum3, lookUpPairs(t, v128.and(i16x8.shr_u(s, 4), low)));
          t = v128.load(q, 16);
          s = v128.load(p, 32);
          sum0 = i16x8.add(sum0, lookUpPairs(t, v128.and(s, low)));
          sum1 = i16x8.add(sum1, lookUpPairs(t, v128.and(i16x8.shr_u(s, 4), low)));
          s = v128.load(p, 48);
          sum2 = i16x8.add(sum2, lookUpPairs(t, v128.and(s, low)));
          sum3 = i16x8.add(sum3, lookUpPairs(t, v128.and(i16x8.shr_u(s, 4), low)));
          p += 64;
          q += 32;
        } while (p < end);
        // The split groups again, once they are there: read first, they would come out of the order in which memory is fetched.
        for (let e: usize = 0; e < 2; e++) {
          const at = e ? split1 : split0;
          if (at >= groupBytes) continue;
          t = v128.load(table + (e << 4), TABLE_EXTRA);
          s = v128.load(w + 2 * at, 64);
          sum0 = i16x8.add(sum0, lookUpPairs(t, v128.and(s, low)));
          sum1 = i16x8.add(sum1, lookUpPairs(t, v128.and(i16x8.shr_u(s, 4), low)));
          s = v128.load(w + 2 * at, 80);
          sum2 = i16x8.add(sum2, lookUpPairs(t, v128.and(s, low)));
          sum3 = i16x8.add(sum3, lookUpPairs(t, v128.and(i16x8.shr_u(s, 4), low)));
        }
        addSums(w, stepSize, to, rows, sum0, sum1, sum2, sum3, upper, half);
        w = end;
      }
      to += 128;
      rows -= 32;
    }
    weights += step;
    table += TABLE_BLOCK;
  }
}

/** Entries of eight rows in both planes: their sums. */
// @ts-ignore: decorator
@inline function lookUpPairs(table: v128, index: v128): v128 {
  return i16x8.extadd_pairwise_i8x16_u(lookUp(table, index));
}
