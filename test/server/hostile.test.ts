// What one client sends does not stop the others: /health answers, streams go on, and what is too much is refused before the work.
import { connect } from 'node:net';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decompressed } from '../../src/server/decompress.ts';
import { type StartedServer, startServer, until } from './started-server.ts';

let started: StartedServer;
beforeAll(async () => {
  started = await startServer();
});
afterAll(() => started.stop());

const user = (content: unknown) => ({ role: 'user', content });
const of = <Item>(count: number, item: (i: number) => Item) => Array.from({ length: count }, (_, i) => item(i));
const chat = (messages: object[], more: object = {}) => JSON.stringify({ messages, max_tokens: 1, ...more });

const fields = (count: number, value: unknown) => Object.fromEntries(of(count, (i) => [i, value]));
const form = (schema: object) =>
  chat([user('a')], { response_format: { type: 'json_schema', json_schema: { schema } } });

const MUCH: [string, string, string, RegExp][] = [
  ['one long word', '/v1/chat/completions', chat([user('xy'.repeat(3e6))]), /context_length_exceeded/],
  ['symbols without a space', '/v1/completions', JSON.stringify({ prompt: '🧩'.repeat(1.8e6) }), /context_length/],
  ['control tokens', '/v1/messages', chat([user('<|im_end|>'.repeat(6e5))]), /fit/],
  ['text to be tokenized', '/v1/tokenize', JSON.stringify({ content: '字'.repeat(2e6), with_pieces: true }), /fit/],
  ['text to be embedded', '/v1/embeddings', JSON.stringify({ input: of(2000, () => 'a b '.repeat(900)) }), /fit/],
  ['thoughts of before', '/v1/chat/completions', chat([{ role: 'assistant', content: `${'x '.repeat(3e6)}</think>` }, user('a')]), /fit/],
  ['many messages that would be left out', '/api/chat', JSON.stringify({ model: 'tiny', stream: false, messages: of(9000, () => user('🧩'.repeat(150))) }), /fit/],
  ['many messages that are wrong', '/v1/chat/completions', chat(of(9999, () => ({ role: 'nobody', content: {} }))), /messages\.0/],
  ['many parts', '/v1/responses', JSON.stringify({ input: of(30, () => user(of(999, () => ({})))) }), /input\.0/],
  ['empty lists', '/v1/chat/completions', `{"messages":[${'[],'.repeat(2.5e6)}[]]}`, /objects, arrays and fields/],
  ['names of fields', '/v1/completions', `{${of(3e5, (i) => `"k${i}":1`).join()}}`, /objects, arrays and fields/],
  ['token ids', '/v1/completions', JSON.stringify({ prompt: of(9e5, () => 3) }), /900000 tokens/],
  ['token ids that are none', '/v1/completions', JSON.stringify({ prompt: of(9e5, () => -3) }), /prompt\.0/],
  ['stop texts', '/v1/completions', JSON.stringify({ prompt: 'a', stop: of(1e5, () => 'b') }), /stop/],
  ['biases', '/v1/completions', JSON.stringify({ prompt: 'a', logit_bias: fields(4e4, 1) }), /logit_bias/],
  ['short texts, all different', '/v1/embeddings', JSON.stringify({ input: of(7e5, (i) => `s${i}`) }), /150000 texts/],
  ['fractions', '/v1/completions', JSON.stringify({ prompt: of(6e5, (i) => i + 0.5) }), /1200000 numbers/],
  ['settings of the template', '/v1/chat/completions', chat([user('a')], { chat_template_kwargs: fields(9e4, 1) }), /objects, arrays and fields/],
  ['pairs of metadata', '/v1/responses', JSON.stringify({ input: 'a', metadata: fields(4e4, 'v') }), /at most 16 pairs, got 40000/],
  ['a few too many pairs of metadata', '/v1/chat/completions', chat([user('a')], { metadata: fields(17, 'v') }), /metadata.*at most 16 pairs/],
  ['values of a schema', '/v1/chat/completions', form({ enum: of(1.1e6, (i) => i) }), /50000 values/],
  ['types of a schema', '/v1/chat/completions', form({ type: of(1e5, () => 'string') }), /50000 values/],
  ['required names of a schema', '/api/generate', JSON.stringify({ model: 'tiny', prompt: 'a', format: { required: of(9e4, (i) => `n${i}`) } }), /50000 values/],
  ['a long constant', '/v1/messages', chat([user('a')], { output_config: { format: { type: 'json_schema', schema: { const: 'x'.repeat(7e6) } } } }), /1048576 characters/],
  ['a schema as text', '/v1/completions', JSON.stringify({ prompt: 'a', guided_json: `[${'{},'.repeat(2e6)}{}]` }), /objects, arrays and fields/],
  ['a deep schema as text', '/v1/completions', JSON.stringify({ prompt: 'a', json_schema: '['.repeat(3e6) }), /levels deep/],
  ['schemas of tools', '/v1/responses', JSON.stringify({ input: 'a', tool_choice: 'required', tools: of(2, (i) => ({ type: 'function', name: `f${i}`, parameters: { enum: of(4e4, (k) => k) } })) }), /50000 values|fit/],
  ['descriptions of tools', '/v1/chat/completions', chat([user('a')], { tools: of(99, (i) => ({ type: 'function', function: { name: `f${i}`, description: 'x'.repeat(7e4) } })) }), /tools/],
]; // biome-ignore format: a table

