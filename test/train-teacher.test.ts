import { expect, test } from 'vitest';
import { memorySource } from '../src/bytes/memory-source.ts';
import { referenceBackend } from '../src/kernels/reference/reference-backend.ts';
import { load } from '../src/load.ts';
import { Teacher } from '../src/train/teacher.ts';
import { tinyModel } from './tiny-model.ts';

test('a teacher gives the probabilities that the engine gives, each sequence from its own start', async () => {
  const bytes = await tinyModel({ contextLength: 64 });
  const teacher = await Teacher.open(memorySource(bytes), referenceBackend(), 64, 32);
  const tokens = Int32Array.from({ length: 40 }, (_, i) => (i * 37) % 256);
  const batch = { sequences: 2, length: 20, tokens, targets: tokens };
  const { teacher: targets } = await teacher.teach(batch, 0.25);
  expect([targets!.k, targets!.share]).toEqual([32, 0.25]);
  const model = await load(bytes, { backend: 'reference', kvFormat: 'f32' });
  for (const [row, from] of [
    [0, 0],
    [19, 0],
    [20, 20],
    [37, 20],
  ]) {
    const { logprobs } = await model
      .generate(tokens.subarray(from, row + 1), { maxTokens: 1, temperature: 0, logprobs: 32, ignoreEndOfText: true })
      .result();
    const { top } = logprobs![0];
    const sum = top!.reduce((total, { logprob }) => total + Math.exp(logprob), 0);
    expect([...targets!.tokens.subarray(row * 32, row * 32 + 32)]).toEqual(top!.map(({ token }) => token));
    for (const [i, { logprob }] of top!.entries()) {
      expect(targets!.probabilities[row * 32 + i]).toBeCloseTo(Math.exp(logprob) / sum, 5);
    }
  }
  const thorough = await Teacher.open(memorySource(bytes), referenceBackend(), 64);
  const few = { sequences: 1, length: 2, tokens: tokens.subarray(0, 2), targets: tokens.subarray(0, 2) };
  const { teacher: all } = await thorough.teach(few, 0.25);
  expect(all!.k).toBe(259);
  const top = targets!.probabilities.subarray(0, 32);
  const rest = Array.from(targets!.tokens.subarray(0, 32), (token) => all!.probabilities[token]);
  const share = rest.reduce((a, b) => a + b, 0);
  for (const [i, value] of rest.entries()) expect(value / share).toBeCloseTo(top[i], 5);
  expect(all!.probabilities.subarray(0, 259).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
});
