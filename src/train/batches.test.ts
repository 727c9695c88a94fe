import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Random } from '../core/random.ts';
import { BatchPlan, ContextWarmup, MOST_ROWS, measuringBatches } from './batches.ts';
import type { EncodedForms } from './corpus-tokens.ts';
import type { Batch } from './trainer-types.ts';

/** Documents of the given lengths whose tokens are all different, so that every position can be found again. */
function documents(lengths: readonly number[]): EncodedForms[] {
  let next = 1;
  return lengths.map((length) => ({ plain: { tokens: Int32Array.from({ length }, () => next++) } }));
}

const options = { length: 32, batchTokens: 128, chatShare: 0, seed: 1 };
const lengths = Array.from({ length: 60 }, (_, i) => 3 + ((i * 37) % 90));

/** Steps of the first epoch. */
function epochOf(plan: BatchPlan): Batch[] {
  const batches: Batch[] = [];
  for (let step = 0; ; step++) {
    const update = plan.at(step);
    if (plan.epoch > 0) return batches;
    batches.push(...update);
  }
}

/** [input, target] of every position that is learnt. */
function learnt(batches: readonly Batch[]): [number, number][] {
  return batches.flatMap(({ tokens, targets, weights }) =>
    [...tokens].flatMap((token, i): [number, number][] => (weights![i] ? [[token, targets[i]]] : [])),
  );
}

test('an epoch learns every token of every document but the first, each once', () => {
  const pairs = learnt(epochOf(new BatchPlan(documents(lengths), 0, options)));
  const all = documents(lengths).flatMap(({ plain }) => [...plain.tokens].slice(1));
  expect(new Set(pairs.map(([, target]) => target)).size).toBe(pairs.length);
  expect(pairs.every(([token, target]) => target === token + 1)).toBe(true);
  expect(pairs.map(([, target]) => target).sort((a, b) => a - b)).toEqual(all);
});

test('a sequence holds one document, from its start or with context before it', () => {
  for (const { sequences, length, tokens, weights } of epochOf(new BatchPlan(documents(lengths), 0, options))) {
    for (let s = 0; s < sequences; s++) {
      const row = [...tokens.subarray(s * length, (s + 1) * length)];
      const used = row.indexOf(0) < 0 ? length : row.indexOf(0);
      for (let i = 1; i < used; i++) expect(row[i]).toBe(row[i - 1] + 1);
      // Of what is not learnt, at most half a sequence is context; the rest is padding.
      const first = [...weights!.subarray(s * length, s * length + used)].indexOf(1);
      expect(first).toBeLessThanOrEqual(options.length / 2);
    }
  }
});

test('updates keep to their size, and few positions are padding or context', () => {
  const many = documents(Array.from({ length: 2000 }, (_, i) => 20 + ((i * 7919) % 300)));
  const plan = new BatchPlan(many, 0, { length: 256, batchTokens: 2048, chatShare: 0, seed: 3 });
  const batches = epochOf(plan);
  let rows = 0;
  let used = 0;
  for (const { sequences, length, weights } of batches) {
    expect(sequences * length).toBeLessThanOrEqual(2048);
    expect(length % 8).toBe(0);
    expect(length).toBeLessThanOrEqual(256);
    rows += sequences * length;
    used += weights!.reduce((sum, weight) => sum + weight, 0);
  }
  expect(used / rows).toBeGreaterThan(0.84);
});

test('any update can be asked for in any order and is the same', () => {
  const plan = new BatchPlan(documents(lengths), 0, options);
  const late = plan.at(100);
  const early = plan.at(2);
  const fresh = new BatchPlan(documents(lengths), 0, options);
  expect(fresh.at(2)).toEqual(early);
  expect(fresh.at(100)).toEqual(late);
  expect(fresh.epoch).toBeGreaterThan(1);
});

test('epochs and seeds differ', () => {
  const plan = new BatchPlan(documents(lengths), 0, options);
  const other = new BatchPlan(documents(lengths), 0, { ...options, seed: 2 });
  expect(plan.at(0)).not.toEqual(other.at(0));
  const epoch = epochOf(plan).length;
  expect(plan.at(epoch)).not.toEqual(plan.at(0));
});

test('updates larger than one pass come in parts', () => {
  const plan = new BatchPlan(documents(Array(400).fill(65)), 0, { ...options, length: 64, batchTokens: 2 * MOST_ROWS });
  const update = plan.at(0);
  expect(update).toHaveLength(2);
  for (const { sequences, length } of update) expect(sequences * length).toBeLessThanOrEqual(MOST_ROWS);
});

test('a corpus smaller than an update is one update an epoch', () => {
  const plan = new BatchPlan(documents([5]), 0, options);
  expect(learnt(plan.at(7))).toHaveLength(4);
});

