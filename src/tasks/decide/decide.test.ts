import { expect, test } from 'vitest';
import { likelihoodDecider } from './likelihood-decider.ts';
import { choiceConfidence, type DecisionOption, decideAll, scoreConfidence } from './questions.ts';

/** Finds labels as likely as they have letters in common with the text; otherwise the shorter the likelier. */
const scored: string[][] = [];
const decider = likelihoodDecider(async (documents) => {
  scored.push([...documents]);
  const text = /^Text: (.*)/.exec(documents[0])![1];
  const likelihoods = documents.map((document) => {
    const label = document.slice(documents[0].length).trim();
    return -label.length + 3 * [...label].filter((char) => text.includes(char)).length;
  });
  return { logprobs: likelihoods.flatMap((value, i) => (i > 0 ? [null, value] : [value])) };
});
const options = ['parcel', 'refund', 'zzz', 'a'].map((label) => ({ label }));
const choice = (list: readonly DecisionOption[]) => ({ type: 'choice' as const, instructions: 'what?', options: list });

test('the order of options changes nothing, to the bit', async () => {
  const [first] = await decideAll(decider, 'a parcel', [choice(options)]);
  const [other] = await decideAll(decider, 'a parcel', [choice([...options].reverse())]);
  expect(first).toMatchObject({ type: 'choice', choice: 'parcel' });
  if (first.type !== 'choice' || other.type !== 'choice') throw new Error('another type');
  expect([...other.probabilities].reverse()).toEqual(first.probabilities);
  expect(other.choice).toBe(first.choice);
  expect(first.probabilities.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 10);
  expect(scored[0]).toEqual(scored[2]);
});

test('yes or no, and levels', async () => {
  const levels = ['calm', 'angry'].map((label) => ({ label }));
  const [yes, score] = await decideAll(decider, 'yes', [
    { type: 'yes-no', instructions: 'is it?' },
    { type: 'score', instructions: 'how?', levels },
  ]);
  expect(yes.type === 'yes-no' && yes.probability).toBeGreaterThan(0.5);
  expect(score.type === 'score' && score.score).toBeCloseTo(score.type === 'score' ? score.probabilities[1] : 0, 10);
});

test('confidence is 0 of what is even and 1 of what is sure', () => {
  expect([choiceConfidence([0.25, 0.25, 0.25, 0.25]), choiceConfidence([0, 1]), choiceConfidence([1])]).toEqual([
    0, 1, 1,
  ]);
  expect(scoreConfidence([0, 1, 0])).toBe(1);
  expect(scoreConfidence([0.5, 0, 0.5])).toBe(0);
});

test.each([
  ['no questions', [], /1 to 200/],
  ['another type', [{ type: 'guess', instructions: 'x' }], /type must be one of/],
  ['the same label twice', [choice([{ label: 'a' }, { label: 'a' }])], /different labels/],
  ['no labels', [choice([])], /1 to 255/],
])('questions are refused: %s', async (_, questions, message) => {
  await expect(decideAll(decider, 'x', questions as never)).rejects.toThrow(message);
});
