// Owns schemas, patterns and tools that cost more than they look: chained references, alternatives that begin alike, large numbers, deep nesting.
import type { Random } from '../../src/core/random.ts';

type Schema = Record<string, unknown>;

const named = (list: readonly Schema[]) => Object.fromEntries(list.map((schema, i) => [`s${i}`, schema]));
const ref = (i: number) => ({ $ref: `#/$defs/s${i}` });
const times = <T>(count: number, make: (i: number) => T) => Array.from({ length: count }, (_, i) => make(i));

/** `depth` definitions, each with `width` alternatives that refer to the next. */
function chained(
  depth: number,
  width: number,
  keyword: string,
  alternative: (next: Schema, i: number, level: number) => Schema,
) {
  const defs = times(depth, (level) => ({ [keyword]: times(width, (i) => alternative(ref(level + 1), i, level)) }));
  return { ...ref(0), $defs: named([...defs, { type: ['integer', 'string', 'array', 'object'] }]) };
}

/** Each is known to have cost minutes or gigabytes somewhere. */
export const hostileSchemas: Readonly<Record<string, unknown>> = {
  'two equal ways, 40 deep': chained(40, 2, 'anyOf', (next) => next),
  '15 equal ways, 6 deep, with notes': chained(6, 15, 'anyOf', (next, i) => ({ ...next, title: `way ${i}` })),
  'lists that begin alike, 30 deep': chained(30, 2, 'anyOf', (next, i) => ({
    type: 'array',
    minItems: i,
    items: next,
  })),
  'bounds that multiply': chained(20, 4, 'anyOf', (next, i, level) => ({ ...next, minimum: level * 4 + i })),
  'oneOf in oneOf': chained(20, 5, 'oneOf', (next, i, level) => ({ ...next, maxLength: level * 5 + i })),
  'opposites of opposites': chained(12, 3, 'anyOf', (next, i) => ({ not: { not: next, minProperties: i } })),
  'large divisors': {
    type: 'array',
    prefixItems: times(60, (i) => ({ type: 'integer', multipleOf: 990 + i, minimum: -1e14, maximum: 1e14 })),
  },
  'divisors without end': { type: 'number', multipleOf: 1e-40, minimum: 0.1, maximum: 1e40 },
  'a prime beyond all digits': { type: 'integer', multipleOf: 9007199254740881 },
  '15,000 properties': {
    type: 'object',
    properties: Object.fromEntries(times(15_000, (i) => [`p${i}`, { type: 'integer' }])),
  },
  '60,000 values': { enum: times(60_000, (i) => `value ${(i * 48271) % 2147483647}`) },
  'nested 5,000 deep': times(5000, () => 0).reduce<unknown>((inner) => ({ items: inner }), {}),
  'a pattern of doubles': { type: 'string', pattern: '^((a|aa){1,80}){1,30}$' },
  'a pattern of large counts': { type: 'string', pattern: '^.{0,3000}x.{0,3000}$' },
  '40 patterns at once': {
    anyOf: times(40, (i) => ({ type: 'string', pattern: `^[a-z]*${'abcdefgh'[i % 8]}[a-z]{${i % 9}}$` })),
  },
  'all patterns at once': { allOf: times(12, (i) => ({ type: 'string', pattern: `${'abcdefghijkl'[i]}.{3}` })) },
  'a length beyond all memory': { type: 'string', pattern: '^\\S+( \\S+)*$', minLength: 3, maxLength: 2_000_000_000 },
  'many patterns of names': {
    type: 'object',
    patternProperties: Object.fromEntries(times(40, (i) => [`${i}.*${i + 1}`, {}])),
  },
  'dependencies of all on all': {
    type: 'object',
    properties: Object.fromEntries(times(14, (i) => [`p${i}`, {}])),
    dependentRequired: Object.fromEntries(times(14, (i) => [`p${i}`, [`p${(i + 1) % 14}`]])),
  },
  'properties of Unicode': {
    anyOf: times(40, (i) => ({ pattern: `^\\p{Script=${['Latin', 'Greek', 'Thai', 'Cyrillic'][i % 4]}}{${i}}$` })),
  },
  itself: { oneOf: [{ $ref: '#' }, { not: { $ref: '#' } }] },
};

/** A random one of these kinds. */
export function randomHostile(random: Random): unknown {
  const small = () => 1 + random.below(4);
  const leaf = (): Schema => {
    const number = random.below(1000);
    const kinds: Schema[] = [
      { minimum: number },
      { maxLength: number % 50 },
      { multipleOf: number + 1 },
      { pattern: `^(a|aa){0,${number % 30}}b*$` },
      { enum: times(1 + (number % 40), (i) => i * (number + 1)) },
      { type: ['integer', 'string'] },
      { minProperties: number % 4 },
      { title: `${number}` },
    ];
    return kinds[random.below(kinds.length)];
  };
  const depth = 2 + random.below(12);
  const defs = times(depth, (level): Schema => {
    const next = () => ({
      $ref: `#/$defs/s${random.below(6) === 0 ? random.below(depth) : Math.min(depth, level + 1)}`,
    });
    const inside = (): Schema => {
      const kind = random.below(8);
      if (kind === 0) return { type: 'array', items: next(), ...(random.below(2) ? { minItems: small() } : {}) };
      if (kind === 1) return { type: 'object', properties: named(times(small(), next)), required: ['s0'] };
      if (kind === 2) return { not: { ...next(), ...leaf() } };
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
      if (kind === 3) return { if: leaf(), then: next() };
      return { ...next(), ...leaf() };
    };
    return { [['anyOf', 'oneOf', 'allOf'][random.below(3)]]: times(small(), inside) };
  });
  return { ...ref(0), $defs: named([...defs, { type: 'string' }]) };
}
