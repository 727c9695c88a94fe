// Owns the languages of arrays that several schemas describe together. How to compile what is inside is told by the caller.

import type { Characters } from './characters.ts';
import { white } from './json-text.ts';
import { followed, type GraphEdge, type Node, never, nothing, sequence, words } from './language.ts';
import { type Atom, countOf, type Inner, malformed, opposite, type Part, partUnder, refuse } from './schema-parts.ts';
import { areEndless, UniqueStrings } from './unique-strings.ts';
import type { Meter, Work } from './work.ts';

/** Most items that are counted one by one, and places where an array can stand. */
const MOST_ITEMS = 5000;
const MOST_PLACES = 20_000;
/** Memory of a place, or of a way from one to another. */
const BYTES_PER_PLACE = 300;
const MOST_CONTAINS = 3;
/** Given values of which all combinations are considered. */
const FEW_VALUES = 8;

/** Given values, or strings: of any characters, or of a pattern. */
export type Items = { readonly values: readonly Node[] } | { readonly strings: Characters; readonly isAny: boolean };

/** What is inside of arrays. */
export interface ArrayInside {
  readonly meter: Meter;
  /** The language of values that satisfy all parts. */
  value(parts: readonly Part[]): Node;
  /** The values that satisfy all parts where they are given ones, or their characters where all are strings. */
  items(parts: readonly Part[]): Work<Items | undefined>;
}

/** Some items must satisfy `part`, of those from `from` on. */
interface Contained {
  readonly part: Part;
  readonly from: number;
  readonly min: number;
  readonly max: number;
}

/** Arrays. Without `items`, those with `prefixItems` have no more items than these, unless `minItems` wants more. */
export function* arrayLanguage(atoms: readonly Atom[], inside: ArrayInside): Work<Node> {
  const value = (parts: readonly Part[]) => inside.value(parts);
  const { least, most } = boundsOf(atoms);
  if (least > most) return never;
  const unique = atoms.find(({ schema }) => schema.uniqueItems === true);
  if (unique && most > 1) return yield* uniqueArrays(atoms, unique, least, most, inside);
  const tuples = atoms.map(readTuple);
  const listed = Math.max(...tuples.map(({ first }) => first.length), 0);
  const contained = atoms.flatMap(readContained);
  if (contained.length > MOST_CONTAINS) throw refuse(contained[0].part.at, `more than ${MOST_CONTAINS} of contains`);
  const closed =
    listed > 0 && least <= listed && tuples.every(({ rest }) => rest === undefined) && contained.length === 0;
  const last = closed ? Math.min(listed, most) : most;
  const partsAt = (i: number) => [
    ...tuples.flatMap(({ first, rest }) => first[i] ?? rest ?? []),
    ...unevaluated(atoms, i),
  ];

  // Places say how many items there are, and how many of them satisfy each of `contained`; no more than matter.
  const countCap =
    last === Number.POSITIVE_INFINITY ? Math.max(listed, least, ...contained.map(({ from }) => from), 1) : last;
  const edges: GraphEdge[] = [];
  const places = new Map<string, number>();
  const work: { count: number; held: readonly number[]; place: number }[] = [];
  let numbers = 1;
  const placeOf = (count: number, held: readonly number[]) => {
    const key = `${count} ${held.join(' ')}`;
    let place = places.get(key);
    if (place === undefined) {
      place = numbers++;
      if (places.size > MOST_PLACES)
        throw refuse(atoms[0].at, 'an array with so many combinations of bounds and contains');
      places.set(key, place);
      work.push({ count, held, place });
    }
    return place;
  };
  const begin = placeOf(
    0,
    contained.map(() => 0),
  );
  const end = numbers++;
  const comma = sequence(words(','), white);
  edges.push([0, sequence(words('['), white), begin]);
  for (let next = work.pop(); next; next = work.pop()) {
    const { count, held, place } = next;
    if (inside.meter.spend(20 + 4 * atoms.length)) yield;
    inside.meter.hold(BYTES_PER_PLACE);
    if (count >= least && contained.every(({ min }, i) => held[i] >= min)) edges.push([place, nothing, end]);
    if (count >= last) continue;
    const item = numbers++;
    edges.push([place, count === 0 ? nothing : comma, item]);
    const to = Math.min(count + 1, countCap);
    for (let choice = 0; choice < 1 << contained.length; choice++) {
      if (inside.meter.spend(20)) yield;
      const parts = partsAt(count);
      const after: number[] = [];
      let possible = true;
      for (const [i, { part, from, min, max }] of contained.entries()) {
        const counts = ((choice >> i) & 1) === 1;
        const bounded = max !== Number.POSITIVE_INFINITY;
        if (counts && (count < from || held[i] >= (bounded ? max : min))) possible = false;
        if (counts) parts.push(part);
        else if (bounded && count >= from) parts.push(opposite(part));
        after.push(held[i] + (counts ? 1 : 0));
      }
      if (possible) edges.push([item, value(parts), placeOf(to, after)]);
    }
  }
  const closing = numbers++;
  edges.push([end, sequence(white, words(']')), closing]);
  return { kind: 'graph', end: closing, edges };
}

