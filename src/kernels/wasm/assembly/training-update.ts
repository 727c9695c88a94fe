// Owns what updates weights: rounding to what files hold, sums of squares, Adam, Muon's momentum. Lengths are multiples of four.
import { madd, sumLanes } from './math';
import { ELEMENT_BLOCK, ROUND_BINARY, ROUND_TERNARY, SQUARES_CHUNK } from './training-opcodes';

/** Bytes of an item of elementwise commands. */
const BLOCK_BYTES: usize = ELEMENT_BLOCK * 4;

/** Items are ELEMENT_BLOCK elements. Operands: out, length. */
export function zero(c: usize, from: i32, to: i32): void {
  const end = min(to * ELEMENT_BLOCK, load<i32>(c, 8));
  memory.fill(load<usize>(c, 4) + <usize>from * BLOCK_BYTES, 0, <usize>(end - from * ELEMENT_BLOCK) * 4);
}

/** Items are groups: 128 elements for binary, 64 for ternary, 4 for half. Operands: out, x, rounding. */
export function round(c: usize, from: i32, to: i32): void {
  const out: usize = load<usize>(c, 4);
  const x: usize = load<usize>(c, 8);
  const rounding = load<i32>(c, 12);
  for (let i: usize = from; i < <usize>to; i++) {
    if (rounding == ROUND_BINARY) roundBinary(out + i * 512, x + i * 512);
    else if (rounding == ROUND_TERNARY) roundTernary(out + i * 256, x + i * 256);
    else v128.store(out + i * 16, roundHalf4(v128.load(x + i * 16)));
  }
}

function roundBinary(out: usize, x: usize): void {
  const plus = meanSize(x, 512);
  const minus = f32x4.neg(plus);
  const zero = f32x4.splat(0);
  for (let i: usize = 0; i < 512; i += 16) {
    v128.store(out + i, v128.bitselect(plus, minus, f32x4.ge(v128.load(x + i), zero)));
  }
}

function roundTernary(out: usize, x: usize): void {
  const size = meanSize(x, 256);
  const threshold = f32x4.mul(size, f32x4.splat(0.5));
  const zero = f32x4.splat(0);
  for (let i: usize = 0; i < 256; i += 16) {
    const v = v128.load(x + i);
    const value = v128.bitselect(size, f32x4.neg(size), f32x4.ge(v, zero));
    v128.store(out + i, v128.and(value, f32x4.ge(f32x4.abs(v), threshold)));
  }
}

/** Mean of absolute values, rounded to fp16, in all lanes. */
function meanSize(x: usize, bytes: usize): v128 {
  let sums = f32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) sums = f32x4.add(sums, f32x4.abs(v128.load(x + i)));
  return roundHalf4(f32x4.splat((sumLanes(sums) * 4) / <f32>bytes));
}

/** Float32 rounded to the nearest fp16, ties to even, within +-65504. */
// @ts-ignore: decorator
@inline function roundHalf4(x: v128): v128 {
  const a = f32x4.pmin(f32x4.splat(65504), f32x4.abs(x));
  const even = v128.and(i32x4.shr_u(a, 13), i32x4.splat(1));
  const normal = v128.and(i32x4.add(i32x4.add(a, even), i32x4.splat(0xfff)), i32x4.splat(~0x1fff));
  // Adding 0.5 rounds to a multiple of 2^-24, the step of subnormal half floats.
  const subnormal = f32x4.sub(f32x4.add(a, f32x4.splat(0.5)), f32x4.splat(0.5));
  const size = v128.bitselect(subnormal, normal, i32x4.lt_s(a, i32x4.splat(0x38800000)));
  return v128.or(size, v128.and(x, i32x4.splat(0x80000000)));
}

/** Items are chunks of SQUARES_CHUNK elements. Operands: out, x, length. */
export function sumsOfSquares(c: usize, from: i32, to: i32): void {
  const length = load<i32>(c, 12);
  for (let item = from; item < to; item++) {
    let x: usize = load<usize>(c, 8) + <usize>(item * SQUARES_CHUNK) * 4;
    const end: usize = load<usize>(c, 8) + <usize>min((item + 1) * SQUARES_CHUNK, length) * 4;
    let a = f32x4.splat(0);
    let b = a;
    for (; x + 32 <= end; x += 32) {
      const v = v128.load(x);
      const w = v128.load(x, 16);
      a = madd(v, v, a);
      b = madd(w, w, b);
    }
    for (; x < end; x += 16) {
      const v = v128.load(x);
      a = madd(v, v, a);
    }
    store<f32>(load<usize>(c, 4) + (<usize>item << 2), sumLanes(f32x4.add(a, b)));
  }
}

