// Every route that asks a model needs a key where there are keys, counts against it, and refuses what could never fit.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hashKey } from '../../src/server/keys.ts';
import { openApiDocument } from '../../src/server/openapi.ts';
import { type StartedServer, startServer } from './started-server.ts';

const routes = Object.entries(openApiDocument().paths as Record<string, object>).flatMap(([path, methods]) =>
  'post' in methods ? [path] : [],
);
let started: StartedServer;
beforeAll(async () => {
  const keys = [{ name: 'shop', sha256: await hashKey('shop-key'), tokensPerMinute: 50 }];
  started = await startServer({ keys });
});
afterAll(() => started.stop());
const asShop = { authorization: 'Bearer shop-key' };

test('there are routes to ask', () => {
  expect(routes).toContain('/apply-template');
  expect(routes.length).toBeGreaterThan(10);
});

test.each(routes)('%s answers nobody without a key', async (path) => {
  const body = { messages: [{ role: 'user', content: 'hi' }], prompt: 'hi', input: 'hi', content: 'hi' };
  expect((await started.post(path, body)).status).toBe(401);
});

test('templates and detokenizing count against the tokens of a key, and long messages are refused', async () => {
  const long = { messages: [{ role: 'user', content: 'a'.repeat(1_000_000) }] };
  expect((await started.post('/apply-template', long, asShop)).status).toBe(400);
  const many = { ...long, messages: [{ role: 'user', content: 'hi' }], chat_template_kwargs: { a: 'b'.repeat(1e6) } };
  expect((await started.post('/apply-template', many, asShop)).status).toBe(400);
  const tokens = Array.from({ length: 40 }, () => 70);
  expect((await started.post('/v1/detokenize', { tokens }, asShop)).status).toBe(200);
  expect((await started.post('/v1/detokenize', { tokens }, asShop)).status).toBe(429);
  const messages = [{ role: 'user', content: 'hi there, '.repeat(30) }];
  expect((await started.post('/apply-template', { messages }, asShop)).status).toBe(429);
});
