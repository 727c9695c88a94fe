// Owns exp, log, cos, sin, powers and lengths made of plain arithmetic: JavaScript leaves the last bit of Math's own (and of `**`) to the engine, and we
// promise the same bits in every one. Whatever results follow from goes through here; test/architecture.test.ts looks for others.
// Source: Cody and Waite's reduction with the parts of ln 2 and π/2 of fdlibm; Taylor series.

const word = new Float64Array(1);
const halves = new Uint32Array(word.buffer);
const LN2 = [0.6931471803691238, 1.9082149292705877e-10] as const;
const HALF_PI = [1.5707963267341256, 6.077100506303966e-11, 2.0222662487111665e-21] as const;
const SMALLEST_NORMAL = 2 ** -1022;
const STEPS = 64;
/** 2 to i/64. */
const stepExp = Float64Array.from({ length: STEPS }, (_, i) => series((i * Math.LN2) / STEPS, 20));

/** eˣ; 0 where the result would be subnormal, infinite from 709.8. */
export function exp(x: number): number {
  if (x < -708) return 0;
  if (x > 709) return x > 710 ? Number.POSITIVE_INFINITY : exp(x - 1) * Math.E;
  const steps = Math.floor(x * (STEPS / Math.LN2) + 0.5);
  return (
    series(x - steps * (LN2[0] / STEPS) - steps * (LN2[1] / STEPS), 6) *
    stepExp[steps & (STEPS - 1)] *
    powerOfTwo(steps >> 6)
  );
}

/** The first terms of eˣ. */
function series(x: number, terms: number): number {
  let sum = 1;
  for (let i = terms; i > 0; i--) sum = 1 + (x / i) * sum;
  return sum;
}

/** ln x; −∞ for 0, NaN below. */
export function log(x: number): number {
  if (!(x < Number.POSITIVE_INFINITY)) return x;
  if (x < SMALLEST_NORMAL)
    return x > 0 ? log(x * 2 ** 60) - 60 * Math.LN2 : x < 0 ? Number.NaN : Number.NEGATIVE_INFINITY;
  word[0] = x;
  let power = (halves[1] >>> 20) - 1023;
  halves[1] = (halves[1] & 0xfffff) | 0x3ff00000;
  let fraction = word[0];
  if (fraction > Math.SQRT2) {
    fraction /= 2;
    power++;
  }
  const ratio = (fraction - 1) / (fraction + 1);
  const square = ratio * ratio;
  let sum = 0;
  for (let i = 23; i > 0; i -= 2) sum = sum * square + 1 / i;
  return power * LN2[0] + (2 * ratio * sum + power * LN2[1]);
}

/** cos x and sin x for |x| < 2²⁰ · π/2, written to the two places of `into`, which is given back. */
export function cosSin(x: number, into = new Float64Array(2)): Float64Array {
  const quarter = Math.round(x / HALF_PI[0]);
  const rest = x - quarter * HALF_PI[0] - quarter * HALF_PI[1] - quarter * HALF_PI[2];
  const square = rest * rest;
  let cos = 1;
  let sin = 1;
  for (let i = 18; i > 0; i -= 2) {
    cos = 1 - (square / (i * (i - 1))) * cos;
    sin = 1 - (square / (i * (i + 1))) * sin;
  }
  sin *= rest;
  const sign = quarter & 2 ? -1 : 1;
  into[0] = sign * (quarter & 1 ? -sin : cos);
  into[1] = sign * (quarter & 1 ? cos : sin);
  return into;
}

/** `base` to the whole number `count` of at least 0. */
export function power(base: number, count: number): number {
  let result = 1;
  for (let square = base, left = count; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result *= square;
    square *= square;
  }
  return result;
}

/** The square root of the sum of squares. */
export function lengthOf(values: ArrayLike<number>): number {
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += values[i] * values[i];
  return Math.sqrt(squares);
}

/** 2 to the `power`, −1022..1023. */
function powerOfTwo(power: number): number {
  halves[0] = 0;
  halves[1] = (power + 1023) << 20;
  return word[0];
}