describe('of what is too much', () => {
  test.each(MUCH)('%s: refused soon, with few stretches of work', async (_, path, body, message) => {
    let silence = 0;
    let last = performance.now();
    const turns = setInterval(() => {
      silence = Math.max(silence, performance.now() - last);
      last = performance.now();
    }, 5);
    const response = await started.server.fetch(
      new Request(`http://localhost${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: chunked(body),
        duplex: 'half',
      } as RequestInit),
    );
    clearInterval(turns);
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(response.status).toBeLessThan(500);
    expect(await response.text()).toMatch(message);
    expect(silence).toBeLessThan(3000); // some 50 ms on an idle machine
  });

  /** A body as it comes from a socket. */
  function chunked(text: string): ReadableStream<Uint8Array> {
    const bytes = new TextEncoder().encode(text);
    let at = 0;
    return new ReadableStream({
      pull: (controller) => {
        controller.enqueue(bytes.subarray(at, at + 65_536));
        at += 65_536;
        if (at >= bytes.length) controller.close();
      },
    });
  }

  test('long answers come piece by piece and whole: pieces of a text, tokens of a million', async () => {
    const content = 'ab '.repeat(150);
    const { tokens } = await (await started.post('/v1/tokenize', { content, with_pieces: true })).json();
    expect(tokens.map(({ piece }: { piece: string }) => piece).join('')).toBe(content);
    const many = { tokens: of(200_000, (i) => 65 + (i % 20)) };
    const text = (await (await started.post('/v1/detokenize', many)).json()).content;
    expect(text).toBe('ABCDEFGHIJKLMNOPQRST'.repeat(10_000));
  });

  test('many large bodies at once are read one after the other, and all are answered', async () => {
    const small = await startServer({ limits: { bodiesBytes: 1 << 20 } });
    const body = { prompt: 'x'.repeat(700_000) };
    const statuses = await Promise.all(of(12, async () => (await small.post('/v1/completions', body)).status));
    expect(new Set(statuses)).toEqual(new Set([400]));
    await small.stop();
  });
});

test('of choices that fail nothing is left: what others have begun is stopped', async () => {
  const body = { prompt: of(100, () => 'ab '.repeat(120)), max_tokens: 1, echo: true, logprobs: 20 };
  const answer = await started.post('/v1/completions', body);
  expect((await answer.json()).error.code).toBe('over-budget');
  await until(() => started.model.stats().running === 0 && started.model.stats().waiting === 0);
  expect(started.model.stats().kvPagesUsed).toBe(0);
});

describe('compressed bodies', () => {
  const send = (bytes: Uint8Array, encoding: string) =>
    fetch(`${started.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-encoding': encoding },
      body: bytes as BodyInit,
    });

  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync], // some clients send what is inside of zlib's form
    ['br', brotliCompressSync],
  ])('%s: read, bounded, refused where damaged', async (encoding, compress) => {
    const whole = compress(JSON.stringify({ prompt: 'Hi', max_tokens: 1 }));
    expect((await send(whole, encoding)).status).toBe(200);
    expect((await send(compress(Buffer.alloc(12e6, 0x20)), encoding)).status).toBe(413);
    for (const damaged of [whole.subarray(0, -3), Buffer.from('no such thing')]) {
      const answer = await send(damaged, encoding);
      expect(answer.status).toBe(400);
      expect((await answer.json()).error.message).toMatch(/content-encoding/);
    }
  });

  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
    ['br', brotliCompressSync],
  ])('%s: given up while more of it is ready, nothing is thrown', async (encoding, compress) => {
    const noisy = Uint8Array.from({ length: 1e6 }, (_, i) => ((i * 7919) >>> 3) & 63);
    const packed = compress(noisy);
    const source = (rest = packed) =>
      new ReadableStream<Uint8Array>({
        pull(controller) {
          if (rest.length === 0) controller.close();
          else controller.enqueue(rest.subarray(0, 4096));
          rest = rest.subarray(4096);
        },
      });
    for (let i = 0; i < 10; i++) {
      const reader = (await decompressed(source(), encoding)).getReader();
      await reader.read();
      await new Promise((resolve) => setTimeout(resolve, 3)); // more becomes ready, and is not asked for
      await reader.read();
      await reader.cancel(i % 2 === 0 ? undefined : new Error('enough'));
    }
    expect((await send(packed, encoding)).status).toBe(400); // and the server is there
  });

  test('of other kinds are refused by name', async () => {
    const answer = await send(Uint8Array.of(1), 'zstd');
    expect(answer.status).toBe(415);
    expect((await answer.json()).error.message).toMatch(/gzip.*br.*'zstd'/);
  });
});

test('a client that is refused while it writes gets its answer, however long it goes on', async () => {
  const { hostname, port } = new URL(started.url);
  const socket = connect(Number(port), hostname);
  socket.pause(); // it writes before it reads
  const failures: Error[] = [];
  socket.on('error', (error) => failures.push(error));
  socket.write(
    'POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99000000\r\n\r\n',
  );
  for (let piece = 0; piece < 8; piece++) {
    socket.write(Buffer.alloc(100_000, 0x20));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  let answer = '';
  for await (const chunk of socket) answer += chunk;
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  expect(answer).toMatch(/connection: close/i);
  expect(failures).toEqual([]);
  socket.destroy();
});

test('what programs send that do not say it is JSON is taken, but from no page', async () => {
  const send = (headers: Record<string, string>) =>
    started.server.fetch(
      new Request('http://localhost//v1//completions/', {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        body: '{"prompt":"a","max_tokens":1}',
      }),
    );
  expect((await send({})).status).toBe(200);
  expect((await send({ origin: 'https://shop.example' })).status).toBe(415);
});

test('a method that a route does not take is told which it takes', async () => {
  for (const [path, allow] of [
    ['/v1/completions', 'POST'],
    ['/v1/models/x', 'GET'],
    ['/v1/responses/x', 'GET, DELETE'],
  ]) {
    const answer = await fetch(started.url + path, { method: 'PUT' });
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, allow]);
  }
});
