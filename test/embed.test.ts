// A text as a vector: of length 1, the same however it is cut into steps and whatever else runs; refusals.
import { expect, test } from 'vitest';
import { embeddingWork } from '../src/bulk/other-work.ts';
import { load } from '../src/index.ts';
import { tinyModel } from './tiny-model.ts';

const model = await load(await tinyModel({ contextLength: 256 }), { backend: 'wasm', threads: 1, kvTokens: 2048 });
const reference = await load(await tinyModel({ contextLength: 256 }), { backend: 'reference' });

const similarity = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * b[i], 0);

test('is the mean of the states, whose first is that of the text’s beginning', async () => {
  const [one, two] = [await reference.embed('A'), await reference.embed('AB')];
  expect(one).toHaveLength(reference.config.width);
  expect(Math.hypot(...two)).toBeCloseTo(1, 6);
  // Of a text of one token repeated, whose positions differ, no two means agree, but all are near.
  expect(similarity(one, two)).toBeLessThan(1);
  expect(await reference.embed([65])).toEqual(one);
});

test('agrees between backends, and does not depend on what else runs', async () => {
  const text = 'It was a bright cold day in April, and the clocks were striking thirteen. '.repeat(3);
  const alone = await model.embed(text);
  expect(similarity(alone, await reference.embed(text))).toBeGreaterThan(0.99);
  const writing = model.generate('Once', { maxTokens: 60, ignoreEndOfText: true }).result();
  const together = await Promise.all([model.embed(text), model.embed('other'), model.embed(text)]);
  await writing;
  expect(together[0]).toEqual(alone);
  expect(together[2]).toEqual(alone);
  expect(model.stats().kvPagesUsed).toBe(0);
});

test('is the state of the token that the file names, and a text ends in the end token where the file says so', async () => {
  const metadata = (pooling: number) => ({
    'qwen3.pooling_type': { type: 'u32', value: pooling } as const,
    'tokenizer.ggml.add_eos_token': true,
  });
  const [first, last] = await Promise.all(
    [2, 3].map(async (pooling) => load(await tinyModel({ metadata: metadata(pooling) }), { backend: 'reference' })),
  );
  const long = 'It was a bright cold day in April, and the clocks were striking.';
  expect(await last.embed(long)).toEqual(await last.embed([...last.tokenize(long), 258]));
  expect(await last.embed([65, 66])).not.toEqual(await last.embed('AB'));
  // Rows of a file and requests of a server as well.
  const row = { index: 0, text: () => 'AB' };
  const { cells } = await embeddingWork(last).run(row, new AbortController().signal);
  const own = Array.from(await last.embed('AB'), (value) => Number(value.toFixed(6)));
  expect(cells).toEqual([own]);
  // What the first token's state is does not depend on what follows.
  expect(await first.embed(long)).toEqual(await reference.embed(long.slice(0, 1)));
});

test('refuses nothing, too much, and tokens that do not exist; stops when told to', async () => {
  await expect(model.embed('')).rejects.toThrow(/need 1 to 256 tokens, got 0/);
  await expect(model.embed('x'.repeat(300))).rejects.toThrow(/got 300/);
  await expect(model.embed([1e6])).rejects.toThrow(/tokens must be in 0\.\.258/);
  await expect(model.embed('x', { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
});
