// What llama.cpp says of real and synthetic models, against every backend here. Golden data: bench/golden/llama-golden.mjs.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LanguageModel, load } from '../src/index.ts';
import {
  hasStories,
  hasSynthetic,
  makeSynthetic,
  stories260k,
  storiesReason,
  syntheticReason,
} from './shared-files.ts';

interface GoldenScore {
  name: string;
  tokens: number[];
  logprobs: number[];
  logprobsExact: number[];
}
const readGolden = (name: string) => JSON.parse(readFileSync(new URL(`golden/${name}`, import.meta.url), 'utf8'));
const stories: {
  sha256: string;
  greedy: { name: string; text: string; prompt: number[]; tokens: number[] }[];
  scores: (GoldenScore & { text: string })[];
  top: { prompt: number[]; rows: { token: number; logprob: number }[][] };
} = readGolden('llama-stories260k.json');
const synthetic: { files: (GoldenScore & { type: string; seed: number; arguments: string; sha256: string })[] } =
  readGolden('llama-synthetic-tiny.json');

const backends = [
  { backend: 'reference' as const, threads: 1 },
  { backend: 'wasm' as const, threads: 1 },
  { backend: 'wasm' as const, threads: 2 },
];

function meanDifference(actual: readonly (number | null)[], expected: readonly number[]): number {
  expect(actual.length).toBe(expected.length);
  return expected.reduce((sum, value, i) => sum + Math.abs(value - actual[i]!), 0) / expected.length;
}

function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

describe.each(backends)('stories260K on $backend, $threads threads', ({ backend, threads }) => {
  let model: LanguageModel;
  beforeAll(async () => {
    if (!hasStories) return;
    expect(sha256(stories260k)).toBe(stories.sha256);
    model = await load(stories260k, { backend, threads });
  });
  afterAll(() => model?.dispose());

  for (const golden of stories.greedy) {
    test.skipIf(!hasStories)(`writes what llama.cpp writes, greedily: ${golden.name}${storiesReason}`, async () => {
      expect([...model.tokenize(golden.text)]).toEqual(golden.prompt);
      const options = { temperature: 0, maxTokens: golden.tokens.length, ignoreEndOfText: true };
      const result = await model.generate(golden.prompt, options).result();
      expect(result.tokens).toEqual(golden.tokens);
    });
  }

  test.skipIf(!hasStories)(`finds texts as likely as llama.cpp does, to 2e-3 nats${storiesReason}`, async () => {
    for (const golden of stories.scores) {
      const { logprobs } = await model.score(golden.tokens);
      expect(meanDifference(logprobs, golden.logprobs), golden.name).toBeLessThan(2e-3);
    }
  });

  test.skipIf(!hasStories)(`names the same likeliest alternatives as llama.cpp${storiesReason}`, async () => {
    for (const [i, row] of stories.top.rows.entries()) {
      const options = { temperature: 0, maxTokens: 1, logprobs: row.length };
      const result = await model.generate(stories.top.prompt.slice(0, i + 1), options).result();
      const top = result.logprobs![0].top!;
      expect(top.map((entry) => entry.token)).toEqual(row.map((entry) => entry.token));
      for (const [j, entry] of top.entries()) expect(entry.logprob).toBeCloseTo(row[j].logprob, 2);
    }
  });
});

/**
 * Mean difference in nats per token that is allowed: the reference keeps float32 activations, llama.cpp rounds them to 8 bits before products with
 * quantised weights and to f16 before those with f16 weights, so the difference is llama.cpp's own error. Measured: see docs/accuracy.md.
 */
const allowed: Record<string, number> = { q1_0: 0.05, q2_0: 0.01, q8_0: 0.05, f16: 2e-3, f32: 1e-5 };

describe('files in Bonsai’s shape with random weights', () => {
  for (const golden of synthetic.files) {
    test.skipIf(!hasSynthetic)(
      `${golden.arguments}: as likely as llama.cpp finds them${syntheticReason}`,
      async () => {
        const file = makeSynthetic(golden.arguments);
        try {
          expect(sha256(file.path)).toBe(golden.sha256);
          for (const backend of ['reference', 'wasm'] as const) {
            const model = await load(file.path, { backend, kvFormat: 'f32' });
            const { logprobs } = await model.score(golden.tokens);
            const difference = meanDifference(logprobs, golden.logprobsExact);
            expect(difference, backend).toBeLessThan(allowed[golden.type] * (backend === 'wasm' ? 2 : 1));
            await model.dispose();
          }
        } finally {
          file.remove();
        }
      },
      300_000,
    );
  }
});