/** Arrays in which nothing comes twice: of strings, or of few given values. */
function* uniqueArrays(
  atoms: readonly Atom[],
  unique: Atom,
  least: number,
  most: number,
  inside: ArrayInside,
): Work<Node> {
  const tuples = atoms.map(readTuple);
  const isPlain = tuples.every(({ first }) => first.length === 0) && atoms.flatMap(readContained).length === 0;
  const parts = tuples.flatMap(({ rest }) => rest ?? []);
  const items = isPlain && parts.length > 0 ? yield* inside.items(parts) : undefined;
  if (items && 'values' in items) return yield* fromValues(items.values, least, most, unique, inside.meter);
  if (items && areEndless(items.strings, items.isAny)) return followed(new UniqueStrings(items.strings, least, most));
  throw refuse(
    `${unique.at}/uniqueItems`,
    'uniqueItems of other items than strings or given values',
    'Leave it out and remove duplicates afterwards.',
  );
}

/** Some of the values, each at most once: in any order where there are few, else in the order given. */
function* fromValues(values: readonly Node[], least: number, most: number, unique: Atom, meter: Meter): Work<Node> {
  const [n, last] = [values.length, Math.min(most, values.length)];
  if (least > last) return never;
  const isFew = n <= FEW_VALUES;
  if (!isFew && n * (last + 1) > MOST_PLACES) throw refuse(`${unique.at}/uniqueItems`, `uniqueItems of ${n} values`);
  // A place says which values are there, or the next value and how many there are.
  const comma = sequence(words(','), white);
  const edges: GraphEdge[] = [[0, sequence(words('['), white), 1]];
  const places = new Map([['0 0', 1]]);
  const work: { state: number; count: number; place: number }[] = [{ state: 0, count: 0, place: 1 }];
  const end = 2;
  let numbers = 3;
  for (let at = work.pop(); at; at = work.pop()) {
    const { state, count, place } = at;
    if (count >= least) edges.push([place, nothing, end]);
    if (count >= last) continue;
    const item = numbers++;
    edges.push([place, count === 0 ? nothing : comma, item]);
    for (const [i, node] of values.entries()) {
      if (isFew ? (state >> i) & 1 : i < state) continue;
      if (meter.spend(4)) yield;
      meter.hold(BYTES_PER_PLACE);
      const next = isFew ? state | (1 << i) : i + 1;
      const key = `${next} ${count + 1}`;
      let to = places.get(key);
      if (to === undefined) {
        to = numbers++;
        places.set(key, to);
        work.push({ state: next, count: count + 1, place: to });
      }
      edges.push([item, node, to]);
    }
  }
  const closing = numbers++;
  edges.push([end, sequence(white, words(']')), closing]);
  return { kind: 'graph', end: closing, edges };
}

function boundsOf(atoms: readonly Atom[]) {
  let least = 0;
  let most = Number.POSITIVE_INFINITY;
  for (const atom of atoms) {
    least = Math.max(least, countOf(atom, 'minItems') ?? 0);
    most = Math.min(most, countOf(atom, 'maxItems') ?? most);
    if (least > MOST_ITEMS) throw refuse(`${atom.at}/minItems`, `minItems above ${MOST_ITEMS}`);
  }
  // More than anybody writes need not be counted.
  if (most > MOST_ITEMS && most !== Number.POSITIVE_INFINITY) most = MOST_ITEMS;
  return { least, most };
}

function readTuple(atom: Atom): { first: Part[]; rest: Part | undefined } {
  const { items, prefixItems, additionalItems } = atom.schema;
  const key = Array.isArray(items) ? 'items' : 'prefixItems';
  const first = Array.isArray(items) ? items : (prefixItems ?? []);
  if (!Array.isArray(first)) throw malformed(`${atom.at}/prefixItems`, 'a list of schemas', first);
  const restKey = Array.isArray(items) ? 'additionalItems' : 'items';
  const rest = restKey === 'items' ? items : additionalItems;
  return {
    first: first.map((schema, i) => partUnder(atom, schema, key, i)),
    rest: rest === undefined ? undefined : partUnder(atom, rest, restKey),
  };
}

function readContained(atom: Atom): Contained[] {
  const found: Contained[] = [];
  const { contains, '-itemValue': value } = atom.schema;
  if (contains !== undefined) {
    const min = countOf(atom, 'minContains') ?? 1;
    const max = countOf(atom, 'maxContains') ?? Number.POSITIVE_INFINITY;
    if (Math.max(min, max === Number.POSITIVE_INFINITY ? 0 : max) > 100)
      throw refuse(`${atom.at}/contains`, 'minContains or maxContains above 100');
    if (min > 0 || max !== Number.POSITIVE_INFINITY) {
      found.push({ part: partUnder(atom, contains, 'contains'), from: 0, min, max });
    }
  }
  if (value !== undefined) {
    const from = Number(atom.schema['-item']);
    found.push({ part: (value as Inner).part, from, min: 1, max: Number.POSITIVE_INFINITY });
  }
  return found;
}

/** What `unevaluatedItems` says of item `i`: it speaks of what nothing else says anything of. What `contains` finds counts as unsaid. */
function unevaluated(atoms: readonly Atom[], i: number): Part[] {
  return atoms.flatMap((atom) => {
    if (atom.schema.unevaluatedItems === undefined) return [];
    const said = atoms.some((other) => {
      const isInside = other.within?.includes(atom.within?.at(-1) ?? '') && !other.made;
      const { items, prefixItems, additionalItems, unevaluatedItems } = other.schema;
      if (!isInside) return false;
      if (other !== atom && unevaluatedItems !== undefined) return true;
      const first = Array.isArray(items) ? items : Array.isArray(prefixItems) ? prefixItems : [];
      return i < first.length || (Array.isArray(items) ? additionalItems : items) !== undefined;
    });
    return said ? [] : [partUnder(atom, atom.schema.unevaluatedItems, 'unevaluatedItems')];
  });
}
