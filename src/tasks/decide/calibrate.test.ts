import { expect, test } from 'vitest';
import { Random } from '../../core/random.ts';
import { calibrateDecisions, calibratedDecider, type JudgedDecision } from './calibrate.ts';

/** Decisions that are right as often as they say, made too sure by `sharpness`. */
function drawn(count: number, sharpness: number): JudgedDecision[] {
  const random = new Random(7);
  return Array.from({ length: count }, () => {
    const p = 0.5 + 0.5 * random.uniform();
    const [a, b] = [p ** sharpness, (1 - p) ** sharpness];
    return { probabilities: [a / (a + b), b / (a + b)], right: random.uniform() < p ? 0 : 1 };
  });
}

test('the temperature that was put on is found again, and takes the error away', () => {
  const { temperature, calibrationError, accuracy, riskCoverage } = calibrateDecisions(drawn(4000, 3));
  expect(temperature).toBeGreaterThan(2.6);
  expect(temperature).toBeLessThan(3.4);
  expect(calibrationError.before).toBeGreaterThan(0.1);
  expect(calibrationError.after).toBeLessThan(0.03);
  expect(accuracy).toBeCloseTo(0.75, 1);
  expect(riskCoverage[0].right).toBeGreaterThan(riskCoverage.at(-1)!.right);
});

test('a threshold is given where rows show it, and none where they do not', () => {
  const { target } = calibrateDecisions(drawn(4000, 1), { accuracy: 0.9 });
  expect(target.threshold).toBeGreaterThan(0.7);
  expect(target.right).toBeGreaterThanOrEqual(0.9);
  const few = calibrateDecisions(Array(20).fill({ probabilities: [0.99, 0.01], right: 0 }), { accuracy: 0.9 });
  expect(few.target).toMatchObject({ threshold: null, answered: 0 });
  expect(few.rowsNeeded).toBeGreaterThan(20);
  expect(() => calibrateDecisions([])).toThrow(/got none/);
});

test('a decider at a temperature keeps its order, and the order of options changes nothing to the bit', async () => {
  const shares: Record<string, number> = { a: 0.7, b: 0.2, c: 0.1 };
  const decider = calibratedDecider(
    { probabilities: async (_, __, options) => options.map(({ label }) => shares[label]), yes: async () => 0.9 },
    2,
  );
  const of = async (order: string) => {
    const found = await decider.probabilities(
      '',
      '',
      [...order].map((label) => ({ label })),
    );
    return Object.fromEntries([...order].map((label, i) => [label, found[i]]));
  };
  const first = await of('abc');
  expect(await of('cba')).toEqual(first);
  expect(first.a).toBeLessThan(0.7);
  expect(await decider.yes('', '')).toBeCloseTo(0.75, 5);
});
