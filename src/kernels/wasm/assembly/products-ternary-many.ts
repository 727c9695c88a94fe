// Owns products of ternary weights (products-ternary.ts) with 8 or 16 tokens at a time: tokens are lanes. Must not know threads or commands. The idea, and the
// tables: products-q1-many.ts. Both planes of a tile are looked up in the same tables, plane A, then plane B, and their 16-bit sums meet before the scale.
//
// multiply_octets_ternary(weights, lanePairs, gap, octets, out, outStride, rows, cols, tokens, accumulate, tile0, tile1, gain, scratch): as multiply_octets, with
//   `gain` as in matmul_ternary. The results are the same bits as those of matmul_ternary.
import { madd, zeroOf } from './math';
import { OCTET_BLOCK, OCTET_STEPS, PANEL_TILES } from './opcodes';
import {
  ASIDE, expandOctet, giveSums, INDICES, lowerSums, orderScales, SCALES, spreadIndices, STRIDE_16, STRIDE_8, SUMS, takeSums, upperSums,
} from './products-q1-many';
import { q2BlockBytes } from './repack-q2';
import { blockAt } from './tile-order';

/** Behind the sums: 16-bit sums of a tile's rows, [32 rows][8 or 16 tokens]. */
// @ts-ignore: decorator
@inline const PART: usize = SUMS + PANEL_TILES * 2048;
/** Planes told apart by the size of a type, so that each has a loop of its own: plane A begins the sums, plane B goes on with them. */
type PlaneA = u8;
type PlaneB = u16;

export function multiply_octets_ternary(
  weights: usize, lanePairs: i32, gap: usize, octets: usize, out: usize, outStride: usize, rows: i32, cols: i32, tokens: i32, accumulate: i32,
  tile0: i32, tile1: i32, gain: f32, scratch: usize,
): void {
  const blocks = cols >> 7;
  const tiles = (rows + 31) >> 5;
  const both = tokens > 8;
  const tileSums: usize = both ? 2048 : 1024;
  const second: usize = <usize>blocks * OCTET_BLOCK;
  const firstSums = scratch + SUMS, part = scratch + PART;
  if (accumulate) takeSums(firstSums, both, out, outStride, rows, tokens, tile0, tile1);
  else memory.fill(firstSums, 0, <usize>(tile1 - tile0) * tileSums);
  for (let b = 0; b < blocks; b++) {
    const octet = octets + <usize>b * OCTET_BLOCK;
    expandOctet(octet, second, scratch, both);
    let sums = firstSums;
    for (let tile = tile0; tile < tile1; tile++) {
      const w = weights + blockAt(lanePairs, gap, tile, b, tiles, blocks, q2BlockBytes(128));
      orderScales(w, scratch + SCALES);
      if (both) {
        spreadIndices(w + 64, 32, scratch + INDICES, 5);
        addPlane16<PlaneA>(scratch, part);
        spreadIndices(w + 64 + 16, 32, scratch + INDICES, 5);
        addPlane16<PlaneB>(scratch, part);
        scaleRows16(scratch, part, sums, octet + OCTET_STEPS, octet + second + OCTET_STEPS, gain);
      } else {
        spreadIndices(w + 64, 32, scratch + INDICES, 4);
        addPlane8<PlaneA>(scratch, part);
        spreadIndices(w + 64 + 16, 32, scratch + INDICES, 4);
        addPlane8<PlaneB>(scratch, part);
        scaleRows8(scratch, part, sums, octet + OCTET_STEPS, gain);
      }
      sums += tileSums;
    }
  }
  giveSums(firstSums, both, out, outStride, rows, tokens, tile0, tile1);
}

/** Adds a block's products of a tile with 16 tokens to its sums. Steps are halved: the planes give twice the weights. */
function scaleRows16(scratch: usize, part: usize, sums: usize, steps: usize, steps2: usize, gain: f32): void {
  const halved = f32x4.splat(gain * 0.5), zero = i32x4.splat(zeroOf(scratch));
  const step0 = f32x4.mul(v128.load(steps), halved), step1 = f32x4.mul(v128.load(steps, 16), halved);
  const step2 = f32x4.mul(v128.load(steps2), halved), step3 = f32x4.mul(v128.load(steps2, 16), halved);
  let scale = scratch + SCALES;
  const end = scale + 128;
  do {
    const a = v128.load(part), b = v128.load(part, 16), d = v128.load32_splat(scale);
    v128.store(sums, madd(f32x4.mul(lowerSums(a, zero), d), step0, v128.load(sums)));
    v128.store(sums, madd(f32x4.mul(upperSums(a, zero), d), step1, v128.load(sums, 16)), 16);
    v128.store(sums, madd(f32x4.mul(lowerSums(b, zero), d), step2, v128.load(sums, 32)), 32);
    v128.store(sums, madd(f32x4.mul(upperSums(b, zero), d), step3, v128.load(sums, 48)), 48);
    part += 32;
    sums += 64;
    scale += 4;
  } while (scale < end);
}

/** The same for 8 tokens. */
function scaleRows8(scratch: usize, part: usize, sums: usize, steps: usize, gain: f32): void {
  const halved = f32x4.splat(gain * 0.5), zero = i32x4.splat(zeroOf(scratch));
  const step0 = f32x4.mul(v128.load(steps), halved), step1 = f32x4.mul(v128.load(steps, 16), halved);
  let scale = scratch + SCALES;
  const end = scale + 128;
  do {
    const a = v128.load(part), d = v128.load32_splat(scale);
    v128.store(sums, madd(f32x4.mul(lowerSums(a, zero), d), step0, v128.load(sums)));
    v128.store(sums, madd(f32x4.mul(upperSums(a, zero), d), step1, v128.load(sums, 16)), 16);
    part += 16;
    sums += 32;
    scale += 4;
  } while (scale < end);
}