/**
 * Items are ELEMENT_BLOCK elements. Operands: latent, gradient, momentum, second, length, gradient scale, beta1, beta2, epsilon * correction, decay
 * factor, step size: latent = latent * decay - size * momentum / (sqrt(second) + epsilon).
 */
export function adam(c: usize, from: i32, to: i32): void {
  const latent: usize = load<usize>(c, 4);
  const gradient: usize = load<usize>(c, 8);
  const momentum: usize = load<usize>(c, 12);
  const second: usize = load<usize>(c, 16);
  const scale = f32x4.splat(load<f32>(c, 24));
  const beta1 = f32x4.splat(load<f32>(c, 28));
  const beta2 = f32x4.splat(load<f32>(c, 32));
  const rest1 = f32x4.splat(1 - load<f32>(c, 28));
  const rest2 = f32x4.splat(1 - load<f32>(c, 32));
  const epsilon = f32x4.splat(load<f32>(c, 36));
  const decay = f32x4.splat(load<f32>(c, 40));
  const size = f32x4.splat(load<f32>(c, 44));
  const end: usize = <usize>min(to * ELEMENT_BLOCK, load<i32>(c, 20)) * 4;
  for (let i: usize = <usize>from * BLOCK_BYTES; i < end; i += 16) {
    const g = f32x4.mul(v128.load(gradient + i), scale);
    const m = madd(v128.load(momentum + i), beta1, f32x4.mul(g, rest1));
    const s = madd(v128.load(second + i), beta2, f32x4.mul(f32x4.mul(g, g), rest2));
    v128.store(momentum + i, m);
    v128.store(second + i, s);
    const step = f32x4.div(f32x4.mul(m, size), f32x4.add(f32x4.sqrt(s), epsilon));
    v128.store(latent + i, f32x4.sub(f32x4.mul(v128.load(latent + i), decay), step));
  }
}

/** Items are ELEMENT_BLOCK elements. Operands: out, momentum, gradient, length, mu, gradient scale. */
export function nesterov(c: usize, from: i32, to: i32): void {
  const out: usize = load<usize>(c, 4);
  const momentum: usize = load<usize>(c, 8);
  const gradient: usize = load<usize>(c, 12);
  const mu = f32x4.splat(load<f32>(c, 20));
  const scale = f32x4.splat(load<f32>(c, 24));
  const end: usize = <usize>min(to * ELEMENT_BLOCK, load<i32>(c, 16)) * 4;
  for (let i: usize = <usize>from * BLOCK_BYTES; i < end; i += 16) {
    const g = f32x4.mul(v128.load(gradient + i), scale);
    const m = madd(v128.load(momentum + i), mu, g);
    v128.store(momentum + i, m);
    v128.store(out + i, madd(m, mu, g));
  }
}

/** Items are ELEMENT_BLOCK elements. Operands: out, x, length, sums, number of sums, epsilon. */
export function normalize(c: usize, from: i32, to: i32): void {
  const out: usize = load<usize>(c, 4);
  const x: usize = load<usize>(c, 8);
  let sum: f64 = 0;
  for (let i: usize = 0; i < load<usize>(c, 20); i++) sum += <f64>load<f32>(load<usize>(c, 16) + (i << 2));
  const factor = f32x4.splat(1 / (<f32>sqrt<f64>(sum) + load<f32>(c, 24)));
  const end: usize = <usize>min(to * ELEMENT_BLOCK, load<i32>(c, 12)) * 4;
  for (let i: usize = <usize>from * BLOCK_BYTES; i < end; i += 16) v128.store(out + i, f32x4.mul(v128.load(x + i), factor));
}

/** Items are ELEMENT_BLOCK elements. Operands: out, x, length, factor. */
export function addScaled(c: usize, from: i32, to: i32): void {
  const out: usize = load<usize>(c, 4);
  const x: usize = load<usize>(c, 8);
  const factor = f32x4.splat(load<f32>(c, 16));
  const end: usize = <usize>min(to * ELEMENT_BLOCK, load<i32>(c, 12)) * 4;
  for (let i: usize = <usize>from * BLOCK_BYTES; i < end; i += 16) {
    v128.store(out + i, madd(v128.load(x + i), factor, v128.load(out + i)));
  }
}
