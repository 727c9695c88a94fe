// Owns seeing that no value satisfies two alternatives, so that `oneOf` may be read as `anyOf`. Only what is plain to see counts.
import { isScalar } from './json-values.ts';
import { type Atom, isObject, malformed, type Part, partUnder } from './schema-parts.ts';

/** How deep alternatives in alternatives are looked into. */
const DEEPEST = 3;
const MOST_BRANCHES = 100;

/** Parts taken apart: keywords that all hold, and alternatives of each of which one holds. */
export interface Flat {
  readonly atoms: readonly Atom[];
  readonly choices: readonly Part[];
}

type Flatten = (part: Part) => Flat | undefined;

/** The values to which `enum` and `const` of an atom restrict, one list each. */
export function givenValues({ schema, at }: Atom): (readonly unknown[])[] {
  const lists: (readonly unknown[])[] = [];
  if (schema.enum !== undefined) {
    if (!Array.isArray(schema.enum)) throw malformed(`${at}/enum`, 'a list of values', schema.enum);
    lists.push(schema.enum);
  }
  if ('const' in schema) lists.push([schema.const]);
  return lists;
}

/** The property that tells objects apart where it is there: each alternative has other values for it. Undefined where there is none. */
export function tagOf(branches: readonly (Flat | undefined)[], flatten: Flatten): string | undefined {
  const [first] = branches;
  if (!first || branches.length < 2 || branches.length > MOST_BRANCHES) return undefined;
  const names = first.atoms.flatMap(({ schema }) =>
    isObject(schema.properties) ? Object.keys(schema.properties) : [],
  );
  return names.find((name) => {
    const seen = new Set<string>();
    return branches.every((branch) => {
      if (!branch) return false;
      const types = typesOf(branch.atoms);
      if (types?.size !== 1 || !types.has('object')) return false;
      const property = propertyOf(branch.atoms, name, flatten);
      const values = property && scalarsOf(property.atoms);
      if (!values || [...values].some((value) => seen.has(value))) return false;
      for (const value of values) seen.add(value);
      return true;
    });
  });
}

/** Whether it is plain that no value satisfies both. */
export function areDisjoint(a: Flat | undefined, b: Flat | undefined, flatten: Flatten): boolean {
  return excludeEachOther(a, b, flatten, DEEPEST);
}

function excludeEachOther(a: Flat | undefined, b: Flat | undefined, flatten: Flatten, depth: number): boolean {
  if (!a || !b) return true;
  const [typesA, typesB] = [typesOf(a.atoms), typesOf(b.atoms)];
  if (typesA && typesB && ![...typesA].some((type) => typesB.has(type))) return true;
  const [valuesA, valuesB] = [scalarsOf(a.atoms), scalarsOf(b.atoms)];
  if (valuesA && valuesB && ![...valuesA].some((value) => valuesB.has(value))) return true;
  if (typesA?.size === 1 && typesB?.size === 1 && typesA.has('object') && typesB.has('object')) {
    if (objectsExclude(a, b, flatten, depth) || objectsExclude(b, a, flatten, depth)) return true;
  }
  return splits(a, b, flatten, depth) || splits(b, a, flatten, depth);
}

/** A property that `a` requires has values there that `b` never allows. */
function objectsExclude(a: Flat, b: Flat, flatten: Flatten, depth: number): boolean {
  if (depth === 0) return false;
  for (const name of a.atoms.flatMap(({ schema }) => (Array.isArray(schema.required) ? schema.required : []))) {
    const own = propertyOf(a.atoms, name, flatten);
    for (const atom of b.atoms) {
      const { properties, patternProperties, additionalProperties, '-absent': absent } = atom.schema;
      if (Array.isArray(absent) && absent.includes(name)) return true;
      const theirs = propertyOf([atom], name, flatten);
      const isUnknown = !isObject(properties) || !Object.hasOwn(properties, name);
      if (isUnknown && additionalProperties === false && patternProperties === undefined) return true;
      if (own && theirs && excludeEachOther(own, theirs, flatten, depth - 1)) return true;
    }
  }
  return false;
}

function propertyOf(atoms: readonly Atom[], name: unknown, flatten: Flatten): Flat | undefined {
  const found: Atom[] = [];
  const choices: Part[] = [];
  let any = false;
  for (const atom of atoms) {
    const { properties } = atom.schema;
    if (typeof name !== 'string' || !isObject(properties) || !Object.hasOwn(properties, name)) continue;
    const flat = flatten(partUnder(atom, properties[name], 'properties', name));
    if (!flat) continue;
    any = true;
    found.push(...flat.atoms);
    choices.push(...flat.choices);
  }
  return any ? { atoms: found, choices } : undefined;
}

/** Whether `a` has alternatives all of which exclude `b`. */
function splits(a: Flat, b: Flat, flatten: Flatten, depth: number): boolean {
  if (depth === 0) return false;
  return a.choices.some(
    ({ alternatives = [] }) =>
      alternatives.length <= MOST_BRANCHES &&
      alternatives.every((parts) => parts.some((part) => excludeEachOther(flatten(part), b, flatten, depth - 1))),
  );
}

/** The types to which the atoms restrict; undefined where they say nothing. Integers are numbers. */
export function typesOf(atoms: readonly Atom[]): Set<string> | undefined {
  let types: Set<string> | undefined;
  for (const { schema } of atoms) {
    if (schema.type === undefined) continue;
    const own = new Set([schema.type].flat().map((type) => (type === 'integer' ? 'number' : String(type))));
    if (schema.nullable === true) own.add('null');
    types = types ? new Set([...types].filter((type) => own.has(type))) : own;
  }
  return types;
}

/** The scalar values to which the atoms are restricted, as JSON. */
function scalarsOf(atoms: readonly Atom[]): Set<string> | undefined {
  for (const values of atoms.flatMap(givenValues)) {
    if (values.every(isScalar)) return new Set(values.map((value) => JSON.stringify(value)));
  }
  return undefined;
}
