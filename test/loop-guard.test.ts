// Answers that only repeat themselves end with a reason, in chats unless told otherwise.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { LanguageModel } from '../src/index.ts';
import { type StartedServer, startServer } from './server/started-server.ts';

const MESSAGES = [{ role: 'user' as const, content: 'Say it again.' }];
/** Nothing but this token can come. */
const ONE = new Map([[65, 100]]);
let started: StartedServer;
let model: LanguageModel;
beforeAll(async () => {
  started = await startServer();
  model = started.model;
});
afterAll(() => started.stop());

test('a chat ends its loop, and says so; generate goes on unless asked', async () => {
  const options = { logitBias: ONE, maxTokens: 150, temperature: 0 };
  expect(await model.chat(MESSAGES, options).result()).toMatchObject({ finishReason: 'loop', text: 'A'.repeat(128) });
  expect((await model.chat(MESSAGES, { ...options, loopGuard: false }).result()).finishReason).toBe('length');
  expect((await model.generate('A', options).result()).finishReason).toBe('length');
  expect((await model.generate('A', { ...options, loopGuard: true }).result()).finishReason).toBe('loop');
});

test('the server says why an answer ended, streamed or not', async () => {
  const body = { messages: MESSAGES, max_tokens: 150, temperature: 0, logit_bias: { 65: 100 } };
  const answer = await (await started.post('/v1/chat/completions', body)).json();
  expect(answer.choices[0].finish_reason).toBe('loop');
  const events = await (await started.post('/v1/chat/completions', { ...body, stream: true })).text();
  expect(events).toContain('"finish_reason":"loop"');
  expect(started.log.at(-1)).toMatchObject({ finishReason: 'loop' });
});

test('a request may let an answer repeat itself', async () => {
  const body = { messages: MESSAGES, max_tokens: 150, temperature: 0, logit_bias: { 65: 100 }, loop_guard: false };
  const answer = await (await started.post('/v1/chat/completions', body)).json();
  expect(answer.choices[0].finish_reason).toBe('length');
});
