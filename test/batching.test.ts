// Many requests at once against each of them alone: the same tokens and the same log-probabilities, to the last bit. Aborts and limits of a whole model.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type GenerateOptions, type LanguageModel, type LoadOptions, load } from '../src/index.ts';
import {
  hasStories,
  hasSynthetic,
  makeSynthetic,
  stories260k,
  storiesReason,
  syntheticReason,
} from './shared-files.ts';
import { tinyModel } from './tiny-model.ts';

const tiny = await tinyModel({ contextLength: 256 });
const text = 'Once upon a time there was a little girl who lived near the woods. ';

/** Requests of different lengths and ways of choosing, of which some begin alike. */
const requests: { prompt: string; options: GenerateOptions }[] = [
  { prompt: text, options: { temperature: 0 } },
  { prompt: `${text}She`, options: { temperature: 0, maxTokens: 30 } },
  { prompt: `${text}She`, options: { temperature: 1, seed: 1, topK: 0, topP: 1 } },
  { prompt: 'One day', options: { temperature: 0.8, seed: 2 } },
  { prompt: text.repeat(2), options: { temperature: 0, repeatPenalty: 1.3 } },
  { prompt: 'a', options: { temperature: 1.2, seed: 3, frequencyPenalty: 0.3 } },
  { prompt: `${text.slice(0, 40)}dog`, options: { temperature: 0, lookupTokens: 4 } },
  { prompt: `The big ${text}`, options: { temperature: 0.5, seed: 4, minP: 0.05 } },
];

async function ask(model: LanguageModel, { prompt, options }: (typeof requests)[number], tokens: number) {
  const all = { maxTokens: tokens, ignoreEndOfText: true, logprobs: 2, ...options };
  const result = await model.generate(prompt, all).result();
  return { tokens: result.tokens, logprobs: result.logprobs, text: result.text };
}

async function expectSame(input: Parameters<typeof load>[0], options: LoadOptions, tokens: number): Promise<void> {
  const alone: unknown[] = [];
  for (const request of requests) {
    const model = await load(input, options);
    alone.push(await ask(model, request, tokens));
    await model.dispose();
  }
  const model = await load(input, { ...options, kvTokens: 2048 });
  try {
    for (const cache of ['empty', 'full']) {
      const together = await Promise.all(requests.map((request) => ask(model, request, tokens)));
      for (const [i, result] of together.entries()) expect(result, `request ${i}, cache ${cache}`).toEqual(alone[i]);
    }
    const { running, waiting, kvPagesUsed, cachedTokens } = model.stats();
    expect({ running, waiting, kvPagesUsed }).toEqual({ running: 0, waiting: 0, kvPagesUsed: 0 });
    expect(cachedTokens).toBeGreaterThan(0);
  } finally {
    await model.dispose();
  }
}

describe.each(['reference', 'wasm'] as const)('on %s', (backend) => {
  test(
    'a request gives the same bits alone and in a full batch: Q1_0',
    () => expectSame(tiny, { backend, contextTokens: 256 }, 20),
    120_000,
  );

  test.skipIf(!hasStories)(
    `a request gives the same bits alone and in a full batch: stories260K${storiesReason}`,
    () => expectSame(readFileSync(stories260k), { backend, contextTokens: 256 }, backend === 'wasm' ? 60 : 20),
    120_000,
  );

  test('when the cache is too small for all, they wait or are parked, and give the same', async () => {
    const prompts = ['w', 'x', 'y', 'z'].map((letter) => letter + text);
    const options = { temperature: 0, maxTokens: 120, ignoreEndOfText: true };
    const alone: unknown[] = [];
    const model = await load(tiny, { backend, contextTokens: 256 });
    for (const prompt of prompts) alone.push((await model.generate(prompt, options).result()).tokens);
    const together = await Promise.all(prompts.map((prompt) => model.generate(prompt, options).result()));
    expect(together.map((result) => result.tokens)).toEqual(alone);
    expect(model.stats()).toMatchObject({
      running: 0,
      waiting: 0,
      kvPagesTotal: 8,
      kvPagesUsed: 0,
      generatedTokens: 960,
    });
    await model.dispose();
  }, 120_000);
});

test.skipIf(!hasSynthetic)(
  `a request gives the same bits alone and in a full batch: a synthetic Q1_0 file with Qwen's vocabulary${syntheticReason}`,
  async () => {
    const file = makeSynthetic('--size tiny --type q1_0 --seed 5');
    try {
      await expectSame(file.path, { backend: 'wasm', contextTokens: 256 }, 8);
    } finally {
      file.remove();
    }
  },
  240_000,
);

test('a full queue refuses with code busy; whoever waits can go away; a score runs beside generations', async () => {
  const model = await load(tiny, { contextTokens: 256, parallel: 1, queue: 1 });
  const options = { temperature: 0, maxTokens: 40, ignoreEndOfText: true };
  const first = model.generate('a', options).result();
  const abort = new AbortController();
  const second = model.generate('b', { ...options, signal: abort.signal }).result();
  await expect(model.generate('c', options).result()).rejects.toMatchObject({ code: 'busy' });
  expect(model.stats()).toMatchObject({ running: 1, waiting: 1 });
  abort.abort();
  await expect(second).rejects.toThrow(/abort/i);
  const score = model.score(text);
  expect((await first).tokens).toHaveLength(40);
  expect((await score).tokensScored).toBe(text.length - 1);
  await model.dispose();
});

test.each([
  [{ parallel: 0 }, /parallel must be a whole number from 1 to 64, got 0/],
  [{ parallel: 65 }, /parallel/],
  [{ queue: -1 }, /queue must be 0 or more/],
])('load refuses %o', async (options, message) => {
  await expect(load(tiny, options)).rejects.toThrow(message);
});
