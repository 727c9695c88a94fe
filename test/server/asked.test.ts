// What is asked for is answered or refused by its field's name: forms in the fields of several programs, log-probabilities of prompts and of broken
// characters, the last message continued, calls that are cut.
import Ajv2020 from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TextLogprobsWriter } from '../../src/server/logprobs.ts';
import { type ScriptedModel, scriptedModel } from './scripted-model.ts';
import { type StartedServer, startServer } from './started-server.ts';

let started: StartedServer;
beforeAll(async () => {
  started = await startServer({ contextLength: 2048 });
});
afterAll(() => started.stop());

const ask = async (path: string, body: object) => {
  const answer = await started.post(path, body);
  return { status: answer.status, body: await answer.json() };
};
const schema = {
  type: 'object',
  properties: { seats: { type: 'integer', minimum: 1, maximum: 12 }, inside: { type: 'boolean' } },
  required: ['seats', 'inside'],
  additionalProperties: false,
};
const isOfSchema = new Ajv2020().compile(schema);
const messages = [{ role: 'user', content: 'A table?' }];
const free = { max_tokens: 120, temperature: 1.5, seed: 3 };
/** Each route with its least body, and the text of its answer. */
// biome-ignore lint/suspicious/noExplicitAny: answers of many forms
const ROUTES: [string, object, (body: any) => string][] = [
  ['/v1/chat/completions', { ...free, messages }, (body) => body.choices[0].message.content],
  ['/v1/completions', { ...free, prompt: 'A table?' }, (body) => body.choices[0].text],
  ['/v1/responses', { ...free, input: 'A table?', max_output_tokens: 120 }, (body) => body.output[0].content[0].text],
  ['/v1/messages', { ...free, temperature: 1, messages }, (body) => body.content[0].text],
  ['/api/chat', { model: 'tiny', stream: false, messages, options: { num_predict: 120 } }, (body) => body.message.content],
  ['/api/generate', { model: 'tiny', stream: false, prompt: 'A table?', options: { num_predict: 120 } }, (body) => body.response],
  ['/api/generate', { model: 'tiny', stream: false, raw: true, prompt: 'A', options: { num_predict: 120 } }, (body) => body.response],
]; // biome-ignore format: a table

describe.each(ROUTES)('a form on %s %j', (path, body, textOf) => {
  const FORMS: [string, object, (text: string) => boolean][] = [
    ['json_schema', { json_schema: schema }, (text) => isOfSchema(JSON.parse(text))],
    ['guided_json as text', { guided_json: JSON.stringify(schema) }, (text) => isOfSchema(JSON.parse(text))],
    ['structured_outputs.json', { structured_outputs: { json: schema } }, (text) => isOfSchema(JSON.parse(text))],
    ['response_format', { response_format: { type: 'json_object', schema } }, (text) => isOfSchema(JSON.parse(text))],
    ['guided_choice', { guided_choice: ['in (a)', 'o+t'] }, (text) => ['in (a)', 'o+t'].includes(text)],
    ['regex', { regex: '[0-9]{2}:[0-9]{2}' }, (text) => /^\d\d:\d\d$/.test(text)],
  ]; // biome-ignore format: a table
  test.each(FORMS)('%s holds', async (_, fields, holds) => {
    const answer = await ask(path, { ...body, ...fields });
    expect(answer.status, JSON.stringify(answer.body)).toBe(200);
    expect(textOf(answer.body)).toSatisfy(holds);
  });

  test.each([
    ['grammar', { grammar: 'root ::= "a"' }],
    ['guided_grammar', { guided_grammar: 'root ::= "a"' }],
    ['ebnf', { ebnf: 'root ::= "a"' }],
    ['structured_outputs.grammar', { structured_outputs: { grammar: 'root ::= "a"' } }],
    ['response_format.json_schema.schema', { response_format: { type: 'json_schema', json_schema: schema } }],
    ['response_format.type', { response_format: { type: 'grammar', grammar: 'x' } }],
    ['guided_regex', { guided_regex: '(' }],
    ['regex', { guided_regex: 'a', regex: 'b' }],
    ['guided_json', { guided_json: 'no json' }],
    ['structured_outputs', { structured_outputs: { backend: 'auto' } }],
    ['extra_body', { extra_body: { guided_choice: ['a'] } }],
    // The field of another route
    path.startsWith('/api')
      ? ['output_config.format', { output_config: { format: { type: 'json_schema', schema } } }]
      : ['format', { format: schema }],
    path === '/v1/responses'
      ? ['output_format', { output_format: { type: 'json_schema', schema } }]
      : ['text.format', { text: { format: { type: 'json_schema', name: 'n', schema } } }],
  ] satisfies [string, object][])('%s is refused by name', async (param, fields) => {
    const answer = await ask(path, { ...body, ...fields });
    expect(answer.status).toBe(400);
    const { error } = answer.body;
    expect(error.param ?? error).toContain(param);
  });
});

