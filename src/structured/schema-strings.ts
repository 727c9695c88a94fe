// Owns the languages of strings that several schemas describe together.
import { OnebitError } from '../errors.ts';
import { accepts, automatonOf, both, isEmpty, without } from './automaton.ts';
import type { Characters } from './characters.ts';
import { counted } from './counted.ts';
import { formats } from './formats.ts';
import { JsonString } from './json-string.ts';
import { type Automaton, followed, type Node, never, sequence, words } from './language.ts';
import { type Searched, searchAndCount, searchInJson } from './pattern.ts';
import { type Atom, countOf, malformed, refuse } from './schema-parts.ts';
import type { Meter, Work } from './work.ts';

/** Longest length bound. */
const LONGEST_STRING = 2 ** 31;

/** Strings with their quotes. */
export function* stringLanguage(atoms: readonly Atom[], meter: Meter): Work<Node> {
  const language = yield* stringCharacters(atoms, meter);
  return language ? sequence(words('"'), followed(language)) : never;
}

/** What follows the opening quote of strings; undefined where there are none. */
export function* stringCharacters(atoms: readonly Atom[], meter: Meter): Work<Characters | undefined> {
  const { min, max, wanted, unwanted, excluded } = yield* readStrings(atoms, meter);
  if (min > max) return undefined;
  if (wanted.length + unwanted.length + excluded.length === 0) return new JsonString(min, max);
  const automaton = yield* combined(wanted, unwanted, excluded, meter);
  return isEmpty(automaton) ? undefined : yield* counted(automaton, min, max, meter);
}

/** Characters of strings without their quotes, each in one spelling; undefined where any will do. */
export function* stringAutomaton(atoms: readonly Atom[], meter: Meter): Work<Automaton | undefined> {
  const { min, max, wanted, unwanted, excluded } = yield* readStrings(atoms, meter);
  const isBounded = min > 0 || max < Number.POSITIVE_INFINITY;
  if (isBounded)
    wanted.push(yield* searchInJson(`^[\\s\\S]{${min},${max === Number.POSITIVE_INFINITY ? '' : max}}$`, meter));
  if (wanted.length + unwanted.length + excluded.length === 0) return undefined;
  return yield* combined(wanted, unwanted, excluded, meter);
}

/** Whether a given string satisfies the atoms. */
export function* isString(text: string, atoms: readonly Atom[], meter: Meter): Work<boolean> {
  const { min, max, wanted, unwanted } = yield* readStrings(atoms, meter);
  const length = [...text].length;
  const characters = JSON.stringify(text).slice(1, -1);
  meter.spend(length * (wanted.length + unwanted.length + 1));
  return (
    length >= min &&
    length <= max &&
    wanted.every((automaton) => accepts(automaton, characters)) &&
    !unwanted.some((automaton) => accepts(automaton, characters))
  );
}

function* combined(
  wanted: readonly Automaton[],
  unwanted: readonly Automaton[],
  excluded: readonly string[],
  meter: Meter,
): Work<Automaton> {
  let result = wanted[0] ?? (yield* searchInJson('', meter));
  for (const automaton of wanted.slice(1)) result = yield* both(result, automaton, meter);
  for (const automaton of unwanted) result = yield* without(result, automaton, meter);
  if (excluded.length > 0) {
    const texts = excluded.map((text) => JSON.stringify(text).slice(1, -1));
    result = yield* without(result, yield* automatonOf(words(...texts), meter), meter);
  }
  return result;
}

function* readStrings(atoms: readonly Atom[], meter: Meter) {
  let min = 0;
  let max = Number.POSITIVE_INFINITY;
  const wanted = new Set<Automaton>();
  const unwanted = new Set<Automaton>();
  const excluded: string[] = [];
  for (const atom of atoms) {
    min = Math.max(min, countOf(atom, 'minLength') ?? 0);
    max = Math.min(max, countOf(atom, 'maxLength') ?? max);
    if (min > LONGEST_STRING) throw refuse(`${atom.at}/minLength`, `minLength above ${LONGEST_STRING}`);
    const { pattern, format, '-patterns': patterns, '-formats': others, '-values': values } = atom.schema;
    const found: Searched[] = [];
    if (pattern !== undefined) found.push(yield* at(pattern, `${atom.at}/pattern`, searchAndCount, meter));
    if (typeof format === 'string' && formats.has(format)) found.push(yield* ofFormat(format, meter));
    for (const one of found) {
      wanted.add(one.automaton);
      min = Math.max(min, one.min);
      max = Math.min(max, one.max);
    }
    for (const one of (patterns as unknown[]) ?? []) {
      unwanted.add(yield* patternAutomaton(one, `${atom.at}/pattern`, meter));
    }
    for (const one of (others as string[]) ?? []) unwanted.add(yield* searchInJson(formats.get(one)!, meter));
    for (const value of (values as unknown[]) ?? []) if (typeof value === 'string') excluded.push(value);
  }
  if (max > LONGEST_STRING) max = Number.POSITIVE_INFINITY;
  return { min, max, wanted: [...wanted], unwanted: [...unwanted], excluded };
}

/** What formats say of strings, read once in the life of the program. */
const known = new Map<string, Searched>();

function* ofFormat(name: string, meter: Meter): Work<Searched> {
  const found = known.get(name) ?? (yield* searchAndCount(formats.get(name)!, meter));
  known.set(name, found);
  return found;
}

/** The characters in which `pattern` finds something. Errors say where it stands. */
export function patternAutomaton(pattern: unknown, place: string, meter: Meter): Work<Automaton> {
  return at(pattern, place, searchInJson, meter);
}

function* at<T>(
  pattern: unknown,
  place: string,
  search: (source: string, meter: Meter) => Work<T>,
  meter: Meter,
): Work<T> {
  if (typeof pattern !== 'string') throw malformed(place, 'a text', pattern);
  try {
    return yield* search(pattern, meter);
  } catch (error) {
    if (!(error instanceof OnebitError) || error.code === 'over-budget') throw error;
    throw new OnebitError(error.code, `compileSchema: at ${place}: ${error.message}`, { cause: error });
  }
}
