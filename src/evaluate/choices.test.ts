import { expect, test } from 'vitest';
import { type ChoiceReader, choose, logLikelihood, shareOf, summarise } from './choices.ts';
import { differencesOf } from './differences.ts';
import { choiceItem } from './task-forms.ts';

/** A model of letters: the same letter as before has chance 1/2, each other one 1/50. */
const reader: ChoiceReader = {
  encode: (text) => [...text].map((character) => character.codePointAt(0)!),
  begin: [0],
  empty: [0],
  contextTokens: 200,
  rank: async (tokens) =>
    tokens.slice(1).map((token, i) => {
      const logprob = Math.log(token === tokens[i] ? 0.5 : 0.02);
      return { token, logprob, top: [{ token: tokens[i], logprob: Math.log(0.5) }] };
    }),
};

test('a continuation is what comes after the context, spaces at its end included', async () => {
  const plain = await logLikelihood('aab', ' bb', reader);
  expect(plain.sum).toBeCloseTo(2 * Math.log(0.02) + Math.log(0.5), 12);
  expect((await logLikelihood('aab ', 'bb', reader)).sum).toBeCloseTo(plain.sum, 12);
  expect((await logLikelihood('', 'aa', reader)).sum).toBeCloseTo(Math.log(0.02) + Math.log(0.5), 12);
  expect(await logLikelihood('aa', 'aaa', reader)).toMatchObject({ isGreedy: true });
  await expect(logLikelihood('a', 'b'.repeat(300), reader)).rejects.toThrow(/from 1 to 200 tokens, got 300/);
  // The beginning of what is too long is left out.
  expect((await logLikelihood('x'.repeat(500), 'xx', reader)).sum).toBeCloseTo(2 * Math.log(0.5), 12);
});

test('accuracy by sum, by character and by byte differ as they should', async () => {
  // Sums: ' z' 2 rare; ' zéé…' more; per character the long one of repeats wins.
  const item = choiceItem('choices', { context: 'q', choices: ['z', 'yyyyyyyy', 'éééééééé'], label: 1 });
  const { chosen, logLikelihoods } = await choose(item, (context, continuation) =>
    logLikelihood(context, continuation, reader),
  );
  expect(logLikelihoods[0]).toBeCloseTo(2 * Math.log(0.02), 10);
  expect(chosen.acc).toBe(0);
  expect(chosen.acc_norm).toBe(1);
  expect(chosen.acc_bytes).toBe(2);
});

