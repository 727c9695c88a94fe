import { expect, test } from 'vitest';
import { Random } from '../core/random.ts';
import { type Draw, exactPValue } from './exact-sum.ts';

/** By going through all outcomes. */
function enumerated(draws: readonly Draw[]): number {
  const seen = draws.reduce((sum, { scores, seen }) => sum + scores[seen], 0);
  const from = (at: number, sum: number): number => {
    if (at === draws.length) return Number(sum >= seen - 1e-9);
    const { chances, scores } = draws[at];
    return Array.from(chances).reduce((total, chance, i) => total + chance * from(at + 1, sum + scores[i]), 0);
  };
  return from(0, 0);
}

test('is the sum over all outcomes', () => {
  const random = new Random(7);
  for (let round = 0; round < 20; round++) {
    // Scores are whole steps of the test's unit, so that rounding changes nothing.
    const draws = Array.from({ length: 7 }, () => {
      const parts = Array.from({ length: 3 }, () => random.uniform());
      const sum = parts.reduce((total, part) => total + part, 0);
      const scores = parts.map(() => (random.below(40) - 10) / 32);
      return { chances: parts.map((part) => part / sum), scores, seen: random.below(3) };
    });
    expect(exactPValue(draws)).toBeCloseTo(enumerated(draws), 10);
  }
});

test('small chances are exact too, and the least score says nothing', () => {
  const hit = { chances: [0.9, 0.1], scores: [-1, 0], seen: 1 };
  const all = Array.from({ length: 60 }, () => hit);
  expect(exactPValue(all) / 1e-60).toBeCloseTo(1, 8);
  expect(exactPValue(all.map((draw) => ({ ...draw, seen: 0 })))).toBe(1);
  expect(exactPValue([])).toBe(1);
});
