import { expect, test } from 'vitest';
import { resolveOptions } from './options.ts';

test('every option out of range is refused by name', () => {
  const wrong = { temperature: -1, topK: 1.5, topP: 2, minP: -0.1, maxTokens: -1, repeatPenalty: 0, logprobs: 1e6 };
  for (const [name, value] of Object.entries(wrong)) {
    expect(() => resolveOptions({ [name]: value })).toThrow(new RegExp(`${name} must be .* got ${value}`));
  }
  expect(() => resolveOptions({ temperature: Number.NaN })).toThrow(/temperature/);
  expect(() => resolveOptions({ seed: Number.POSITIVE_INFINITY })).toThrow(/seed/);
  expect(() => resolveOptions({ stop: ['a', ''] })).toThrow(/stop/);
  expect(() => resolveOptions({ topK: '5' as unknown as number })).toThrow(/topK/);
});

test('a stop string may be given alone, and a seed is drawn where none is given', () => {
  expect(resolveOptions({ stop: 'x' }).stop).toEqual(['x']);
  expect(resolveOptions({}).seed).not.toBe(resolveOptions({}).seed);
  expect(resolveOptions({ seed: 4 }).seed).toBe(4);
});
