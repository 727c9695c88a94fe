import { expect, test } from 'vitest';
import { ownSampling, SAMPLING_DEFAULTS } from '../model/own-sampling.ts';
import { resolveOptions } from './options.ts';

const asks = (values: Record<string, number>) => ({
  metadata: new Map(Object.entries(values).map(([name, value]) => [`general.sampling.${name}`, value])),
});

test('what a model asks for is used where the caller says nothing, but a marked text keeps a choice', () => {
  const own = ownSampling(asks({ temp: 0, top_k: -1, top_p: Math.fround(0.7) }));
  expect(own).toEqual({ temperature: 0, topK: 0, topP: 0.7, minP: 0 });
  expect(ownSampling(asks({}))).toEqual(SAMPLING_DEFAULTS);
  expect(resolveOptions({ topK: 5 }, own)).toMatchObject({ temperature: 0, topK: 5, topP: 0.7 });
  expect(resolveOptions({ watermark: 'a long secret' }, own).temperature).toBe(SAMPLING_DEFAULTS.temperature);
  const wrong = [
    ['temp', Number.NaN],
    ['temp', -1],
    ['top_k', 1.5],
    ['top_p', 2],
    ['min_p', -0.1],
  ] as const;
  for (const [name, value] of wrong) {
    expect(() => ownSampling(asks({ [name]: value }))).toThrow(new RegExp(`general.sampling.${name} must be`));
  }
});

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
