// Regular expressions, tool calls, JSON mode, what is refused, and texts before the form. RegExp is the judge of patterns.

import { describe, expect, test } from 'vitest';
import { Budget } from '../../src/core/budget.ts';
import { Random } from '../../src/core/random.ts';
import { compileJsonObject, compileRegex, compileSchema } from '../../src/structured/compile.ts';
import { compileToolCalls, type ToolDescription } from '../../src/structured/tool-calls.ts';
import { qwen } from './qwen-vocabulary.ts';
import { randomWalk } from './random-walk.ts';

const seed = Number(process.env.STRUCTURED_SEED ?? Math.floor(Math.random() * 2 ** 31));

describe(`regular expressions (seed ${seed})`, () => {
  test.each([
    'yes|no',
    '(foo|bar)+-\\d{3}[é-ü]',
    '[^a-z]{1,5}',
    '\\p{Lu}\\p{Ll}{2,6}',
    '^(?=.*\\d)(?!.*--)[a-z\\d-]{4,8}$',
    '\\u00e9\\x41\\t[\\]\\\\^-]{2}',
    '[\\s\\S]{0,6}',
    '.{3}',
    '(a|b)*abb',
    '(?:[1-9]\\d?|100) (?<unit>px|em)?',
    '\\u{1f600}+?|[😁-😄]',
  ])('%s: what walks write matches', (source) => {
    const grammar = compileRegex(source, qwen);
    const judge = new RegExp(`^(?:${source})$`, 'u');
    const random = new Random(seed);
    for (let i = 0; i < 10; i++) expect(randomWalk(grammar, qwen, random)).toMatch(judge);
  });

  test.each([
    ['a{2,3}', ['aa', 'aaa'], ['a', 'aaaa', '']],
    ['(a|b)*abb', ['abb', 'babb', 'aabb'], ['ab', 'abba']],
    ['[\\w.]+@\\S+', ['a.b@c', 'x@日'], ['@', 'a @b']],
    ['.', ['a', '😀', 'é'], ['\n', 'ab', '']],
    ['(?!ab)\\w{2}', ['ba', 'aa'], ['ab']],
  ])('%s accepts the same texts as RegExp', (source, good, bad) => {
    const grammar = compileRegex(source, qwen);
    for (const text of [...good, ...bad]) expect([text, grammar.accepts(text)]).toEqual([text, good.includes(text)]);
  });

  test.each([
    ['a\\b', 'word boundaries'],
    ['(a)\\1', 'references back'],
    ['(?<=a)b', 'looking behind'],
    ['(a(?=b)){2}', 'looking ahead in what repeats'],
    ['a^b', 'some text must satisfy'],
    ['a(?=b)c', 'some text must satisfy'],
    ['a{6000}', 'more than 5000 repeats'],
    ['(', 'every ( must be closed'],
    ['[b-a]', 'two ends in order'],
    ['a**', 'must follow'],
    ['\\p{Nothing}', 'a property that Unicode has'],
    [`${'('.repeat(200)}a${')'.repeat(200)}`, 'groups more than 64 deep'],
    ['a'.repeat(5000), 'at most 4096 characters'],
    ['((a{1000}){1000}){1000}', 'at most 200000 states'],
    ['(a|b)*a(a|b){40}', 'at most 20000 states'],
    ['[^\\s\\S]', 'some text must satisfy'],
  ])('what cannot be done is refused %#', (source, message) => {
    expect(() => compileRegex(source, qwen)).toThrow(message);
  });
});

