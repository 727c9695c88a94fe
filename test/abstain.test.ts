// Knowing when not to answer: below a calibrated chance of being right the answer is what the operator wrote, and the reason says so.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Abstain, LanguageModel } from '../src/index.ts';
import { type StartedServer, startServer } from './server/started-server.ts';

const SORRY = 'Please ask a person.';
const MESSAGES = [{ role: 'user' as const, content: 'How far is it?' }];
const options = { maxTokens: 12, seed: 4, temperature: 0.8 };
const at = (atLeast: number, measure: Abstain['calibration']['measure'] = 'likelihood'): Abstain => ({
  ...{ answer: SORRY, atLeast },
  calibration: { measure, samples: 3, slope: 1, offset: 0 },
});
let started: StartedServer;
let model: LanguageModel;
beforeAll(async () => {
  started = await startServer({ abstain: at(1) });
  model = started.model;
});
afterAll(() => started.stop());

test('an answer that is sure enough is given as it would have been, in one piece', async () => {
  const plain = await model.chat(MESSAGES, options).result();
  const pieces = [];
  const generation = model.chat(MESSAGES, { ...options, abstain: at(0) });
  for await (const piece of generation) pieces.push(piece);
  const { text, tokens, finishReason, chanceOfRight } = await generation.result();
  expect({ text, tokens, finishReason }).toEqual({
    ...{ text: plain.text, tokens: plain.tokens, finishReason: plain.finishReason },
  });
  expect(pieces.map((piece) => piece.text)).toEqual([plain.text]);
  expect(pieces[0].tokens.every(({ logprob }) => logprob === undefined)).toBe(true);
  // The chance is that of the mean log-probability, by the calibration.
  const { logprobs = [] } = await model.chat(MESSAGES, { ...options, logprobs: 0 }).result();
  const mean = logprobs.reduce((sum, { logprob = 0 }) => sum + logprob, 0) / logprobs.length;
  expect(chanceOfRight).toBeCloseTo(Math.exp(mean), 9);
});

test.each(['likelihood', 'agreement'] as const)('one that is not is held back whole: %s', async (measure) => {
  const generation = model.generate('A', { ...options, logprobs: 1, abstain: at(1, measure) });
  const pieces = [];
  for await (const piece of generation) pieces.push(piece);
  expect(pieces).toMatchObject([{ text: SORRY, tokens: [], abstained: true }]);
  const result = await generation.result();
  expect(result).toMatchObject({ text: SORRY, tokens: [], logprobs: [], finishReason: 'abstain' });
  expect(result.chanceOfRight).toBeLessThan(1);
  expect(result.timings.decodeTokens).toBeGreaterThan(0);
});

test('answers that all agree are sure', async () => {
  const only = { ...options, logitBias: new Map([[65, 100]]), abstain: at(0.99, 'agreement') };
  expect(await model.generate('A', only).result()).toMatchObject({ text: 'A'.repeat(12), finishReason: 'length' });
});

test.each([
  ['/v1/chat/completions', { messages: MESSAGES }, /"finish_reason":"abstain"/],
  ['/v1/completions', { prompt: 'A' }, /"finish_reason":"abstain"/],
  ['/v1/responses', { input: 'A' }, /"incomplete_details":\{"reason":"content_filter"\}/],
  ['/v1/messages', { messages: MESSAGES, max_tokens: 8 }, /"stop_reason":"refusal"/],
  ['/api/chat', { messages: MESSAGES }, /"done_reason":"abstain"/],
])('the server says so on every route, streamed or not: %s', async (path, body, reason) => {
  for (const stream of [false, true]) {
    const text = await (await started.post(path, { model: 'tiny', ...body, stream })).text();
    expect(text).toContain(SORRY);
    expect(text).toMatch(reason);
  }
  expect(started.log.at(-1)).toMatchObject({ finishReason: 'abstain' });
  expect(started.log.at(-1)!.completionTokens ?? 1).toBeGreaterThan(0);
});

test('what is said instead has no tokens, and is not put to those of an echoed prompt', async () => {
  const body = { model: 'tiny', prompt: 'AB', echo: true, logprobs: 1, max_tokens: 4 };
  const [choice] = (await (await started.post('/v1/completions', body)).json()).choices;
  expect(choice).toMatchObject({ text: `AB${SORRY}`, finish_reason: 'abstain' });
  expect(choice.logprobs.tokens.join('')).toBe('AB');
});

test.each([
  [{ ...at(2) }, /atLeast must be a number from 0 to 1, got 2/],
  [{ ...at(1), answer: 7 }, /answer must be a text/],
  [
    { ...at(1), calibration: { measure: 'hunch', slope: 1, offset: 0 } },
    /measure must be one of likelihood, agreement/,
  ],
  [{ ...at(1), calibration: { measure: 'likelihood', slope: Number.NaN, offset: 0 } }, /slope must be a finite number/],
  [
    { ...at(1), calibration: { measure: 'agreement', slope: 1, offset: 0 } },
    /samples must be a whole number from 1 to 32/,
  ],
])('what is no such option is refused: %j', (abstain, message) => {
  expect(() => model.generate('A', { abstain: abstain as Abstain })).toThrow(message);
});
