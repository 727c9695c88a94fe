// Two keys on one server: neither learns anything of what the other sends, nor takes anything from him.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DiskStore } from '../../src/bulk/disk-store.ts';
import { Budget } from '../../src/core/budget.ts';
import { BodyGate } from '../../src/server/body-gate.ts';
import { hashKey, KeyRing } from '../../src/server/keys.ts';
import { ResponseStore } from '../../src/server/response-store.ts';
import { type StartedServer, startServer, until } from './started-server.ts';

const keys = [
  { name: 'shop', sha256: await hashKey('shop-key') },
  { name: 'rival', sha256: await hashKey('rival-key') },
  { name: 'operator', sha256: await hashKey('operator-key'), operator: true },
];
let started: StartedServer;
beforeAll(async () => {
  started = await startServer({ keys });
});
afterAll(() => started.stop());

const as = (key: string) => ({ authorization: `Bearer ${key}-key` });
const ask = async (key: string, path: string, body: object) =>
  // biome-ignore lint/suspicious/noExplicitAny: answers of many forms
  (await started.post(path, body, as(key))).json() as Promise<Record<string, any>>;
const SECRET = 'The PIN of Mrs Keller is 4711, and nobody may know it but the shop and herself.';

describe('what a key sends', () => {
  test('shows in no statistic of another: cached tokens, evaluated tokens, metrics', async () => {
    const seen = async () => {
      const answers = [
        await ask('rival', '/v1/completions', { prompt: SECRET, max_tokens: 1, seed: 1 }),
        await ask('rival', '/v1/completions', { prompt: SECRET.slice(0, 60), max_tokens: 1, seed: 1 }),
      ];
      const metrics = await (await fetch(`${started.url}/metrics`, { headers: as('rival') })).text();
      const names = /^[\w:]+\{.*\}|^[\w:]+/gm;
      const counts = metrics.split('\n').filter((line) => /(tokens|success)_total\{/.test(line));
      return { usage: answers.map(({ usage }) => usage), names: metrics.match(names), counts };
    };
    await ask('rival', '/v1/completions', { prompt: 'Something else', max_tokens: 1 });
    const fresh = await startServer({ keys });
    const alone = await fresh.post('/v1/completions', { prompt: SECRET, max_tokens: 1, seed: 1 }, as('rival'));
    const expected = (await alone.json()).usage;
    await fresh.stop();
    for (let round = 0; round < 3; round++) {
      await ask('shop', '/v1/completions', { prompt: SECRET, max_tokens: 20, seed: 1, ignore_eos: true });
      await ask('shop', '/v1/chat/completions', { messages: [{ role: 'user', content: SECRET }], max_tokens: 5 });
    }
    const before = started.model.stats();
    const { usage, names, counts } = await seen();
    const after = started.model.stats();
    expect(usage[0]).toEqual(expected);
    expect(usage[0].prompt_tokens_details.cached_tokens).toBe(0);
    // Time to the first token is that of the tokens evaluated: of the first prompt all, though the shop's cache holds them.
    expect(after.cachedTokens - before.cachedTokens).toBe(usage[1].prompt_tokens_details.cached_tokens);
    expect(names?.join()).not.toMatch(/shop|kv_cache|prefix_cache|num_requests|resident/);
    expect(counts.join('\n')).toContain('onebit_key_tokens_total{key="rival",type="completion"} 3');
    const whole = await (await fetch(`${started.url}/metrics`, { headers: as('operator') })).text();
    expect(whole).toMatch(/onebit_key_tokens_total\{key="shop".*vllm:kv_cache_usage_perc/s);
  });

  test('is kept for nobody else: neither answers nor items', async () => {
    const mine = await ask('shop', '/v1/responses', { input: SECRET, max_output_tokens: 2 });
    const get = (key: string) => fetch(`${started.url}/v1/responses/${mine.id}`, { headers: as(key) });
    expect([(await get('shop')).status, (await get('rival')).status]).toEqual([200, 404]);
    const continued = { input: 'a', previous_response_id: mine.id, max_output_tokens: 1 };
    expect((await ask('shop', '/v1/responses', continued)).status).toBe('incomplete');
    expect((await ask('rival', '/v1/responses', continued)).error.code).toBe('previous_response_not_found');
    const reference = { input: [{ type: 'item_reference', id: mine.output[0].id }], max_output_tokens: 1 };
    expect((await ask('shop', '/v1/responses/input_tokens', reference)).input_tokens).toBeGreaterThan(0);
    expect((await ask('rival', '/v1/responses/input_tokens', reference)).error.code).toBe('item_not_found');
    const deleted = await fetch(`${started.url}/v1/responses/${mine.id}`, { method: 'DELETE', headers: as('rival') });
    expect(deleted.status).toBe(404);
    expect((await get('shop')).status).toBe(200);
  });
});

test('keys of one name are told apart, and the same key twice is refused', async () => {
  const twins = [
    { name: 'team', sha256: await hashKey('shop-key') },
    { name: 'team', sha256: await hashKey('rival-key') },
  ];
  const server = await startServer({ keys: twins });
  const made = await (await server.post('/v1/responses', { input: 'a', max_output_tokens: 1 }, as('shop'))).json();
  expect((await fetch(`${server.url}/v1/responses/${made.id}`, { headers: as('rival') })).status).toBe(404);
  expect(new Set(server.log.map((entry) => entry.key)).size).toBe(2);
  await server.stop();
  await expect(startServer({ keys: [twins[0], twins[0]] })).rejects.toThrow(/given once/);
});

test('the name of a twin is never that of another key', async () => {
  const sha256 = await Promise.all(['a', 'b', 'c'].map(hashKey));
  const names = ['shop', 'shop', `shop#${sha256[0].slice(0, 8)}`];
  const ring = new KeyRing(names.map((name, i) => ({ name, sha256: sha256[i] })));
  const found = await Promise.all(['a', 'b', 'c'].map((key) => ring.identify(`Bearer ${key}`)));
  expect(new Set(found.map(({ name }) => name)).size).toBe(3);
  expect(found[2].name).toBe(names[2]);
});

describe('tokens a minute', () => {
  const limited = async () =>
    startServer({ keys: [{ name: 'small', sha256: await hashKey('small-key'), tokensPerMinute: 60 }] });
  const total = (answers: { usage?: { total_tokens: number } }[]) =>
    answers.reduce((sum, { usage }) => sum + (usage?.total_tokens ?? 0), 0);

  test('hold back a burst at admission, whatever it asks for', async () => {
    const server = await limited();
    const bodies: [string, object][] = [
      ['/v1/completions', { prompt: 'Hi', max_tokens: 300, ignore_eos: true }],
      ['/v1/chat/completions', { messages: [{ role: 'user', content: 'Hi' }], n: 4, logit_bias: { 88: 100 } }],
      ['/v1/embeddings', { input: 'a text of some tokens' }],
      ['/v1/tokenize', { content: 'a text of some tokens' }],
      ['/v1/messages/count_tokens', { messages: [{ role: 'user', content: 'Hi' }] }],
      ['/api/generate', { model: 'tiny', prompt: 'Hi', stream: false, raw: true }],
    ];
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, i) => server.post(...bodies[i % bodies.length], as('small'))),
    );
    const texts = await Promise.all(answers.map((answer) => answer.json()));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(50);
    for (const answer of refused) expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(total(texts)).toBeLessThanOrEqual(70);
    await server.stop();
  });

  test('are taken before texts become tokens, and are as many as they were afterwards', async () => {
    const server = await limited();
    let read = 0;
    const { tokenizer } = server.model;
    const encode = tokenizer.encodeAsync.bind(tokenizer);
    tokenizer.encodeAsync = (...given) => {
      read++;
      return encode(...given);
    };
    const text = 'abcdefgh '.repeat(20); // 45 tokens by their characters
    const messages = [{ role: 'user', content: text }];
    for (const [path, body] of [
      ['/v1/tokenize', { content: text }],
      ['/v1/embeddings', { input: text }],
      ['/v1/messages/count_tokens', { messages }],
      ['/v1/responses/input_tokens', { input: messages }],
      ['/v1/completions', { prompt: text, max_tokens: 1 }],
    ] as const) {
      const key = server.server as unknown as { keys: { keys: { tokens: { left: number } }[] } };
      key.keys.keys[0].tokens.left = 60;
      read = 0;
      const answers = await Promise.all(Array.from({ length: 10 }, () => server.post(path, body, as('small'))));
      expect(answers.filter(({ status }) => status === 429).length, path).toBeGreaterThanOrEqual(9);
      expect(read, path).toBeLessThan(3);
    }
    await server.stop();
  });

  test('are given back where they were not used', async () => {
    const server = await limited();
    const ask = () =>
      server.post(
        '/v1/completions',
        { prompt: 'Hi', max_tokens: 20, stop: ['X'], logit_bias: { 88: 100 } },
        as('small'),
      );
    for (let i = 0; i < 8; i++) expect((await ask()).status).toBe(200); // three tokens each, though 22 were reserved
    const long = await server.post('/v1/completions', { prompt: 'Hi', max_tokens: 300, ignore_eos: true }, as('small'));
    expect(long.status).toBe(429); // a minute's tokens are not there any more
    await server.stop();
  });
});

