// The server through the official client `openai`: what people's programs send, and what they read.
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type StartedServer, startServer, until } from './started-server.ts';

let started: StartedServer;
let client: OpenAI;
beforeAll(async () => {
  started = await startServer();
  client = new OpenAI({ baseURL: `${started.url}/v1`, apiKey: 'none', maxRetries: 0 });
});
afterAll(() => started.stop());

const messages = [{ role: 'user' as const, content: 'Hello' }];
const greedy = { model: 'tiny', temperature: 0, ignore_eos: true };

describe('chat completions', () => {
  test('answer as the library does, with usage', async () => {
    const answer = await client.chat.completions.create({ ...greedy, messages, max_completion_tokens: 12 });
    const expected = await started.model
      .chat(messages, { temperature: 0, ignoreEndOfText: true, maxTokens: 12 })
      .result();
    expect(answer.choices[0].message).toMatchObject({ role: 'assistant', content: expected.text });
    expect(answer).toMatchObject({ object: 'chat.completion', model: 'tiny' });
    expect(answer.choices[0].finish_reason).toBe('length');
    expect(answer.usage).toMatchObject({
      prompt_tokens: expected.promptTokens.length,
      completion_tokens: 12,
      total_tokens: expected.promptTokens.length + 12,
    });
  });

  test('stream the same text, the reason of the end last, then usage', async () => {
    const body = { ...greedy, messages, max_tokens: 12 };
    const whole = await client.chat.completions.create(body);
    const chunks = [];
    const stream = await client.chat.completions.create({
      ...body,
      stream: true,
      stream_options: { include_usage: true },
    });
    for await (const chunk of stream) chunks.push(chunk);
    expect(chunks[0].choices[0].delta.role).toBe('assistant');
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe(
      whole.choices[0].message.content,
    );
    expect(chunks.at(-2)?.choices[0].finish_reason).toBe('length');
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 12 } });
    expect(chunks.at(-1)?.usage?.prompt_tokens_details?.cached_tokens).toBeGreaterThan(0);
  });

  test('n, seed and stop: choices differ from each other, and are the same again', async () => {
    const body = { model: 'tiny', messages, max_tokens: 10, n: 3, seed: 7, temperature: 1.5, ignore_eos: true };
    const first = await client.chat.completions.create(body);
    const again = await client.chat.completions.create(body);
    const texts = first.choices.map((choice) => choice.message.content);
    expect(new Set(texts).size).toBe(3);
    expect(again.choices.map((choice) => choice.message.content)).toEqual(texts);
    expect(first.choices.map((choice) => choice.index)).toEqual([0, 1, 2]);
    expect(first.usage?.completion_tokens).toBe(30);
    const text = texts[0] ?? '';
    const stopped = await client.chat.completions.create({ ...body, n: 1, stop: [text.slice(3, 5)] });
    expect(stopped.choices[0]).toMatchObject({
      finish_reason: 'stop',
      message: { content: text.slice(0, text.indexOf(text.slice(3, 5))) },
    });
  });

  test('log-probabilities belong to the text, and are those of the library', async () => {
    const body = { ...greedy, messages, max_tokens: 6, logprobs: true, top_logprobs: 3 };
    const { choices } = await client.chat.completions.create(body);
    const content = choices[0].logprobs?.content ?? [];
    const expected = await started.model
      .chat(messages, { temperature: 0, ignoreEndOfText: true, maxTokens: 6, logprobs: 3 })
      .result();
    expect(content.map((entry) => entry.logprob)).toEqual(expected.logprobs?.map((entry) => entry.logprob));
    expect(content[0].top_logprobs).toHaveLength(3);
    const bytes = Uint8Array.from(content.flatMap((entry) => entry.bytes ?? []));
    expect(new TextDecoder().decode(bytes)).toBe(choices[0].message.content);
  });

  test('logit_bias forbids and forces tokens', async () => {
    const { choices } = await client.chat.completions.create({
      ...greedy,
      messages,
      max_tokens: 5,
      logit_bias: { 88: 100 },
    });
    expect(choices[0].message.content).toBe('XXXXX');
  });

  test('content in parts, developer messages and unknown fields are taken', async () => {
    const parts = [
      { type: 'text' as const, text: 'Hel' },
      { type: 'text' as const, text: 'lo' },
    ];
    const whole = await client.chat.completions.create({ ...greedy, messages, max_tokens: 5 });
    const inParts = await client.chat.completions.create({
      ...greedy,
      messages: [{ role: 'user', content: parts }],
      max_tokens: 5,
      ...{ unheard_of: { deeply: true } },
      store: false,
      metadata: { a: 'b' },
    });
    expect(inParts.choices[0].message.content).toBe(whole.choices[0].message.content);
    await client.chat.completions.create({
      ...greedy,
      messages: [{ role: 'developer', content: 'x' }, ...messages],
      max_tokens: 1,
    });
  });
});

