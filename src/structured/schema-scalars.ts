// Owns the languages of numbers and strings that several schemas describe together.

import { OnebitError } from '../errors.ts';
import { both, ofLength } from './automaton.ts';
import { formats } from './formats.ts';
import { stringOf } from './json-text.ts';
import { type Automaton, type Node, sequence, textsOf, words } from './language.ts';
import { type Bound, LARGEST_MULTIPLE, numbersBetween } from './numbers.ts';
import { searchInJson } from './pattern.ts';
import { type Atom, countOf, malformed, numberOf, refuse } from './schema-parts.ts';

/** Longest length bound. */
const LONGEST_STRING = 1 << 24;
/** States of a pattern times its greatest length, above which the length is held lower: some 20 ms to compile. */
const PATTERN_STATES = 1500;

/** Numbers, whole ones on request, within all bounds. */
export function numberLanguage(atoms: readonly Atom[], integer: boolean): Node {
  let low: Bound = { value: Number.NEGATIVE_INFINITY, open: false };
  let high: Bound = { value: Number.POSITIVE_INFINITY, open: false };
  let multiple = 1;
  for (const atom of atoms) {
    for (const open of [false, true]) {
      const least = numberOf(atom, open ? 'exclusiveMinimum' : 'minimum');
      const most = numberOf(atom, open ? 'exclusiveMaximum' : 'maximum');
      if (least !== undefined && (least > low.value || (least === low.value && open))) low = { value: least, open };
      if (most !== undefined && (most < high.value || (most === high.value && open))) high = { value: most, open };
    }
    const step = numberOf(atom, 'multipleOf');
    if (step === undefined) continue;
    if (!(step > 0)) throw malformed(`${atom.at}/multipleOf`, 'a number above 0', step);
    integer = true;
    multiple = (multiple * step) / greatestDivisor(multiple, step);
    if (!Number.isInteger(step) || multiple > LARGEST_MULTIPLE) {
      throw refuse(`${atom.at}/multipleOf`, `multipleOf other than whole numbers up to ${LARGEST_MULTIPLE}`);
    }
  }
  if (multiple > 1) {
    // Beyond, JavaScript rounds whole numbers, to others that are no multiples.
    if (low.value < -1e15) low = { value: -1e15, open: false };
    if (high.value > 1e15) high = { value: 1e15, open: false };
  }
  return numbersBetween(low, high, integer, multiple);
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}

/** The same strings come again with every request; making an automaton smaller by length is the slowest part of compiling. */
const MOST_REMEMBERED = 64;
const remembered = new Map<string, Node>();

/** Strings with their quotes. */
export function stringLanguage(atoms: readonly Atom[]): Node {
  const { min, max, automata } = readStrings(atoms);
  if (automata.length === 0) return stringOf(min, max);
  const key = JSON.stringify([min, max, ...atoms.map(({ schema }) => [schema.pattern, schema.format])]);
  let language = remembered.get(key);
  if (!language) {
    language = sequence(words('"'), textsOf(bounded(automata, min, max)), words('"'));
    if (remembered.size >= MOST_REMEMBERED) remembered.clear();
    remembered.set(key, language);
  }
  return language;
}

/** Characters of strings without their quotes, each in one spelling; undefined where any will do. */
export function stringAutomaton(atoms: readonly Atom[]): Automaton | undefined {
  const { min, max, automata } = readStrings(atoms);
  if (automata.length === 0 && min === 0 && max === Number.POSITIVE_INFINITY) return undefined;
  return bounded(automata, min, max);
}

function readStrings(atoms: readonly Atom[]) {
  let min = 0;
  let max = Number.POSITIVE_INFINITY;
  const automata: Automaton[] = [];
  for (const atom of atoms) {
    min = Math.max(min, countOf(atom, 'minLength') ?? 0);
    max = Math.min(max, countOf(atom, 'maxLength') ?? max);
    if (min > LONGEST_STRING) throw refuse(`${atom.at}/minLength`, `minLength above ${LONGEST_STRING}`);
    const { pattern, format } = atom.schema;
    if (pattern !== undefined) automata.push(patternAutomaton(pattern, `${atom.at}/pattern`));
    if (format === undefined) continue;
    if (typeof format !== 'string') throw malformed(`${atom.at}/format`, 'a text', format);
    const source = formats.get(format);
    if (!source) throw refuse(`${atom.at}/format`, `the format ${JSON.stringify(format.slice(0, 60))}`);
    automata.push(searchInJson(source));
  }
  return { min, max, automata };
}

/** The characters in which `pattern` finds something. Errors say where it stands. */
export function patternAutomaton(pattern: unknown, at: string): Automaton {
  if (typeof pattern !== 'string') throw malformed(at, 'a text', pattern);
  try {
    return searchInJson(pattern);
  } catch (error) {
    if (!(error instanceof OnebitError)) throw error;
    throw new OnebitError(error.code, `compileSchema: at ${at}: ${error.message}`, { cause: error });
  }
}

function bounded(automata: readonly Automaton[], min: number, max: number): Automaton {
  const result = automata.length > 0 ? automata.reduce(both) : searchInJson('');
  if (min === 0 && max === Number.POSITIVE_INFINITY) return result;
  const tooShort = min > (result.accepts[0] ? 0 : 1);
  if (!tooShort && longestBytes(result) <= max) return result;
  if (max === Number.POSITIVE_INFINITY) return ofLength(result, min, max);
  // Fewer than allowed are fine where all lengths would take too long to compile.
  return ofLength(result, min, Math.max(min, Math.min(max, Math.floor(PATTERN_STATES / result.accepts.length))));
}

/** Bytes of the longest text; Infinity where there is none. */
function longestBytes({ edges, accepts }: Automaton): number {
  const longest = new Int32Array(accepts.length);
  const open = new Int8Array(accepts.length);
  const path: { state: number; edge: number }[] = [{ state: 0, edge: 0 }];
  open[0] = 1;
  while (path.length > 0) {
    const top = path[path.length - 1];
    if (top.edge === edges[top.state].length) {
      open[top.state] = 2;
      path.pop();
      const above = path[path.length - 1];
      if (above) longest[above.state] = Math.max(longest[above.state], longest[top.state] + 1);
      continue;
    }
    const to = edges[top.state][top.edge + 2];
    top.edge += 3;
    if (open[to] === 1) return Number.POSITIVE_INFINITY;
    if (open[to] === 2) longest[top.state] = Math.max(longest[top.state], longest[to] + 1);
    else {
      open[to] = 1;
      path.push({ state: to, edge: 0 });
    }
  }
  return longest[0];
}
