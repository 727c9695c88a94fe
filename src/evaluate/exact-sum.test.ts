import { expect, test } from 'vitest';
import { Random } from '../core/random.ts';
import { type Draw, exactPValue } from './exact-sum.ts';

/** By going through all outcomes. */
function enumerated(draws: readonly Draw[]): number {
  const seen = draws.reduce((sum, { hit, weight }) => sum + (hit ? weight : 0), 0);
  let total = 0;
  for (let outcome = 0; outcome < 1 << draws.length; outcome++) {
    let weight = 0;
    let chance = 1;
    for (const [i, draw] of draws.entries()) {
      const hit = (outcome >> i) & 1;
      weight += hit * draw.weight;
      chance *= hit ? draw.chance : 1 - draw.chance;
    }
    if (weight >= seen - 1e-9) total += chance;
  }
  return total;
}

test('is the sum over all outcomes', () => {
  const random = new Random(7);
  for (let round = 0; round < 20; round++) {
    // Weights are whole steps of the test's unit, so that rounding changes nothing.
    const draws = Array.from({ length: 10 }, () => ({
      chance: random.uniform(),
      hit: random.uniform() < 0.5,
      weight: (1 + random.below(40)) / 32,
    }));
    const seen = draws.some(({ hit }) => hit);
    expect(exactPValue(draws)).toBeCloseTo(seen ? enumerated(draws) : 1, 10);
  }
});

test('small chances are exact too, and no hits say nothing', () => {
  const all = Array.from({ length: 60 }, () => ({ chance: 0.1, hit: true, weight: 1 }));
  expect(exactPValue(all) / 1e-60).toBeCloseTo(1, 8);
  expect(exactPValue(all.map((draw) => ({ ...draw, hit: false })))).toBe(1);
  expect(exactPValue([])).toBe(1);
});
