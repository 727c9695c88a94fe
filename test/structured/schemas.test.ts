// Structured output against AJV: what random walks over the masks write is valid, and valid documents made without masks are accepted.
// Normally some hundred documents; STRUCTURED_DOCUMENTS=10000 makes as many over 300 schemas.
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { OnebitError } from '../../src/errors.ts';
import { compileSchema } from '../../src/structured/compile.ts';
import { everydaySchemas } from './everyday-schemas.mjs';
import { qwen } from './qwen-vocabulary.ts';
import { randomSchema, valueFor } from './random-schemas.ts';
import { randomWalk } from './random-walk.ts';

const seed = Number(process.env.STRUCTURED_SEED ?? Math.floor(Math.random() * 2 ** 31));
const documents = Number(process.env.STRUCTURED_DOCUMENTS ?? 200);
const everyday = Object.entries(everydaySchemas);
const randomCount = documents >= 10_000 ? 300 - everyday.length : 60;
const each = Math.ceil(documents / (everyday.length + randomCount));

// @ts-expect-error the package's types describe its CommonJS form
const ajv = addFormats(new Ajv2020({ strict: false }));
// @ts-expect-error the same
const ajv7 = addFormats(new Ajv({ strict: false }));
const compile = (schema: unknown) =>
  (Array.isArray((schema as { items: unknown }).items) ? ajv7 : ajv).compile(schema as object);

function check(schema: unknown, text: string, validate: (value: unknown) => boolean): void {
  const value = JSON.parse(text);
  if (!validate(value)) throw new Error(`invalid for ${JSON.stringify(schema)}: ${text}`);
}

describe(`documents written under masks (seed ${seed})`, () => {
  test.each(everyday)('of the schema %s are valid', (_, schema) => {
    const random = new Random(seed);
    const validate = compile(schema);
    const grammar = compileSchema(schema, qwen);
    for (let i = 0; i < each; i++) check(schema, randomWalk(grammar, qwen, random), validate);
  });

  test(`of ${randomCount} random schemas are valid`, { timeout: 3_600_000 }, () => {
    const random = new Random(seed);
    let made = 0;
    while (made < randomCount) {
      const schema = randomSchema(random);
      const validate = ajv.compile(schema);
      let grammar: ReturnType<typeof compileSchema>;
      try {
        grammar = compileSchema(schema, qwen);
      } catch (error) {
        // Bounds of random schemas can exclude each other.
        if (error instanceof OnebitError && error.message.includes('some text must satisfy')) continue;
        throw error;
      }
      made++;
      for (let i = 0; i < each; i++) check(schema, randomWalk(grammar, qwen, random), validate);
    }
  });
});

test(`valid documents made from schemas alone are accepted (seed ${seed})`, { timeout: 3_600_000 }, () => {
  const random = new Random(seed + 1);
  let accepted = 0;
  for (let i = 0; i < randomCount * 3; i++) {
    const schema = randomSchema(random);
    const validate = ajv.compile(schema);
    const values = Array.from({ length: 5 }, () => valueFor(schema, schema, random)).filter((value) => validate(value));
    if (values.length === 0) continue;
    const grammar = compileSchema(schema, qwen);
    for (const value of values) {
      const spaced = JSON.stringify(value, null, 1).replaceAll(/\n */g, ' ');
      for (const text of [JSON.stringify(value), spaced]) {
        if (!grammar.accepts(text)) throw new Error(`not accepted for ${JSON.stringify(schema)}: ${text}`);
        accepted++;
      }
    }
  }
  expect(accepted).toBeGreaterThan(randomCount * 3);
});
