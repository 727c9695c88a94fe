import { expect, test } from 'vitest';
import { Contexts, WatermarkKey } from './watermark.ts';

const encode = (text: string) => new TextEncoder().encode(text);
const contextOf = (text: string) => {
  const contexts = new Contexts();
  contexts.push(encode(text));
  return contexts.next()!.slice();
};
const context = contextOf('upon a t');
const candidates = (probabilities: number[]) =>
  probabilities.map((probability, i) => ({ token: [5, 17, 400, 9][i], logit: 0.7 * Math.log(probability) }));

test('over many keys each token wins as often as its probability says', () => {
  const probabilities = [0.6, 0.25, 0.1, 0.05];
  const wins = [0, 0, 0, 0];
  const rounds = 20_000;
  for (let i = 0; i < rounds; i++) {
    wins[new WatermarkKey(`test key ${i}`).race(context).winner(candidates(probabilities), 0.7)]++;
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
    const bytes = contextOf(String(i).padStart(8, '-'));
    wins += Number(key.race(bytes).winner(candidates([0.3, 0.7]), 0.7) === 0);
  }
  expect(Math.abs(wins / rounds - 0.3)).toBeLessThan(4 * Math.sqrt(0.21 / rounds));
});

test('of a long list the same wins as where every draw is made', () => {
  const key = new WatermarkKey('a key of long lists');
  const many = Array.from({ length: 300 }, (_, i) => ({ token: 7 * i, logit: 3 - 4 * Math.log1p(i / 3) }));
  for (let i = 0; i < 200; i++) {
    const race = key.race(contextOf(String(i).padStart(8, '-')));
    const temperature = 0.5 + (i % 4) / 2;
    const values = many.map(({ token, logit }) => logit / temperature + race.draw(token));
    expect(race.winner(many, temperature)).toBe(values.indexOf(Math.max(...values)));
    expect(many.every(({ token }) => race.mayExceed(token, race.draw(token) - 1e-9))).toBe(true);
  }
});

test('key, context and probabilities decide alone', () => {
  const winner = (key: string, bytes = context) =>
    new WatermarkKey(key).race(bytes).winner(candidates([0.25, 0.25, 0.25, 0.25]), 0.7);
  expect(winner('a key of mine')).toBe(winner('a key of mine'));
  const others = Array.from({ length: 40 }, (_, i) => winner(`a key of mine ${i}`));
  expect(new Set(others).size).toBe(4);
});

test('short keys are refused', () => {
  expect(() => new WatermarkKey('short')).toThrow(/at least 8 characters, got 5/);
  expect(() => new WatermarkKey(undefined as never)).toThrow(/got undefined/);
});

test('a context is the last bytes, however they came; a longer one where the text had it before; none where it had both', () => {
  expect(new Contexts().next()).toBeUndefined();
  const whole = new Contexts();
  whole.push(encode('There was a girl named Lily'));
  const pieces = new Contexts();
  const text = encode('There was a girl named Lily');
  for (let i = 0; i < text.length; i += 5) pieces.push(text.subarray(i, i + 5));
  expect(pieces.next()).toEqual(whole.next());
  expect([...(pieces.next() ?? [])]).toEqual([]);
  pieces.push(encode(' met Lily'));
  const longer = pieces.next()!;
  expect(longer[0]).toBe(8);
  expect(new TextDecoder().decode(longer.subarray(8))).toBe('met Lily');
  pieces.push(encode(' met Lily'));
  expect(pieces.next()).toBeUndefined();
});
