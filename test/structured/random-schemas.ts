// Owns random schemas, and values that satisfy them made without the grammar: from the schema alone.
import type { Random } from '../../src/core/random.ts';

type Schema = Record<string, unknown>;

const NAMES = ['id', 'name', 'größe', 'a"b', 'x', 'xy', 'items', 'na', '日', 'the value'];
const CHARACTERS = ['a', 'B', '7', ' ', '"', '\\', '\n', '/', 'é', '日', '😀', '\u0001', '\u007f', '-', '{', ','];
/** Patterns with texts that they find something in. */
const PATTERNS: readonly [string, readonly string[]][] = [
  ['^[a-z]{2,5}$', ['ab', 'xyz', 'hello']],
  ['^\\d{3}-\\d{4}$', ['555-0123']],
  ['b', ['abc', 'b', '"b\n']],
  ['^(red|green|blue)$', ['red', 'blue']],
  ['^[^"\\\\]+$', ['Grüße', '日本 😀']],
  ['x?y+$', ['xyyy', '??y']],
  ['^\\p{Lu}', ['Ä', 'Zebra']],
  ['^.{3}$', ['a"b', '日本語', '😀😀😀']],
  ['^(?!bad)\\w+$', ['good', 'ba']],
  ['^\\S+@\\S+\\.\\S{2,}$', ['a@b.cd']],
];
const FORMATS: readonly [string, readonly string[]][] = [
  ['date', ['2024-02-29', '1999-12-31']],
  ['date-time', ['2025-01-01T00:00:00Z', '2024-02-29T23:59:59.123+02:00']],
  ['time', ['12:00:00Z']],
  ['email', ['a.b+c@example.co.uk']],
  ['uuid', ['123e4567-e89b-12d3-a456-426614174000']],
  ['uri', ['https://example.com/a?b=c#d', 'mailto:a@b.de']],
  ['ipv4', ['192.168.0.1']],
  ['ipv6', ['::1', '2001:db8::8a2e:370:7334']],
];

const pick = <T>(random: Random, list: readonly T[]): T => list[random.below(list.length)];
const chance = (random: Random, share: number): boolean => random.uniform() < share;
const text = (random: Random, length: number) => Array.from({ length }, () => pick(random, CHARACTERS)).join('');

/** A random schema; with definitions that refer to themselves now and then. */
export function randomSchema(random: Random): Schema {
  const withTree = chance(random, 0.2);
  const schema = anySchema(random, 3, withTree);
  if (!withTree) return schema;
  const tree = {
    type: 'object',
    properties: { left: { $ref: '#/$defs/tree' }, v: { type: 'integer' } },
    required: ['v'],
  };
  return { ...schema, $defs: { tree } };
}

function anySchema(random: Random, depth: number, withTree: boolean): Schema {
  const inner = () => anySchema(random, depth - 1, withTree);
  const kind = random.below(depth > 0 ? 12 : 7);
  if (withTree && chance(random, 0.2)) return { $ref: '#/$defs/tree' };
  if (kind === 0) return stringSchema(random);
  if (kind === 1) return numberSchema(random, 'integer');
  if (kind === 2) return numberSchema(random, 'number');
  if (kind === 3) return { type: pick(random, ['boolean', 'null']) };
  if (kind === 4) return { enum: Array.from({ length: 1 + random.below(5) }, () => randomValue(random, 1)) };
  if (kind === 5) return { const: randomValue(random, 2) };
  if (kind === 6) return { type: ['string', 'null', 'integer'].slice(random.below(2)), maxLength: 5 + random.below(4) };
  if (kind === 7) return arraySchema(random, inner);
  if (kind === 8) return { anyOf: Array.from({ length: 2 + random.below(2) }, inner) };
  if (kind === 9) return tupleSchema(random, inner);
  return objectSchema(random, inner);
}

function stringSchema(random: Random): Schema {
  const kind = random.below(5);
  if (kind === 0) return { type: 'string' };
  if (kind === 1) return { type: 'string', pattern: pick(random, PATTERNS)[0] };
  if (kind === 2) return { type: 'string', format: pick(random, FORMATS)[0] };
  const minLength = random.below(4);
  return { type: 'string', minLength, ...(kind === 3 ? { maxLength: minLength + random.below(12) } : {}) };
}

function numberSchema(random: Random, type: string): Schema {
  const schema: Schema = { type };
  const scale = pick(random, [1, 10, 1000, 123456]);
  const number = () =>
    type === 'integer' ? random.below(2 * scale + 1) - scale : Math.round(random.normal() * scale * 100) / 100;
  const low = number();
  if (chance(random, 0.5)) schema[chance(random, 0.3) ? 'exclusiveMinimum' : 'minimum'] = low;
  if (chance(random, 0.5))
    schema[chance(random, 0.3) ? 'exclusiveMaximum' : 'maximum'] = low + 1 + random.below(scale * 20);
  if (type === 'integer' && chance(random, 0.2)) schema.multipleOf = pick(random, [1, 2, 5, 7]);
  if (schema.multipleOf) {
    // Wide enough for a multiple.
    if (schema.maximum !== undefined) schema.maximum = low + 20;
    if (schema.exclusiveMaximum !== undefined) schema.exclusiveMaximum = low + 20;
  }
  return schema;
}

