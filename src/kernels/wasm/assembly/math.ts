// Owns the small vector mathematics shared by kernels: multiply-add, exponential, sums of lanes, half floats.

/** a * b + c; fused where the build and the machine allow. */
// @ts-ignore: decorator
@inline export function madd(a: v128, b: v128, c: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? f32x4.relaxed_madd(a, b, c) : f32x4.add(f32x4.mul(a, b), c);
}

/** Sum of the four lanes, always in the same order. */
// @ts-ignore: decorator
@inline export function sumLanes(v: v128): f32 {
  return f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 2) + (f32x4.extract_lane(v, 1) + f32x4.extract_lane(v, 3));
}

/** The lane sums of four vectors, in the order of `sumLanes`. */
// @ts-ignore: decorator
@inline export function sumLanes4(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(v128.shuffle<f32>(a, b, 0, 4, 1, 5), v128.shuffle<f32>(a, b, 2, 6, 3, 7));
  const cd = f32x4.add(v128.shuffle<f32>(c, d, 0, 4, 1, 5), v128.shuffle<f32>(c, d, 2, 6, 3, 7));
  return f32x4.add(v128.shuffle<f32>(ab, cd, 0, 1, 4, 5), v128.shuffle<f32>(ab, cd, 2, 3, 6, 7));
}

/** The largest lane. */
// @ts-ignore: decorator
@inline export function maxLane(v: v128): f32 {
  return max(
    max(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)),
    max(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)),
  );
}

/**
 * exp of each lane, relative error about 1.2e-7; 0 below -87.3, at most 2.4e38. Range reduction by ln 2 in two parts (Cody and Waite), then the
 * Taylor polynomial of degree 7 on +-0.347, whose remainder is below 6e-9.
 */
// @ts-ignore: decorator
@inline export function exp4(x: v128): v128 {
  return expOf(x, 0);
}

/**
 * The same as exp4, for loops. `zero` is 0, but no compiler may know: V8 builds the ten vector constants anew at every use unless they come from it
 * (measured in SwiGLU: twice the time).
 */
// @ts-ignore: decorator
@inline export function expOf(x: v128, zero: i32): v128 {
  const lowest = constant(-87.3, zero);
  const one = constant(1, zero);
  // pmin and pmax are one instruction each, min and max many; what becomes of NaN does not matter: the last line makes it 0.
  const clamped = f32x4.pmax(lowest, f32x4.pmin(constant(88.3, zero), x));
  // Adding 1.5 * 2^23 leaves the nearest whole number in the low bits.
  const magic = constant(12582912, zero);
  const whole = f32x4.add(f32x4.mul(clamped, constant(1.44269504, zero)), magic);
  const n = f32x4.sub(whole, magic);
  let r = f32x4.sub(clamped, f32x4.mul(n, constant(0.693359375, zero)));
  r = f32x4.add(r, f32x4.mul(n, constant(2.12194440e-4, zero)));
  let p = constant(1.0 / 5040.0, zero);
  p = madd(p, r, constant(1.0 / 720.0, zero));
  p = madd(p, r, constant(1.0 / 120.0, zero));
  p = madd(p, r, constant(1.0 / 24.0, zero));
  p = madd(p, r, constant(1.0 / 6.0, zero));
  p = madd(p, r, constant(0.5, zero));
  p = madd(p, r, one);
  p = madd(p, r, one);
  // The bits of 1 are 127 << 23.
  const power = i32x4.add(i32x4.shl(whole, 23), one);
  return v128.and(f32x4.mul(p, power), f32x4.ge(x, lowest));
}

// @ts-ignore: decorator
@inline function constant(value: f32, zero: i32): v128 {
  return i32x4.splat(zero | reinterpret<i32>(value));
}

/** exp of one number, the same as a lane of `exp4`. */
// @ts-ignore: decorator
@inline export function exp1(x: f32): f32 {
  return f32x4.extract_lane(exp4(f32x4.splat(x)), 0);
}

/** 2^112: what the bits of half floats, shifted to their places in float32, must be multiplied by. Callers fold it into the other factor. */
// @ts-ignore: decorator
@inline export const HALF_FACTOR: f32 = 5192296858534827628530496329220096.0;

/** The half floats nearest to four float32, ties to even, within +-65504, as 32-bit lanes. */
// @ts-ignore: decorator
@inline export function toHalf4(x: v128): v128 {
  const sign = v128.and(i32x4.shr_u(x, 16), i32x4.splat(0x8000));
  const a = f32x4.pmin(f32x4.splat(65504), f32x4.abs(x));
  const even = v128.and(i32x4.shr_u(a, 13), i32x4.splat(1));
  const normal = i32x4.shr_u(i32x4.add(i32x4.add(a, even), i32x4.splat(0xfff - (112 << 23))), 13);
  // Adding 0.5 leaves the multiple of 2^-24, rounded, in the lowest bits.
  const subnormal = i32x4.sub(f32x4.add(a, f32x4.splat(0.5)), f32x4.splat(0.5));
  const magnitude = v128.bitselect(subnormal, normal, i32x4.lt_s(a, i32x4.splat(0x38800000)));
  return v128.or(magnitude, sign);
}

/** The value of one half float. */
// @ts-ignore: decorator
@inline export function halfValue(h: u32): f32 {
  return reinterpret<f32>(((h & 0x8000) << 16) | ((h & 0x7fff) << 13)) * HALF_FACTOR;
}

/** 0, and no compiler knows: a bit of an address that is a multiple of 64. Not its sign, which is set from 2 GB on. */
// @ts-ignore: decorator
@inline export function zeroOf(aligned: usize): i32 {
  return (<i32>aligned << 26) >> 31;
}
