import { expect, test } from 'vitest';
import { Random } from '../../core/random.ts';
import { scopeNotices } from './judgements.ts';
import { promisedThreshold, textsNeeded, thresholdTable } from './promise.ts';

const sure = (count: number, wrong = 0) =>
  Array.from({ length: count }, (_, i) => ({ confidence: 0.9 + 0.0001 * i, right: i >= wrong, weight: 1 }));

test('few texts promise little, though all were right', () => {
  expect(promisedThreshold(sure(20), 0.8)).toBeDefined();
  expect(promisedThreshold(sure(20), 0.9)).toBeUndefined();
  expect(promisedThreshold(sure(85), 0.95)).toBeUndefined();
  expect(promisedThreshold(sure(86), 0.95)).toBeCloseTo(0.9, 6);
  expect(textsNeeded(0.95)).toBe(86);
  expect(promisedThreshold([], 0.8)).toBeUndefined();
  expect(promisedThreshold(sure(50, 50), 0.5)).toBeUndefined();
});

test('bounds of the table are those of Clopper and Pearson', () => {
  // R 4.3: binom.test(97, 100)$conf.int is 0.9148 to 0.9938
  const [row] = thresholdTable(sure(100, 3), [0.8]);
  expect(row).toMatchObject({ answered: 1, right: 0.97 });
  expect(row.low).toBeCloseTo(0.9148, 3);
  expect(row.high).toBeCloseTo(0.9938, 3);
  expect(thresholdTable(sure(5), [0.99])[0]).toMatchObject({ threshold: null, answered: 0, right: null });
});

test('texts of little weight count for less', () => {
  const light = sure(100).map((text, i) => ({ ...text, weight: i < 50 ? 0.001 : 1 }));
  expect(promisedThreshold(light, 0.95)).toBeUndefined();
});

test('what is promised is kept in 95 of 100 draws of few texts', () => {
  const random = new Random(5);
  /** Sure texts are right more often, but never more than `most`. */
  const draw = (count: number, most: number) =>
    Array.from({ length: count }, () => {
      const confidence = random.uniform();
      return { confidence, right: random.uniform() < most * (0.5 + 0.5 * confidence), weight: 1 };
    });
  for (const [precision, most] of [
    [0.8, 0.9],
    [0.9, 0.95],
    [0.95, 0.97],
  ] as const) {
    let broken = 0;
    for (let i = 0; i < 400; i++) {
      const threshold = promisedThreshold(draw(20 + random.below(181), most), precision);
      // The true precision from the threshold on.
      if (threshold !== undefined && most * (0.5 + 0.25 * (1 + threshold)) < precision) broken++;
    }
    expect(broken / 400).toBeLessThan(0.05);
  }
});

test('where nothing stands for what is about no intent, that is said, but not of a question whose answers are all there are', () => {
  const judged = (intent: number) => ({ example: 0, scores: Float32Array.of(1, 0), intent, signals: [] as never });
  expect(scopeNotices([judged(0), judged(1)], 0.05)).toEqual([expect.stringMatching(/Add rows labelled oos/)]);
  expect(scopeNotices([judged(0), judged(-1)], 0.05)).toEqual([]);
  expect(scopeNotices([judged(0), judged(1)], 0)).toEqual([]);
});
