// Structured output against XGrammar: it accepts the documents that our masks let a random model write, for schemas that it knows too.
import { expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { compileJsonObject, compileSchema } from '../../src/structured/compile.ts';
import { everydaySchemas } from './everyday-schemas.mjs';
import { qwen } from './qwen-vocabulary.ts';
import { randomWalk } from './random-walk.ts';
import { loadXgrammar } from './xgrammar.mjs';

const seed = Number(process.env.STRUCTURED_SEED ?? Math.floor(Math.random() * 2 ** 31));
const { Grammar, Testings } = loadXgrammar();
/**
 * XGrammar 0.1.27 refuses some valid documents of the others (six decimals for bounded numbers, compact `const`, no `nullable`, own formats, …), and
 * it aborts at a list of `items`.
 */
const names = [
  'translations',
  'settings',
  'all',
  'eitherRequired',
  'json',
  'anyList',
  'tree',
  'manyOptional',
  'countries',
];
const known = names.map((name) => [name, everydaySchemas[name]] as const);

test.each(known)(`XGrammar accepts documents of %s (seed ${seed})`, async (_, schema) => {
  const random = new Random(seed);
  const grammar = compileSchema(schema, qwen);
  const judge = await Grammar.fromJSONSchema(JSON.stringify(schema), true);
  for (let i = 0; i < 5; i++) {
    const text = randomWalk(grammar, qwen, random);
    expect([text, await Testings.isGrammarAcceptString(judge, text)]).toEqual([text, true]);
  }
});

test(`XGrammar accepts objects of the JSON mode (seed ${seed})`, async () => {
  const random = new Random(seed);
  const grammar = compileJsonObject(qwen);
  const judge = await Grammar.builtinJSONGrammar();
  for (let i = 0; i < 20; i++) {
    const text = randomWalk(grammar, qwen, random);
    expect([text, await Testings.isGrammarAcceptString(judge, text)]).toEqual([text, true]);
  }
});
