import { expect, test } from 'vitest';
import type { SupportModel, TrainedQuestion } from '../tasks/support/support-model.ts';
import { decisionWork } from './decision-work.ts';
import { supportWork } from './other-work.ts';
import type { RowTexts } from './row-work.ts';

const signal = new AbortController().signal;
const row = (text: string): RowTexts => ({ index: 0, text: (name) => (name === 'text' ? text : undefined) });

/** What the work asks of a model, told by words: 'open' is hours, all else refund; a day is a field, 'now' a flag. */
function model(question?: TrainedQuestion): SupportModel {
  const [first, second] = question?.labels ?? ['hours', 'refund'];
  const predict = (text: string) => {
    const [intent, other] = text.includes('open') ? [first, second] : [second, first];
    const ranked = [intent, other].map((intent, i) => ({ intent, probability: i === 0 ? 0.9 : 0.1 }));
    const start = text.indexOf('Friday');
    const field = { label: 'day', text: 'Friday', start, end: start + 6, probability: 1 };
    return {
      ...{ intent, probability: 0.9, outOfScope: 0, confidence: 0.9, answered: true, intents: ranked },
      ...{ fields: start < 0 ? [] : [field], flags: [{ flag: 'urgent', probability: 0.8 }] },
    };
  };
  return {
    ...{ facts: { threshold: 0.5 }, parts: { question }, intents: [first, second], texts: {}, predict },
    ...{
      answers: new Map([['hours', 'From 9 to 5 on {day}.']]),
      flagLabels: ['urgent'],
      fieldLabels: ['day', 'intent'],
    },
    ...{ findAnswers: () => [], answerThreshold: 1, readFields: (text: string) => predict(text).fields },
  } as unknown as SupportModel;
}

test('a support model gives intent, action, the filled answer, flags and each field a column of its own', async () => {
  const work = supportWork(model());
  expect(work.columns).toEqual(['intent', 'confidence', 'action', 'answer', 'flags', 'day', 'field_intent']);
  const cells = async (text: string) => (await work.run(row(text), signal)).cells;
  const found = ['hours', 0.9, 'answer', 'From 9 to 5 on Friday.', 'urgent', 'Friday', null];
  expect(await cells('are you open Friday')).toEqual(found);
  expect(await cells('are you open')).toEqual(['hours', 0.9, 'clarify', null, 'urgent', null, null]);
  expect((await cells('money back')).slice(0, 4)).toEqual(['refund', 0.9, 'answer', null]);
});

test('questions have columns by their names: the answer, how likely it is, and whether that is sure enough', async () => {
  const options = ['hours', 'refund'].map((label) => ({ label }));
  const questions = [
    { type: 'choice', name: 'topic', instructions: 'what is it about?', options },
    { type: 'yes-no', instructions: 'is it about hours?' },
  ] as const;
  const work = decisionWork(model({ type: 'choice', instructions: '', labels: ['hours', 'refund'] }), {
    questions: questions.slice(0, 1),
    threshold: 0.95,
  });
  expect(work.columns).toEqual(['topic', 'topic_probability', 'topic_answered']);
  expect((await work.run(row('when open?'), signal)).cells).toEqual(['hours', 0.9, false]);
  const soft = decisionWork(model(), { questions, temperature: 3 });
  expect(soft.columns).toEqual(['topic', 'topic_probability', 'decision_2', 'decision_2_probability']);
  const [, probability, said] = (await soft.run(row('when open?'), signal)).cells;
  expect(probability).toBeLessThan(0.9);
  expect(said).toMatch(/^(yes|no)$/);
});

test('a score has its number and its level; empty rows and questions that cannot be put are refused', async () => {
  const labels = ['calm', 'angry'];
  const levels = labels.map((label) => ({ label }));
  const judge = model({ type: 'score', instructions: '', labels });
  const work = decisionWork(judge, { questions: [{ type: 'score', instructions: 'how?', levels }] });
  expect(work.columns).toEqual(['decision', 'decision_level', 'decision_probability']);
  expect((await work.run(row('x'), signal)).cells).toEqual([0.9, 'angry', 0.9]);
  await expect(async () => work.run(row(' '), signal)).rejects.toThrow(/must have a text/);
  const twice = { type: 'yes-no', name: 'a', instructions: 'x' } as const;
  expect(() => decisionWork(judge, { questions: [twice, twice] })).toThrow(/name of its own/);
  expect(() => decisionWork(judge, { questions: [] })).toThrow(/1 to 200/);
});