describe('the store of answers', () => {
  const budget = new Budget();
  const answer = (text: string) => ({
    response: { text },
    input: [],
    items: [{ role: 'user' as const, content: text }],
  });

  test('counts bytes, forgets the oldest of whoever keeps most, and keeps nothing that is too large', async () => {
    const store = new ResponseStore(20_000);
    store.put('small', 'a', answer('x'));
    for (let i = 0; i < 50; i++) store.put(`r${i}`, 'b', answer('y'.repeat(1000)));
    expect(await store.get('small', 'a', budget)).toMatchObject({ response: { text: 'x' } });
    expect(await store.get('r0', 'b', budget)).toBeUndefined();
    expect(await store.get('r49', 'b', budget)).toBeDefined();
    expect(await store.get('r49', 'a', budget)).toBeUndefined();
    store.put('huge', 'a', answer('z'.repeat(20_000)));
    expect(await store.get('huge', 'a', budget)).toBeUndefined();
    expect(await store.get('small', 'a', budget)).toBeDefined();
  });
});

test('connections that ask for nothing make room for one that does', async () => {
  const server = await startServer({ listen: { connections: 20 } });
  const { hostname, port } = new URL(server.url);
  const idle: Socket[] = [];
  for (let i = 0; i < 60; i++) {
    const socket = connect(Number(port), hostname);
    socket.on('error', () => {});
    if (i % 3 === 1) socket.write('GET /health HTT');
    if (i % 3 === 2) socket.write('POST /v1/tokenize HTTP/1.1\r\nhost: a\r\ncontent-length: 99\r\n\r\n{');
    idle.push(socket);
    await new Promise((resolve) => socket.once('connect', resolve));
  }
  const stream = await server.post('/v1/completions', { prompt: 'a', max_tokens: 200, ignore_eos: true, stream: true });
  for (let i = 0; i < 40; i++) expect((await fetch(`${server.url}/health`)).status).toBe(200);
  expect(await stream.text()).toContain('[DONE]');
  await until(() => idle.filter((socket) => !socket.destroyed && !socket.closed).length <= 40);
  for (const socket of idle) socket.destroy();
  await server.stop();
});