describe('schemas', () => {
  test.each([
    [{ properties: { a: { $dynamicRef: '#a' } } }, '/properties/a/$dynamicRef'],
    [{ type: 'array', not: { uniqueItems: true } }, '/not/uniqueItems'],
    [{ type: 'string', pattern: '(a)\\1' }, 'at /pattern: pattern: references back'],
    [{ $ref: 'https://example.com/schema' }, '/$ref'],
    [{ $ref: '#/$defs/missing' }, '/$ref must be a reference to a part of the schema'],
    [{ type: 'object', properties: { a: { not: {} } }, required: ['a'] }, 'some text must satisfy'],
    [{ oneOf: [{ type: 'string' }, { type: 'string' }] }, 'some text must satisfy'],
    [{ type: 'object', minProperties: 3 }, '/minProperties'],
    [{ type: 'array', minItems: 100_000 }, '/minItems'],
    [{ type: 'text' }, '/type must be one of'],
    [{ type: 'string', minLength: -1 }, '/minLength must be a whole number'],
    [{ type: 'object', required: 'a' }, '/required must be a list'],
    [{ enum: 'a' }, '/enum must be a list'],
    [{ items: 7 }, '/items must be a schema'],
    [{ type: 'integer', minimum: 5, maximum: 4 }, 'some text must satisfy'],
    [false, 'some text must satisfy'],
    [{ anyOf: [{ $ref: '#' }, { type: 'null' }] }, 'must not begin with itself'],
    [{ type: 'object', properties: { a: { $ref: '#' } }, required: ['a'] }, 'some text must satisfy'],
  ])('what cannot be kept is refused with its place %#', (schema, message) => {
    expect(() => compileSchema(schema, qwen)).toThrow(message);
  });

  test.each([
    ['nested 10,000 deep', () => JSON.parse(`${'{"items":'.repeat(10_000)}{}${'}'.repeat(10_000)}`)],
    ['with references that double 60 times', doubling],
    ['with 30 levels of anyOf beside anyOf', crossed],
  ])('hostile ones %s are answered', (_, make) => {
    try {
      compileSchema(make(), qwen);
    } catch (error) {
      expect(error).toMatchObject({ name: 'OnebitError' });
    }
  });

  test('of the JSON mode are any objects', () => {
    const grammar = compileJsonObject(qwen);
    for (const text of ['{}', '{"a": [1, -2.5e-3, {"b": null}], "\\ud83d\\ude00": "\\u00e9"}', '{ "x": true }']) {
      expect(grammar.accepts(text)).toBe(true);
    }
    for (const text of [
      '[]',
      '',
      '{',
      '{\n  "x": true\n}',
      '{"a":1,}',
      '{"a":01}',
      '{"a":"\\ud83d"}',
      '{"a":"\n"}',
      "{'a':1}",
      '{} ',
    ]) {
      expect(grammar.accepts(text)).toBe(false);
    }
    const random = new Random(seed);
    for (let i = 0; i < 10; i++) expect(typeof JSON.parse(randomWalk(grammar, qwen, random))).toBe('object');
  });
});

const tools: ToolDescription[] = [
  {
    type: 'function',
    function: {
      name: 'get_weather',
      parameters: {
        type: 'object',
        properties: { city: { type: 'string' }, days: { type: 'integer', minimum: 1, maximum: 14 } },
        required: ['city'],
        additionalProperties: false,
      },
    },
  },
  { type: 'function', function: { name: 'now' } },
];
const weather = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Köln", "days": 3}}\n</tool_call>';
test('a tool with no properties has no arguments, an object without any word on properties has any', () => {
  const of = (parameters: unknown) =>
    compileToolCalls([{ type: 'function', function: { name: 'now', parameters } }], qwen, { choice: 'required' });
  const other = now.replace('{}', '{"a": 1}');
  expect([now, other].map((text) => of({ type: 'object', properties: {} }).accepts(text))).toEqual([true, false]);
  expect([now, other].map((text) => of({ type: 'object' }).accepts(text))).toEqual([true, true]);
});

test('answers that call nothing may have a form of their own', () => {
  const tools = [{ type: 'function' as const, function: { name: 'now' } }];
  const grammar = compileToolCalls(tools, qwen, { answer: { type: 'object', properties: { a: { type: 'integer' } } } });
  for (const text of [now, `${now}\n${now}`, '{"a": 1}']) expect(grammar.accepts(text)).toBe(true);
  for (const text of ['Hello', `{"a": 1}\n${now}`, '{"a": "x"}']) expect(grammar.accepts(text)).toBe(false);
});

const now = '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>';

