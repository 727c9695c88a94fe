import { expect, test } from 'vitest';
import type { Evidence } from './evidence.ts';
import { crossValidate, crossValidationWork, type Example, foldsFor, type LearningPlan } from './learn.ts';
import { TRUNK_WIDTH } from './trunk.ts';

const evidenceOf = (id: number): Evidence => ({
  ids: Uint32Array.of(id),
  weights: Float32Array.of(1),
  sense: new Float32Array(TRUNK_WIDTH),
  known: 1,
  words: [{ ids: Uint32Array.of(id), weights: Float32Array.of(1), sense: new Float32Array(TRUNK_WIDTH) }],
});
/** Three intents and texts out of scope, told apart by one piece of evidence each. */
const examples: Example[] = Array.from({ length: 80 }, (_, i) => ({ evidence: evidenceOf(i % 4), target: i % 4 }));
const shape = { vocabulary: 4, width: 128, classes: 4 };
const learning = {
  recipe: { binary: true, rate: 0.1, evidenceDropout: 0, hiddenDropout: 0, smoothing: 0 },
  phraseRecipe: {
    ...{ binary: true, rate: 3e-3, decay: 0, smoothing: 0, batch: 8 },
    ...{ wordDropout: 0, vectorDropout: 0, hiddenDropout: 0 },
  },
};

test('each judged part is judged once, by networks that learnt the others', async () => {
  for (const folds of [
    { parts: 4, judged: 4 },
    { parts: 5, judged: 1 },
  ]) {
    let learnt = 0;
    const plan: LearningPlan = {
      ...learning,
      ...{ bags: 1, phrases: 1, epochs: 10, teacher: false, seed: 1 },
      onExamples: (count) => {
        learnt += count;
      },
    };
    const heldOut = await crossValidate(examples, shape, 3, folds, plan);
    const judged = heldOut.map(({ example }) => example);
    expect(new Set(judged).size).toBe(judged.length);
    expect(judged.length).toBe((80 * folds.judged) / folds.parts);
    expect(learnt).toBe(crossValidationWork(80, plan, folds));
    for (const { example, scores, intent } of heldOut) {
      expect(intent).toBe(example % 4 === 3 ? -1 : example % 4);
      if (intent >= 0) expect(scores.indexOf(Math.max(...scores))).toBe(intent);
    }
  }
});

test('no text is judged by networks that learnt one nearly the same', async () => {
  // The pieces of evidence tell nothing: only the same text, far away in the file, could.
  const twins: Example[] = Array.from({ length: 60 }, (_, i) => ({
    evidence: evidenceOf(i % 30),
    target: Math.floor((i % 30) / 10),
    key: `text ${i % 30}`,
  }));
  const plan: LearningPlan = {
    ...learning,
    bags: 1,
    phrases: 0,
    epochs: 20,
    teacher: false,
    seed: 1,
    onExamples: () => {},
  };
  const heldOut = await crossValidate(
    twins,
    { ...shape, vocabulary: 30, classes: 3 },
    3,
    { parts: 5, judged: 5 },
    plan,
  );
  expect(heldOut.length).toBe(60);
  for (const { signals } of heldOut) expect(signals[4]).toBe(0); // nothing of it is known
});

test('all of small data is judged, of large data enough', () => {
  expect(foldsFor(500)).toEqual({ parts: 8, judged: 8 });
  expect(foldsFor(15_000)).toEqual({ parts: 4, judged: 4 });
  expect(foldsFor(100_000)).toEqual({ parts: 10, judged: 1 });
});
