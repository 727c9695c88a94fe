import { expect, test } from 'vitest';
import { Curve, drawCurve, rangeOf } from './report-curve.ts';

test('a curve of any length stays short and keeps its mean and its end', () => {
  const curve = new Curve();
  for (let step = 1; step <= 100_000; step++) curve.add(step, step);
  expect(curve.points.length).toBeLessThan(1024);
  expect(curve.points.length).toBeGreaterThan(500);
  const mean = curve.points.reduce((sum, { value }) => sum + value, 0) / curve.points.length;
  expect(mean / 50_000).toBeCloseTo(1, 2);
  expect(curve.points[curve.points.length - 1].step).toBeGreaterThan(99_800);
});

test('a restored curve goes on at the same pace', () => {
  const whole = new Curve();
  for (let step = 1; step <= 4096; step++) whole.add(step, step);
  const restored = new Curve(whole.points);
  for (let step = 4097; step <= 4096 + 64; step++) {
    whole.add(step, step);
    restored.add(step, step);
  }
  expect(restored.points).toEqual(whole.points);
});

test('a falling curve is drawn from the upper left to the lower right', () => {
  const points = Array.from({ length: 50 }, (_, i) => ({ step: i, value: 5 - i / 10 }));
  const lines = drawCurve(points, 20, 4, 'updates').split('\n');
  const cells = (line: string) => [...line.slice(line.indexOf('|') + 1)].map((c) => c.codePointAt(0)! - 0x2800);
  expect(lines[0]).toContain('4.80 |');
  expect(lines[3]).toContain('0.10 |');
  expect(cells(lines[0])[0]).toBeGreaterThan(0);
  expect(cells(lines[0])[19]).toBe(0);
  expect(cells(lines[3])[0]).toBe(0);
  expect(cells(lines[3])[19]).toBeGreaterThan(0);
  expect(lines[5]).toMatch(/^ +0 +49 {2}updates$/);
});

test('too few points are no curve, and broken values are left out', () => {
  expect(drawCurve([{ step: 1, value: 1 }], 20, 4, '')).toBe('');
  const points = [1, Number.NaN, 3].map((value, step) => ({ step, value }));
  expect(drawCurve(points, 20, 4, '')).toContain('1.00');
});

test('the range leaves out a short steep beginning', () => {
  const points = Array.from({ length: 100 }, (_, step) => ({ step, value: step < 2 ? 100 : 2 - step / 100 }));
  expect(rangeOf(points).high).toBeLessThan(2);
});
