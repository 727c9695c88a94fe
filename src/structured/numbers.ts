// Owns numbers within bounds, followed by arithmetic: a digit may come where some number that begins so satisfies everything. Exact at any size.

import { anyInteger, anyNumber } from './json-text.ts';
import type { Followed, Node } from './language.ts';
import { followed, never } from './language.ts';

/** What numbers satisfy. */
export interface NumberRange {
  readonly low: Bound;
  readonly high: Bound;
  readonly integer: boolean;
  /** They are multiples of all of these, and of none of `notMultiples`. */
  readonly multiples: readonly number[];
  readonly notMultiples: readonly number[];
  readonly excluded: readonly number[];
}

/** A bound of a number; ±Infinity for none. */
export interface Bound {
  readonly value: number;
  /** Whether the bound itself is excluded. */
  readonly open: boolean;
}

/** Most digits before the point where one side is not bounded. */
const MOST_DIGITS = 16;
/** Digits after the point: any number of them is safe with bounds that are included, since rounding keeps order. */
const FRACTION_DIGITS = 20;
/** Decimals of up to 15 digits never round to each other, so that a number beside an excluded one is never rounded onto it. */
const EXACT_DIGITS = 15;
/** What the greatest integers of 64 bits, 2^63 − 1 and 2^64 − 1, become where JSON is read. */
const LARGEST_INTEGERS: readonly number[] = [2 ** 63, 2 ** 64];
/** Digits after the point of a bound or step. */
export const MOST_SCALE = 60;

/** Numbers without exponent that satisfy `range`; any where it says nothing. */
export function numbersWithin(range: NumberRange): Node {
  const { low, high, integer, multiples, notMultiples, excluded } = range;
  const isFree = low.value === Number.NEGATIVE_INFINITY && high.value === Number.POSITIVE_INFINITY;
  if (isFree && multiples.length + notMultiples.length + excluded.length === 0) return integer ? anyInteger : anyNumber;
  const language = new Numbers(range);
  return language.isPossible ? followed(language) : never;
}

/** Where a number stands: its digits so far as one number, how many of them lie before the point, and how many after it (−1 before the point). */
interface Digits {
  readonly negative: boolean;
  readonly value: bigint;
  readonly whole: number;
  readonly fraction: number;
}

const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;

class Numbers implements Followed {
  readonly start: Digits = { negative: false, value: 0n, whole: 0, fraction: -1 };
  private readonly range: NumberRange;
  /** Digits after the point that are looked at. */
  private readonly scale: number;
  private readonly wholeDigits: number;
  /** All scaled by 10^scale; bounds are included. */
  private readonly low: bigint;
  private readonly high: bigint;
  private readonly stepSize: bigint;
  private readonly notSteps: readonly bigint[];
  private readonly excluded: readonly bigint[];
  private readonly exact: boolean;

  constructor(range: NumberRange) {
    this.range = range;
    const { low, high, integer, multiples, notMultiples, excluded } = range;
    const said = [low.value, high.value, ...multiples, ...notMultiples, ...excluded].filter(Number.isFinite);
    const scales = said.map((value) => scaleOf(value));
    this.exact = low.open || high.open || multiples.length + notMultiples.length + excluded.length > 0;
    const isStepped = multiples.length > 0;
    this.scale = integer
      ? Math.max(0, ...scales)
      : isStepped
        ? Math.max(...scales)
        : Math.max(this.exact ? EXACT_DIGITS - 1 : FRACTION_DIGITS, ...scales);
    const unit = 10n ** BigInt(this.scale);
    const most = isStepped || notMultiples.length > 0 ? unit * 10n ** 15n : unit * 10n ** BigInt(MOST_DIGITS) - 1n;
    const bounded = (value: number, open: boolean, toward: bigint) => {
      if (!Number.isFinite(value)) return value < 0 ? -most : most;
      // As it is, not in the shortest digits that mean it: 2^63 is written 9223372036854776000, which is more.
      const isLarge = Number.isInteger(value) && !Number.isSafeInteger(value);
      const exact = isLarge ? BigInt(value) * unit : scaled(value, this.scale);
      const limit = isStepped || notMultiples.length > 0 ? clamp(exact, -most, most) : exact;
      return open && limit === exact ? limit + toward : limit;
    };
    const [least, greatest] = [bounded(low.value, low.open, 1n), bounded(high.value, high.open, -1n)];
    this.low = low.value === Number.NEGATIVE_INFINITY && greatest < -most ? greatest * 10n : least;
    this.high = high.value === Number.POSITIVE_INFINITY && least > most ? least * 10n : greatest;
    if (LARGEST_INTEGERS.includes(high.value)) this.high -= unit;
    const steps = [...multiples.map((value) => scaled(value, this.scale)), ...(integer ? [unit] : [])];
    this.stepSize = steps.reduce(leastCommon, 1n);
    this.notSteps = notMultiples.map((value) => scaled(value, this.scale));
    this.excluded = excluded.map((value) => scaled(value, this.scale));
    const size = (value: bigint) => (value < 0n ? -value : value);
    const digits = (value: bigint) => String(size(value) / unit).length;
    this.wholeDigits = Math.max(digits(this.low), digits(this.high));
  }

  /** Whether there is a number at all. */
  get isPossible(): boolean {
    return this.canBecome(this.start) || this.canBecome({ ...this.start, negative: true });
  }

