// A server that marks its answers does so whatever a request says, by the mark of the key that asks.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { load } from '../../src/index.ts';
import { hashKey } from '../../src/server/keys.ts';
import { type StartedServer, startServer } from './started-server.ts';

const OF_ALL = 'the mark of the server';
const OF_SHOP = 'the mark of the shop';
let started: StartedServer;
beforeAll(async () => {
  const keys = [
    { name: 'shop', sha256: await hashKey('shop-key'), watermark: OF_SHOP },
    { name: 'bank', sha256: await hashKey('bank-key') },
  ];
  started = await startServer({ keys, watermark: OF_ALL, model: await load(undefined, { threads: 1 }) });
});
afterAll(() => started.stop());

/** Everything by which a request might try to leave no mark, and what is made of it. */
const AGAINST = { watermark: null, temperature: 0, top_k: 1, top_p: 0, min_p: 1, seed: 1 };
const ALLOWED = { watermark: OF_ALL, temperature: 0.5, topK: 20, topP: 0.85, minP: 0.1, seed: 1, maxTokens: 60 };
const MESSAGES = [{ role: 'user' as const, content: 'I want a table.' }];

async function textOf(path: string, body: object, key: string): Promise<string> {
  const [model] = started.server.modelIds;
  const response = await started.post(path, { model, ...body }, { authorization: `Bearer ${key}` });
  const answer = await response.json();
  const [choice] = answer.choices ?? [{}];
  const block = answer.output?.[0]?.content?.[0] ?? answer.content?.[0];
  return choice.text ?? choice.message?.content ?? answer.response ?? answer.message?.content ?? block?.text;
}

const pValueOf = async (text: string, key: string) => (await started.model.detectWatermark(text, { key })).pValue;

test.each([
  ['/v1/chat/completions', { messages: MESSAGES, max_tokens: 60, ...AGAINST }],
  ['/v1/responses', { input: MESSAGES, max_output_tokens: 60, ...AGAINST }],
  ['/v1/messages', { messages: MESSAGES, max_tokens: 60, ...AGAINST }],
  ['/api/chat', { messages: MESSAGES, stream: false, options: { num_predict: 60, ...AGAINST } }],
  ['/api/generate', { prompt: MESSAGES[0].content, stream: false, options: { num_predict: 60, ...AGAINST } }],
])('%s cannot be asked for an answer without the mark', async (path, body) => {
  const expected = await started.model.chat(MESSAGES, ALLOWED).result();
  expect(await textOf(path, body, 'bank-key')).toBe(expected.text);
});

test('/v1/completions cannot be asked for an answer without the mark', async () => {
  const expected = await started.model.generate('I want', { ...ALLOWED, ignoreEndOfText: true }).result();
  const body = { prompt: 'I want', max_tokens: 60, ignore_eos: true, ...AGAINST };
  expect(await textOf('/v1/completions', body, 'bank-key')).toBe(expected.text);
});

test('a key with a mark of its own gets that one', async () => {
  const text = await textOf(
    '/v1/completions',
    { prompt: '', max_tokens: 250, ignore_eos: true, seed: 1, temperature: 1, top_p: 1 },
    'shop-key',
  );
  expect(await pValueOf(text, OF_SHOP)).toBeLessThan(1e-3);
  expect(await pValueOf(text, OF_ALL)).toBeGreaterThan(1e-3);
});
