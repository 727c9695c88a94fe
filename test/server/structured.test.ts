// Answers with a form, through the official client and the AI SDK, from random weights: whatever the model would rather say, the form holds.
import { generateObject } from 'ai';
import Ajv2020 from 'ajv/dist/2020.js';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createOnebit } from '../../src/ai-sdk/index.ts';
import { type StartedServer, startServer } from './started-server.ts';

const THINKING = `{%- for m in messages -%}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{%- endfor -%}
{{- '<|im_start|>assistant\\n' + ('' if enable_thinking else '<think>\\n\\n</think>\\n\\n') -}}`;

let started: StartedServer;
let client: OpenAI;
beforeAll(async () => {
  started = await startServer({ contextLength: 2048 });
  client = new OpenAI({ baseURL: `${started.url}/v1`, apiKey: 'none', maxRetries: 0 });
});
afterAll(() => started.stop());

const schema = {
  type: 'object',
  properties: { size: { enum: ['small', 'large'] }, people: { type: 'integer', minimum: 1, maximum: 9 } },
  required: ['size', 'people'],
  additionalProperties: false,
};
const validate = new Ajv2020().compile(schema);
const messages = [{ role: 'user' as const, content: 'A table?' }];
const base = { model: 'tiny', messages, max_tokens: 300, temperature: 1.5 };
const tools = [
  { type: 'function' as const, function: { name: 'book', parameters: schema } },
  { type: 'function' as const, function: { name: 'ask', parameters: { type: 'object', properties: {} } } },
];

describe('response_format', () => {
  test('json_schema holds, whole and streamed', async () => {
    const response_format = { type: 'json_schema' as const, json_schema: { name: 'table', schema, strict: true } };
    for (let seed = 0; seed < 5; seed++) {
      const { choices } = await client.chat.completions.create({ ...base, seed, response_format });
      expect(choices[0].finish_reason).toBe('stop');
      expect(validate(JSON.parse(choices[0].message.content!))).toBe(true);
    }
    let text = '';
    const stream = await client.chat.completions.create({ ...base, response_format, stream: true });
    for await (const chunk of stream) text += chunk.choices[0].delta.content ?? '';
    expect(validate(JSON.parse(text))).toBe(true);
  });

  test('json_object gives an object', async () => {
    const { choices } = await client.chat.completions.create({
      ...base,
      response_format: { type: 'json_object' },
      logit_bias: { 125: 100, 123: 50 }, // towards braces, so that random weights come to an end
    });
    expect(JSON.parse(choices[0].message.content!)).toBeTypeOf('object');
  });

  test('text.format of responses holds too', async () => {
    const answer = await client.responses.create({
      model: 'tiny',
      input: 'A table?',
      text: { format: { type: 'json_schema', name: 'table', schema } },
    });
    expect(validate(JSON.parse(answer.output_text))).toBe(true);
  });

  test('settings of the template reach it, in chats as where its text is asked for', async () => {
    const chatTemplate = `{{ 'to a ' ~ mood ~ ' person' if mood else 'to a person' }}{{ messages[0].content }}`;
    const server = await startServer({ chatTemplate, contextLength: 512 });
    const tokens = async (more: object) => {
      const answer = await server.post('/v1/chat/completions', { messages, max_tokens: 1, ...more });
      return (await answer.json()).usage.prompt_tokens;
    };
    const chat_template_kwargs = { mood: 'very glad', messages: 'none' };
    const { prompt } = await (await server.post('/apply-template', { messages, chat_template_kwargs })).json();
    expect(prompt).toBe('to a very glad personA table?');
    expect((await tokens({ chat_template_kwargs })) - (await tokens({}))).toBe('very glad '.length);
    expect(await tokens({ min_tokens: 0, best_of: 1, stop_token_ids: [], skip_special_tokens: true })).toBe(
      await tokens({}),
    );
    await server.stop();
  });

  test('holds after thoughts, not for them', async () => {
    const thinking = await startServer({ chatTemplate: THINKING, contextLength: 512 });
    const response_format = { type: 'json_schema', json_schema: { schema } };
    const body = { ...base, max_tokens: 60, response_format, logit_bias: { 97: 100 } }; // it would rather say "aaa"
    const ask = async (reasoning_effort: string) => {
      const answer = await thinking.post('/v1/chat/completions', { ...body, reasoning_effort });
      return (await answer.json()).choices[0];
    };
    expect((await ask('high')).message.content).toBe('a'.repeat(60));
    expect(validate(JSON.parse((await ask('none')).message.content))).toBe(true);
    await thinking.stop();
  });

  test.each([
    [
      'a feature that is not supported',
      { type: 'json_schema', json_schema: { schema: { type: 'array', uniqueItems: true } } },
    ],
    ['what is no schema', { type: 'json_schema', json_schema: { schema: { type: 'frog' } } }],
  ])('%s is refused by name', async (_, response_format) => {
    const answer = await started.post('/v1/chat/completions', { ...base, response_format });
    expect(answer.status).toBe(400);
    expect((await answer.json()).error).toMatchObject({
      param: 'response_format',
      message: expect.stringMatching(/uniqueItems|frog/),
    });
  });

  test('beside tools: the answer is a call or of the form', async () => {
    const response_format = { type: 'json_schema' as const, json_schema: { name: 'table', schema, strict: true } };
    const kinds = new Set<string>();
    for (let seed = 0; seed < 8; seed++) {
      const { choices } = await client.chat.completions.create({
        ...{ ...base, seed, tools, response_format, parallel_tool_calls: false },
        logit_bias: seed % 2 === 0 ? { 60: 100 } : { 123: 100 }, // < and {
      });
      const [{ message, finish_reason }] = choices;
      kinds.add(finish_reason);
      if (finish_reason === 'stop') expect(validate(JSON.parse(message.content!))).toBe(true);
      else expect(message.tool_calls).toHaveLength(1);
    }
    expect(kinds).toEqual(new Set(['stop', 'tool_calls']));
  });

  test('is not for use without an end', async () => {
    const response_format = { type: 'json_object' };
    const endless = await started.post('/v1/chat/completions', { ...base, response_format, ignore_eos: true });
    expect((await endless.json()).error.param).toBe('ignore_eos');
  });
});

