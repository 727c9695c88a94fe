import { expect, test } from 'vitest';
import { Random } from '../../core/random.ts';
import { fitOutliers, fitTemperature, leastThreshold, outlierProbability, signalsOf } from './calibration.ts';
import { softmax } from './network.ts';
import { promisedThreshold } from './promise.ts';

const random = new Random(5);

test('the temperature under which labels were drawn is found again', () => {
  const heldOut = Array.from({ length: 4000 }, (_, example) => {
    const scores = Float32Array.from({ length: 5 }, () => 6 * random.normal());
    const chances = Float32Array.from(scores);
    softmax(chances, 2.5);
    let left = random.uniform();
    const intent = chances.findIndex((chance) => {
      left -= chance;
      return left < 0;
    });
    return { example, scores, intent: Math.max(intent, 0), signals: new Float32Array(5) };
  });
  expect(fitTemperature(heldOut)).toBeCloseTo(2.5, 0);
});

test('the detector separates what the signals separate, at the share that is expected', () => {
  const row = (intent: number, best: number) => {
    const scores = Float32Array.of(best + random.normal(), random.normal(), random.normal());
    return { example: 0, scores, intent, signals: signalsOf(scores, undefined, 0.8) };
  };
  const rows = [...Array.from({ length: 900 }, () => row(0, 8)), ...Array.from({ length: 100 }, () => row(-1, 1))];
  const detector = fitOutliers(rows, 0.1);
  const mean = (list: typeof rows) =>
    list.reduce((sum, { signals }) => sum + outlierProbability(detector, signals), 0) / list.length;
  expect(mean(rows.slice(900))).toBeGreaterThan(0.8);
  expect(mean(rows.slice(0, 900))).toBeLessThan(0.05);
  expect(outlierProbability(fitOutliers(rows.slice(0, 900), 0.1), rows[0].signals)).toBeLessThan(1e-9);
});

test('the threshold gives the precision that was asked for on other draws', () => {
  const draw = (count: number) =>
    Array.from({ length: count }, () => {
      const confidence = random.uniform();
      return { confidence, right: random.uniform() < confidence, weight: 1 };
    });
  for (const precision of [0.7, 0.8, 0.9]) {
    const threshold = promisedThreshold(draw(3000), precision)!;
    const answered = draw(20_000).filter(({ confidence }) => confidence >= threshold);
    const share = answered.filter(({ right }) => right).length / answered.length;
    expect(share).toBeGreaterThan(precision - 0.01);
    expect(share).toBeLessThan(precision + 0.06);
  }
});

test('few texts, perfectly told apart, leave room for doubt', () => {
  const apart = (count: number) =>
    Array.from({ length: count }, (_, example) => ({
      example,
      scores: Float32Array.of(4, 0, 0),
      intent: 0,
      signals: new Float32Array(5),
    }));
  const chanceOfFirst = (count: number) => {
    const scores = Float32Array.of(4, 0, 0);
    softmax(scores, fitTemperature(apart(count)));
    return scores[0];
  };
  // A third of the text more is of the first intent: 10 1/3 of 11.
  expect(chanceOfFirst(10)).toBeCloseTo(10.333 / 11, 2);
  expect(chanceOfFirst(1000)).toBeGreaterThan(0.995);
});

test('answers likelier wrong than right are handed over, unless too many right ones go with them', () => {
  const sure = Array.from({ length: 200 }, (_, i) => 0.6 + 0.001 * i);
  expect(leastThreshold(sure, 0.01)).toBe(0.5);
  const unsure = sure.map((confidence, i) => (i < 20 ? 0.01 * i : confidence));
  expect(leastThreshold(unsure, 0.01)).toBeCloseTo(0.02, 6);
  expect(leastThreshold([], 0.01)).toBe(0);
});
