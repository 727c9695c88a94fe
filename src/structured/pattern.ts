// Owns the languages of regular expressions: where they may begin and end, what lies ahead, their characters as bytes.
import { OnebitError } from '../errors.ts';
import { automatonOf, both, merged, without } from './automaton.ts';
import { type CharacterSet, inJson, inUtf8, LAST_CODE_POINT } from './code-points.ts';
import { type Automaton, choice, type Node, never, repeat, sequence, textsOf } from './language.ts';
import { type Pattern, parsePattern } from './pattern-syntax.ts';
import type { Meter, Work } from './work.ts';

type Spelling = (set: CharacterSet) => Node;

const MOST_ALTERNATIVES = 200;
/** Spelling a set of characters as bytes. */
const STEPS_PER_RANGE = 50;
/** What is remembered of the patterns of one compilation, in which some come often. */
const searched = new WeakMap<Meter, Map<string, Automaton>>();
const counts = new WeakMap<Meter, Map<string, Searched>>();

export const ANY_CHARACTER: CharacterSet = [[0, LAST_CODE_POINT]];

/** What a pattern says of a string: its characters, and how many of them. */
export interface Searched {
  readonly automaton: Automaton;
  readonly min: number;
  readonly max: number;
}

/** Characters of a JSON string, without its quotes, in which `source` finds something: the meaning of `pattern` in JSON Schema. */
export function* searchInJson(source: string, meter: Meter): Work<Automaton> {
  const known = of(searched, meter);
  const automaton = known.get(source) ?? (yield* read(yield* parsePattern(source, meter), inJson, true, meter));
  known.set(source, automaton);
  return automaton;
}

/** As `searchInJson`, but with the number of characters apart where the pattern counts all of the text: `^[a-z]{1,500}$`, `^(?=.{3,80}$)…`. */
export function* searchAndCount(source: string, meter: Meter): Work<Searched> {
  let known = of(counts, meter).get(source);
  if (!known) {
    const { pattern, min, max, conditions } = apart(yield* parsePattern(source, meter));
    let automaton = yield* read(pattern, inJson, true, meter);
    for (const condition of conditions)
      automaton = yield* both(automaton, yield* read(condition, inJson, true, meter), meter);
    known = { automaton, min, max };
  }
  of(counts, meter).set(source, known);
  return known;
}

function of<T>(all: WeakMap<Meter, Map<string, T>>, meter: Meter): Map<string, T> {
  const own = all.get(meter) ?? new Map<string, T>();
  all.set(meter, own);
  return own;
}

/** Takes apart what counts characters of the whole text. */
function apart(pattern: Pattern): { pattern: Pattern; min: number; max: number; conditions: Pattern[] } {
  const found = { pattern, min: 0, max: Number.POSITIVE_INFINITY, conditions: [] as Pattern[] };
  const alternatives = isPlaced(pattern) ? alternativesOf(pattern) : [];
  if (alternatives.length !== 1 || alternatives[0][0]?.kind !== 'begin') return found;
  const items = [...alternatives[0]];
  const counted = (list: Items): boolean => {
    const [item, end] = list;
    if (list.length !== 2 || item.kind !== 'repeat' || item.item.kind !== 'set' || end.kind !== 'end') return false;
    found.min = Math.max(found.min, item.min);
    found.max = Math.min(found.max, item.max);
    const any: Pattern = { ...item, min: 0, max: Number.POSITIVE_INFINITY };
    found.conditions.push({ kind: 'sequence', items: [{ kind: 'begin' }, any, { kind: 'end' }] });
    return true;
  };
  while (items[1]?.kind === 'ahead' && !items[1].negative) {
    const inner = alternativesOf(items[1].item);
    if (inner.length !== 1 || !counted(inner[0].flatMap(itemsOf))) break;
    items.splice(1, 1);
  }
  if (counted(items.slice(1).flatMap(itemsOf))) return { ...found, pattern: found.conditions.pop()! };
  return { ...found, pattern: { kind: 'sequence', items } };
}

/** Sequences in sequences come from groups. */
function itemsOf(pattern: Pattern): readonly Pattern[] {
  return pattern.kind === 'sequence' ? pattern.items.flatMap(itemsOf) : [pattern];
}

/** Texts that `source` matches from beginning to end, in UTF-8. */
export function* wholeText(source: string, meter: Meter): Work<Automaton> {
  return yield* read(yield* parsePattern(source, meter), inUtf8, false, meter);
}

function* read(pattern: Pattern, spell: Spelling, search: boolean, meter: Meter): Work<Automaton> {
  const items: Node[] = [];
  for (const alternative of alternativesOf(pattern))
    items.push(yield* alternativeOf(alternative, spell, search, meter));
  return yield* merged(yield* automatonOf(choice(...items), meter), meter);
}

type Items = readonly Pattern[];

