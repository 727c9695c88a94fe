// Arrays in which nothing comes twice: what walks write is valid, and the masks never end in nothing.
import { expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { compileSchema } from '../../src/structured/compile.ts';
import { qwen } from './qwen-vocabulary.ts';
import { randomWalk } from './random-walk.ts';

const seed = Number(process.env.STRUCTURED_SEED ?? Math.floor(Math.random() * 2 ** 31));
const unique = (items: unknown, more: object = {}) => ({ type: 'array', items, uniqueItems: true, ...more });

test.each([
  [
    unique({ type: 'string' }),
    ['[]', '["a"]', '["a", "b"]', '["a","ab","abc"]'],
    ['["a", "a"]', '["a","b","a"]', '["", ""]'],
  ],
  [unique({ type: 'string', pattern: '^x+' }), ['["x","xx"]'], ['["x","x"]', '["a"]']],
  [unique({ enum: ['on', 'off', 3] }), ['["off", "on"]', '[3, "on", "off"]', '[]'], ['["on", "on"]', '[3,"on",3]']],
  [unique({ type: 'boolean' }, { minItems: 2 }), ['[true, false]', '[false, true]'], ['[true, true]', '[true]']],
  [unique({ type: 'string', maxLength: 1 }, { minItems: 2 }), ['["a","b"]', '["","b"]'], ['["a","a"]', '["a"]']],
])('%j', (schema, good, bad) => {
  const grammar = compileSchema(schema, qwen);
  for (const text of [...good, ...bad]) expect([text, grammar.accepts(text)]).toEqual([text, good.includes(text)]);
});

test.each([
  unique({ type: 'string' }),
  unique({ type: 'string', maxLength: 2 }, { minItems: 4, maxItems: 6 }),
  unique({ type: 'string', pattern: '^[ab]+$' }, { minItems: 3 }),
  unique({ enum: ['a', 'b', 'c', 'd'] }, { minItems: 3 }),
  {
    type: 'object',
    properties: { tags: unique({ type: 'string' }, { maxItems: 3 }), n: { type: 'integer' } },
    required: ['tags', 'n'],
  },
])(`walks of %j repeat nothing (seed ${seed})`, (schema) => {
  const random = new Random(seed);
  const grammar = compileSchema(schema, qwen);
  for (let i = 0; i < 12; i++) {
    const value = JSON.parse(randomWalk(grammar, qwen, random));
    const list = Array.isArray(value) ? value : value.tags;
    expect(new Set(list).size).toBe(list.length);
  }
});

test.each([
  unique({ type: 'object' }),
  unique({ type: 'string', pattern: '^(a|b)$' }),
  { type: 'array', uniqueItems: true },
])('%j is refused', (schema) => {
  expect(() => compileSchema(schema, qwen)).toThrow('/uniqueItems');
});
