import { expect, test } from 'vitest';
import { applyMask } from './constraint.ts';

test('a mask leaves what it allows, and nothing beyond its end', () => {
  const logits = Float32Array.from({ length: 70 }, (_, i) => i);
  applyMask(logits, Uint32Array.from([0xffffffff, 0b101]));
  const left = Array.from(logits.keys()).filter((token) => logits[token] !== Number.NEGATIVE_INFINITY);
  expect(left).toEqual([...Array(32).keys(), 32, 34]);
  expect(logits[34]).toBe(34);
});