describe(`tool calls (seed ${seed})`, () => {
  test('required ones are calls and nothing else', () => {
    const grammar = compileToolCalls(tools, qwen, { choice: 'required' });
    for (const text of [weather, now, `${now}\n${weather}`]) expect(grammar.accepts(text)).toBe(true);
    for (const text of [
      '',
      'Hello',
      `Hello ${now}`,
      now.replace('now', 'later'),
      weather.replace('3', '15'),
      `${now}${now}`,
    ]) {
      expect(grammar.accepts(text)).toBe(false);
    }
    const random = new Random(seed);
    for (let i = 0; i < 20; i++) {
      for (const [, call] of randomWalk(grammar, qwen, random).matchAll(
        /<tool_call>\n(\{"name".*?\})\n<\/tool_call>(?=\n<|$)/gs,
      )) {
        expect(['get_weather', 'now']).toContain(JSON.parse(call).name);
      }
    }
  });

  test('a named one is of this tool', () => {
    const grammar = compileToolCalls(tools, qwen, { choice: { name: 'now' }, parallel: false });
    expect([now, weather, `${now}\n${now}`].map((text) => grammar.accepts(text))).toEqual([true, false, false]);
    expect(() => compileToolCalls(tools, qwen, { choice: { name: 'later' } })).toThrow('later');
  });

  test('automatic ones let the model speak, but never call badly', () => {
    const grammar = compileToolCalls(tools, qwen);
    for (const text of ['', 'Hello <b>', now, `Let me see.\n${now}\n${weather}`, 'a <tool_cal']) {
      expect(grammar.accepts(text)).toBe(true);
    }
    for (const text of ['<tool_call>', `${now} and`, `<tool_call>${now}`]) expect(grammar.accepts(text)).toBe(false);
  });

  test('come after thoughts where the model thinks first', () => {
    const grammar = compileToolCalls(tools, qwen, { choice: 'required', after: '</think>' });
    expect(grammar.accepts(`<think>\nHm, {"a" <tool_call>?\n</think>\n\n${now}`)).toBe(true);
    expect(grammar.accepts(now)).toBe(false);
  });

  test('with parameters that cannot be kept are refused with their place', () => {
    const bad = { type: 'function', function: { name: 'f', parameters: { $dynamicRef: '#a' } } } as const;
    expect(() => compileToolCalls([tools[0], bad], qwen)).toThrow('/tools/1/function/parameters/$dynamicRef');
  });
});

function doubling(): unknown {
  const $defs: Record<string, unknown> = { d0: { type: 'null' } };
  for (let i = 1; i < 60; i++) {
    const part = { $ref: `#/$defs/d${i - 1}` };
    $defs[`d${i}`] = { type: 'array', prefixItems: [part, part], minItems: 2 };
  }
  return { $ref: '#/$defs/d59', $defs };
}

function crossed(): unknown {
  let schema: unknown = {};
  for (let i = 0; i < 30; i++) schema = { anyOf: [{ minLength: i }, { maxLength: 100 + i }], allOf: [schema] };
  return schema;
}

test('up to draft 7 nothing beside a reference counts, later all of it', () => {
  const of = ($schema: string) =>
    compileSchema(
      {
        $schema,
        type: 'object',
        properties: { a: { $ref: '#/$defs/n', minimum: 5 } },
        $defs: { n: { type: 'integer' } },
      },
      qwen,
    );
  expect(of('http://json-schema.org/draft-07/schema#').accepts('{"a": 3}')).toBe(true);
  expect(of('https://json-schema.org/draft/2020-12/schema').accepts('{"a": 3}')).toBe(false);
});

test('oneOf whose alternatives overlap too much is named, not what it became', () => {
  let schema: unknown = { type: 'object', properties: { a: {} }, required: ['a'] };
  for (let i = 0; i < 12; i++)
    schema = { oneOf: [schema, { type: 'object', properties: { [`b${i}`]: { type: 'null' } } }] };
  expect(() => compileSchema(schema, qwen, { budget: new Budget({ steps: 200_000 }) })).toThrow(
    expect.objectContaining({ code: 'over-budget', message: expect.stringContaining('a oneOf must plainly exclude') }),
  );
});
