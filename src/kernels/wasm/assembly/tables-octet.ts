// Owns the tables of eight tokens at a time (an octet) for products with many tokens: the entries of tables.ts as 16-bit numbers, tokens as lanes, so that
// the two groups of a block that tables.ts splits over two tables stay whole. Must not know weights' layouts.
//
// A block of 128 activations of eight tokens takes OCTET_BLOCK bytes:
//   0            32 tables of 16 entries: [32][16][8 tokens] i16
//   OCTET_STEPS  [8 tokens] f32: the step * STEP_FACTOR
//
// build_octets(x, octets, tokens, cols, from, to): x [tokens, cols] f32, 16-byte aligned; octets [ceil(tokens / 8), cols / 128, OCTET_BLOCK]; does items
//   `from` to `to`, the blocks of all octets. Lanes beyond the last token repeat it. Every step of the arithmetic is that of tables.ts.
import { OCTET_BLOCK, OCTET_STEPS } from './opcodes';
import { ROUND, STEP_FACTOR } from './tables';

export function build_octets(x: usize, octets: usize, tokens: i32, cols: i32, from: i32, to: i32): void {
  const blocks = cols >> 7;
  const stride = <usize>cols << 2;
  const last = <usize>(tokens - 1) * stride;
  for (let item = from; item < to; item++) {
    const at = x + <usize>(item % blocks) * 512;
    const first = <usize>(item / blocks) * 8 * stride;
    const octet = octets + <usize>item * OCTET_BLOCK;
    let x0 = at + min(first, last), x1 = at + min(first + stride, last);
    let x2 = at + min(first + 2 * stride, last), x3 = at + min(first + 3 * stride, last);
    let x4 = at + min(first + 4 * stride, last), x5 = at + min(first + 5 * stride, last);
    let x6 = at + min(first + 6 * stride, last), x7 = at + min(first + 7 * stride, last);
    const scaleA = prepareFour(octet + OCTET_STEPS, x0, x1, x2, x3);
    const scaleB = prepareFour(octet + OCTET_STEPS + 16, x4, x5, x6, x7);
    const round = f32x4.splat(ROUND);
    const end = octet + 8192;
    for (let t = octet; t < end; t += 256) {
      let a = v128.load(x0), b = v128.load(x1), c = v128.load(x2), d = v128.load(x3);
      const a0 = f32x4.mul(column0(a, b, c, d), scaleA), a1 = f32x4.mul(column1(a, b, c, d), scaleA);
      const a2 = f32x4.mul(column2(a, b, c, d), scaleA), a3 = f32x4.mul(column3(a, b, c, d), scaleA);
      a = v128.load(x4);
      b = v128.load(x5);
      c = v128.load(x6);
      d = v128.load(x7);
      const b0 = f32x4.mul(column0(a, b, c, d), scaleB), b1 = f32x4.mul(column1(a, b, c, d), scaleB);
      const b2 = f32x4.mul(column2(a, b, c, d), scaleB), b3 = f32x4.mul(column3(a, b, c, d), scaleB);
      const aBoth = f32x4.add(a2, a3), aOne = f32x4.sub(a2, a3), bBoth = f32x4.add(b2, b3), bOne = f32x4.sub(b2, b3);
      const aLow = f32x4.add(a0, a1), aHalf = f32x4.sub(a0, a1), bLow = f32x4.add(b0, b1), bHalf = f32x4.sub(b0, b1);
      // Entries 0 to 7; entry 15 - i is minus entry i, to the bit: rounding to even is symmetric.
      putTwo(t, 0, f32x4.sub(f32x4.neg(aLow), aBoth), f32x4.sub(f32x4.neg(bLow), bBoth), round);
      putTwo(t, 16, f32x4.sub(aHalf, aBoth), f32x4.sub(bHalf, bBoth), round);
      putTwo(t, 32, f32x4.sub(f32x4.neg(aHalf), aBoth), f32x4.sub(f32x4.neg(bHalf), bBoth), round);
      putTwo(t, 48, f32x4.sub(aLow, aBoth), f32x4.sub(bLow, bBoth), round);
      putTwo(t, 64, f32x4.sub(aOne, aLow), f32x4.sub(bOne, bLow), round);
      putTwo(t, 80, f32x4.add(aHalf, aOne), f32x4.add(bHalf, bOne), round);
      putTwo(t, 96, f32x4.sub(aOne, aHalf), f32x4.sub(bOne, bHalf), round);
      putTwo(t, 112, f32x4.add(aLow, aOne), f32x4.add(bLow, bOne), round);
      x0 += 16;
      x1 += 16;
      x2 += 16;
      x3 += 16;
      x4 += 16;
      x5 += 16;
      x6 += 16;
      x7 += 16;
    }
  }
}

