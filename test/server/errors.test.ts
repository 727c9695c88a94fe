// What the server answers to requests that are wrong, too many, or not allowed: always the API's error form, with the field's name.
import { getEventListeners } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { load } from '../../src/index.ts';
import { OnebitServer } from '../../src/server/app.ts';
import { Exchange } from '../../src/server/exchange.ts';
import { hashKey } from '../../src/server/keys.ts';
import { DEFAULT_LIMITS } from '../../src/server/limits.ts';
import { ModelShelf } from '../../src/server/model-shelf.ts';
import { tinyModel } from '../tiny-model.ts';
import { type StartedServer, startServer, until } from './started-server.ts';

const chat = '/v1/chat/completions';
const messages = [{ role: 'user', content: 'Hi' }];

async function errorOf(response: Response) {
  expect(response.headers.get('content-type')).toMatch(/^application\/json/);
  expect(response.headers.get('x-request-id')).toMatch(/^req-/);
  const body = await response.json();
  expect(Object.keys(body)).toEqual(['error']);
  expect(Object.keys(body.error).sort()).toEqual(['code', 'message', 'param', 'type']);
  return { status: response.status, ...body.error };
}

describe('wrong requests', () => {
  let started: StartedServer;
  beforeAll(async () => {
    started = await startServer({ limits: { bodyBytes: 20_000 } });
  });
  afterAll(() => started.stop());

  test.each<[string, string, object, string]>([
    ['a temperature that is text', chat, { messages, temperature: 'hot' }, 'temperature'],
    ['a temperature out of range', chat, { messages, temperature: 3 }, 'temperature'],
    ['no messages', chat, {}, 'messages'],
    ['empty messages', chat, { messages: [] }, 'messages'],
    ['an unknown role', chat, { messages: [{ role: 'king', content: '' }] }, 'messages.0.role'],
    [
      'an image',
      chat,
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] },
      'messages.0.content.0',
    ],
    ['too many texts', '/v1/embeddings', { input: Array(2049).fill('a') }, 'input'],
    ['a number among texts', '/v1/embeddings', { input: ['a', 5] }, 'input.1'],
    ['content that is a number', chat, { messages: [{ role: 'user', content: 1 }] }, 'messages.0.content'],
    ['n of zero', chat, { messages, n: 0 }, 'n'],
    ['too many alternatives', chat, { messages, top_logprobs: 21 }, 'top_logprobs'],
    ['alternatives without log-probabilities', chat, { messages, top_logprobs: 2 }, 'top_logprobs'],
    ['a bias on no token', chat, { messages, logit_bias: { hello: 1 } }, 'logit_bias.hello'],
    ['a bias beyond the vocabulary', chat, { messages, logit_bias: { 99999: 1 } }, 'logit_bias'],
    ['an empty stop', chat, { messages, stop: '' }, 'stop'],
    ['a fractional seed', chat, { messages, seed: 0.5 }, 'seed'],
    ['an unknown kind of tool', chat, { messages, tools: [{ type: 'x' }] }, 'tools.0.type'],
    ['a choice among no tools', chat, { messages, tool_choice: 'required' }, 'tool_choice'],
    ['an unknown tool', chat, { messages, tool_choice: { type: 'function', function: { name: 'f' } } }, 'tool_choice'],
    ['functions of old', chat, { messages, functions: [] }, 'functions'],
    ['audio', chat, { messages, modalities: ['audio'] }, 'modalities.0'],
    ['a prompt too long', chat, { messages: [{ role: 'user', content: 'x'.repeat(2000) }] }, 'messages'],
    ['no prompt', '/v1/completions', {}, 'prompt'],
    ['tokens out of range', '/v1/completions', { prompt: [5000] }, 'prompt'],
    ['an empty prompt', '/v1/completions', { prompt: '' }, 'prompt'],
    ['a suffix', '/v1/completions', { prompt: 'a', suffix: 'b' }, 'suffix'],
    ['best_of', '/v1/completions', { prompt: 'a', best_of: 3 }, 'best_of'],
    ['a shortest answer', chat, { messages, min_tokens: 5 }, 'min_tokens'],
    ['tokens to stop at', '/v1/completions', { prompt: 'a', stop_token_ids: [1] }, 'stop_token_ids'],
    ['beams', chat, { messages, use_beam_search: true }, 'use_beam_search'],
    ['log-probabilities of a prompt', chat, { messages, prompt_logprobs: 1 }, 'prompt_logprobs'],
    ['a shortest answer, as items', '/v1/responses', { input: 'a', min_tokens: 5 }, 'min_tokens'],
    ['two answers, as items', '/v1/responses', { input: 'a', n: 2 }, 'n'],
    ['a template', chat, { messages, chat_template: '{{ 1 }}' }, 'chat_template'],
    [
      'thinking that is neither on nor off',
      chat,
      { messages, chat_template_kwargs: { enable_thinking: 'no' } },
      'chat_template_kwargs.enable_thinking',
    ],
    [
      'settings of the template that are too long',
      chat,
      { messages, chat_template_kwargs: { a: 'x'.repeat(15_000) } },
      'chat_template_kwargs',
    ],
    ['negative tokens', '/v1/detokenize', { tokens: [-1] }, 'tokens.0'],
    ['nothing to tokenize', '/v1/tokenize', {}, 'content'],
  ])('%s', async (_, path, body, param) => {
    for (const stream of path === chat ? [false, true] : [false]) {
      const error = await errorOf(await started.post(path, { ...body, stream }));
      expect(error).toMatchObject({ status: 400, type: 'invalid_request_error', param });
      expect(error.message).not.toBe('');
    }
  });

  test.each<[string, string, number, string]>([
    ['no JSON', '{"messages":', 400, 'invalid_json'],
    ['an array', '[]', 400, 'invalid_value'],
    ['nothing', '', 400, 'invalid_json'],
    ['nested too deep', '['.repeat(5000) + ']'.repeat(5000), 400, 'invalid_json'],
    ['too large', `"${'x'.repeat(30_000)}"`, 413, 'request_too_large'],
  ])('a body that is %s', async (_, body, status, code) => {
    expect(await errorOf(await started.post(chat, body))).toMatchObject({ status, code });
  });

  test('a body that is not UTF-8, or not JSON by its own account', async () => {
    const send = (body: Uint8Array | string, type: string) =>
      fetch(started.url + chat, { method: 'POST', body: body as string, headers: { 'content-type': type } });
    expect(await errorOf(await send(Uint8Array.of(0x22, 0xff, 0x22), 'application/json'))).toMatchObject({
      status: 400,
    });
    expect(await errorOf(await send(JSON.stringify({ messages }), 'text/plain'))).toMatchObject({ status: 415 });
  });

  test('a body of unknown length that grows too large', async () => {
    const body = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(5000).fill(0x20)),
    });
    const request = { method: 'POST', body, duplex: 'half', headers: { 'content-type': 'application/json' } };
    expect(await errorOf(await fetch(started.url + chat, request as RequestInit))).toMatchObject({ status: 413 });
  });

  test('an unknown model, route or method', async () => {
    const unknown = await errorOf(await started.post(chat, { messages, model: 'gpt' }));
    expect(unknown).toMatchObject({ status: 404, code: 'model_not_found', param: 'model' });
    expect(await errorOf(await fetch(`${started.url}/v2/x`))).toMatchObject({ status: 404, code: 'not_found' });
    expect(await errorOf(await fetch(started.url + chat))).toMatchObject({ status: 405 });
  });

  test('bytes that are no HTTP request', async () => {
    const answer = await raw(started.url, 'NONSENSE\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 400 .*\{"error":\{"message":"This is not a valid HTTP request\."/s);
    expect(await raw(started.url, `GET / HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`)).toMatch(/ 431 /);
    expect(await raw(started.url, 'CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n')).toMatch(/ 405 .*"error"/s);
    expect(await raw(started.url, 'GET / HTTP/1.1\r\nhost: a\r\nexpect: x\r\n\r\n')).toMatch(/ 417 .*"error"/s);
    for (const host of ['host: a b%', 'host: 127.p.0.1', 'hoct: a']) {
      const answer = await raw(started.url, `GET / HTTP/1.1\r\n${host}\r\nconnection: close\r\n\r\n`);
      expect(answer).toMatch(/ 400 .*"error"/s);
    }
  });

  test('bytes behind an answer that has begun, or was the last: nothing more is written', async () => {
    const refused = await raw(started.url, `GET / HTTP/1.1\r\nhost: a\r\nexpect: x\r\n\r\n{"messages": 1}`, 'all');
    expect(refused).toMatch(/^HTTP\/1\.1 417 /);
    expect(refused.match(/HTTP\/1\.1/g)).toHaveLength(1);
    const body = JSON.stringify({ messages, max_tokens: 100, ignore_eos: true, stream: true });
    const head = `POST ${chat} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
    const cut = await raw(started.url, head + body, 'all', 'NONSENSE\r\n\r\n');
    expect(cut).toMatch(/^HTTP\/1\.1 200 /);
    expect(cut).toContain('data: {');
    expect(cut.match(/HTTP\/1\.1/g)).toHaveLength(1);
    expect(await raw(started.url, 'GET /health HTTP/1.1\r\nhost: a\r\n\r\n', 'error', 'NONSENSE\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 200 .*HTTP\/1\.1 400 /s,
    );
  });

  test('prompts are not logged', () => {
    expect(started.log.length).toBeGreaterThan(20);
    expect(JSON.stringify(started.log)).not.toContain('xxx');
  });
});

/** Sends bytes, `then` more when an answer comes; gives what comes back, up to an error or until the server closes. */
function raw(url: string, bytes: string, upTo: 'error' | 'all' = 'error', then = ''): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    socket.on('data', (chunk) => {
      if (answer === '' && then !== '') socket.write(then);
      answer += chunk;
      if (upTo === 'error' && /"error".*\}\}/.test(answer)) socket.destroy();
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });
}

describe('too much', () => {
  test('a full queue is answered 429 with retry-after, in a stream too, and none hangs', async () => {
    const started = await startServer({ load: { parallel: 1, queue: 1 } });
    const body = (stream: boolean) => ({ messages, max_tokens: 300, ignore_eos: true, stream });
    const answers = await Promise.all(
      Array.from({ length: 12 }, async (_, i) => {
        const response = await started.post(chat, body(i % 2 === 0));
        const text = await response.text();
        return { status: response.status, retry: response.headers.get('retry-after'), text };
      }),
    );
    const refused = answers.filter((answer) => answer.status === 429);
    expect(answers.filter((answer) => answer.status === 200).length).toBeGreaterThanOrEqual(2);
    expect(refused.length).toBeGreaterThan(0);
    for (const { retry, text } of refused) {
      expect(Number(retry)).toBeGreaterThan(0);
      expect(JSON.parse(text).error).toMatchObject({ type: 'rate_limit_error', code: 'queue_full' });
    }
    await started.stop();
  });

  test('an answer that takes too long is ended: 504, or an error event', async () => {
    const started = await startServer({ limits: { requestMs: 60, pingMs: 1 }, load: { backend: 'reference' } });
    const body = { messages, max_tokens: 400, ignore_eos: true };
    expect(await errorOf(await started.post(chat, body))).toMatchObject({ status: 504, code: 'timeout' });
    const stream = await (await started.post(chat, { ...body, stream: true })).text();
    expect(stream).toMatch(/data: \{"error":\{.*"code":"timeout".*\n\n(: ping\n\n)*$/);
    expect(stream).not.toContain('[DONE]');
    await started.stop();
  });
});

describe('who may ask', () => {
  test('keys: needed, checked, limited, counted', async () => {
    const keys = [
      { name: 'alice', sha256: await hashKey('secret-a') },
      { name: 'bob', sha256: await hashKey('secret-b'), requestsPerMinute: 2 },
      { name: 'carol', sha256: await hashKey('secret-c'), tokensPerMinute: 5 },
    ];
    const started = await startServer({ keys });
    const ask = (key?: string) =>
      started.post(
        '/v1/completions',
        { prompt: 'a', max_tokens: 6, ignore_eos: true },
        key ? { authorization: `Bearer ${key}` } : {},
      );
    const missing = await ask();
    expect(missing.headers.get('www-authenticate')).toBe('Bearer');
    expect(await errorOf(missing)).toMatchObject({ status: 401, code: 'missing_api_key' });
    expect(await errorOf(await ask('wrong'))).toMatchObject({ status: 401, code: 'invalid_api_key' });
    expect((await ask('secret-a')).status).toBe(200);
    for (const key of ['secret-b', 'secret-c']) {
      const statuses = [(await ask(key)).status, (await ask(key)).status];
      const last = await ask(key);
      expect(statuses[0]).toBe(200);
      expect(Number(last.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(await errorOf(last)).toMatchObject({ status: 429, code: 'rate_limit_exceeded' });
    }
    expect((await fetch(`${started.url}/metrics`)).status).toBe(401);
    expect((await fetch(`${started.url}/health`)).status).toBe(200);
    const metrics = await fetch(`${started.url}/metrics`, { headers: { authorization: 'bearer secret-a' } });
    expect(await metrics.text()).toContain('onebit_key_tokens_total{key="alice",type="completion"} 6');
    const open = await startServer({ keys, openMetrics: true });
    expect((await fetch(`${open.url}/metrics`)).status).toBe(200);
    await open.stop();
    expect(JSON.stringify(started.log)).not.toContain('secret');
    expect(started.log.some((entry) => entry.key === 'carol')).toBe(true);
    await started.stop();
  });

  test('pages of other origins only where they are allowed', async () => {
    const origin = 'https://shop.example';
    const preflight = { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST' } };
    const [closed, open] = [await startServer(), await startServer({ corsOrigins: [origin] })];
    for (const [server, allowed] of [
      [closed, null],
      [open, origin],
    ] as const) {
      const answers = [
        await fetch(server.url + chat, preflight),
        await server.post(chat, { messages, max_tokens: 1 }, { origin }),
        await server.post(chat, {}, { origin }),
      ];
      for (const answer of answers) expect(answer.headers.get('access-control-allow-origin')).toBe(allowed);
      await server.stop();
    }
  });

  test('names by which the server is not to be called', async () => {
    const started = await startServer({ hosts: ['127.0.0.1'] });
    expect((await fetch(`${started.url}/health`)).status).toBe(200);
    const answer = await raw(started.url, 'GET /health HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n');
    expect(answer).toMatch(/ 403 .*host_not_allowed/s);
    await started.stop();
  });
});

test('a request that has ended leaves nothing at its signal, which Node may keep', async () => {
  const started = await startServer();
  const headers = { 'content-type': 'application/json' };
  for (const body of [{ messages, max_tokens: 2, stream: true }, { messages, max_tokens: 2 }, { messages: 1 }]) {
    const request = new Request(started.url + chat, { method: 'POST', headers, body: JSON.stringify(body) });
    const before = getEventListeners(request.signal, 'abort').length;
    await (await started.server.fetch(request)).text();
    await until(() => getEventListeners(request.signal, 'abort').length === before);
  }
  await started.stop();
});

describe('ending', () => {
  test('drains: running answers end, new ones are refused, then all is given back', async () => {
    const started = await startServer({ load: { backend: 'reference' } });
    const running = started.post(chat, { messages, max_tokens: 40, ignore_eos: true, stream: true });
    await until(() => started.model.stats().running > 0);
    const drained = started.server.drain(60_000);
    const refused = await started.post(chat, { messages });
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await errorOf(refused)).toMatchObject({ status: 503, code: 'shutting_down' });
    expect((await fetch(`${started.url}/ready`)).status).toBe(503);
    expect((await fetch(`${started.url}/health`)).status).toBe(200);
    expect(await (await running).text()).toMatch(/"finish_reason":"length".*\[DONE\]/s);
    await drained;
    await started.stop();
  });

  test('also while a model loads: who waits for it is told, nothing is waited for', async () => {
    const loading = { id: 'slow', needBytes: async () => 0, load: () => new Promise<never>(() => {}) };
    const shelf = new ModelShelf([loading]);
    const server = new OnebitServer(shelf, { limits: { requestMs: 60_000 } });
    const ask = (signal?: AbortSignal) =>
      server.fetch(
        new Request(`http://localhost${chat}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ messages }),
          signal,
        }),
      );
    const away = new AbortController();
    const gone = ask(away.signal);
    const waiting = ask();
    setTimeout(() => away.abort(), 20);
    expect((await gone).status).toBe(499);
    await server.drain(20);
    expect(await errorOf(await waiting)).toMatchObject({ status: 503, code: 'shutting_down' });
    await server.dispose(); // a load that does not hear is left after five seconds
    expect(
      (
        await new OnebitServer(new ModelShelf([loading]), { limits: { requestMs: 30 } }).fetch(
          new Request(`http://localhost${chat}`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ messages }),
          }),
        )
      ).status,
    ).toBe(504);
  }, 30_000);

  test('a model is given back when its request was aborted before it came', async () => {
    const model = await load(await tinyModel({ contextLength: 512 }), { backend: 'wasm', threads: 1 });
    const shelf = new ModelShelf([{ id: 'a', needBytes: async () => 0, load: async () => model }]);
    const exchange = new Exchange(new Request('http://localhost/'), DEFAULT_LIMITS, { requestEnded: () => {} });
    exchange.abort(new Error('gone'));
    const lease = await shelf.borrow();
    let released = 0;
    const counted = { ...lease, release: () => void released++ };
    expect(() => exchange.use(counted)).toThrow('gone');
    exchange.end();
    expect(released).toBe(1);
    lease.release();
    await shelf.dispose();
  });

  test('what does not end in time is stopped', async () => {
    const started = await startServer({ load: { backend: 'reference' } });
    const running = started.post(chat, { messages, max_tokens: 400, ignore_eos: true, stream: true });
    await until(() => started.model.stats().running > 0);
    await started.server.drain(0);
    expect(await (await running).text()).toMatch(/"code":"shutting_down"/);
    await started.stop();
  });
});