/** A plane's sums of a tile's rows for 16 tokens; of plane B (`P` wider than a byte) added to what is there. */
function addPlane16<P>(scratch: usize, part: usize): void {
  const table = scratch, aside = scratch + ASIDE;
  let p = scratch + INDICES;
  const end = p + 64;
  do {
    let t: usize, a: v128, b: v128;
    t = table + <usize>load<u16>(p);
    if (sizeof<P>() == 1) {
      a = v128.load(t); b = v128.load(t, 16);
    } else {
      a = i16x8.add(v128.load(part), v128.load(t)); b = i16x8.add(v128.load(part, 16), v128.load(t, 16));
    }
    t = table + <usize>load<u16>(p, 64);
    a = i16x8.add(a, v128.load(t, STRIDE_16)); b = i16x8.add(b, v128.load(t, STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 128);
    a = i16x8.add(a, v128.load(t, 2 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 2 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 192);
    a = i16x8.add(a, v128.load(t, 3 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 3 * STRIDE_16 + 16));
    v128.store(aside, a); v128.store(aside, b, 16);
    t = table + <usize>load<u16>(p, 256);
    a = i16x8.add(a, v128.load(t, 4 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 4 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 320);
    a = i16x8.add(a, v128.load(t, 5 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 5 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 384);
    a = i16x8.add(a, v128.load(t, 6 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 6 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 448);
    a = i16x8.add(a, v128.load(t, 7 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 7 * STRIDE_16 + 16));
    v128.store(aside, a); v128.store(aside, b, 16);
    t = table + <usize>load<u16>(p, 512);
    a = i16x8.add(a, v128.load(t, 8 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 8 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 576);
    a = i16x8.add(a, v128.load(t, 9 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 9 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 640);
    a = i16x8.add(a, v128.load(t, 10 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 10 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 704);
    a = i16x8.add(a, v128.load(t, 11 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 11 * STRIDE_16 + 16));
    v128.store(aside, a); v128.store(aside, b, 16);
    t = table + <usize>load<u16>(p, 768);
    a = i16x8.add(a, v128.load(t, 12 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 12 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 832);
    a = i16x8.add(a, v128.load(t, 13 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 13 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 896);
    a = i16x8.add(a, v128.load(t, 14 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 14 * STRIDE_16 + 16));
    t = table + <usize>load<u16>(p, 960);
    a = i16x8.add(a, v128.load(t, 15 * STRIDE_16)); b = i16x8.add(b, v128.load(t, 15 * STRIDE_16 + 16));
    v128.store(part, a); v128.store(part, b, 16);
    part += 32;
    p += 2;
  } while (p < end);
}

/** The same for 8 tokens. */
function addPlane8<P>(scratch: usize, part: usize): void {
  const table = scratch, aside = scratch + ASIDE;
  let p = scratch + INDICES;
  const end = p + 64;
  do {
    let t: usize, a: v128;
    t = table + <usize>load<u16>(p);
    a = sizeof<P>() == 1 ? v128.load(t) : i16x8.add(v128.load(part), v128.load(t));
    t = table + <usize>load<u16>(p, 64);
    a = i16x8.add(a, v128.load(t, STRIDE_8));
    t = table + <usize>load<u16>(p, 128);
    a = i16x8.add(a, v128.load(t, 2 * STRIDE_8));
    t = table + <usize>load<u16>(p, 192);
    a = i16x8.add(a, v128.load(t, 3 * STRIDE_8));
    v128.store(aside, a);
    t = table + <usize>load<u16>(p, 256);
    a = i16x8.add(a, v128.load(t, 4 * STRIDE_8));
    t = table + <usize>load<u16>(p, 320);
    a = i16x8.add(a, v128.load(t, 5 * STRIDE_8));
    t = table + <usize>load<u16>(p, 384);
    a = i16x8.add(a, v128.load(t, 6 * STRIDE_8));
    t = table + <usize>load<u16>(p, 448);
    a = i16x8.add(a, v128.load(t, 7 * STRIDE_8));
    v128.store(aside, a);
    t = table + <usize>load<u16>(p, 512);
    a = i16x8.add(a, v128.load(t, 8 * STRIDE_8));
    t = table + <usize>load<u16>(p, 576);
    a = i16x8.add(a, v128.load(t, 9 * STRIDE_8));
    t = table + <usize>load<u16>(p, 640);
    a = i16x8.add(a, v128.load(t, 10 * STRIDE_8));
    t = table + <usize>load<u16>(p, 704);
    a = i16x8.add(a, v128.load(t, 11 * STRIDE_8));
    v128.store(aside, a);
    t = table + <usize>load<u16>(p, 768);
    a = i16x8.add(a, v128.load(t, 12 * STRIDE_8));
    t = table + <usize>load<u16>(p, 832);
    a = i16x8.add(a, v128.load(t, 13 * STRIDE_8));
    t = table + <usize>load<u16>(p, 896);
    a = i16x8.add(a, v128.load(t, 14 * STRIDE_8));
    t = table + <usize>load<u16>(p, 960);
    a = i16x8.add(a, v128.load(t, 15 * STRIDE_8));
    v128.store(part, a);
    part += 16;
    p += 2;
  } while (p < end);
}