/** Stores the entry at byte `at` (of entries 0 to 7) of eight tokens, and its opposite. */
// @ts-ignore: decorator
@inline function putTwo(t: usize, at: usize, a: v128, b: v128, round: v128): void {
  const entry = i16x8.narrow_i32x4_s(i32x4.sub(f32x4.add(a, round), round), i32x4.sub(f32x4.add(b, round), round));
  v128.store(t + at, entry);
  v128.store(t + 240 - at, i16x8.neg(entry));
}

/** Stores the steps of four tokens; gives their reciprocals. */
function prepareFour(steps: usize, x0: usize, x1: usize, x2: usize, x3: usize): v128 {
  let first = i32x4.splat(0), second = first, third = first;
  const clear = i32x4.splat(~31);
  for (let group = 0; group < 32; group++) {
    const a = v128.load(x0), b = v128.load(x1), c = v128.load(x2), d = v128.load(x3);
    const even = f32x4.add(f32x4.abs(column0(a, b, c, d)), f32x4.abs(column2(a, b, c, d)));
    const odd = f32x4.add(f32x4.abs(column1(a, b, c, d)), f32x4.abs(column3(a, b, c, d)));
    const key = v128.or(v128.and(f32x4.add(even, odd), clear), i32x4.splat(group));
    const rest = i32x4.min_s(first, key);
    first = i32x4.max_s(first, key);
    third = i32x4.max_s(third, i32x4.min_s(second, rest));
    second = i32x4.max_s(second, rest);
    x0 += 16;
    x1 += 16;
    x2 += 16;
    x3 += 16;
  }
  const above = i32x4.splat(31);
  const largest = f32x4.max(v128.or(third, above), f32x4.mul(v128.or(first, above), f32x4.splat(0.5)));
  const counts = f32x4.gt(largest, f32x4.splat(1e-30));
  const step = f32x4.mul(f32x4.div(largest, f32x4.splat(127)), f32x4.splat(STEP_FACTOR));
  v128.store(steps, v128.and(step, counts));
  return v128.and(f32x4.div(f32x4.splat(127), largest), counts);
}

// Columns 0 to 3 of four vectors.
// @ts-ignore: decorator
@inline function column0(a: v128, b: v128, c: v128, d: v128): v128 {
  return v128.shuffle<f32>(v128.shuffle<f32>(a, b, 0, 4, 1, 5), v128.shuffle<f32>(c, d, 0, 4, 1, 5), 0, 1, 4, 5);
}
// @ts-ignore: decorator
@inline function column1(a: v128, b: v128, c: v128, d: v128): v128 {
  return v128.shuffle<f32>(v128.shuffle<f32>(a, b, 0, 4, 1, 5), v128.shuffle<f32>(c, d, 0, 4, 1, 5), 2, 3, 6, 7);
}
// @ts-ignore: decorator
@inline function column2(a: v128, b: v128, c: v128, d: v128): v128 {
  return v128.shuffle<f32>(v128.shuffle<f32>(a, b, 2, 6, 3, 7), v128.shuffle<f32>(c, d, 2, 6, 3, 7), 0, 1, 4, 5);
}
// @ts-ignore: decorator
@inline function column3(a: v128, b: v128, c: v128, d: v128): v128 {
  return v128.shuffle<f32>(v128.shuffle<f32>(a, b, 2, 6, 3, 7), v128.shuffle<f32>(c, d, 2, 6, 3, 7), 2, 3, 6, 7);
}
