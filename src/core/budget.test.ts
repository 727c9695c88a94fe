import { expect, test } from 'vitest';
import { Budget } from './budget.ts';

function spin(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

test('steps and bytes end where they are used up, and bytes come back', () => {
  const budget = new Budget({ steps: 10, bytes: 100 });
  budget.spend('a', 4);
  budget.spend('a', 6);
  expect(() => budget.spend('work')).toThrow(/work: .* its share of steps/);
  budget.hold('a', 100);
  expect(() => budget.hold('work', 1)).toThrow(/memory/);
  budget.hold('a', -1);
  budget.hold('a', 1);
});

test('time computed counts, time waited does not', async () => {
  const budget = new Budget({ computeMs: 60 });
  spin(15);
  budget.pause();
  await new Promise((resolve) => setTimeout(resolve, 100));
  budget.resume();
  budget.look('work');
  spin(60);
  expect(() => budget.look('work')).toThrow(/its share of time/);
});

test('gives turns to others, and ends with the reason of the signal', async () => {
  const stop = new AbortController();
  const budget = new Budget({ signal: stop.signal });
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  for (let i = 0; i < 8; i++) {
    spin(12);
    await budget.turn('work');
  }
  clearInterval(timer);
  expect(turns).toBeGreaterThan(0);
  stop.abort(new Error('enough'));
  await expect(budget.turn('work')).rejects.toThrow('enough');
  expect(() => budget.spend('work', 1000)).toThrow('enough');
});
