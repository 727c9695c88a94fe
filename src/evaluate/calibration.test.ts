import { expect, test } from 'vitest';
import { calibrationError, type Judged } from '../core/calibration.ts';
import { Random } from '../core/random.ts';
import { chanceOfRight } from '../generate/abstain.ts';
import { calibrationReport, fitCalibration, selective } from './calibration.ts';

/** Answers whose chance of being right is `chance` of their confidence. */
function judged(count: number, chance: (confidence: number) => number): Judged[] {
  const random = new Random(7);
  return Array.from({ length: count }, () => {
    const confidence = random.uniform();
    return { confidence, right: random.uniform() < chance(confidence) };
  });
}

test('the error is the mean distance of confidence and hits, by bins', () => {
  const half = { confidence: 0.55, right: true };
  expect(calibrationError([half, { ...half, right: false }])).toBeCloseTo(0.05, 12);
  expect(calibrationError([{ confidence: 1, right: false }])).toBe(1);
  expect(calibrationError([])).toBe(0);
  expect(calibrationError(judged(4000, (confidence) => confidence))).toBeLessThan(0.03);
});

test('a calibration turns confidence into the chance it stands for', () => {
  const chance = (confidence: number) => 1 / (1 + Math.exp(-(0.5 * Math.log(confidence / (1 - confidence)) - 1)));
  const { slope, offset } = fitCalibration(judged(8000, chance));
  expect(slope).toBeCloseTo(0.5, 1);
  expect(offset).toBeCloseTo(-1, 1);
  expect(Math.abs(chanceOfRight({ slope, offset }, 0.9) - chance(0.9))).toBeLessThan(0.03);
  const report = calibrationReport(judged(4000, chance));
  expect(report.calibratedEce).toBeLessThan(0.04);
  expect(report.ece).toBeGreaterThan(0.15);
});

test('a confidence that says nothing, or the contrary, gives every answer the same chance', () => {
  const against = fitCalibration(judged(2000, (confidence) => 1 - confidence));
  expect(against.slope).toBe(0);
  expect(chanceOfRight(against, 0.1)).toBeCloseTo(0.5, 1);
  expect(fitCalibration([]).slope).toBe(0);
  // Few, and told apart perfectly: a chance, not certainty.
  const few = [0.9, 0.8, 0.2, 0.1].map((confidence) => ({ confidence, right: confidence > 0.5 }));
  expect(chanceOfRight(fitCalibration(few), 0.9)).toBeLessThan(0.99);
});

test('the surest answers are those that are kept', () => {
  const rows = [0.9, 0.8, 0.3, 0.2].map((confidence) => ({ confidence, right: confidence > 0.5 }));
  expect(selective(rows, 1)).toEqual({ coverage: 1, threshold: 0.2, errorRate: 0.5 });
  expect(selective(rows, 0.5)).toEqual({ coverage: 0.5, threshold: 0.8, errorRate: 0 });
});