test('a corpus without two tokens is refused', () => {
  expect(() => new BatchPlan(documents([1, 0]), 0, options)).toThrow('two tokens');
});

test('pieces of a long document in which nothing counts are left out', () => {
  const counted = new Float32Array(200);
  counted.fill(1, 150, 160);
  const plan = new BatchPlan([{ plain: { tokens: Int32Array.from({ length: 200 }, (_, i) => i + 1), counted } }], 0, {
    ...options,
    length: 64,
  });
  const pairs = learnt(plan.at(0));
  expect(pairs.map(([, target]) => target).sort((a, b) => a - b)).toEqual(
    Array.from({ length: 10 }, (_, i) => 151 + i),
  );
});

test('dialogues are shown in the chat template as often as asked', () => {
  const forms = Array.from({ length: 400 }, () => ({
    plain: { tokens: Int32Array.from([1, 2, 3]) },
    chat: () => ({ tokens: Int32Array.from([7, 8, 9]) }),
  }));
  const plan = new BatchPlan(forms, 0, { ...options, chatShare: 0.25 });
  const shown = learnt(epochOf(plan)).filter(([token]) => token >= 7).length / 2;
  expect(shown).toBeGreaterThan(70);
  expect(shown).toBeLessThan(130);
});

test('measuring windows predict each token once, with half a context before all but the first window', () => {
  const random = new Random(5);
  const measured = documents(Array.from({ length: 30 }, () => 2 + random.below(200))).map(({ plain }) => plain);
  const batches = measuringBatches(measured, 32, 0);
  const targets = learnt(batches).map(([, target]) => target);
  const all = measured.flatMap(({ tokens }) => [...tokens].slice(1));
  expect(targets.sort((a, b) => a - b)).toEqual(all.sort((a, b) => a - b));
  for (const { sequences, length, tokens, weights } of batches) {
    for (let s = 0; s < sequences; s++) {
      const first = weights!.subarray(s * length, (s + 1) * length).indexOf(1);
      const starts = measured.some((document) => document.tokens[0] === tokens[s * length]);
      expect(starts ? first === 0 : first >= 15).toBe(true);
    }
  }
});

const dialogues = new URL('../../../shared/data/lm/sgd-dev.txt', import.meta.url);
const reason = existsSync(dialogues) ? '' : ' (skipped: ../shared/data/lm/sgd-dev.txt is missing)';
test.skipIf(reason)(`on real dialogues 94 % of all positions are learnt${reason}`, () => {
  // Bytes stand for tokens here: lengths vary as those of tokens do.
  const texts = readFileSync(dialogues, 'utf8').split('\n\n').slice(0, 800);
  const forms = texts.map((text) => ({ plain: { tokens: new Int32Array(Math.round(text.length / 3.5)).fill(1) } }));
  let rows = 0;
  let used = 0;
  const plan = new BatchPlan(forms, 0, { length: 512, batchTokens: 4096, chatShare: 0, seed: 1 });
  for (const { sequences, length, weights } of epochOf(plan)) {
    rows += sequences * length;
    used += weights!.reduce((sum, weight) => sum + weight, 0);
  }
  expect(used / rows).toBeGreaterThan(0.94);
});

test('sequences grow to their full length while the context warms up, and any update can be asked for', () => {
  const many = documents(Array.from({ length: 300 }, (_, i) => 40 + ((i * 7919) % 100)));
  const plan = new ContextWarmup(many, 0, { length: 64, batchTokens: 256, chatShare: 0, seed: 1 }, 30);
  const longest = (step: number) => Math.max(...plan.at(step).map(({ length }) => length));
  const most = (from: number, to: number) =>
    Math.max(...Array.from({ length: to - from }, (_, i) => longest(from + i)));
  expect([most(0, 10), most(10, 20), most(20, 30), most(30, 60)]).toEqual([8, 16, 32, 64]);
  for (const { sequences, length } of plan.at(3)) expect(sequences * length).toBeLessThanOrEqual(256);
  const late = plan.at(45);
  expect(plan.at(5)).not.toEqual(plan.at(15));
  expect(plan.at(45)).toEqual(late);
});

test('measuring takes as many positions at a time as asked for, and the same windows', () => {
  const texts = documents(Array(40).fill(65)).map(({ plain }) => plain);
  const small = measuringBatches(texts, 64, 0, 256);
  const windows = (batches: typeof small) => batches.reduce((sum, { sequences }) => sum + sequences, 0);
  expect(Math.max(...small.map(({ sequences, length }) => sequences * length))).toBeLessThanOrEqual(256);
  expect(small.length).toBeGreaterThan(1);
  expect(windows(small)).toBe(windows(measuringBatches(texts, 64, 0)));
});