describe('log-probabilities', () => {
  test('of the prompt, where it is echoed: null for the first, those of the library for the others', async () => {
    const prompt = 'Hello there';
    const expected = await started.model.score(prompt);
    for (const max_tokens of [0, 1]) {
      const { body } = await ask('/v1/completions', {
        prompt,
        max_tokens,
        echo: true,
        logprobs: 2,
        temperature: 0,
        ignore_eos: true,
      });
      const [{ text, logprobs }] = body.choices;
      expect(text.startsWith(prompt)).toBe(true);
      expect(logprobs.tokens).toHaveLength(prompt.length + max_tokens);
      expect(logprobs.tokens.join('')).toBe(text);
      expect([logprobs.token_logprobs[0], logprobs.top_logprobs[0]]).toEqual([null, null]);
      expect(logprobs.token_logprobs.slice(1, prompt.length)).toEqual(expected.logprobs);
      expect(Object.keys(logprobs.top_logprobs[3])).toHaveLength(2);
      expect(logprobs.text_offset).toEqual(logprobs.tokens.map((_: string, i: number) => i));
      expect(body.usage.completion_tokens).toBe(max_tokens);
    }
  });

  test.each([' ab', 'ab', '  ab'])('of a vocabulary that puts a space before a text: %j', (text) => {
    const shown = new Map([...` ${text}`].map((character, i) => [i + 1, character]));
    const decoder = () => ({ push: (token: number) => shown.get(token) ?? '', flush: () => '' });
    const writer = new TextLogprobsWriter({ decoder, bytesOf: () => new Uint8Array() } as never);
    const tokens = [0, ...shown.keys()].map((token) => ({ token }));
    const { tokens: written, text_offset } = writer.add(tokens, text, true);
    expect(written).toEqual(['', '', ...text]);
    expect(text_offset).toEqual([0, 0, ...Array.from(text, (_, i) => i)]);
  });

  test('of parts of characters are keyed by their bytes, and offsets fit the text, whole and streamed', async () => {
    // The tiny model's tokens are bytes: those of é and of a character that never ends.
    const body = {
      prompt: 'x',
      max_tokens: 23,
      temperature: 1,
      top_k: 0,
      seed: 5,
      logprobs: 4,
      logit_bias: { 195: 100, 169: 100, 240: 99 },
    };
    const { text, logprobs } = (await ask('/v1/completions', body)).body.choices[0];
    expect(logprobs.tokens.join('')).toBe(text);
    let offset = 0;
    for (const [i, token] of logprobs.tokens.entries()) {
      expect(logprobs.text_offset[i]).toBe(offset);
      offset += token.length;
      expect(Object.keys(logprobs.top_logprobs[i])).toHaveLength(4);
    }
    const keys = logprobs.top_logprobs.flatMap((top: object) => Object.keys(top));
    expect(keys.some((key: string) => /^bytes:\\x[89a-f][0-9a-f]$/.test(key))).toBe(true);
    const stream = await (await started.post('/v1/completions', { ...body, stream: true })).text();
    const parts = stream.split('\n\n').filter((line) => line.startsWith('data: {'));
    const tokens = parts.flatMap((part) => JSON.parse(part.slice(6)).choices[0].logprobs?.tokens ?? []);
    expect(text.startsWith(tokens.join(''))).toBe(true);
    expect(tokens).toHaveLength(23);
  });
});

