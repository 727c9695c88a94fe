import { expect, test } from 'vitest';
import { ByteContext, WatermarkKey } from './watermark.ts';

const context = new TextEncoder().encode('upon a t');
const tokens = [5, 17, 400, 9];

test('over many keys each token wins as often as its probability says', () => {
  const probabilities = [0.6, 0.25, 0.1, 0.05];
  const wins = [0, 0, 0, 0];
  const rounds = 20_000;
  for (let i = 0; i < rounds; i++) {
    wins[new WatermarkKey(`test key ${i}`).tournament(context).winner(tokens, Float64Array.from(probabilities))]++;
  }
  for (const [i, probability] of probabilities.entries()) {
    const deviation = Math.sqrt((probability * (1 - probability)) / rounds);
    expect(Math.abs(wins[i] / rounds - probability)).toBeLessThan(4 * deviation);
  }
});

test('over many contexts of one key too', () => {
  const key = new WatermarkKey('one key for all');
  let wins = 0;
  const rounds = 20_000;
  for (let i = 0; i < rounds; i++) {
    const bytes = new TextEncoder().encode(String(i).padStart(8, '-'));
    wins += Number(key.tournament(bytes).winner([1, 2], Float64Array.of(0.3, 0.7)) === 0);
  }
  expect(Math.abs(wins / rounds - 0.3)).toBeLessThan(4 * Math.sqrt(0.21 / rounds));
});

test('key, context and probabilities decide alone', () => {
  const winner = (key: string, bytes = context) =>
    new WatermarkKey(key).tournament(bytes).winner(tokens, Float64Array.of(0.25, 0.25, 0.25, 0.25));
  expect(winner('a key of mine')).toBe(winner('a key of mine'));
  const others = Array.from({ length: 40 }, (_, i) => winner(`a key of mine ${i}`));
  expect(new Set(others).size).toBe(4);
});

test('short keys are refused', () => {
  expect(() => new WatermarkKey('short')).toThrow(/at least 8 characters, got 5/);
  expect(() => new WatermarkKey(undefined as never)).toThrow(/got undefined/);
});

test('a context is the last bytes, however they came', () => {
  const text = new TextEncoder().encode('There was a girl named Lily');
  const whole = new ByteContext();
  whole.push(text);
  const pieces = new ByteContext();
  for (let i = 0; i < text.length; i += 5) pieces.push(text.subarray(i, i + 5));
  expect(pieces.bytes).toEqual(whole.bytes);
  expect(new TextDecoder().decode(whole.bytes)).toBe('med Lily');
  const short = new ByteContext();
  short.push(text.subarray(0, 7));
  expect(short.isFull).toBe(false);
  short.push(text.subarray(7, 8));
  expect(short.isFull).toBe(true);
});
