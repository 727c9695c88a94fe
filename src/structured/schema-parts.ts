// Owns the words of JSON Schema: parts of schemas, which keywords there are, and refusing by name what cannot be kept. Knows no languages.
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
  /** Whether values must not satisfy it. */
  readonly not?: boolean;
  /** Instead of a schema: all parts of one of these lists. */
  readonly alternatives?: readonly (readonly Part[])[];
  /** Names of the schemas with `unevaluated…` keywords within which the part speaks of the same value. */
  readonly within?: readonly string[];
  /** Whether it is an atom: nothing is left to be taken apart. */
  readonly isAtom?: boolean;
  /** Whether it is no schema of the user's but follows from one: it says nothing on which properties there are. */
  readonly made?: boolean;
}

/** A part in the place of a schema inside of what is made. */
export class Inner {
  readonly part: Part;

  constructor(part: Part) {
    this.part = part;
  }
}

/** A part that is an object of known keywords about one value, without those that refer to other schemas for the same value. */
export interface Atom extends Part {
  readonly schema: SchemaObject;
}

/** What only `made` parts say. Users' keywords of these names are not looked at. */
export interface Made {
  /** Properties that are not there. */
  readonly '-absent'?: readonly string[];
  /** Values that are not meant; no arrays or objects. */
  readonly '-values'?: readonly unknown[];
  readonly '-patterns'?: readonly string[];
  readonly '-formats'?: readonly string[];
  readonly '-multiples'?: readonly number[];
  /** At least one property with another name than these, not found by `patterns`, found by `pattern`, satisfies the part. */
  readonly '-some'?: Some;
  readonly '-someValue'?: unknown;
  /** At least one item from here on satisfies the part. */
  readonly '-item'?: number;
  readonly '-itemValue'?: unknown;
}

export interface Some {
  readonly names: readonly string[];
  readonly patterns: readonly string[];
  readonly pattern?: string;
}

const MADE = [
  '-absent',
  '-values',
  '-patterns',
  '-formats',
  '-multiples',
  '-some',
  '-someValue',
  '-item',
  '-itemValue',
];

/** Keywords that speak only of values of one type. */
export const KEYWORDS_OF: Readonly<Record<string, readonly string[]>> = {
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
  string: ['minLength', 'maxLength', 'pattern', 'format'],
  array: [
    ...['items', 'prefixItems', 'additionalItems', 'minItems', 'maxItems', 'uniqueItems', 'contains', 'minContains'],
    ...['maxContains', 'unevaluatedItems'],
  ],
  object: [
    ...['properties', 'required', 'additionalProperties', 'patternProperties', 'propertyNames', 'minProperties'],
    ...['maxProperties', 'unevaluatedProperties'],
  ],
};
/** Keywords of an atom. */
const OWN = new Set(['type', 'enum', 'const', 'nullable', ...Object.values(KEYWORDS_OF).flat()]);
/** What would change the meaning and cannot be kept. All other unknown keywords are notes, as the standard says. */
const UNSUPPORTED = new Set(['$dynamicRef', '$recursiveRef']);
/** Bounds nesting: pointers are kept for every part. */
const LONGEST_POINTER = 4000;

export function refuse(
  at: string,
  what: string,
  advice = 'Leave it out, or write the schema without it.',
): OnebitError {
  return new OnebitError('unsupported', `compileSchema: ${what} is not supported, got it at ${at || '/'}. ${advice}`);
}

export function malformed(at: string, requirement: string, value: unknown): OnebitError {
  let text = typeof value === 'function' ? 'a function' : (briefly(value) ?? 'undefined');
  if (text.length > 60) text = `${text.slice(0, 60)}…`;
  return new OnebitError('bad-argument', `compileSchema: ${at || '/'} must be ${requirement}, got ${text}.`);
}

function briefly(value: unknown): string | undefined {
  if (Array.isArray(value) && value.length > 20) return `a list of ${value.length}`;
  try {
    return JSON.stringify(value);
  } catch {
    return 'what is no JSON';
  }
}