describe('with a model that says what it is told to', () => {
  let scripted: ScriptedModel;
  let server: StartedServer;
  beforeAll(async () => {
    scripted = await scriptedModel();
    server = await startServer({ model: scripted.model });
  });
  afterAll(() => server.stop());
  const say = async (path: string, body: object) => (await server.post(path, body)).json();
  const begun = [...messages, { role: 'assistant', content: 'For four, ' }];

  test('the assistant’s last message is continued where that is asked for', async () => {
    scripted.say('please.');
    const end = () => scripted.prompts.at(-1)?.slice(-24);
    const open = /assistant\nFor four, $/;
    const answer = await say('/v1/chat/completions', {
      messages: begun,
      continue_final_message: true,
      add_generation_prompt: false,
    });
    expect([answer.choices[0].message.content, end()]).toEqual(['please.', expect.stringMatching(open)]);
    await say('/v1/chat/completions', { messages: begun });
    expect(end()).toMatch(/<\|im_start\|>assistant\n$/);
    await say('/v1/chat/completions', { messages: begun, add_generation_prompt: false });
    expect(end()).toMatch(/For four, <\|im_end\|>\n$/);
    const message = await say('/v1/messages', { messages: begun, max_tokens: 20 });
    expect([message.content[0].text, end()]).toEqual(['please.', expect.stringMatching(open)]);
    for (const [wrong, fields] of [
      [messages, {}],
      [begun, { add_generation_prompt: true }],
    ] as const) {
      const refused = await say('/v1/chat/completions', { messages: wrong, continue_final_message: true, ...fields });
      expect(refused.error.param).toBe('continue_final_message');
    }
  });

  test('empty thoughts are none', async () => {
    scripted.say('<think>\n\n</think>\n\nFine.');
    const { usage } = await say('/v1/chat/completions', { messages, reasoning_effort: 'high' });
    expect(usage.completion_tokens_details.reasoning_tokens).toBe(0);
    scripted.say('<think>\nhm\n</think>\n\nFine.');
    const thought = await say('/v1/chat/completions', { messages, reasoning_effort: 'high' });
    expect(thought.usage.completion_tokens_details.reasoning_tokens).toBeGreaterThan(2);
  });

  test('Ollama’s context goes on with a conversation', async () => {
    scripted.say('Fine.');
    const first = await say('/api/generate', { model: 'tiny', prompt: 'How is it?', stream: false });
    expect(first.context.length).toBeGreaterThan(20);
    await say('/api/generate', { model: 'tiny', prompt: 'And now?', stream: false, context: first.context });
    expect(scripted.prompts.at(-1)).toMatch(/How is it\?.*Fine\..*And now\?/s);
    const wrong = await server.post('/api/generate', { model: 'tiny', prompt: 'a', context: [99999] });
    expect((await wrong.json()).error).toMatch(/^context: /);
  });
});

describe('forced calls', () => {
  const tool = {
    name: 'book',
    parameters: {
      type: 'object',
      properties: { name: { type: 'string' } },
      required: ['name'],
      additionalProperties: false,
    },
  };
  const forced = {
    messages,
    tools: [{ type: 'function', function: tool }],
    tool_choice: 'required',
    temperature: 1.5,
    seed: 1,
  };

  test('are given as far as they came when the tokens run out, and stream while they are written', async () => {
    const body = { ...forced, max_tokens: 75, logit_bias: { 34: -100 } }; // without quotes the text does not end
    const { choices } = (await ask('/v1/chat/completions', body)).body;
    expect(choices[0]).toMatchObject({ finish_reason: 'length', message: { content: null } });
    const [call] = choices[0].message.tool_calls;
    expect(call.function.name).toBe('book');
    expect(call.function.arguments).toMatch(/^\{"name":"./);
    const stream = await (await started.post('/v1/chat/completions', { ...body, stream: true })).text();
    const chunks = stream
      .split('\n\n')
      .filter((line) => line.startsWith('data: {'))
      .map((line) => JSON.parse(line.slice(6)).choices[0]);
    const parts = chunks.flatMap(({ delta }) => delta.tool_calls ?? []);
    expect(parts.length).toBeGreaterThan(5);
    expect(parts[0]).toMatchObject({ index: 0, type: 'function', function: { name: 'book' } });
    expect(parts.map((part) => part.function.arguments).join('')).toBe(call.function.arguments);
    expect(chunks.at(-1).finish_reason).toBe('length');
  });

  test('in Anthropic’s, Ollama’s and the Responses form too', async () => {
    const options = { temperature: 1, max_tokens: 75 };
    const message = (
      await ask('/v1/messages', {
        messages,
        ...options,
        tools: [{ name: 'book', input_schema: tool.parameters }],
        tool_choice: { type: 'any' },
      })
    ).body;
    expect(message).toMatchObject({ stop_reason: 'max_tokens', content: [{ type: 'tool_use', name: 'book' }] });
    expect(message.content[0].input).toBeTypeOf('object');
    const response = (
      await ask('/v1/responses', {
        input: 'A table?',
        max_output_tokens: 75,
        temperature: 1.5,
        tools: [{ type: 'function', ...tool }],
        tool_choice: 'required',
      })
    ).body;
    expect(response).toMatchObject({
      status: 'incomplete',
      output: [{ type: 'function_call', name: 'book', status: 'incomplete' }],
    });
    expect(response.output[0].arguments).toMatch(/^\{"/);
  });
});
