// Owns the languages of numbers within bounds: digits are compared with those of the bounds as they are written.
import { anyInteger, anyNumber } from './json-text.ts';
import { byte, choice, type GraphEdge, type Node, never, nothing, type Range, sequence, words } from './language.ts';

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
/** Decimals of up to 15 digits never round to each other, so that a number beside an excluded bound is never rounded onto it. */
const EXACT_DIGITS = 15;
/** Largest `multipleOf`: one state a remainder and digit. */
export const LARGEST_MULTIPLE = 1000;

/** Numbers from `low` to `high` without exponent; whole ones, and multiples of `multiple`, on request. */
export function numbersBetween(low: Bound, high: Bound, integer: boolean, multiple = 1): Node {
  const unbounded = low.value === Number.NEGATIVE_INFINITY && high.value === Number.POSITIVE_INFINITY;
  if (unbounded && multiple === 1) return integer ? anyInteger : anyNumber;
  const [least, most] = integer ? wholeBounds(low, high) : [low, high];
  if (least.value > most.value || (least.value === most.value && (least.open || most.open))) return never;
  const items: Node[] = [];
  const zero: Bound = { value: 0, open: false };
  if (most.value > 0 || (most.value === 0 && !most.open)) {
    items.push(magnitudes(least.value < 0 ? zero : least, most, integer, multiple));
  }
  if (least.value < 0) {
    // "-0" is zero too, and is left out: nobody writes it.
    const from: Bound = most.value < 0 ? { value: -most.value, open: most.open } : { value: 0, open: true };
    items.push(sequence(words('-'), magnitudes(from, { value: -least.value, open: least.open }, integer, multiple)));
  }
  return choice(...items);
}

function wholeBounds(low: Bound, high: Bound): [Bound, Bound] {
  const up = Math.ceil(low.value);
  const down = Math.floor(high.value);
  return [
    { value: low.open && up === low.value ? up + 1 : up, open: false },
    { value: high.open && down === high.value ? down - 1 : down, open: false },
  ];
}

/** Numbers without sign from `low` ≥ 0 to `high`. */
function magnitudes(low: Bound, high: Bound, integer: boolean, multiple: number): Node {
  const [lowWhole, lowFraction] = decimalDigits(low.value);
  const [highWhole, highFraction] =
    high.value === Number.POSITIVE_INFINITY
      ? ['9'.repeat(Math.max(MOST_DIGITS, lowWhole.length)), '9'.repeat(FRACTION_DIGITS)]
      : decimalDigits(high.value);
  const items: Node[] = [];
  for (let length = lowWhole.length; length <= highWhole.length; length++) {
    const longest = Math.max(FRACTION_DIGITS, lowFraction.length, highFraction.length);
    const fractionDigits = low.open || high.open ? Math.max(0, EXACT_DIGITS - length) : longest;
    items.push(
      ofLength({
        length,
        low: length === lowWhole.length ? lowWhole + lowFraction : undefined,
        high: length === highWhole.length ? highWhole + highFraction : undefined,
        lowOpen: low.open,
        highOpen: high.open,
        fractionDigits: integer ? 0 : fractionDigits,
        multiple,
      }),
    );
  }
  return choice(...items);
}

interface Digits {
  /** Digits before the point. */
  readonly length: number;
  /** Digits of the bounds before and after the point; undefined where the number of digits alone keeps the bound. */
  readonly low: string | undefined;
  readonly high: string | undefined;
  readonly lowOpen: boolean;
  readonly highOpen: boolean;
  readonly fractionDigits: number;
  readonly multiple: number;
}

/** Numbers with a given number of digits before the point. A place says: digits so far, whether they equal those of each bound, the remainder. */
function ofLength(digits: Digits): Node {
  const { length, low, high, multiple } = digits;
  const edges: GraphEdge[] = [];
  const places = new Map<string, number>();
  const work: { at: number; tightLow: boolean; tightHigh: boolean; remainder: number; place: number }[] = [];
  const placeOf = (at: number, tightLow: boolean, tightHigh: boolean, remainder: number) => {
    const key = `${at} ${tightLow} ${tightHigh} ${remainder}`;
    let place = places.get(key);
    if (place === undefined) {
      place = places.size;
      places.set(key, place);
      work.push({ at, tightLow, tightHigh, remainder, place });
    }
    return place;
  };
  placeOf(0, low !== undefined, high !== undefined, 0);
  const finals: number[] = [];
  for (let next = work.pop(); next; next = work.pop()) {
    const { at, tightLow, tightHigh, remainder, place } = next;
    if (at >= length && remainder === 0 && mayEnd(digits, at, tightLow, tightHigh)) finals.push(place);
    if (at >= length + digits.fractionDigits) continue;
    const least = tightLow ? Number(low![at] ?? 0) : 0;
    const most = tightHigh ? Number(high![at] ?? 0) : 9;
    const targets = new Map<number, Range[]>();
    for (let value = Math.max(least, at === 0 && length > 1 ? 1 : 0); value <= most; value++) {
      const rest = at < length ? (remainder * 10 + value) % multiple : remainder;
      const to = placeOf(at + 1, tightLow && value === least, tightHigh && value === most, rest);
      const ranges = targets.get(to) ?? [];
      const last = ranges.pop();
      if (last && last[1] === 0x30 + value - 1) ranges.push([last[0], 0x30 + value]);
      else ranges.push(...(last ? [last] : []), [0x30 + value, 0x30 + value]);
      targets.set(to, ranges);
    }
    for (const [to, ranges] of targets) {
      edges.push([place, at === length ? sequence(words('.'), byte(...ranges)) : byte(...ranges), to]);
    }
  }
  const end = places.size;
  for (const place of finals) edges.push([place, nothing, end]);
  return { kind: 'graph', end, edges };
}

/** Whether the number may end after `at` digits: what is missing counts as zeros. */
function mayEnd({ low, high, lowOpen, highOpen }: Digits, at: number, tightLow: boolean, tightHigh: boolean): boolean {
  const zeros = (text: string) => /^0*$/.test(text.slice(at));
  if (tightLow && (!zeros(low!) || lowOpen)) return false;
  return !(tightHigh && zeros(high!) && highOpen);
}

/** The digits of a number ≥ 0 before and after the point, without exponent. */
function decimalDigits(value: number): [string, string] {
  const [mantissa, power = '0'] = String(value).split('e');
  const [whole, fraction = ''] = mantissa.split('.');
  const shift = Number(power);
  if (shift >= 0) {
    const padded = fraction.padEnd(shift, '0');
    return [whole + padded.slice(0, shift), padded.slice(shift)];
  }
  const padded = whole.padStart(1 - shift, '0');
  return [padded.slice(0, shift), padded.slice(shift) + fraction];
}
