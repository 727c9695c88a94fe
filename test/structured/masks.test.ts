// Masks against the plain way to make them: a token is allowed where each of its bytes may follow the one before.
import { expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { compileSchema } from '../../src/structured/compile.ts';
import type { Grammar } from '../../src/structured/grammar.ts';
import type { Machine, Situation } from '../../src/structured/machine.ts';
import { qwen } from './qwen-vocabulary.ts';

const seed = Number(process.env.STRUCTURED_SEED ?? Math.floor(Math.random() * 2 ** 31));
/** One token of so many is looked at, and all of the first 2,000. */
const ONE_OF = 12;

const schemas: [string, unknown][] = [
  ['any string', { type: 'string' }],
  ['short strings', { type: 'string', minLength: 2, maxLength: 14 }],
  ['letters', { type: 'string', pattern: '^[a-z]+$' }],
  ['letters and a length', { type: 'string', pattern: '^[a-zé ]{3,20}$' }],
  ['words without other scripts', { type: 'string', pattern: '^[^\\u3000-\\u9fff]*$' }],
  ['no white space twice', { type: 'string', pattern: '^(?:\\S+\\s)*\\S+$', maxLength: 40 }],
  ['lists with commas', { type: 'string', pattern: '^[^,]+(?:,[^,]+)*$', minLength: 12 }],
  ['runs of letters and hyphens', { type: 'string', pattern: '^[0-9A-Za-z]{8}(?:-[0-9A-Za-z]{1,12}){3}$' }],
  ['a run of any letters, then one sign', { type: 'string', pattern: '^\\p{L}{1,6}!$' }],
  ['pairs of letters', { type: 'string', pattern: '^(?:[a-z]{2})*$', minLength: 5, maxLength: 11 }],
  ['anything but for its ends', { type: 'string', pattern: '^ab|yz$', maxLength: 9 }],
  ['hexadecimal digits of a number', { type: 'string', pattern: '^[0-9a-f]{7}$' }],
  ['dates', { type: 'string', format: 'date-time' }],
  ['links', { type: 'string', format: 'uri', maxLength: 30 }],
  ['no two alike', { type: 'array', items: { type: 'string', maxLength: 5 }, uniqueItems: true }],
  [
    'many names',
    { type: 'object', properties: Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`key${i * 37}`, {}])) },
  ],
  [
    'names and patterns of names',
    { patternProperties: { '^x-': { type: 'integer' }, '^[A-Z ]+$': {} }, properties: { a: { type: 'null' } } },
  ],
  [
    'many alternatives',
    { anyOf: Array.from({ length: 24 }, (_, i) => ({ type: 'array', items: { type: 'string', maxLength: i } })) },
  ],
];

test.each(schemas)(`%s: as the plain way says (seed ${seed})`, (_, schema) => {
  const random = new Random(seed);
  const grammar = compileSchema(schema, qwen);
  const { machine } = grammar as unknown as { machine: Machine };
  for (let walk = 0; walk < 2; walk++) {
    const matcher = grammar.matcher();
    let situation: Situation = machine.start;
    for (let i = 0; i < 9 && !matcher.isFinished; i++) {
      const mask = matcher.mask();
      const wrong = wrongTokens(grammar, situation, mask, random.below(ONE_OF), 'uniqueItems' in (schema as object));
      expect(wrong).toEqual([]);
      const token = choose(mask, random);
      if (qwen.endOfGeneration.has(token)) break;
      matcher.accept(token);
      situation = follow(machine, situation, token)!;
    }
  }
});

function follow(machine: Machine, from: Situation, token: number): Situation | null {
  let at: Situation | null = from;
  for (const value of qwen.bytesOf(token)) at = at && machine.step(at, value);
  return at;
}

function wrongTokens(
  grammar: Grammar,
  situation: Situation,
  mask: Uint32Array,
  offset: number,
  isUnique: boolean,
): string[] {
  const { machine } = grammar as unknown as { machine: Machine };
  const wrong: string[] = [];
  for (let token = 0; token < qwen.vocabularySize; token++) {
    if (token >= 2000 && token % ONE_OF !== offset) continue;
    if (qwen.isSpecial(token) || qwen.endOfGeneration.has(token)) continue;
    const allowed = ((mask[token >>> 5] >>> (token & 31)) & 1) === 1;
    // Tokens that close a string and write another one are left out where none may come twice.
    if (!allowed && isUnique) continue;
    if (allowed !== (follow(machine, situation, token) !== null)) wrong.push(`${allowed} ${qwen.decode([token])}`);
  }
  return wrong.slice(0, 5);
}

function choose(mask: Uint32Array, random: Random): number {
  const allowed: number[] = [];
  for (let word = 0; word < mask.length; word++)
    for (let bits = mask[word]; bits !== 0; bits &= bits - 1) allowed.push(word * 32 + 31 - Math.clz32(bits & -bits));
  return allowed[random.below(allowed.length)];
}
