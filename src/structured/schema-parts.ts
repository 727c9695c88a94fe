// Owns taking schemas apart: references, allOf, which keywords there are, and refusing by name what cannot be kept. Knows no languages.
// Source: JSON Schema 2020-12, core and validation, with the older spellings that are still written.
import { OnebitError } from '../errors.ts';

export type SchemaObject = Readonly<Record<string, unknown>>;

/** A schema and where it stands; several together mean all of them. */
export interface Part {
  readonly schema: unknown;
  /** JSON pointer. */
  readonly at: string;
  /** Names the part; equal names mean equal schemas. */
  readonly name: string;
}

/** A part that is an object of known keywords, without `$ref` and `allOf`. */
export interface Atom extends Part {
  readonly schema: SchemaObject;
}

/** Say nothing about which values are valid. */
const ANNOTATIONS = new Set([
  ...['title', 'description', 'default', 'examples', 'example', '$schema', '$comment', 'deprecated', 'readOnly'],
  ...['writeOnly', 'contentMediaType', 'contentEncoding', 'contentSchema', '$defs', 'definitions', '$anchor'],
  ...['discriminator', 'xml', 'externalDocs', 'markdownDescription', 'enumNames'],
]);
const GENERAL = new Set(['type', 'enum', 'const', 'anyOf', 'oneOf', 'nullable', '$ref', 'allOf']);
/** Keywords that speak only of values of one type. */
export const KEYWORDS_OF: Readonly<Record<string, readonly string[]>> = {
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
  string: ['minLength', 'maxLength', 'pattern', 'format'],
  array: ['items', 'prefixItems', 'additionalItems', 'minItems', 'maxItems', 'uniqueItems'],
  object: [
    ...['properties', 'required', 'additionalProperties', 'patternProperties', 'propertyNames', 'minProperties'],
    ...['maxProperties', 'unevaluatedProperties'],
  ],
};
const KNOWN = new Set([...GENERAL, ...Object.values(KEYWORDS_OF).flat()]);
/** Bounds nesting: pointers are kept for every part. */
const LONGEST_POINTER = 4000;
/** References in a row without anything between them. */
const MOST_PARTS = 200;

export function refuse(
  at: string,
  what: string,
  advice = 'Leave it out, or write the schema without it.',
): OnebitError {
  return new OnebitError('unsupported', `compileSchema: ${what} is not supported, got it at ${at || '/'}. ${advice}`);
}

export function malformed(at: string, requirement: string, value: unknown): OnebitError {
  let text = typeof value === 'function' ? 'a function' : (JSON.stringify(value) ?? 'undefined');
  if (text.length > 60) text = `${text.slice(0, 60)}…`;
  return new OnebitError('bad-argument', `compileSchema: ${at || '/'} must be ${requirement}, got ${text}.`);
}

/** The part under `keys` of another. */
export function partUnder(part: Part, schema: unknown, ...keys: (string | number)[]): Part {
  const path = keys.map((key) => `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
  if (part.at.length > LONGEST_POINTER)
    throw refuse(
      `${part.at.slice(0, 60)}…`,
      `a schema nested deeper than ${LONGEST_POINTER} characters of its JSON pointer`,
    );
  return { schema, at: part.at + path, name: `#${part.at}${path}` };
}

/** An atom without some keywords; undefined where none is left that matters. */
export function lacking(atom: Atom, ...keywords: string[]): Atom | undefined {
  const entries = Object.entries(atom.schema).filter(([key]) => KNOWN.has(key) && !keywords.includes(key));
  if (entries.length === 0) return undefined;
  return { schema: Object.fromEntries(entries), at: atom.at, name: `${atom.name}-${keywords.join('-')}` };
}

/** Follows references and `allOf`; undefined where a part is `false`. */
export function atomsOf(parts: readonly Part[], root: unknown): Atom[] | undefined {
  const atoms = new Map<string, Atom>();
  const work = [...parts].reverse();
  const seen = new Set<string>();
  for (let part = work.pop(); part; part = work.pop()) {
    const { schema, at, name } = part;
    if (schema === true || seen.has(name)) continue;
    if (schema === false) return undefined;
    if (!isObject(schema)) throw malformed(at, 'a schema: an object, true or false', schema);
    seen.add(name);
    if (seen.size > MOST_PARTS) throw refuse(at, `more than ${MOST_PARTS} schemas that hold together`);
    checkKeywords(schema, at);
    const own = lacking({ schema, at, name }, '$ref', 'allOf');
    if (own) atoms.set(name, '$ref' in schema || 'allOf' in schema ? own : { schema, at, name });
    if ('allOf' in schema) {
      for (const [i, item] of [...schemaList(schema.allOf, `${at}/allOf`).entries()].reverse())
        work.push(partUnder(part, item, 'allOf', i));
    }
    if ('$ref' in schema) work.push(resolve(schema.$ref, at, root));
  }
  return [...atoms.values()];
}

/** @throws OnebitError naming the keyword and its place */
function checkKeywords(schema: SchemaObject, at: string): void {
  for (const key of Object.keys(schema)) {
    if (KNOWN.has(key) || ANNOTATIONS.has(key) || key.startsWith('x-')) continue;
    if ((key === '$id' || key === 'id') && at === '') continue;
    if (key === '$vocabulary' && at === '') continue;
    throw refuse(`${at}/${key}`, `the keyword ${JSON.stringify(key.slice(0, 60))}`);
  }
}

function resolve(reference: unknown, at: string, root: unknown): Part {
  if (typeof reference !== 'string') throw malformed(`${at}/$ref`, 'a text', reference);
  if (reference !== '#' && !reference.startsWith('#/')) {
    throw refuse(`${at}/$ref`, `a reference other than #/… (${JSON.stringify(reference.slice(0, 60))})`);
  }
  let target = root;
  let text: string;
  try {
    text = decodeURIComponent(reference.slice(1));
  } catch {
    throw malformed(`${at}/$ref`, 'a JSON pointer', reference);
  }
  for (const key of text.split('/').slice(1)) {
    const name = key.replaceAll('~1', '/').replaceAll('~0', '~');
    const inside = typeof target === 'object' && target !== null && Object.hasOwn(target, name);
    if (!inside) throw malformed(`${at}/$ref`, 'a reference to a part of the schema', reference);
    target = (target as Record<string, unknown>)[name];
  }
  return { schema: target, at: text, name: `#${text}` };
}

export function isObject(value: unknown): value is SchemaObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function schemaList(value: unknown, at: string): readonly unknown[] {
  if (!Array.isArray(value) || value.length === 0) throw malformed(at, 'a list of schemas', value);
  return value;
}

/** A whole number ≥ 0 of an atom. */
export function countOf({ schema, at }: Atom, keyword: string): number | undefined {
  const value = numberOf({ schema, at, name: '' }, keyword);
  if (value !== undefined && (!Number.isInteger(value) || value < 0)) {
    throw malformed(`${at}/${keyword}`, 'a whole number from 0', value);
  }
  return value;
}

export function numberOf({ schema, at }: Atom, keyword: string): number | undefined {
  const value = schema[keyword];
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isFinite(value)) throw malformed(`${at}/${keyword}`, 'a number', value);
  return value;
}