function arraySchema(random: Random, inner: () => Schema): Schema {
  const minItems = random.below(3);
  const schema: Schema = { type: 'array', items: inner() };
  if (chance(random, 0.5)) schema.minItems = minItems;
  if (chance(random, 0.5)) schema.maxItems = minItems + random.below(4);
  return schema;
}

function tupleSchema(random: Random, inner: () => Schema): Schema {
  const prefixItems = Array.from({ length: 1 + random.below(3) }, inner);
  const schema: Schema = { type: 'array', prefixItems, minItems: random.below(prefixItems.length + 1) };
  return chance(random, 0.5) ? { ...schema, items: chance(random, 0.5) ? false : inner() } : schema;
}

function objectSchema(random: Random, inner: () => Schema): Schema {
  const names = NAMES.filter(() => chance(random, 0.35));
  const schema: Schema = {
    type: 'object',
    properties: Object.fromEntries(names.map((name) => [name, inner()])),
    required: names.filter(() => chance(random, 0.5)),
  };
  const kind = random.below(4);
  if (kind === 0) schema.additionalProperties = false;
  if (kind === 1) schema.additionalProperties = inner();
  if (kind === 2) schema.additionalProperties = true;
  return schema;
}

/** Any JSON value. */
export function randomValue(random: Random, depth: number): unknown {
  const kind = random.below(depth > 0 ? 8 : 6);
  if (kind === 0) return null;
  if (kind === 1) return chance(random, 0.5);
  if (kind === 2) return random.below(2000) - 1000;
  if (kind === 3) return Math.round(random.normal() * 1e4) / 1e3;
  if (kind === 4 || kind === 5) return text(random, random.below(8));
  const items = Array.from({ length: random.below(4) }, () => randomValue(random, depth - 1));
  return kind === 6 ? items : Object.fromEntries(items.map((item, i) => [`${text(random, 2)}${i}`, item]));
}

/**
 * A value for a schema of `randomSchema`: properties in the schema's order. Undefined where none was found (a pattern in `anyOf`, say).
 * The caller checks with a validator.
 */
export function valueFor(schema: unknown, root: Schema, random: Random, depth = 6): unknown {
  if (typeof schema === 'boolean') return randomValue(random, 1);
  const known = schema as Schema;
  const inner = (part: unknown) => valueFor(part, root, random, depth - 1);
  if (known.$ref) return inner((root.$defs as Schema).tree);
  if (known.anyOf) return inner(pick(random, known.anyOf as Schema[]));
  if (known.enum) return pick(random, known.enum as unknown[]);
  if ('const' in known) return known.const;
  const type = Array.isArray(known.type) ? pick(random, known.type) : known.type;
  switch (type) {
    case 'null':
      return null;
    case 'boolean':
      return chance(random, 0.5);
    case 'string':
      return stringFor(known, random);
    case 'integer':
    case 'number':
      return numberFor(known, type, random);
    case 'array':
      return arrayFor(known, random, inner);
    default:
      return objectFor(known, random, inner, depth);
  }
}

function stringFor(schema: Schema, random: Random): string {
  if (schema.pattern) return pick(random, PATTERNS.find(([pattern]) => pattern === schema.pattern)![1]);
  if (schema.format) return pick(random, FORMATS.find(([format]) => format === schema.format)![1]);
  const least = (schema.minLength as number) ?? 0;
  const most = (schema.maxLength as number) ?? least + 12;
  return text(random, least + random.below(most - least + 1));
}

function numberFor(schema: Schema, type: string, random: Random): number {
  const low = (schema.minimum ?? schema.exclusiveMinimum) as number | undefined;
  const high = (schema.maximum ?? schema.exclusiveMaximum) as number | undefined;
  const from = low ?? (high !== undefined ? high - 100 : -100);
  const value = from + random.uniform() * ((high ?? from + 200) - from);
  if (type === 'number') return Math.round(value * 1000) / 1000;
  const step = (schema.multipleOf as number) ?? 1;
  return Math.round(value / step) * step;
}

function arrayFor(schema: Schema, random: Random, inner: (part: unknown) => unknown): unknown[] {
  const first = (schema.prefixItems as unknown[]) ?? [];
  const least = (schema.minItems as number) ?? 0;
  const rest = schema.prefixItems && schema.items === undefined ? false : schema.items;
  const most = Math.min((schema.maxItems as number) ?? 5, rest === false ? first.length : 5);
  const length = least + random.below(Math.max(0, most - least) + 1);
  return Array.from({ length }, (_, i) => inner(i < first.length ? first[i] : rest));
}

function objectFor(schema: Schema, random: Random, inner: (part: unknown) => unknown, depth: number): Schema {
  const value: Schema = {};
  const required = schema.required as string[];
  for (const [name, part] of Object.entries(schema.properties as Schema)) {
    if (required.includes(name) || (depth > 0 && chance(random, 0.6))) value[name] = inner(part);
  }
  const rest = schema.additionalProperties;
  if (rest && depth > 0) for (let i = random.below(3); i > 0; i--) value[`${text(random, 3)}${i}!`] = inner(rest);
  return value;
}
