import { expect, test } from 'vitest';
import { Random } from '../../core/random.ts';
import { fitCalibration } from './train-fields.ts';

/** Fields found with log-odds of about `mean`, of which so many are right. */
function found(count: number, mean: number, right: (x: number) => number) {
  const random = new Random(7);
  return Array.from({ length: count }, () => {
    const x = mean + 4 * random.normal();
    return { x, right: random.uniform() < right(x) ? 1 : 0, weight: 1 };
  });
}

test('a network that is too sure is believed less: as often as it is right', () => {
  for (const mean of [2, 8, 15, 30]) {
    const points = found(2000, mean, () => 0.85);
    const { slope, offset } = fitCalibration(points);
    const believed = points.map(({ x }) => 1 / (1 + Math.exp(-(slope * x + offset))));
    expect(believed.reduce((sum, chance) => sum + chance, 0) / points.length, `${mean}`).toBeCloseTo(0.85, 1);
    expect(slope, `${mean}`).toBeGreaterThanOrEqual(0);
    expect(slope, `${mean}`).toBeLessThan(1);
  }
});

test('one that is right as often as it says is believed', () => {
  const { slope, offset } = fitCalibration(found(4000, 1, (x) => 1 / (1 + Math.exp(-x))));
  expect(slope).toBeCloseTo(1, 0);
  expect(offset).toBeCloseTo(0, 0);
});

test('what a far too sure network says of its finds still counts for what it tells', () => {
  for (const mean of [10, 15, 20]) {
    const { slope, offset } = fitCalibration(found(4000, mean, (x) => 1 / (1 + Math.exp(2 - 0.3 * x))));
    expect(slope, `${mean}`).toBeCloseTo(0.3, 1);
    expect(offset, `${mean}`).toBeCloseTo(-2, 0);
  }
});
