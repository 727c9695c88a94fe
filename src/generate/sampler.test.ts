import { describe, expect, test } from 'vitest';
import { Random } from '../core/random.ts';
import { logSumExp, rankLogits } from '../kernels/ranking.ts';
import { filterCandidates } from '../kernels/sampling.ts';
import { resolveOptions } from './options.ts';
import { chooseToken } from './sampler.ts';

const logits = Float32Array.from([1, 3, 3, -2, 0.5]);
const ranked = rankLogits(logits);
const total = logSumExp(logits);

describe('rankLogits', () => {
  test('orders by logit, ties by the lower token', () => {
    expect(ranked.map((entry) => entry.token)).toEqual([1, 2, 0, 4, 3]);
  });

  test('gives the same first k as the whole ranking', () => {
    const random = new Random(1);
    const many = Float32Array.from({ length: 500 }, () => Math.round(random.normal() * 20));
    for (const k of [1, 2, 17, 499]) expect(rankLogits(many, k)).toEqual(rankLogits(many).slice(0, k));
  });
});

describe('filterCandidates', () => {
  const kept = (options: Parameters<typeof resolveOptions>[0]) =>
    filterCandidates(ranked, total, resolveOptions({ topK: 0, topP: 1, ...options })).map((entry) => entry.token);

  test('keeps all without filters', () => expect(kept({})).toEqual([1, 2, 0, 4, 3]));
  test('top-k keeps the k likeliest', () => expect(kept({ topK: 2 })).toEqual([1, 2]));
  test('top-p keeps the fewest that reach the probability', () => {
    // Probabilities: 0.44, 0.44, 0.06, 0.04, 0.003.
    expect(kept({ topP: 0.4 })).toEqual([1]);
    expect(kept({ topP: 0.5 })).toEqual([1, 2]);
    expect(kept({ topP: 0.9 })).toEqual([1, 2, 0]);
    expect(kept({ topP: 0 })).toEqual([1]);
  });
  test('top-p after top-k goes by the probabilities among the kept', () => {
    expect(kept({ topK: 2, topP: 0.49 })).toEqual([1]);
    expect(kept({ topK: 2, topP: 0.51 })).toEqual([1, 2]);
  });
  test('min-p keeps tokens a share as likely as the likeliest', () => {
    expect(kept({ minP: 0.1 })).toEqual([1, 2, 0]);
    expect(kept({ minP: 1 })).toEqual([1, 2]);
  });
});

describe('chooseToken', () => {
  test('takes the likeliest at temperature 0', () => {
    expect(chooseToken(ranked, total, resolveOptions({ temperature: 0 }), new Random(5))).toBe(1);
  });

  test('draws each token as often as its probability says', () => {
    const options = resolveOptions({ temperature: 2, topK: 0, topP: 1 });
    const random = new Random(7);
    const counts = new Map<number, number>();
    const draws = 20_000;
    for (let i = 0; i < draws; i++) {
      const token = chooseToken(ranked, total, options, random);
      counts.set(token, (counts.get(token) ?? 0) + 1);
    }
    const scaled = logits.map((logit) => logit / 2);
    for (const [token, logit] of scaled.entries()) {
      const expected = Math.exp(logit - logSumExp(scaled));
      expect(Math.abs((counts.get(token) ?? 0) / draws - expected)).toBeLessThan(0.01);
    }
  });

  test('gives the same tokens for the same seed, others for another', () => {
    const options = resolveOptions({ temperature: 1, topK: 0, topP: 1 });
    const draw = (seed: number) => {
      const random = new Random(seed);
      return Array.from({ length: 30 }, () => chooseToken(ranked, total, options, random));
    };
    expect(draw(3)).toEqual(draw(3));
    expect(draw(3)).not.toEqual(draw(4));
  });
});
