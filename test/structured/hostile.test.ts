// What strangers send as schemas either works or is refused by a typed error, within the budget of one request and with turns of the event loop.
// Normally some dozen random ones; STRUCTURED_HOSTILE=100000 goes on for long, STRUCTURED_SEED repeats a run.
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, test } from 'vitest';
import { Budget } from '../../src/core/budget.ts';
import { Random } from '../../src/core/random.ts';
import { OnebitError } from '../../src/errors.ts';
import { compileRegex, compileSchema, compileSchemaAsync } from '../../src/structured/compile.ts';
import type { Grammar } from '../../src/structured/grammar.ts';
import { hostileSchemas, randomHostile } from './hostile-schemas.ts';
import { qwen } from './qwen-vocabulary.ts';

const seed = Number(process.env.STRUCTURED_SEED ?? Math.floor(Math.random() * 2 ** 31));
const count = Number(process.env.STRUCTURED_HOSTILE ?? 40);
const CODES = ['over-budget', 'unsupported', 'bad-argument'];

/** Compiles under a budget and writes some tokens. Returns the code of the error that ended it. */
async function outcome(schema: unknown, random: Random): Promise<string> {
  const budget = new Budget({ steps: 3_000_000, bytes: 64 << 20 });
  try {
    const grammar = await compileSchemaAsync(schema, qwen, { budget });
    await write(grammar, random);
    return 'works';
  } catch (error) {
    if (!(error instanceof OnebitError)) throw error;
    return error.code;
  }
}

async function write(grammar: Grammar, random: Random): Promise<void> {
  const matcher = grammar.matcher();
  for (let i = 0; i < 12 && !matcher.isFinished; i++) {
    await matcher.prepare!();
    const mask = matcher.mask();
    const allowed: number[] = [];
    for (let token = 0; token < qwen.vocabularySize; token++)
      if ((mask[token >>> 5] >>> (token & 31)) & 1) allowed.push(token);
    expect(allowed.length).toBeGreaterThan(0);
    const token = allowed[random.below(allowed.length)];
    if (qwen.endOfGeneration.has(token)) return;
    matcher.accept(token);
  }
}

/** Definitions that say nothing but themselves are endless for the judge; for us they say nothing. */
function judges(validate: (value: unknown) => boolean, value: unknown): boolean {
  try {
    return validate(value);
  } catch (error) {
    if (error instanceof RangeError) return true;
    throw error;
  }
}

test.each(Object.entries(hostileSchemas))('%s', { timeout: 120_000 }, async (_, schema) => {
  expect(['works', ...CODES]).toContain(await outcome(schema, new Random(seed)));
});

test('equal ways are one: chains of alternatives cost their size', () => {
  const grammar = compileSchema(hostileSchemas['two equal ways, 40 deep'], qwen, {
    budget: new Budget({ steps: 200_000 }),
  });
  expect(grammar.accepts('[1, "a"]')).toBe(true);
  const lists = compileSchema(hostileSchemas['lists that begin alike, 30 deep'], qwen, {
    budget: new Budget({ steps: 200_000 }),
  });
  expect(lists.accepts(`${'['.repeat(25)}${']'.repeat(25)}`)).toBe(true);
  expect(lists.accepts(`${'['.repeat(25)}${']'.repeat(24)}`)).toBe(false);
});

test('one budget goes through several compilations', () => {
  const budget = new Budget({ steps: 120_000 });
  const schema = (i: number) => ({
    anyOf: Array.from({ length: 200 }, (_, k) => ({ type: 'array', maxItems: i * 1000 + k })),
  });
  expect(() => {
    for (let i = 0; i < 1000; i++) compileSchema(schema(i), qwen, { budget });
  }).toThrow('within the budget of one request');
});

test('the event loop has turns while a schema is compiled', async () => {
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  await outcome(hostileSchemas['bounds that multiply'], new Random(seed));
  clearInterval(timer);
  expect(turns).toBeGreaterThan(2);
});

test('a long word is made in pieces, between which others have their turn', async () => {
  const budget = new Budget();
  const spend = budget.spend.bind(budget);
  let most = 0;
  budget.spend = (what, steps = 1) => {
    most = Math.max(most, steps);
    spend(what, steps);
  };
  const long = compileSchemaAsync({ const: 'w'.repeat(250_000) }, qwen, { budget });
  await expect(long).rejects.toMatchObject({ code: 'unsupported' });
  expect(most).toBeLessThan(100_000);
});

test(`${count} random ones (seed ${seed})`, { timeout: 36_000_000 }, async () => {
  const random = new Random(seed);
  const ajv = new Ajv2020({ strict: false });
  for (let i = 0; i < count; i++) {
    const schema = randomHostile(random);
    const result = await outcome(schema, random);
    if (!['works', ...CODES].includes(result)) throw new Error(`${result} for ${JSON.stringify(schema)}`);
    if (result !== 'works') continue;
    // What is accepted is valid.
    const grammar = compileSchema(schema, qwen);
    const validate = ajv.compile(schema as object);
    for (const text of ['""', '"aab"', '7', '12', '[]', '["a"]', '{}', '{"s0": "a"}', '[[""]]', 'null', 'true']) {
      if (grammar.accepts(text) && !judges(validate, JSON.parse(text)))
        throw new Error(`accepts ${text} for ${JSON.stringify(schema)}`);
    }
  }
});

test('what is repeated is paid for before it is made', () => {
  const few = () => ({ budget: new Budget({ steps: 50_000, bytes: 1 << 20 }) });
  expect(() => compileRegex('(((a?){50}){50}){50}', qwen, few())).toThrow(/budget of one request/);
  const values = Array.from({ length: 2000 }, (_, i) => i);
  const lists = {
    'unique values': { items: { enum: values }, uniqueItems: true, maxItems: 9 },
    'many places': { items: { enum: [1, 2] }, minItems: 5000 },
    'contains with counts': { contains: { const: 1 }, minContains: 3, maxContains: 90, maxItems: 200 },
  };
  for (const [name, schema] of Object.entries(lists))
    expect(() => compileSchema({ type: 'array', ...schema }, qwen, few()), name).toThrow(/budget of one request/);
});
