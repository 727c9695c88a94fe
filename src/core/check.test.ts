import { expect, test } from 'vitest';
import { checkArgument, checkOptions, checkTextOrTokens } from './check.ts';
import { nearName } from './near-name.ts';

const known = { maxTokens: 'number', stop: 'text', mode: ['fast', 'slow'], signal: 'signal' } as const;

test.each([
  [{ maxToken: 3 }, "run: options must be known, got 'maxToken'. Did you mean 'maxTokens'?"],
  [{ max_tokens: 3 }, "Did you mean 'maxTokens'?"],
  [{ somethingElse: 3 }, 'There are: maxTokens, stop, mode, signal.'],
  [{ constructor: 3 }, "got 'constructor'"],
  [{ maxTokens: '3' }, "run: maxTokens must be a number, got '3'."],
  [{ maxTokens: Number.NaN }, 'run: maxTokens must be a number, got NaN.'],
  [{ stop: ['a'] }, 'run: stop must be a text, got a list of 1.'],
  [{ mode: 'medium' }, "run: mode must be one of fast, slow, got 'medium'."],
  [{ signal: {} }, 'run: signal must be an AbortSignal, got an object.'],
  [null, 'run: options must be an object, got null.'],
  ['fast', "run: options must be an object, got 'fast'."],
  [[], 'run: options must be an object, got a list of 0.'],
])('%o is refused by name', (options, message) => {
  expect(() => checkOptions('run', options, known)).toThrow(message);
  expect(() => checkOptions('run', options, known)).toThrow(expect.objectContaining({ code: 'bad-argument' }));
});

test('what is right, or undefined, passes', () => {
  const signal = new AbortController().signal;
  checkOptions('run', { maxTokens: 3, stop: undefined, mode: 'fast', signal, other: undefined }, known);
  checkArgument('run', 'text', 'a', 'text');
  for (const value of ['text', [1, 2], Int32Array.of(1), Uint32Array.of(1), []])
    checkTextOrTokens('run', 'prompt', value);
});

test.each([undefined, null, 5, {}, [1.5], ['a'], [undefined], true, { length: -1.5 }])(
  '%o is no text nor tokens',
  (value) => {
    expect(() => checkTextOrTokens('run', 'prompt', value)).toThrow(/^run: prompt/);
  },
);

test('near names', () => {
  expect(nearName('temprature', ['temperature', 'topK'])).toBe('temperature');
  expect(nearName('top_k', ['temperature', 'topK'])).toBe('topK');
  expect(nearName('zebra', ['temperature', 'topK'])).toBeUndefined();
});
