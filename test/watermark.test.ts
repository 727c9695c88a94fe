// Marks of generated text with the model of the package: found by the key alone, after edits, in parts, while it streams; the same tokens however they are
// computed.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Random } from '../src/core/random.ts';
import { type LanguageModel, load } from '../src/index.ts';

const KEY = 'a key for these tests';
const options = { maxTokens: 200, ignoreEndOfText: true, temperature: 1, topP: 1, seed: 3, watermark: KEY };
let model: LanguageModel;
let text = '';
beforeAll(async () => {
  model = await load(undefined, { threads: 1 });
  text = (await model.generate('', options).result()).text;
});
afterAll(() => model.dispose());

const pValueOf = async (given: string, key = KEY) => (await model.detectWatermark(given, { key })).pValue;

test('a marked text is found by its key and by no other', async () => {
  expect(await pValueOf(text)).toBeLessThan(1e-6);
  for (const other of ['another key, not this', `${KEY} `]) expect(await pValueOf(text, other)).toBeGreaterThan(1e-3);
});

test('the same options without a key give a text without a mark', async () => {
  const plain = await model.generate('', { ...options, watermark: undefined }).result();
  expect(await pValueOf(plain.text)).toBeGreaterThan(1e-3);
});

test('a fifth of the words may be others, and the middle may be cut out', async () => {
  const random = new Random(5);
  const words = text.split(' ');
  const swapped = words.map((word) => (random.uniform() < 0.2 ? words[random.below(words.length)] : word)).join(' ');
  expect(await pValueOf(swapped)).toBeLessThan(1e-3);
  expect(await pValueOf(text.slice(text.length >> 2, (3 * text.length) >> 2))).toBeLessThan(1e-3);
});

test('repeating a text adds nothing to what is known of it', async () => {
  const once = await model.detectWatermark(text, { key: KEY });
  const often = await model.detectWatermark(`${text}${text}${text}`, { key: KEY });
  expect(often.places).toBeLessThan(1.2 * once.places);
  const plain = (await model.generate('', { ...options, watermark: undefined, maxTokens: 60 }).result()).text;
  expect(await pValueOf(plain.repeat(20))).toBeGreaterThan(1e-3);
});

test('threads and company change no token', async () => {
  const alone = await model.generate('', options).result();
  const together = await Promise.all([3, 4, 5].map((seed) => model.generate('', { ...options, seed }).result()));
  expect(together[0].tokens).toEqual(alone.tokens);
  const other = await load(undefined, { threads: 2 });
  expect((await other.generate('', options).result()).tokens).toEqual(alone.tokens);
  await other.dispose();
});

test('log-probabilities and penalties leave the mark in place', async () => {
  const told = await model.generate('', { ...options, logprobs: 2 }).result();
  expect(told.text).toBe(text);
  const penal = await model.generate('', { ...options, presencePenalty: 0.01 }).result();
  expect(await pValueOf(penal.text)).toBeLessThan(1e-3);
});

test('stretches of a text say where it is marked', async () => {
  const human =
    'The committee will publish its findings on the first of March; until then nobody outside the house should quote from the draft. ';
  const { segments, pValue } = await model.detectWatermark(human + text, { key: KEY });
  expect(pValue).toBeLessThan(1e-3);
  expect(segments[0].from).toBe(0);
  expect(segments.at(-1)!.to).toBe(human.length + text.length);
  for (const [i, segment] of segments.entries()) if (i > 0) expect(segment.from).toBe(segments[i - 1].to);
});

test('a text is watched while it is written; looking often is paid for', async () => {
  async function* pieces() {
    for (let i = 0; i < text.length; i += 7) yield text.slice(i, i + 7);
  }
  const looks = [];
  for await (const look of model.watchWatermark(pieces(), { key: KEY })) looks.push(look);
  expect(looks.length).toBeGreaterThan(3);
  const last = looks.at(-1)!;
  expect(last.characters).toBe(text.length);
  expect(last.pValue).toBeCloseTo(await pValueOf(text), 12);
  expect(last.pValueAnytime).toBeLessThan(1e-3);
  for (const look of looks) expect(look.pValueAnytime).toBeGreaterThanOrEqual(look.pValue);
});

test('no text is nothing found, and a short key is refused', async () => {
  expect(await model.detectWatermark('', { key: KEY })).toMatchObject({
    pValue: 1,
    tokens: 0,
    places: 0,
    segments: [],
  });
  await expect(model.detectWatermark('text', { key: 'short' })).rejects.toThrow(/at least 8 characters/);
  expect(() => model.generate('', { watermark: 'short' })).toThrow(/at least 8 characters/);
});
