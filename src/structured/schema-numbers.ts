// Owns reading what several schemas say of numbers.
import { type Bound, MOST_SCALE, type NumberRange, scaled, scaleOf } from './numbers.ts';
import { type Atom, malformed, numberOf, refuse } from './schema-parts.ts';

/** Opposites of `multipleOf`, whose combinations are counted. */
const MOST_NOT_MULTIPLES = 4;
const MOST_EXCLUDED = 200;

/** The numbers that satisfy all atoms. */
export function numberRange(atoms: readonly Atom[], integer: boolean): NumberRange {
  let low: Bound = { value: Number.NEGATIVE_INFINITY, open: false };
  let high: Bound = { value: Number.POSITIVE_INFINITY, open: false };
  const multiples = new Set<number>();
  const notMultiples = new Set<number>();
  const excluded = new Set<number>();
  const step = (value: unknown, at: string) => {
    if (typeof value !== 'number' || !(value > 0) || !Number.isFinite(value))
      throw malformed(at, 'a number above 0', value);
    if (scaleOf(value) > MOST_SCALE) throw refuse(at, `multipleOf with more than ${MOST_SCALE} digits after the point`);
    return value;
  };
  for (const atom of atoms) {
    const least = boundOf(atom, 'minimum', 'exclusiveMinimum', 1);
    const most = boundOf(atom, 'maximum', 'exclusiveMaximum', -1);
    if (least && (least.value > low.value || (least.value === low.value && least.open))) low = least;
    if (most && (most.value < high.value || (most.value === high.value && most.open))) high = most;
    const { multipleOf, '-multiples': others, '-values': values } = atom.schema;
    if (multipleOf !== undefined) multiples.add(step(multipleOf, `${atom.at}/multipleOf`));
    for (const value of (others as unknown[]) ?? []) notMultiples.add(step(value, `${atom.at}/multipleOf`));
    for (const value of (values as unknown[]) ?? []) if (typeof value === 'number') excluded.add(value);
    if (notMultiples.size > MOST_NOT_MULTIPLES)
      throw refuse(atom.at, `more than ${MOST_NOT_MULTIPLES} opposites of multipleOf`);
    if (excluded.size > MOST_EXCLUDED) throw refuse(atom.at, `more than ${MOST_EXCLUDED} excluded numbers`);
  }
  for (const { value } of [low, high]) {
    if (Number.isFinite(value) && scaleOf(value) > MOST_SCALE) {
      throw refuse(atoms[0]?.at ?? '', `bounds with more than ${MOST_SCALE} digits after the point`);
    }
  }
  const range = { low, high, integer, multiples: [...multiples], notMultiples: [...notMultiples] };
  return {
    ...range,
    excluded: [...excluded].filter((value) => Number.isFinite(value) && scaleOf(value) <= MOST_SCALE),
  };
}

/** The stricter of the two keywords; draft 4 says by a boolean whether a bound is excluded. */
function boundOf(atom: Atom, plain: string, exclusive: string, sign: 1 | -1): Bound | undefined {
  const value = numberOf(atom, plain);
  const flag = atom.schema[exclusive];
  if (typeof flag === 'boolean') return value === undefined ? undefined : { value, open: flag };
  const open = numberOf(atom, exclusive);
  if (open === undefined) return value === undefined ? undefined : { value, open: false };
  if (value === undefined || sign * open >= sign * value) return { value: open, open: true };
  return { value, open: false };
}

/** Whether `value` is one of the numbers. */
export function isWithin(value: number, range: NumberRange): boolean {
  const { low, high, integer, multiples, notMultiples, excluded } = range;
  if (value < low.value || value > high.value) return false;
  if ((low.open && value === low.value) || (high.open && value === high.value)) return false;
  if (integer && !Number.isInteger(value)) return false;
  const isMultiple = (step: number) => {
    const scale = Math.max(scaleOf(value), scaleOf(step));
    return scaled(value, scale) % scaled(step, scale) === 0n;
  };
  return multiples.every(isMultiple) && !notMultiples.some(isMultiple) && !excluded.includes(value);
}
