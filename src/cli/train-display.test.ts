// What the end of a training run says about its questions.
import { expect, test } from 'vitest';
import type { TrainDone } from '../train/train-options.ts';
import { summaryText } from './train-display.ts';

const lastLine = (answers?: { right: number; asked: number }) => {
  const done = { losses: [], evaluations: [], model: new Uint8Array(1000), loss: 1, steps: 2, tokens: 3, seconds: 4 };
  return summaryText({ ...done, tokensPerSecond: 5, answers } as unknown as TrainDone, 'm.gguf', 80)
    .split('\n')
    .at(-1);
};

test('the last line says how many first questions of the text’s conversations are answered, and what to do where they are few', () => {
  expect(lastLine({ right: 40, asked: 40 })).toBe('40 of 40 first questions of the text are answered to the letter');
  expect(lastLine({ right: 3, asked: 40 })).toMatch(/^3 of 40 .* not learnt them yet, give it more --minutes$/);
  expect(lastLine()).toMatch(/^m\.gguf: /);
});