  move(at: Digits, byte: number): Digits | undefined {
    const { negative, value, whole, fraction } = at;
    if (byte === MINUS) return !negative && whole === 0 ? { ...at, negative: true } : undefined;
    if (byte === POINT) return whole > 0 && fraction < 0 ? { ...at, fraction: 0 } : undefined;
    const digit = byte - ZERO;
    if (digit < 0 || digit > 9) return undefined;
    if (fraction < 0) {
      // A zero before the point stands alone.
      if (whole === 1 && value === 0n) return undefined;
      return { negative, value: value * 10n + BigInt(digit), whole: whole + 1, fraction };
    }
    return { negative, value: value * 10n + BigInt(digit), whole, fraction: fraction + 1 };
  }

  step(at: Digits, byte: number): Digits | undefined {
    const next = this.move(at, byte);
    return next && this.canBecome(next) ? next : undefined;
  }

  mayEnd({ negative, value, whole, fraction }: Digits): boolean {
    if (whole === 0 || fraction === 0 || (negative && value === 0n)) return false;
    const exact = value * 10n ** BigInt(this.scale - Math.max(0, fraction));
    return this.count(negative ? -exact : exact, negative ? -exact : exact) > 0n;
  }

  key({ negative, value, whole, fraction }: Digits): string {
    return `${negative ? '-' : ''}${value}/${whole}/${fraction}`;
  }

  /** Whether some number that begins so satisfies everything. "-0" is zero too, and is left out: nobody writes it. */
  private canBecome(at: Digits): boolean {
    const { negative, value, whole, fraction } = at;
    const most = this.digitsAfterPoint(whole);
    if (fraction >= 0) {
      const left = most - fraction;
      // After the point a digit must come.
      if (left < 0 || (left === 0 && fraction === 0)) return false;
      return this.some(negative, value, this.scale - fraction, left);
    }
    if (whole > this.wholeDigits) return false;
    if (whole === 0) {
      const first = Array.from({ length: 10 }, (_, digit) => this.move(at, ZERO + digit)!);
      return first.some((next) => this.canBecome(next));
    }
    if (this.some(negative, value, this.scale, most)) return true;
    if (value === 0n) return false;
    for (let more = 1; whole + more <= this.wholeDigits; more++) {
      const begin = value * 10n ** BigInt(more);
      const left = this.digitsAfterPoint(whole + more);
      if (this.some(negative, begin, this.scale, left, begin + 10n ** BigInt(more) - 1n)) return true;
    }
    return false;
  }

  /** Digits that may follow the point after `whole` digits. */
  private digitsAfterPoint(whole: number): number {
    if (this.range.integer) return 0;
    return this.exact && this.range.multiples.length === 0
      ? Math.max(0, Math.min(this.scale, EXACT_DIGITS - whole))
      : this.scale;
  }

  /**
   * Whether there is a number from `from` × 10^zeros to before (`to` + 1) × 10^zeros whose last digits beyond `left` are zeros.
   */
  private some(negative: boolean, from: bigint, zeros: number, left: number, to = from): boolean {
    const size = 10n ** BigInt(zeros);
    let low = from * size;
    let high = (to + 1n) * size - 1n;
    if (negative) {
      if (low === 0n) low = 1n;
      [low, high] = [-high, -low];
    }
    return this.count(low, high, zeros - left > 0 ? 10n ** BigInt(zeros - left) : 1n) > 0n;
  }

  /** How many numbers from `low` to `high`, multiples of `grid`, satisfy everything. */
  private count(low: bigint, high: bigint, grid = 1n): bigint {
    if (low < this.low) low = this.low;
    if (high > this.high) high = this.high;
    if (low > high) return 0n;
    const step = leastCommon(this.stepSize, grid);
    let count = multiplesWithin(low, high, step);
    // Inclusion and exclusion: what is a multiple of some of them.
    for (let choice = 1; choice < 1 << this.notSteps.length; choice++) {
      const chosen = this.notSteps.filter((_, i) => (choice >> i) & 1);
      const common = chosen.reduce(leastCommon, step);
      count += (chosen.length % 2 === 1 ? -1n : 1n) * multiplesWithin(low, high, common);
    }
    for (const value of new Set(this.excluded)) {
      const isCounted = value >= low && value <= high && value % step === 0n;
      if (isCounted && !this.notSteps.some((not) => value % not === 0n)) count--;
    }
    return count;
  }
}

function multiplesWithin(low: bigint, high: bigint, step: bigint): bigint {
  return floorDivide(high, step) - floorDivide(low - 1n, step);
}

function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a < 0n && quotient * b !== a ? quotient - 1n : quotient;
}

function leastCommon(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b];
  while (y !== 0n) [x, y] = [y, x % y];
  return (a / x) * b;
}

function clamp(value: bigint, low: bigint, high: bigint): bigint {
  return value < low ? low : value > high ? high : value;
}

/** Digits after the point of a number as JavaScript writes it. */
export function scaleOf(value: number): number {
  const [mantissa, power = '0'] = String(value).split('e');
  return Math.max(0, (mantissa.split('.')[1] ?? '').length - Number(power));
}

/** The number times 10^scale, exactly. */
export function scaled(value: number, scale: number): bigint {
  const [mantissa, power = '0'] = String(value).split('e');
  const [whole, fraction = ''] = mantissa.split('.');
  const shift = scale + Number(power) - fraction.length;
  const digits = BigInt(whole + fraction);
  return shift >= 0 ? digits * 10n ** BigInt(shift) : digits / 10n ** BigInt(-shift);
}
