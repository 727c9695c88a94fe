// Owns what a value must satisfy so that it does not satisfy a schema: alternatives, one for each keyword. Exact, or left out where it cannot be kept.
import { OnebitError } from '../errors.ts';
import { formats } from './formats.ts';
import { isScalar } from './json-values.ts';
import type { References } from './references.ts';
import {
  besides,
  Inner,
  isObject,
  made,
  mapOf,
  namesOf,
  opposite,
  type Part,
  refuse,
  type SchemaObject,
} from './schema-parts.ts';

const TYPES = ['object', 'array', 'string', 'number', 'boolean', 'null'];
/** Pairs of alternatives are written out. */
const MOST_ONE_OF = 12;

type Alternatives = (readonly Part[])[];

/** The alternatives of `part`, whose schema is an object. @throws OnebitError `unsupported` where none can be kept */
export function alternativesOfNot(
  part: Part,
  schema: SchemaObject,
  references: References,
  isOld: boolean,
): Alternatives {
  const found: Alternatives = [];
  let left: OnebitError | undefined;
  const positive = { ...part, name: part.name.slice(1), not: false };
  for (const keyword of Object.keys(schema)) {
    if (isOld && '$ref' in schema && keyword !== '$ref') continue;
    try {
      const rule = RULES[keyword];
      if (rule) found.push(...rule(positive, schema, references));
    } catch (error) {
      if (!(error instanceof OnebitError) || error.code !== 'unsupported') throw error;
      left = error;
    }
  }
  if (found.length === 0 && left) throw left;
  return found;
}

type Rule = (part: Part, schema: SchemaObject, references: References) => Alternatives;

const not = (part: Part, schema: unknown, ...keys: (string | number)[]) => opposite(besides(part, schema, ...keys));
const inside = (part: Part, schema: unknown, ...keys: (string | number)[]) => new Inner(not(part, schema, ...keys));
const of = (type: string, part: Part, name: string, schema: SchemaObject): Alternatives => [
  [made(part, name, { type, ...schema })],
];
const unsupported =
  (keyword: string): Rule =>
  (part) => {
    throw refuse(`${part.at}/${keyword}`, `the opposite of ${keyword}`);
  };
const bound =
  (keyword: string, other: string): Rule =>
  (part, schema) => {
    // Draft 4 has booleans here, which belong to `minimum` and `maximum`.
    if (typeof schema[keyword] !== 'number') return [];
    const flag = schema[keyword === 'minimum' ? 'exclusiveMinimum' : 'exclusiveMaximum'];
    const opposed =
      flag === true && !keyword.startsWith('ex') ? (keyword === 'minimum' ? 'maximum' : 'minimum') : other;
    return of('number', part, keyword, { [opposed]: schema[keyword] });
  };
/** `minLength: 3` is not kept by at most 2. */
const least =
  (type: string, keyword: string, other: string): Rule =>
  (part, schema) =>
    Number(schema[keyword]) > 0 ? of(type, part, keyword, { [other]: Number(schema[keyword]) - 1 }) : [];
const most =
  (type: string, keyword: string, other: string): Rule =>
  (part, schema) =>
    of(type, part, keyword, { [other]: Number(schema[keyword]) + 1 });

