// Owns products of ternary weights (products-ternary.ts) with 8 or 16 tokens at a time: tokens are lanes. Must not know threads or commands. The idea, and the
// tables: products-q1-many.ts. Both planes of a row are looked up in the same tables and meet in its 16-bit sums.
//
// multiply_octets_ternary(weights, lanePairs, gap, octets, out, outStride, rows, cols, tokens, accumulate, tile0, tile1, gain, scratch): as multiply_octets, with
//   `gain` as in matmul_ternary. The results are the same bits as those of matmul_ternary.
import { madd, zeroOf } from './math';
import { OCTET_BLOCK, OCTET_STEPS, PANEL_TILES } from './opcodes';
import { ASIDE, expandOctet, giveSums, lowerSums, orderScales, SCALES, STRIDE_16, STRIDE_8, SUMS, takeSums, upperSums } from './products-q1-many';
import { q2BlockBytes } from './repack-q2';
import { blockAt } from './tile-order';

/** Behind the sums: offsets into the tables, [16][32 rows][planes A and B] u16. */
// @ts-ignore: decorator
@inline const BOTH_INDICES: usize = SUMS + PANEL_TILES * 2048;

export function multiply_octets_ternary(
  weights: usize, lanePairs: i32, gap: usize, octets: usize, out: usize, outStride: usize, rows: i32, cols: i32, tokens: i32, accumulate: i32,
  tile0: i32, tile1: i32, gain: f32, scratch: usize,
): void {
  const blocks = cols >> 7;
  const tiles = (rows + 31) >> 5;
  const both = tokens > 8;
  const tileSums: usize = both ? 2048 : 1024;
  const second: usize = <usize>blocks * OCTET_BLOCK;
  const firstSums = scratch + SUMS;
  if (accumulate) takeSums(firstSums, both, out, outStride, rows, tokens, tile0, tile1);
  else memory.fill(firstSums, 0, <usize>(tile1 - tile0) * tileSums);
  for (let b = 0; b < blocks; b++) {
    const octet = octets + <usize>b * OCTET_BLOCK;
    expandOctet(octet, second, scratch, both);
    let sums = firstSums;
    for (let tile = tile0; tile < tile1; tile++) {
      const w = weights + blockAt(lanePairs, gap, tile, b, tiles, blocks, q2BlockBytes(128));
      orderScales(w, scratch + SCALES);
      spreadPlanes(w + 64, scratch + BOTH_INDICES, both ? 5 : 4);
      if (both) addRows16(scratch, sums, octet + OCTET_STEPS, octet + second + OCTET_STEPS, gain);
      else addRows8(scratch, sums, octet + OCTET_STEPS, gain);
      sums += tileSums;
    }
  }
  giveSums(firstSums, both, out, outStride, rows, tokens, tile0, tile1);
}

/** As spreadIndices (products-q1-many.ts), those of both planes beside each other; rows come in the same order. */
function spreadPlanes(groups: usize, to: usize, shift: i32): void {
  const low = i8x16.splat(<i8>(15 | zeroOf(to))), high = i16x8.shl(low, 4);
  const end = to + 2048;
  do {
    for (let i: usize = 0; i < 32; i += 16) {
      const first = v128.load(groups + i), second = v128.load(groups + i, 32);
      const x = v128.or(v128.and(first, low), v128.and(i16x8.shl(second, 4), high));
      const y = v128.or(v128.and(i16x8.shr_u(first, 4), low), v128.and(second, high));
      const z = v128.shuffle<i16>(x, y, 0, 8, 1, 9, 2, 10, 3, 11), w = v128.shuffle<i16>(x, y, 4, 12, 5, 13, 6, 14, 7, 15);
      v128.store(to, i16x8.shl(i16x8.extend_low_i8x16_u(z), shift));
      v128.store(to, i16x8.shl(i16x8.extend_high_i8x16_u(z), shift), 16);
      v128.store(to, i16x8.shl(i16x8.extend_low_i8x16_u(w), shift), 32);
      v128.store(to, i16x8.shl(i16x8.extend_high_i8x16_u(w), shift), 48);
      to += 64;
    }
    groups += 64;
  } while (to < end);
}

