// Owns seeing that no value satisfies two alternatives, so that `oneOf` may be read as `anyOf`. Only what is plain to see counts.
import { type Atom, isObject, malformed, type Part, partUnder, refuse } from './schema-parts.ts';

/** Alternatives are compared in pairs. */
const MOST_BRANCHES = 300;
/** How deep alternatives in alternatives are looked into. */
const DEEPEST = 3;

type Flatten = (part: Part) => Atom[] | undefined;

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

export function isScalar(value: unknown): boolean {
  return typeof value !== 'object' || value === null;
}

/** @throws OnebitError `unsupported` unless every two of `branches` exclude each other */
export function areDisjoint(branches: readonly Part[], at: string, flatten: Flatten): void {
  if (branches.length > MOST_BRANCHES)
    throw refuse(at, `oneOf with more than ${MOST_BRANCHES} alternatives`, 'Use anyOf.');
  const flat = branches.map((branch) => flatten(branch));
  for (let i = 0; i < flat.length; i++) {
    for (let k = 0; k < i; k++) {
      if (excludeEachOther(flat[k], flat[i], flatten, DEEPEST)) continue;
      throw refuse(
        at,
        `oneOf whose alternatives ${k} and ${i} may both hold`,
        'Use anyOf, or give both a required property with different const values.',
      );
    }
  }
}

function excludeEachOther(a: Atom[] | undefined, b: Atom[] | undefined, flatten: Flatten, depth: number): boolean {
  if (!a || !b) return true;
  const [typesA, typesB] = [typesOf(a), typesOf(b)];
  if (typesA && typesB && ![...typesA].some((type) => typesB.has(type))) return true;
  const [valuesA, valuesB] = [scalarsOf(a), scalarsOf(b)];
  if (valuesA && valuesB && ![...valuesA].some((value) => valuesB.has(value))) return true;
  if (typesA?.size === 1 && typesB?.size === 1 && typesA.has('object') && typesB.has('object')) {
    if (objectsExclude(a, b, flatten, depth) || objectsExclude(b, a, flatten, depth)) return true;
  }
  return splits(a, b, flatten, depth) || splits(b, a, flatten, depth);
}

/** A property that `a` requires has values there that `b` never allows. */
function objectsExclude(a: readonly Atom[], b: readonly Atom[], flatten: Flatten, depth: number): boolean {
  if (depth === 0) return false;
  for (const name of a.flatMap(({ schema }) => (Array.isArray(schema.required) ? schema.required : []))) {
    const own = propertyOf(a, name, flatten);
    for (const atom of b) {
      const theirs = propertyOf([atom], name, flatten);
      const { properties, patternProperties, additionalProperties } = atom.schema;
      const isUnknown = !isObject(properties) || !Object.hasOwn(properties, name);
      if (isUnknown && additionalProperties === false && patternProperties === undefined) return true;
      if (own && theirs && excludeEachOther(own, theirs, flatten, depth - 1)) return true;
    }
  }
  return false;
}

function propertyOf(atoms: readonly Atom[], name: unknown, flatten: Flatten): Atom[] | undefined {
  const found: Atom[] = [];
  for (const atom of atoms) {
    const { properties } = atom.schema;
    if (typeof name !== 'string' || !isObject(properties) || !Object.hasOwn(properties, name)) continue;
    found.push(...(flatten(partUnder(atom, properties[name], 'properties', name)) ?? []));
  }
  return found.length > 0 ? found : undefined;
}

/** Whether `a` has alternatives all of which exclude `b`. */
function splits(a: readonly Atom[], b: Atom[], flatten: Flatten, depth: number): boolean {
  if (depth === 0) return false;
  for (const atom of a) {
    for (const keyword of ['anyOf', 'oneOf']) {
      const branches = atom.schema[keyword];
      if (!Array.isArray(branches) || branches.length > MOST_BRANCHES) continue;
      const all = branches.every((schema, i) =>
        excludeEachOther(flatten(partUnder(atom, schema, keyword, i)), b, flatten, depth - 1),
      );
      if (all) return true;
    }
  }
  return false;
}

function typesOf(atoms: readonly Atom[]): Set<string> | undefined {
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