const RULES: Readonly<Record<string, Rule>> = {
  type(part, { type, nullable }) {
    const names = [type].flat().map(String);
    if (nullable === true) names.push('null');
    const others = TYPES.filter((name) => !names.includes(name) && !(name === 'number' && names.includes('integer')));
    const found: Alternatives = others.length > 0 ? [[made(part, 'type', { type: others })]] : [];
    if (names.includes('integer') && !names.includes('number')) {
      found.push(...of('number', part, 'integer', { '-multiples': [1] }));
    }
    return found;
  },
  enum: (part, schema) => (Array.isArray(schema.enum) ? [otherThan(part, schema.enum, 'enum')] : []),
  const: (part, schema) => [otherThan(part, [schema.const], 'const')],
  minimum: bound('minimum', 'exclusiveMaximum'),
  maximum: bound('maximum', 'exclusiveMinimum'),
  exclusiveMinimum: bound('exclusiveMinimum', 'maximum'),
  exclusiveMaximum: bound('exclusiveMaximum', 'minimum'),
  multipleOf: (part, schema) => of('number', part, 'multipleOf', { '-multiples': [schema.multipleOf] }),
  minLength: least('string', 'minLength', 'maxLength'),
  maxLength: most('string', 'maxLength', 'minLength'),
  pattern: (part, schema) => of('string', part, 'pattern', { '-patterns': [schema.pattern] }),
  format: (part, { format }) =>
    typeof format === 'string' && formats.has(format) ? of('string', part, 'format', { '-formats': [format] }) : [],
  minItems: least('array', 'minItems', 'maxItems'),
  maxItems: most('array', 'maxItems', 'minItems'),
  items(part, schema) {
    if (Array.isArray(schema.items)) return listed(part, schema.items, 'items');
    const from = Array.isArray(schema.prefixItems) ? schema.prefixItems.length : 0;
    return of('array', part, 'items', { '-item': from, '-itemValue': inside(part, schema.items, 'items') });
  },
  prefixItems: (part, schema) => listed(part, schema.prefixItems, 'prefixItems'),
  additionalItems(part, schema) {
    if (!Array.isArray(schema.items)) return [];
    const value = inside(part, schema.additionalItems, 'additionalItems');
    return of('array', part, 'additionalItems', { '-item': schema.items.length, '-itemValue': value });
  },
  contains(part, schema) {
    if (schema.minContains !== undefined || schema.maxContains !== undefined)
      throw refuse(part.at, 'the opposite of minContains');
    return of('array', part, 'contains', { items: inside(part, schema.contains, 'contains') });
  },
  uniqueItems: (part, schema) =>
    schema.uniqueItems === true ? unsupported('uniqueItems')(part, schema, undefined!) : [],
  unevaluatedItems: unsupported('unevaluatedItems'),
  unevaluatedProperties: unsupported('unevaluatedProperties'),
  required: (part, schema) =>
    namesOf(schema.required, `${part.at}/required`).map((name) => [
      made(part, `required ${name}`, { type: 'object', '-absent': [name] }),
    ]),
  properties: (part, schema) =>
    Object.entries(mapOf({ schema, at: part.at }, 'properties')).map(([name, inner]) => [
      made(part, `properties ${name}`, {
        type: 'object',
        required: [name],
        properties: Object.fromEntries([[name, inside(part, inner, 'properties', name)]]),
      }),
    ]),
  additionalProperties(part, schema) {
    const names = Object.keys(mapOf({ schema, at: part.at }, 'properties'));
    const patterns = Object.keys(mapOf({ schema, at: part.at }, 'patternProperties'));
    const value = inside(part, schema.additionalProperties, 'additionalProperties');
    return of('object', part, 'additionalProperties', { '-some': { names, patterns }, '-someValue': value });
  },
  patternProperties: (part, schema) =>
    Object.entries(mapOf({ schema, at: part.at }, 'patternProperties')).flatMap(([pattern, inner]) =>
      of('object', part, `patternProperties ${pattern}`, {
        '-some': { names: [], patterns: [], pattern },
        '-someValue': inside(part, inner, 'patternProperties', pattern),
      }),
    ),
  propertyNames: unsupported('propertyNames'),
  minProperties: least('object', 'minProperties', 'maxProperties'),
  maxProperties: most('object', 'maxProperties', 'minProperties'),
  allOf: (part, { allOf }) => (Array.isArray(allOf) ? allOf.map((inner, i) => [not(part, inner, 'allOf', i)]) : []),
  anyOf: (part, { anyOf }) => (Array.isArray(anyOf) ? [anyOf.map((inner, i) => not(part, inner, 'anyOf', i))] : []),
  oneOf(part, { oneOf }) {
    if (!Array.isArray(oneOf)) return [];
    if (oneOf.length > MOST_ONE_OF)
      throw refuse(`${part.at}/oneOf`, `the opposite of more than ${MOST_ONE_OF} alternatives`);
    const branches = oneOf.map((inner, i) => besides(part, inner, 'oneOf', i));
    const pairs = branches.flatMap((a, i) => branches.slice(0, i).map((b) => [a, b]));
    return [branches.map(opposite), ...pairs];
  },
  not: (part, schema) => [[besides(part, schema.not, 'not')]],
  if(part, schema) {
    const found: Alternatives = [];
    const condition = besides(part, schema.if, 'if');
    if (schema.then !== undefined) found.push([condition, not(part, schema.then, 'then')]);
    if (schema.else !== undefined) found.push([opposite(condition), not(part, schema.else, 'else')]);
    return found;
  },
  dependencies: dependent('dependencies'),
  dependentRequired: dependent('dependentRequired'),
  dependentSchemas: dependent('dependentSchemas'),
  $ref: (part, schema, references) => [[opposite(references.resolve(schema.$ref, part))]],
};

function dependent(keyword: string): Rule {
  return (part, schema) =>
    Object.entries(mapOf({ schema, at: part.at }, keyword)).flatMap(([name, inner]): Alternatives => {
      const there = made(part, `${keyword} ${name}`, { type: 'object', required: [name] });
      if (Array.isArray(inner)) {
        return inner.map((other) => [there, made(part, `${keyword} ${name} ${other}`, { '-absent': [String(other)] })]);
      }
      return [[there, not(part, inner, keyword, name)]];
    });
}

function listed(part: Part, list: unknown, keyword: string): Alternatives {
  if (!Array.isArray(list)) return [];
  return list.map((inner, i) => [
    made(part, `${keyword} ${i}`, {
      type: 'array',
      minItems: i + 1,
      prefixItems: [...new Array(i).fill(true), inside(part, inner, keyword, i)],
      items: true,
    }),
  ]);
}

function otherThan(part: Part, values: readonly unknown[], keyword: string): Part[] {
  const scalars = values.filter(isScalar);
  const others = values.filter((value) => !isScalar(value));
  return [
    made(part, keyword, { '-values': scalars }),
    ...others.map((value, i) => opposite(made(part, `${keyword} ${i}`, literalSchema(value)))),
  ];
}

/** A schema that exactly `value`, an array or object, satisfies, apart from its scalars one level after another. */
export function literalSchema(value: unknown): SchemaObject {
  if (Array.isArray(value)) {
    const prefixItems = value.map((item) => ({ const: item }));
    return { type: 'array', minItems: value.length, maxItems: value.length, prefixItems, items: true };
  }
  if (!isObject(value)) return { const: value };
  const entries = Object.entries(value);
  return {
    type: 'object',
    required: entries.map(([key]) => key),
    properties: Object.fromEntries(entries.map(([key, item]) => [key, { const: item }])),
    additionalProperties: false,
  };
}