test('a connection that was just opened is not closed in favour of those that send half a request', async () => {
  const server = await startServer({ listen: { connections: 20 } });
  const { hostname, port } = new URL(server.url);
  const open = async (says: string) => {
    const socket = connect(Number(port), hostname);
    socket.on('error', () => {});
    await once(socket, 'connect');
    socket.write(says);
    return socket;
  };
  const half = 'POST /v1/tokenize HTTP/1.1\r\nhost: a\r\ncontent-length: 99\r\n\r\n{';
  const others = await Promise.all(Array.from({ length: 20 }, () => open(half)));
  await new Promise((resolve) => setTimeout(resolve, 100));
  const honest = await open('GET /health HTTP/1.1\r\n');
  for (let i = 0; i < 15; i++) others.push(await open(half));
  const said = once(honest, 'data');
  honest.write('host: a\r\n\r\n');
  expect(String(await said)).toMatch(/^HTTP\/1.1 200/);
  for (const socket of [...others, honest]) socket.destroy();
  await server.stop();
});

test('thousands of requests that one connection sends in one piece hold nobody up', async () => {
  const server = await startServer();
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  let said = '';
  socket.on('data', (part) => (said += part));
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write('GET /health HTTP/1.1\r\nhost: a\r\n\r\n'.repeat(5000));
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
  await until(() => socket.closed);
  // Those that were asked first have their answers, then one says why there are no more
  expect(said.match(/HTTP\/1\.1 \d+/g)).toEqual([...Array(32).fill('HTTP/1.1 200'), 'HTTP/1.1 429']);
  // One after the other, any number is answered
  const polite = connect(Number(port), hostname);
  await once(polite, 'connect');
  for (let i = 0; i < 40; i++) {
    const answer = once(polite, 'data');
    polite.write('GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n');
    expect(String(await answer)).toMatch(/^HTTP\/1.1 /);
  }
  polite.destroy();
  await server.stop();
});

test("an upload that hardly comes keeps no other key's out", async () => {
  const folder = mkdtempSync(join(tmpdir(), 'onebit-uploads-'));
  const server = await startServer({ keys, openJobs: () => DiskStore.open(folder) });
  const { hostname, port } = new URL(server.url);
  const slow = connect(Number(port), hostname);
  slow.on('error', () => {});
  await once(slow, 'connect');
  const head = ['POST /v1/files HTTP/1.1', 'host: a', 'authorization: Bearer rival-key', 'content-length: 9000000'];
  slow.write(`${head.join('\r\n')}\r\ncontent-type: multipart/form-data; boundary=x\r\n\r\n--x\r\n`);
  await new Promise((resolve) => setTimeout(resolve, 200));
  const form = new FormData();
  form.append('purpose', 'batch');
  form.append('file', new Blob(['{}']), 'a.jsonl');
  const signal = AbortSignal.timeout(10_000);
  const answer = await fetch(`${server.url}/v1/files`, { method: 'POST', headers: as('shop'), body: form, signal });
  expect(answer.status).toBe(200);
  slow.destroy();
  await server.stop();
  rmSync(folder, { recursive: true });
});

