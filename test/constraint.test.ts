// Generation under a constraint on a small random model: the mask holds for greedy choice and sampling, ends generation, leaves log-probabilities alone.
import { describe, expect, test } from 'vitest';
import { load } from '../src/index.ts';
import type { Constraint } from '../src/structured/constraint.ts';
import { tinyModel } from './tiny-model.ts';

const model = await load(await tinyModel(), { backend: 'reference' });
const END = model.tokenizer.eos!;

/** Allows digits (tokens are bytes in this model); the end after `least` of them; nothing but the end after `most`. */
function digits(least: number, most: number): Constraint {
  return {
    matcher: () => {
      let count = 0;
      return {
        get isComplete() {
          return count >= least;
        },
        get isFinished() {
          return count === most;
        },
        mask() {
          const mask = new Uint32Array(9);
          const allowed = [...model.tokenize('0123456789'), ...(count >= least ? [END] : [])];
          for (const token of allowed) mask[token >> 5] |= 1 << (token & 31);
          return mask;
        },
        accept() {
          count++;
        },
      };
    },
  };
}

describe('a constraint', () => {
  test.each([
    ['greedy', { temperature: 0 }],
    ['greedy with guesses', { temperature: 0, lookupTokens: 8 }],
    ['sampled from the likeliest', { temperature: 1, topK: 20 }],
    ['sampled from all', { temperature: 5, topK: 0, topP: 1 }],
    ['with penalties and bias', { temperature: 1, repeatPenalty: 3, logitBias: new Map([[65, 100]]) }],
  ])('holds for generation %s, which ends where nothing can follow', async (_, options) => {
    const result = await model.generate('The', { ...options, seed: 7, constraint: digits(30, 30) }).result();
    expect(result.text).toMatch(/^[0-9]{30}$/);
    expect(result.finishReason).toBe('stop');
  });

  test('lets the model end where the text is complete', async () => {
    const bias = new Map([[END, 100]]);
    const result = await model.generate('The', { constraint: digits(5, 30), logitBias: bias }).result();
    expect(result.text).toMatch(/^[0-9]{5}$/);
    expect(result.finishReason).toBe('stop');
  });

  test('ends for length where maxTokens comes first', async () => {
    const result = await model.generate('The', { constraint: digits(5, 30), maxTokens: 3 }).result();
    expect(result).toMatchObject({ text: expect.stringMatching(/^[0-9]{3}$/), finishReason: 'length' });
  });

  test('does not change log-probabilities, which are the model’s own', async () => {
    const options = { temperature: 0, logprobs: 3, maxTokens: 1 };
    const free = await model.generate('The', options).result();
    const held = await model.generate('The', { ...options, constraint: digits(1, 1) }).result();
    expect(held.logprobs![0].top).toEqual(free.logprobs![0].top);
    expect(held.logprobs![0].logprob).toBeLessThan(free.logprobs![0].logprob!);
  });

  test('is refused together with ignoreEndOfText', () => {
    expect(() => model.generate('The', { constraint: digits(1, 2), ignoreEndOfText: true })).toThrow('ignoreEndOfText');
  });
});