describe('completions, models, tokens', () => {
  test('completions continue texts and tokens, several at once, with echo', async () => {
    const body = { ...greedy, max_tokens: 5 };
    const two = await client.completions.create({ ...body, prompt: ['Hello', 'World'], n: 2, echo: true });
    expect(two.choices.map((choice) => choice.text.slice(0, 5))).toEqual(['Hello', 'Hello', 'World', 'World']);
    const byIds = await client.completions.create({ ...body, prompt: [72, 101, 108, 108, 111] });
    expect(`Hello${byIds.choices[0].text}`).toBe(two.choices[0].text);
    const stream = await client.completions.create({ ...body, prompt: 'Hello', stream: true });
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.text ?? '';
    expect(text).toBe(byIds.choices[0].text);
  });

  test('log-probabilities of completions have offsets into the text', async () => {
    const { choices } = await client.completions.create({ ...greedy, prompt: 'Hello', max_tokens: 6, logprobs: 2 });
    expect(choices[0].logprobs?.tokens).toHaveLength(6);
    expect(choices[0].logprobs?.text_offset?.[0]).toBe(0);
    expect(Object.keys(choices[0].logprobs?.top_logprobs?.[0] ?? {})).toHaveLength(2);
  });

  test('models are listed and found', async () => {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    expect(ids).toEqual(['tiny']);
    expect(await client.models.retrieve('tiny')).toMatchObject({ id: 'tiny', object: 'model' });
    await expect(client.models.retrieve('other')).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
  });

  test('tokenize and detokenize are inverse', async () => {
    const { tokens, count } = await (await started.post('/v1/tokenize', { content: 'Hello 🙂' })).json();
    expect(count).toBe(tokens.length);
    expect(await (await started.post('/v1/detokenize', { tokens })).json()).toEqual({ content: 'Hello 🙂' });
  });
});

describe('a client that goes away', () => {
  test.each([
    ['in the middle of a stream', true],
    ['while it waits for the whole answer', false],
  ])('ends the generation %s', async (_, stream) => {
    const before = started.log.length;
    const away = new AbortController();
    const request = client.chat.completions.create(
      { ...greedy, messages, max_tokens: 100_000, stream },
      { signal: away.signal },
    );
    await until(() => started.model.stats().running > 0);
    away.abort();
    await expect(
      request.then(async (answer) => {
        for await (const _ of answer as AsyncIterable<unknown>);
        throw new Error('it went on');
      }),
    ).rejects.toThrow(/abort/i);
    await until(() => started.log.length > before);
    expect(started.model.stats()).toMatchObject({ running: 0, waiting: 0 });
    expect(started.log.at(-1)).toMatchObject({ event: 'request', aborted: true });
    expect(started.log.at(-1)?.completionTokens).toBeLessThan(450);
  });
});

describe('embeddings', () => {
  test('come in base64, as the client asks for, and in numbers; texts and tokens', async () => {
    const input = ['Hello', 'World'];
    const answer = await client.embeddings.create({ model: 'tiny', input });
    const expected = await Promise.all(input.map((text) => started.model.embed(text)));
    expect(answer.data.map((one) => Array.from(one.embedding))).toEqual(expected.map((vector) => Array.from(vector)));
    expect(answer.usage).toEqual({ prompt_tokens: 10, total_tokens: 10 });
    const numbers = await client.embeddings.create({ model: 'tiny', input: [72, 101], encoding_format: 'float' });
    expect(numbers.data[0].embedding).toEqual(Array.from(await started.model.embed('He')));
  });

  test('may be shortened, to length 1 again', async () => {
    const [whole, short] = [
      await client.embeddings.create({ model: 'tiny', input: 'x' }),
      await client.embeddings.create({ model: 'tiny', input: 'x', dimensions: 7 }),
    ].map((answer) => answer.data[0].embedding);
    expect(short).toHaveLength(7);
    expect(Math.hypot(...short)).toBeCloseTo(1, 5);
    expect(short[3] / short[0]).toBeCloseTo(whole[3] / whole[0], 4);
  });

  test.each([
    ['a number of dimensions that the model does not have', { input: 'x', dimensions: 7000 }, 'dimensions'],
    ['nothing', { input: '' }, 'input'],
    ['too much', { input: 'x'.repeat(600) }, 'input'],
    ['an unknown encoding', { input: 'x', encoding_format: 'hex' }, 'encoding_format'],
  ])('refuse %s', async (_, body, param) => {
    const answer = await started.post('/v1/embeddings', body);
    expect(answer.status).toBe(400);
    expect((await answer.json()).error.param).toBe(param);
  });
});