test('forms ask as the tasks do', () => {
  const first = (form: Parameters<typeof choiceItem>[0], row: object) => choiceItem(form, row);
  expect(
    first('arc', { question: 'Q?', choices: { text: ['a', 'b'], label: ['A', 'B'] }, answerKey: 'B' }),
  ).toMatchObject({
    label: 1,
    options: [{ context: 'Question: Q?\nAnswer:', continuation: ' a' }, { continuation: ' b' }],
  });
  const hella = {
    activity_label: 'Tea',
    ctx_a: 'She boils water.',
    ctx_b: 'she',
    endings: ['pours [step] it.', 'runs.'],
    label: '0',
  };
  expect(first('hellaswag', hella)).toMatchObject({
    options: [{ context: 'Tea: She boils water. She', continuation: ' pours it.' }, {}],
    label: 0,
  });
  expect(
    first('winogrande', { sentence: 'The cup fell since _ was wet.', option1: 'it', option2: 'he', answer: '2' }),
  ).toMatchObject({
    options: [
      { context: 'The cup fell since it', continuation: ' was wet.' },
      { context: 'The cup fell since he', continuation: ' was wet.' },
    ],
    label: 1,
  });
  expect(first('mmlu', { question: ' Why? ', choices: ['x', 'y'], answer: 1 }).options[1]).toEqual({
    context: 'Why?\nA. x\nB. y\nAnswer:',
    continuation: ' B',
  });
  expect(first('boolq', { passage: 'P.', question: 'is it', answer: true })).toMatchObject({
    options: [{ context: 'P.\nQuestion: is it?\nAnswer:', continuation: ' no' }, { continuation: ' yes' }],
    label: 1,
  });
  expect(first('piqa', { goal: 'G', sol1: 'a', sol2: 'b', label: 0 }).options[0].context).toBe('Question: G\nAnswer:');
  expect(first('blimp', { sentence_good: 'a b', sentence_bad: 'b a' }).options[1]).toEqual({
    context: '',
    continuation: ' b a',
  });
  expect(first('lambada', { text: 'he said yes' }).options).toEqual([{ context: 'he said', continuation: ' yes' }]);
  // As its makers wrote it, before the hub.
  const stem = { stem: 'Q?', choices: ['a', 'b'].map((text, i) => ({ text, label: String(i + 1) })) };
  expect(first('arc', { question: stem, answerKey: '2' })).toMatchObject({
    label: 1,
    options: [{ context: 'Question: Q?\nAnswer:', continuation: ' a' }, { continuation: ' b' }],
  });
  expect(first('mmlu', { question: 'Q', choices: ['x'], answer: 'A', subject: 'us_law' }).description).toBe(
    'The following are multiple choice questions (with answers) about us law.\n\n',
  );
  // Tests whose answers are kept back are no tests whose answer is the first option.
  for (const label of [undefined, null, '', -1, 'x', true, [0]]) {
    expect(() => first('hellaswag', { ...hella, label })).toThrow(/label must/);
    expect(() => first('piqa', { goal: 'G', sol1: 'a', sol2: 'b', label })).toThrow(/label must/);
  }
  expect(() => first('boolq', { passage: 'P.', question: 'is it', label: -1 })).toThrow(/label must/);
  expect(() => first('mmlu', { question: 'Q', choices: ['x'], answer: '' })).toThrow(/answer must/);
  expect(() => first('arc', { question: 'Q?' })).toThrow(/text must be a list of texts/);
  expect(() => first('choices', { context: '', choices: ['a'], label: 3 })).toThrow(/label must be one of 1/);
});

test('differences of paired shares have the intervals that Newcombe gave', () => {
  const times = (count: number, value: boolean) => Array.from({ length: count }, () => value);
  const first = [...times(36, true), ...times(12, true), ...times(2, false)];
  const second = [...times(36, true), ...times(12, false), ...times(2, true)];
  const { estimate, lost, won } = differencesOf(first, second);
  expect([estimate.from, estimate.to].map((x) => x.toFixed(4))).toEqual(['0.0569', '0.3404']);
  expect([lost.length, won.length]).toEqual([2, 12]);
  // Two that are right on the same twelve questions need not be the same on others.
  const same = differencesOf(times(12, true), times(12, true)).estimate;
  expect([same.from, same.value, same.to].map((x) => x.toFixed(2))).toEqual(['-0.24', '0.00', '0.24']);
});

test('shares have the intervals that Wilson gave', () => {
  const { value, from, to, stderr } = shareOf([...Array(7).fill(true), ...Array(3).fill(false)]);
  // R: binom::binom.wilson(7, 10): 0.3967732 to 0.8922087
  expect(value).toBe(0.7);
  expect(from).toBeCloseTo(0.39677, 3);
  expect(to).toBeCloseTo(0.89221, 3);
  expect(stderr).toBeCloseTo(Math.sqrt(0.21 / 9), 12);
});

test('tasks with one option are right where it is the likeliest text', async () => {
  const item = choiceItem('lambada', { text: 'a b' });
  const summary = summarise([
    await choose(item, (context, continuation) => logLikelihood(context, continuation, reader)),
  ]);
  expect(summary.acc.value).toBe(0);
  expect(summary.perplexity).toBeCloseTo(50 * 50, 6);
  // An endpoint may not say what was likeliest.
  await expect(choose(item, async () => ({ sum: -1, isGreedy: undefined }))).rejects.toThrow(/top_logprobs/);
});