describe('tool_choice', () => {
  test.each(['required' as const, { type: 'function' as const, function: { name: 'book' } }])(
    '%o forces well-formed calls',
    async (tool_choice) => {
      for (let seed = 0; seed < 4; seed++) {
        const { choices } = await client.chat.completions.create({
          ...base,
          seed,
          tools,
          tool_choice,
          parallel_tool_calls: false,
        });
        const { message, finish_reason } = choices[0];
        expect(finish_reason).toBe('tool_calls');
        expect(message.tool_calls).toHaveLength(1);
        const [call] = message.tool_calls as OpenAI.ChatCompletionMessageFunctionToolCall[];
        if (typeof tool_choice === 'object') expect(call.function.name).toBe('book');
        if (call.function.name === 'book') expect(validate(JSON.parse(call.function.arguments))).toBe(true);
        else expect(call.function.arguments).toBe('{}');
      }
    },
  );

  test('allowed_tools leaves others out', async () => {
    const { choices } = await client.chat.completions.create({
      ...{ ...base, tools },
      tool_choice: {
        type: 'allowed_tools',
        allowed_tools: { mode: 'required', tools: [{ type: 'function', function: { name: 'ask' } }] },
      },
      parallel_tool_calls: false,
    });
    expect(choices[0].message.tool_calls).toMatchObject([{ function: { name: 'ask', arguments: '{}' } }]);
    const unknown = { type: 'allowed_tools', allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'x' } }] } }; // biome-ignore format: short
    const refused = await started.post('/v1/chat/completions', { ...base, tools, tool_choice: unknown });
    expect((await refused.json()).error).toMatchObject({ param: 'tool_choice' });
  });

  test('a forced call that was cut off is no content', async () => {
    const body = { ...base, tools, max_tokens: 14, tool_choice: 'required' as const };
    const { choices } = await client.chat.completions.create(body);
    expect(choices[0]).toMatchObject({ finish_reason: 'length', message: { content: '' } });
  });

  test('a schema that is not supported is refused where it is promised, and taken where it is not', async () => {
    const odd = { type: 'object', properties: { a: { type: 'array', uniqueItems: true } } };
    const ask = (strict: boolean, tool_choice: string) =>
      started.post('/v1/chat/completions', {
        ...base,
        max_tokens: 2,
        tools: [{ type: 'function', function: { name: 'f', parameters: odd, strict } }],
        tool_choice,
      });
    expect((await (await ask(true, 'auto')).json()).error).toMatchObject({ param: 'tools' });
    expect((await (await ask(false, 'required')).json()).error).toMatchObject({ param: 'tools' });
    expect((await ask(false, 'auto')).status).toBe(200);
  });
});

test('generateObject of the AI SDK gives objects of the schema', async () => {
  const provider = createOnebit({ model: started.model });
  const { object } = await generateObject({
    model: provider('tiny'),
    prompt: 'A table?',
    schema: z.object({ size: z.enum(['small', 'large']), people: z.int().min(1).max(9) }),
  });
  expect(validate(object)).toBe(true);
});