describe('bodies that hardly come', () => {
  /** Sends the head of a body and its beginning, and goes on with a byte now and then. */
  function trickle(url: string, headers: string[], beginning = '{"prompt":"'): { socket: Socket; said: string[] } {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    const said: string[] = [];
    socket.on('error', () => {});
    socket.on('data', (data) => said.push(String(data)));
    const head = ['POST /v1/completions HTTP/1.1', 'host: a', 'content-type: application/json', ...headers];
    socket.write(`${head.join('\r\n')}\r\n\r\n${beginning}`);
    const byte = headers.includes('transfer-encoding: chunked') ? '1\r\n \r\n' : ' ';
    const timer = setInterval(() => socket.write(byte), 200);
    socket.on('close', () => clearInterval(timer));
    return { socket, said };
  }
  const large = JSON.stringify({ prompt: 'x'.repeat(3e6) });

  test.each([
    ['of unknown length', ['transfer-encoding: chunked'], 'b\r\n{"prompt":"\r\n'],
    ['of a length that is told', ['content-length: 8000000'], '{"prompt":"'],
    ['that have begun to hold room', ['content-length: 8000000'], `{"prompt":"${'x'.repeat(3e5)}`],
  ])(
    '%s keep no other body out, whoever sends them',
    async (_, headers, beginning) => {
      const server = await startServer({ keys });
      const isLarge = beginning.length > 1e5;
      const own = Array.from({ length: isLarge ? 0 : 20 }, () =>
        trickle(server.url, [...headers, 'x-api-key: shop-key'], beginning),
      );
      const others = Array.from({ length: 20 }, () =>
        trickle(server.url, [...headers, 'x-api-key: rival-key'], beginning),
      );
      await Promise.all([...own, ...others].map(({ socket }) => once(socket, 'connect')));
      await new Promise((resolve) => setTimeout(resolve, 500));
      for (const body of [large, gzipSync(large)]) {
        const answer = await fetch(`${server.url}/v1/completions`, {
          method: 'POST',
          headers: {
            ...as('shop'),
            'content-type': 'application/json',
            ...(body === large ? {} : { 'content-encoding': 'gzip' }),
          },
          body: body as BodyInit,
          signal: AbortSignal.timeout(10_000),
        });
        expect(answer.status).toBe(400);
        expect((await answer.json()).error.code).toBe('context_length_exceeded');
      }
      for (const { socket, said } of [...own, ...others]) {
        if (!isLarge) expect(said.join('')).toBe(''); // still being read
        socket.destroy();
      }
      await server.stop();
    },
    60_000,
  );

  test('are not read without a key that is known', async () => {
    const answers = [[], ['x-api-key: nobody']].map((key) => trickle(started.url, ['content-length: 8000000', ...key]));
    await until(() => answers.every(({ said }) => said.length > 0));
    for (const { socket, said } of answers) {
      expect(said.join('')).toMatch(/^HTTP\/1.1 401 /);
      socket.destroy();
    }
  });
});

describe('the gate of large bodies', () => {
  const { signal } = new AbortController();
  const guest = (owner: string, bytes = 10) => ({ owner, bytes, signal });
  const settled = async (promise: Promise<unknown>) =>
    Promise.race([promise.then(() => true), new Promise<boolean>((resolve) => setTimeout(resolve, 20, false))]);

  test('lets an owner in who has nothing inside, and holds no more than twice its bound', async () => {
    const gate = new BodyGate(40);
    const inside = await Promise.all(Array.from({ length: 4 }, () => gate.enter(guest('a'))));
    const fifth = gate.enter(guest('a'));
    expect(await settled(fifth)).toBe(false);
    await Promise.all(['b', 'c', 'd', 'e'].map((owner) => gate.enter(guest(owner))));
    const late = gate.enter(guest('f'));
    expect(await settled(late)).toBe(false);
    inside[0].leave();
    expect(await settled(late)).toBe(true); // before the fifth of a, who waited longer
    expect(await settled(fifth)).toBe(false);
  });

  test('cuts what comes too slowly while others wait, and only then', async () => {
    const gate = new BodyGate(10);
    const cut: string[] = [];
    const guestThat = (name: string) => ({ ...guest('a'), cut: () => cut.push(name) });
    const slow = await gate.enter(guestThat('slow'));
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(cut).toEqual([]);
    const second = gate.enter(guestThat('complete'));
    await until(() => cut.length > 0);
    expect(cut[0]).toBe('slow');
    slow.leave();
    (await second).complete();
    cut.length = 0;
    void gate.enter(guest('a')).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect(cut).toEqual([]);
  });
});