/** The alternatives of a pattern, each a sequence in which `^`, `$` and what lies ahead stand in no group. */
function alternativesOf(pattern: Pattern): readonly Items[] {
  if (!isPlaced(pattern)) return [[pattern]];
  switch (pattern.kind) {
    case 'choice':
      return limited(pattern.items.flatMap(alternativesOf));
    case 'sequence':
      return pattern.items.reduce<readonly Items[]>(
        (found, item) => {
          const next = alternativesOf(item);
          return limited(found.flatMap((before) => next.map((after) => [...before, ...after])));
        },
        [[]],
      );
    case 'repeat':
      if (pattern.max !== 1) throw misplaced('^, $ or looking ahead in what repeats');
      return pattern.min === 1 ? alternativesOf(pattern.item) : [[], ...alternativesOf(pattern.item)];
    default:
      return [[pattern]];
  }
}

function limited(alternatives: Items[]): Items[] {
  if (alternatives.length > MOST_ALTERNATIVES)
    throw misplaced(`^, $ or looking ahead in more than ${MOST_ALTERNATIVES} alternatives`);
  return alternatives;
}

/** Whether it matters where in the text it stands. */
function isPlaced(pattern: Pattern): boolean {
  if (pattern.kind === 'begin' || pattern.kind === 'end' || pattern.kind === 'ahead') return true;
  if (pattern.kind === 'repeat') return isPlaced(pattern.item);
  return 'items' in pattern && pattern.items.some(isPlaced);
}

/** The texts in which the items are found one after another: from the beginning to the end, or with anything around them on request. */
function* alternativeOf(given: Items, spell: Spelling, search: boolean, meter: Meter): Work<Node> {
  const anything = repeat(spell(ANY_CHARACTER), 0, Number.POSITIVE_INFINITY);
  let items = given;
  let begins = !search;
  const begin = items.findLastIndex(({ kind }) => kind === 'begin');
  if (begin >= 0) {
    // Before `^` nothing can come. What lies ahead there lies ahead here.
    if (!items.slice(0, begin).every(isNullable)) return never;
    items = [...items.slice(0, begin).filter(({ kind }) => kind === 'ahead'), ...items.slice(begin + 1)];
    begins = true;
  }
  let tail: Node[] = search ? [anything] : [];
  const end = items.findIndex(({ kind }) => kind === 'end');
  if (end >= 0) {
    const rest = items.slice(end + 1);
    if (!rest.every(isNullable)) return never;
    if (rest.some(({ kind }) => kind === 'ahead')) throw misplaced('looking ahead after $');
    items = items.slice(0, end);
    tail = [];
  }
  for (let ahead = lastAhead(items); ahead >= 0; ahead = lastAhead(items)) {
    const { item, negative } = items[ahead] as Pattern & { kind: 'ahead' };
    const after = yield* automatonOf(
      sequence(...(yield* plainItems(items.slice(ahead + 1), spell, meter)), ...tail),
      meter,
    );
    const wanted: Node[] = [];
    for (const alternative of alternativesOf(item)) {
      // `^` looks back only where nothing lies before.
      if (alternative.some(({ kind }) => kind === 'begin') && !(begins && items.slice(0, ahead).every(isNullable)))
        throw misplaced('^ in what lies ahead');
      wanted.push(yield* alternativeOf([{ kind: 'begin' }, ...alternative], spell, true, meter));
    }
    const condition = yield* automatonOf(choice(...wanted), meter);
    tail = [textsOf(yield* negative ? without(after, condition, meter) : both(after, condition, meter))];
    items = items.slice(0, ahead);
  }
  return sequence(...(begins ? [] : [anything]), ...(yield* plainItems(items, spell, meter)), ...tail);
}

function lastAhead(items: Items): number {
  return items.findLastIndex(({ kind }) => kind === 'ahead');
}

/** Whether the empty text matches. */
function isNullable(pattern: Pattern): boolean {
  switch (pattern.kind) {
    case 'set':
      return false;
    case 'sequence':
      return pattern.items.every(isNullable);
    case 'choice':
      return pattern.items.some(isNullable);
    case 'repeat':
      return pattern.min === 0 || isNullable(pattern.item);
    default:
      return true;
  }
}

function* plainItems(items: Items, spell: Spelling, meter: Meter): Work<Node[]> {
  const nodes: Node[] = [];
  for (const item of items) nodes.push(yield* plain(item, spell, meter));
  return nodes;
}

function* plain(pattern: Pattern, spell: Spelling, meter: Meter): Work<Node> {
  switch (pattern.kind) {
    case 'set':
      if (meter.spend(STEPS_PER_RANGE * pattern.set.length)) yield;
      return spell(pattern.set);
    case 'sequence':
      return sequence(...(yield* plainItems(pattern.items, spell, meter)));
    case 'choice':
      return choice(...(yield* plainItems(pattern.items, spell, meter)));
    case 'repeat':
      return repeat(yield* plain(pattern.item, spell, meter), pattern.min, pattern.max);
    default:
      throw misplaced('^, $ or looking ahead here');
  }
}

function misplaced(feature: string): OnebitError {
  return new OnebitError('unsupported', `pattern: ${feature} is not supported. Write it differently.`);
}
