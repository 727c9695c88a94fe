import { describe, expect, test } from 'vitest';
import { type GenerateOptions, resolveOptions } from './options.ts';
import { applyPenalties, repeatLengths } from './penalties.ts';

const none = new Set<number>();

function penalised(values: number[], history: number[], options: GenerateOptions): number[] {
  const logits = Float32Array.from(values);
  applyPenalties(logits, history, resolveOptions(options), none);
  return [...logits];
}

describe('applyPenalties', () => {
  test('repeat penalty divides positive and multiplies negative logits of tokens that occurred', () => {
    expect(penalised([2, -2, 4], [0, 1], { repeatPenalty: 2 })).toEqual([1, -4, 4]);
  });
  test('presence counts once, frequency each time', () => {
    expect(penalised([5, 5, 5], [0, 0, 1], { presencePenalty: 1 })).toEqual([4, 4, 5]);
    expect(penalised([5, 5, 5], [0, 0, 1], { frequencyPenalty: 1 })).toEqual([3, 4, 5]);
  });
  test('looks no further back than the window', () => {
    expect(penalised([5, 5], [0, 1, 1], { presencePenalty: 1, penaltyWindow: 2 })).toEqual([5, 4]);
    expect(penalised([5, 5], [0, 1, 1], { presencePenalty: 1, penaltyWindow: -1 })).toEqual([4, 4]);
    expect(penalised([5, 5], [0, 1, 1], { presencePenalty: 1, penaltyWindow: 0 })).toEqual([5, 5]);
  });
  test('adds the bias, and ignores tokens that do not exist', () => {
    expect(
      penalised([1, 1], [], {
        logitBias: new Map([
          [1, -100],
          [7, 3],
        ]),
      }),
    ).toEqual([1, -99]);
  });
  test('DRY weakens what would continue a repeated passage, more the longer it is', () => {
    // 1 2 3 4 … 1 2 3: token 4 would continue a passage of length 3.
    const options = { dryMultiplier: 1, dryBase: 2, dryAllowedLength: 2 };
    expect(penalised([0, 0, 0, 0, 0], [1, 2, 3, 4, 0, 1, 2, 3], options)).toEqual([0, 0, 0, 0, -2]);
    expect(penalised([0, 0, 0, 0, 0], [3, 4, 0, 3], options)).toEqual([0, 0, 0, 0, 0]);
  });
});

describe('repeatLengths', () => {
  test('sees no repetition across a breaker', () => {
    expect(repeatLengths([1, 9, 3, 4, 1, 9, 3], none).get(4)).toBe(3);
    expect(repeatLengths([1, 9, 3, 4, 1, 9, 3], new Set([9])).get(4)).toBe(1);
  });
  test('stays fast and finite on one token repeated', () => {
    const lengths = repeatLengths(new Array(5000).fill(7), none);
    expect(lengths.get(7)).toBe(50);
  });
});