/** Adds a block's products of a tile with 16 tokens to its sums. Steps are halved: the planes give twice the weights. */
function addRows16(scratch: usize, sums: usize, steps: usize, steps2: usize, gain: f32): void {
  const table = scratch, aside = scratch + ASIDE;
  const halved = f32x4.splat(gain * 0.5), zero = i32x4.splat(zeroOf(scratch));
  const step0 = f32x4.mul(v128.load(steps), halved), step1 = f32x4.mul(v128.load(steps, 16), halved);
  const step2 = f32x4.mul(v128.load(steps2), halved), step3 = f32x4.mul(v128.load(steps2, 16), halved);
  let scale = scratch + SCALES;
  let p = scratch + BOTH_INDICES;
  const end = p + 128;
  do {
    let t: usize, a: v128, b: v128;
    // The stores keep V8 from putting off the additions until all loads are done, for which there are not enough registers.
    t = table + <usize>load<u16>(p);
    a = v128.load(t); b = v128.load(t, 16);
    t = table + <usize>load<u16>(p, 2);
    a = i16x8.add(a, v128.load(t)); b = i16x8.add(b, v128.load(t, 16));
    t = table + <usize>load<u16>(p, 128);
    a = i16x8.add(a, v128.load(t, STRIDE_16)); b = i16x8.add(b, v128.load(t, STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 130);
    a = i16x8.add(a, v128.load(t, STRIDE_16)); b = i16x8.add(b, v128.load(t, STRIDE_16 + 16));
    v128.store(aside, a); v128.store(aside, b, 16);
    t = table + <usize>load<u16>(p, 256);
    a = i16x8.add(a, v128.load(t, 2 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 2 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 258);
    a = i16x8.add(a, v128.load(t, 2 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 2 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 384);
    a = i16x8.add(a, v128.load(t, 3 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 3 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 386);
    a = i16x8.add(a, v128.load(t, 3 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 3 * STRIDE_16 + 16));
    v128.store(aside, a); v128.store(aside, b, 16);
    t = table + <usize>load<u16>(p, 512);
    a = i16x8.add(a, v128.load(t, 4 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 4 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 514);
    a = i16x8.add(a, v128.load(t, 4 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 4 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 640);
    a = i16x8.add(a, v128.load(t, 5 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 5 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 642);
    a = i16x8.add(a, v128.load(t, 5 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 5 * STRIDE_16 + 16));
    v128.store(aside, a); v128.store(aside, b, 16);
    t = table + <usize>load<u16>(p, 768);
    a = i16x8.add(a, v128.load(t, 6 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 6 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 770);
    a = i16x8.add(a, v128.load(t, 6 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 6 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 896);
    a = i16x8.add(a, v128.load(t, 7 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 7 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 898);
    a = i16x8.add(a, v128.load(t, 7 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 7 * STRIDE_16 + 16));
    v128.store(aside, a); v128.store(aside, b, 16);
    t = table + <usize>load<u16>(p, 1024);
    a = i16x8.add(a, v128.load(t, 8 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 8 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 1026);
    a = i16x8.add(a, v128.load(t, 8 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 8 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 1152);
    a = i16x8.add(a, v128.load(t, 9 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 9 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 1154);
    a = i16x8.add(a, v128.load(t, 9 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 9 * STRIDE_16 + 16));
    v128.store(aside, a); v128.store(aside, b, 16);
    t = table + <usize>load<u16>(p, 1280);
    a = i16x8.add(a, v128.load(t, 10 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 10 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 1282);
    a = i16x8.add(a, v128.load(t, 10 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 10 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 1408);
    a = i16x8.add(a, v128.load(t, 11 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 11 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 1410);
    a = i16x8.add(a, v128.load(t, 11 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 11 * STRIDE_16 + 16));
    v128.store(aside, a); v128.store(aside, b, 16);
    t = table + <usize>load<u16>(p, 1536);
    a = i16x8.add(a, v128.load(t, 12 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 12 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 1538);
    a = i16x8.add(a, v128.load(t, 12 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 12 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 1664);
    a = i16x8.add(a, v128.load(t, 13 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 13 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 1666);
    a = i16x8.add(a, v128.load(t, 13 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 13 * STRIDE_16 + 16));
    v128.store(aside, a); v128.store(aside, b, 16);
    t = table + <usize>load<u16>(p, 1792);
    a = i16x8.add(a, v128.load(t, 14 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 14 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 1794);
    a = i16x8.add(a, v128.load(t, 14 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 14 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 1920);
    a = i16x8.add(a, v128.load(t, 15 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 15 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 1922);
    a = i16x8.add(a, v128.load(t, 15 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 15 * STRIDE_16 + 16));
    const d = v128.load32_splat(scale);
    v128.store(sums, madd(f32x4.mul(lowerSums(a, zero), d), step0, v128.load(sums)));
    v128.store(sums, madd(f32x4.mul(upperSums(a, zero), d), step1, v128.load(sums, 16)), 16);
    v128.store(sums, madd(f32x4.mul(lowerSums(b, zero), d), step2, v128.load(sums, 32)), 32);
    v128.store(sums, madd(f32x4.mul(upperSums(b, zero), d), step3, v128.load(sums, 48)), 48);
    sums += 64;
    scale += 4;
    p += 4;
  } while (p < end);
}

/** The same for 8 tokens. */
function addRows8(scratch: usize, sums: usize, steps: usize, gain: f32): void {
  const table = scratch, aside = scratch + ASIDE;
  const halved = f32x4.splat(gain * 0.5), zero = i32x4.splat(zeroOf(scratch));
  const step0 = f32x4.mul(v128.load(steps), halved), step1 = f32x4.mul(v128.load(steps, 16), halved);
  let scale = scratch + SCALES;
  let p = scratch + BOTH_INDICES;
  const end = p + 128;
  do {
    let t: usize, a: v128;
    t = table + <usize>load<u16>(p);
    a = v128.load(t);
    t = table + <usize>load<u16>(p, 2);
    a = i16x8.add(a, v128.load(t));
    t = table + <usize>load<u16>(p, 128);
    a = i16x8.add(a, v128.load(t, STRIDE_8));
    t = table + <usize>load<u16>(p, 130);
    a = i16x8.add(a, v128.load(t, STRIDE_8));
    v128.store(aside, a);
    t = table + <usize>load<u16>(p, 256);
    a = i16x8.add(a, v128.load(t, 2 * STRIDE_8));
    t = table + <usize>load<u16>(p, 258);
    a = i16x8.add(a, v128.load(t, 2 * STRIDE_8));
    t = table + <usize>load<u16>(p, 384);
    a = i16x8.add(a, v128.load(t, 3 * STRIDE_8));
    t = table + <usize>load<u16>(p, 386);
    a = i16x8.add(a, v128.load(t, 3 * STRIDE_8));
    v128.store(aside, a);
    t = table + <usize>load<u16>(p, 512);
    a = i16x8.add(a, v128.load(t, 4 * STRIDE_8));
    t = table + <usize>load<u16>(p, 514);
    a = i16x8.add(a, v128.load(t, 4 * STRIDE_8));
    t = table + <usize>load<u16>(p, 640);
    a = i16x8.add(a, v128.load(t, 5 * STRIDE_8));
    t = table + <usize>load<u16>(p, 642);
    a = i16x8.add(a, v128.load(t, 5 * STRIDE_8));
    v128.store(aside, a);
    t = table + <usize>load<u16>(p, 768);
    a = i16x8.add(a, v128.load(t, 6 * STRIDE_8));
    t = table + <usize>load<u16>(p, 770);
    a = i16x8.add(a, v128.load(t, 6 * STRIDE_8));
    t = table + <usize>load<u16>(p, 896);
    a = i16x8.add(a, v128.load(t, 7 * STRIDE_8));
    t = table + <usize>load<u16>(p, 898);
    a = i16x8.add(a, v128.load(t, 7 * STRIDE_8));
    v128.store(aside, a);
    t = table + <usize>load<u16>(p, 1024);
    a = i16x8.add(a, v128.load(t, 8 * STRIDE_8));
    t = table + <usize>load<u16>(p, 1026);
    a = i16x8.add(a, v128.load(t, 8 * STRIDE_8));
    t = table + <usize>load<u16>(p, 1152);
    a = i16x8.add(a, v128.load(t, 9 * STRIDE_8));
    t = table + <usize>load<u16>(p, 1154);
    a = i16x8.add(a, v128.load(t, 9 * STRIDE_8));
    v128.store(aside, a);
    t = table + <usize>load<u16>(p, 1280);
    a = i16x8.add(a, v128.load(t, 10 * STRIDE_8));
    t = table + <usize>load<u16>(p, 1282);
    a = i16x8.add(a, v128.load(t, 10 * STRIDE_8));
    t = table + <usize>load<u16>(p, 1408);
    a = i16x8.add(a, v128.load(t, 11 * STRIDE_8));
    t = table + <usize>load<u16>(p, 1410);
    a = i16x8.add(a, v128.load(t, 11 * STRIDE_8));
    v128.store(aside, a);
    t = table + <usize>load<u16>(p, 1536);
    a = i16x8.add(a, v128.load(t, 12 * STRIDE_8));
    t = table + <usize>load<u16>(p, 1538);
    a = i16x8.add(a, v128.load(t, 12 * STRIDE_8));
    t = table + <usize>load<u16>(p, 1664);
    a = i16x8.add(a, v128.load(t, 13 * STRIDE_8));
    t = table + <usize>load<u16>(p, 1666);
    a = i16x8.add(a, v128.load(t, 13 * STRIDE_8));
    v128.store(aside, a);
    t = table + <usize>load<u16>(p, 1792);
    a = i16x8.add(a, v128.load(t, 14 * STRIDE_8));
    t = table + <usize>load<u16>(p, 1794);
    a = i16x8.add(a, v128.load(t, 14 * STRIDE_8));
    t = table + <usize>load<u16>(p, 1920);
    a = i16x8.add(a, v128.load(t, 15 * STRIDE_8));
    t = table + <usize>load<u16>(p, 1922);
    a = i16x8.add(a, v128.load(t, 15 * STRIDE_8));
    const d = v128.load32_splat(scale);
    v128.store(sums, madd(f32x4.mul(lowerSums(a, zero), d), step0, v128.load(sums)));
    v128.store(sums, madd(f32x4.mul(upperSums(a, zero), d), step1, v128.load(sums, 16)), 16);
    sums += 32;
    scale += 4;
    p += 4;
  } while (p < end);
}
