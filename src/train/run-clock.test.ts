import { expect, test } from 'vitest';
import { RunClock } from './run-clock.ts';

/** Runs updates of `stepSeconds` until the clock says so. */
function simulate(
  clock: RunClock,
  time: { ms: number },
  stepSeconds: number,
  extra: (step: number) => number = () => 0,
) {
  const shares: number[] = [];
  clock.startTraining();
  for (let step = 0; !clock.isOver(step); step++) {
    shares.push(clock.progress(step));
    time.ms += 1000 * stepSeconds;
    clock.stepTook(stepSeconds);
    time.ms += 1000 * extra(step);
  }
  return shares;
}

test('counted updates: progress is their share, and it ends with the last', () => {
  const time = { ms: 0 };
  const clock = new RunClock({ steps: 4 }, undefined, () => time.ms);
  expect(simulate(clock, time, 2)).toEqual([0, 0.25, 0.5, 0.75]);
  expect(clock.secondsLeft(2)).toBe(4);
});

test('a run bounded by time ends on time with its progress complete, measurements and all', () => {
  const time = { ms: 0 };
  const clock = new RunClock({ steps: 1e9, seconds: 600 }, undefined, () => time.ms);
  time.ms += 20_000; // preparations
  clock.reserveSeconds(30);
  const shares = simulate(clock, time, 1.7, (step) => (step % 50 === 0 ? 6 : 0));
  expect(time.ms / 1000).toBeGreaterThan(567);
  expect(time.ms / 1000).toBeLessThan(577);
  expect(shares.every((share, i) => i === 0 || share >= shares[i - 1])).toBe(true);
  expect(shares[shares.length - 1]).toBeGreaterThan(0.99);
});

test('a time shorter than the preparations still makes one update', () => {
  const time = { ms: 0 };
  const clock = new RunClock({ steps: 1e9, seconds: 1 }, undefined, () => time.ms);
  time.ms = 5000;
  expect(simulate(clock, time, 1)).toHaveLength(1);
});

test('a resumed run goes on where it was and uses the time that is left', () => {
  const time = { ms: 0 };
  const clock = new RunClock({ steps: 1e9, seconds: 100 }, { seconds: 50, progress: 0.5 }, () => time.ms);
  clock.reserveSeconds(0);
  const shares = simulate(clock, time, 1);
  expect(shares[0]).toBe(0.5);
  expect(shares.length).toBeGreaterThanOrEqual(49);
  expect(time.ms / 1000).toBeLessThan(51);
});
