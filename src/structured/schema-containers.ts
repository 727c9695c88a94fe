// Owns the languages of arrays and objects that several schemas describe together. How to compile what is inside is told by the caller.
import { accepts, automatonOf, both, isEmpty, without } from './automaton.ts';
import { type ListPart, list, pair, stringOf } from './json-text.ts';
import { type Automaton, type Node, never, nothing, sequence, textsOf, words } from './language.ts';
import { searchInJson } from './pattern.ts';
import {
  type Atom,
  countOf,
  isObject,
  malformed,
  type Part,
  partUnder,
  refuse,
  type SchemaObject,
} from './schema-parts.ts';
import { patternAutomaton } from './schema-scalars.ts';

/** Most items that are counted one by one. */
const MOST_ITEMS = 5000;
/** Patterns of property names: all their combinations are considered. */
const MOST_NAME_PATTERNS = 4;

/** What is inside of arrays and objects. */
export interface Inside {
  /** The language of values that satisfy all parts. */
  value(parts: readonly Part[]): Node;
  /** Strings that satisfy all parts, as characters without quotes; undefined where any will do. */
  names(parts: readonly Part[]): Automaton | undefined;
}

/** Arrays. Without `items`, those with `prefixItems` have no more items than these, unless `minItems` wants more. */
export function arrayLanguage(atoms: readonly Atom[], inside: Inside): Node {
  let least = 0;
  let most = Number.POSITIVE_INFINITY;
  for (const atom of atoms) {
    least = Math.max(least, countOf(atom, 'minItems') ?? 0);
    most = Math.min(most, countOf(atom, 'maxItems') ?? most);
    if (least > MOST_ITEMS) throw refuse(`${atom.at}/minItems`, `minItems above ${MOST_ITEMS}`);
    if (most !== Number.POSITIVE_INFINITY && most > MOST_ITEMS)
      throw refuse(`${atom.at}/maxItems`, `maxItems above ${MOST_ITEMS}`);
  }
  for (const { schema, at } of atoms) {
    if (schema.uniqueItems === true && most > 1)
      throw refuse(`${at}/uniqueItems`, 'uniqueItems', 'Leave it out and remove duplicates afterwards.');
  }
  if (least > most) return never;
  const tuples = atoms.map((atom) => readTuple(atom));
  const listed = Math.max(...tuples.map(({ first }) => first.length), 0);
  const partsAt = (i: number) => tuples.flatMap(({ first, rest }) => first[i] ?? rest ?? []);
  const parts: ListPart[] = [];
  for (let i = 0; i < Math.min(listed, most); i++) parts.push({ node: inside.value(partsAt(i)), optional: i >= least });
  const closed = listed > 0 && least <= listed && tuples.every(({ rest }) => rest === undefined);
  const node = closed ? nothing : inside.value(partsAt(listed));
  const rest = { node, least: Math.max(0, least - listed), most: closed ? 0 : Math.max(0, most - listed) };
  return list(['[', ']'], parts, rest, true);
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

/**
 * Objects, with the properties in the order of the schema, then others where they are allowed. Where `properties` or `patternProperties` are
 * given and nothing is said of others, there are none.
 */
export function objectLanguage(atoms: readonly Atom[], inside: Inside): Node {
  const required = requiredNames(atoms);
  const declared = new Set([...atoms.flatMap((atom) => Object.keys(mapOf(atom, 'properties'))), ...required]);
  const patterns = atoms.flatMap((atom) =>
    Object.entries(mapOf(atom, 'patternProperties')).map(([source, schema]) => {
      const part = partUnder(atom, schema, 'patternProperties', source);
      return { atom, part, automaton: patternAutomaton(source, part.at) };
    }),
  );
  if (patterns.length > MOST_NAME_PATTERNS) {
    throw refuse(`${patterns[0].atom.at}/patternProperties`, `more than ${MOST_NAME_PATTERNS} patternProperties`);
  }
  const nameParts = atoms.filter(({ schema }) => schema.propertyNames !== undefined);
  const names =
    nameParts.length === 0
      ? undefined
      : inside.names(nameParts.map((atom) => partUnder(atom, atom.schema.propertyNames, 'propertyNames')));
  const open =
    (declared.size === 0 && patterns.length === 0 && atoms.every(({ schema }) => schema.properties === undefined)) ||
    atoms.some(({ schema }) => schema.additionalProperties !== undefined);

  /** What all atoms say of a property that matches `matched`; undefined where it is forbidden. */
  const partsFor = (name: string | undefined, matched: readonly (typeof patterns)[number][]) => {
    const parts: Part[] = [];
    for (const atom of atoms) {
      const own = mapOf(atom, 'properties');
      const said = matched.filter((pattern) => pattern.atom === atom).map(({ part }) => part);
      if (name !== undefined && Object.hasOwn(own, name)) said.push(partUnder(atom, own[name], 'properties', name));
      const rest = atom.schema.additionalProperties;
      if (said.length === 0 && rest !== undefined) said.push(partUnder(atom, rest, 'additionalProperties'));
      parts.push(...said);
    }
    return parts;
  };
  const parts: ListPart[] = [...declared].map((name) => {
    const written = JSON.stringify(name);
    const matched = patterns.filter(({ automaton }) => accepts(automaton, written.slice(1, -1)));
    const value = names && !accepts(names, written.slice(1, -1)) ? never : inside.value(partsFor(name, matched));
    return { node: pair(words(written), value), optional: !required.has(name) };
  });
  const others: Node[] = [];
  for (let choice = open ? 0 : 1; choice < 1 << patterns.length; choice++) {
    const matched = patterns.filter((_, i) => (choice >> i) & 1);
    const missed = patterns.filter((_, i) => !((choice >> i) & 1));
    const said = partsFor(undefined, matched);
    if (said.some(({ schema }) => schema === false)) continue;
    const key = keyLanguage(declared, names, matched, missed);
    if (key) others.push(pair(key, inside.value(said)));
  }
  const other: Node = { kind: 'choice', items: others };
  return list(['{', '}'], parts, { node: other, ...countOthers(atoms, parts, others.length > 0) }, false);
}

/** The language of names with their quotes; undefined where there is none. */
function keyLanguage(
  declared: ReadonlySet<string>,
  names: Automaton | undefined,
  matched: readonly { automaton: Automaton }[],
  missed: readonly { automaton: Automaton }[],
): Node | undefined {
  if (declared.size + matched.length + missed.length === 0 && !names) return stringOf(0, Number.POSITIVE_INFINITY);
  let automaton = names ?? searchInJson('');
  for (const pattern of matched) automaton = both(automaton, pattern.automaton);
  for (const pattern of missed) automaton = without(automaton, pattern.automaton);
  if (declared.size > 0) {
    const taken = [...declared].map((name) => JSON.stringify(name).slice(1, -1));
    automaton = without(automaton, automatonOf(words(...taken)));
  }
  return isEmpty(automaton) ? undefined : sequence(words('"'), textsOf(automaton), words('"'));
}

/** How many properties may follow the declared ones. Names can come twice, so only what holds even then can be promised. */
function countOthers(atoms: readonly Atom[], parts: readonly ListPart[], open: boolean) {
  const needed = parts.filter((part) => !part.optional).length;
  let filled = false;
  let most = open ? Number.POSITIVE_INFINITY : 0;
  for (const atom of atoms) {
    const min = countOf(atom, 'minProperties') ?? 0;
    const max = countOf(atom, 'maxProperties') ?? Number.POSITIVE_INFINITY;
    const free = max - parts.length;
    if (min > Math.max(needed, 1)) {
      throw refuse(`${atom.at}/minProperties`, 'minProperties above 1 and the number of required properties');
    }
    if (free < 0) throw refuse(`${atom.at}/maxProperties`, 'maxProperties below the number of described properties');
    if (free > MOST_ITEMS && free !== Number.POSITIVE_INFINITY) {
      throw refuse(`${atom.at}/maxProperties`, `maxProperties above ${MOST_ITEMS}`);
    }
    filled ||= min > 0;
    most = Math.min(most, free);
  }
  return { least: 0, most, filled };
}

function requiredNames(atoms: readonly Atom[]): Set<string> {
  const names = new Set<string>();
  for (const { schema, at } of atoms) {
    const { required } = schema;
    if (required === undefined) continue;
    if (!Array.isArray(required) || required.some((name) => typeof name !== 'string')) {
      throw malformed(`${at}/required`, 'a list of names', required);
    }
    for (const name of required) names.add(name);
  }
  return names;
}

function mapOf({ schema, at }: Atom, keyword: string): SchemaObject {
  const value = schema[keyword] ?? {};
  if (!isObject(value)) throw malformed(`${at}/${keyword}`, 'an object of schemas', value);
  return value;
}