/** A step of a JSON pointer. */
export function pointer(key: string | number): string {
  return `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** The part under `keys` of another, about a value inside. */
export function partUnder(part: Part, schema: unknown, ...keys: (string | number)[]): Part {
  if (schema instanceof Inner) return schema.part;
  const path = keys.map(pointer).join('');
  if (part.at.length > LONGEST_POINTER) {
    throw refuse(
      `${part.at.slice(0, 60)}…`,
      `a schema nested deeper than ${LONGEST_POINTER} characters of its JSON pointer`,
    );
  }
  return { schema, at: part.at + path, name: `${part.name}${path}` };
}

/** The part under `keys` of another that speaks of the same value. */
export function besides(part: Part, schema: unknown, ...keys: (string | number)[]): Part {
  const inner = partUnder(part, schema, ...keys);
  return part.within ? { ...inner, within: part.within } : inner;
}

/** A part that says what follows from `part`. */
export function made(part: Part, name: string, schema: SchemaObject & Made): Part {
  return { schema, at: part.at, name: `${part.name}!${name}`, made: true };
}

/** The opposite of a part. */
export function opposite(part: Part): Part {
  const { within: _, ...rest } = part;
  return part.not ? { ...rest, not: false, name: part.name.slice(1) } : { ...rest, not: true, name: `!${part.name}` };
}

/** The keywords of an atom; undefined where there are none. */
export function ownKeywords(part: Part, schema: SchemaObject): SchemaObject | undefined {
  const own: Record<string, unknown> = {};
  let any = false;
  for (const key of Object.keys(schema)) {
    if (UNSUPPORTED.has(key)) throw refuse(`${part.at}/${key}`, `the keyword ${JSON.stringify(key)}`);
    if (!OWN.has(key) && !(part.made && MADE.includes(key))) continue;
    own[key] = schema[key];
    any = true;
  }
  return any ? own : undefined;
}

/** Keywords without schemas in them: atoms of only these are equal where their keywords are. */
const PLAIN = new Set([
  ...['type', 'enum', 'const', 'nullable', 'minItems', 'maxItems', 'minProperties', 'maxProperties', 'required'],
  ...[...KEYWORDS_OF.number, ...KEYWORDS_OF.string],
]);
const LONGEST_PLAIN = 50;

/** What names an atom. */
export function nameOf(own: SchemaObject, otherwise: string): string {
  for (const [key, value] of Object.entries(own)) {
    if (!PLAIN.has(key)) return otherwise;
    if (typeof value === 'string' ? value.length > 1000 : Array.isArray(value) && value.length > LONGEST_PLAIN)
      return otherwise;
    if (typeof value === 'object' && !(Array.isArray(value) && value.every((item) => typeof item === 'string')))
      return otherwise;
  }
  return `=${JSON.stringify(own)}`;
}

/** An atom without some keywords; undefined where none is left. */
export function lacking(atom: Atom, ...keywords: string[]): Atom | undefined {
  const entries = Object.entries(atom.schema).filter(([key]) => !keywords.includes(key));
  if (entries.length === 0) return undefined;
  return { ...atom, schema: Object.fromEntries(entries), name: `${atom.name}-${keywords.join('-')}` };
}

export function isObject(value: unknown): value is SchemaObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function schemaList(value: unknown, at: string): readonly unknown[] {
  if (!Array.isArray(value) || value.length === 0) throw malformed(at, 'a list of schemas', value);
  return value;
}

/** Schemas by name. */
export function mapOf({ schema, at }: { schema: SchemaObject; at: string }, keyword: string): SchemaObject {
  const value = schema[keyword] ?? {};
  if (!isObject(value)) throw malformed(`${at}/${keyword}`, 'an object of schemas', value);
  return value;
}

/** Names of properties. */
export function namesOf(value: unknown, at: string): readonly string[] {
  // Draft 3 writes a yes or no here.
  if (value === undefined || typeof value === 'boolean') return [];
  if (!Array.isArray(value) || value.some((name) => typeof name !== 'string')) {
    throw malformed(at, 'a list of names', value);
  }
  return value;
}

/** A whole number ≥ 0 of an atom. */
export function countOf({ schema, at, made }: Atom, keyword: string): number | undefined {
  const value = numberOf({ schema, at, name: '' }, keyword);
  if (value !== undefined && (!Number.isInteger(value) || value < 0) && !made) {
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
