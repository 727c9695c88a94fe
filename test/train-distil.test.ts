import { afterAll, expect, test } from 'vitest';
import { memorySource } from '../src/bytes/memory-source.ts';
import { wasmBackend } from '../src/kernels/wasm/wasm-backend.ts';
import { tokenizerOf } from '../src/tokenizer/train-metadata.ts';
import { compareModels } from '../src/train/compare.ts';
import { DocumentEncoder } from '../src/train/corpus-tokens.ts';
import { naiveModel, studentOf, studentShape } from '../src/train/distil-start.ts';
import { openEngine } from '../src/train/engine-run.ts';
import { selfGenerated } from '../src/train/self-generated.ts';
import { readStartModel } from '../src/train/start-model.ts';
import { Teacher } from '../src/train/teacher.ts';
import { train } from '../src/train/train.ts';
import type { TrainDone } from '../src/train/train-options.ts';
import { CONTROL_TOKENS, tinyModel } from './tiny-model.ts';

const backend = await wasmBackend({ threads: 1 });
afterAll(() => backend.dispose());
const engineOf = async (bytes: Uint8Array) =>
  (await openEngine(memorySource(bytes), backend, { format: 'f32', tokens: 1024 })).engine;
const document = { tokens: Int32Array.from({ length: 40 }, (_, i) => (i * 37) % 250), bytes: 39 };

test.each(['llama', 'qwen3'] as const)(
  'a %s held twice in a wider one computes what it computed',
  async (architecture) => {
    const bytes = await tinyModel({ architecture, format: 'f32' });
    const teacher = await readStartModel(memorySource(bytes), 'float');
    // Two copies of everything and something left over; of the feed-forward part some units twice, some thrice.
    const shape = studentShape(teacher.shape, 'float', { width: 296, feedForwardWidth: 600 });
    expect([shape.heads, shape.kvHeads]).toEqual([8, 4]);
    const engines = [await engineOf(bytes), await engineOf(await naiveModel(studentOf(teacher, shape)))];
    const [itself, student] = await compareModels(engines, [document], 24);
    expect(itself).toMatchObject({ divergence: 0, agreement: 1 });
    expect(student.divergence).toBeLessThan(1e-5);
    expect(student.bitsPerByte).toBeCloseTo(itself.bitsPerByte, 3);
  },
);

test('rows are whole blocks of the format, and a student is no narrower than its teacher', async () => {
  const teacher = await readStartModel(memorySource(await tinyModel({ format: 'f32' })), 'float');
  const narrow = { ...teacher.shape, width: 64, feedForwardWidth: 172, heads: 8, kvHeads: 4, headSize: 8 };
  expect(studentShape(narrow, 'binary')).toMatchObject({ width: 128, feedForwardWidth: 384, heads: 16, kvHeads: 8 });
  expect(studentShape(narrow, 'ternary')).toMatchObject({ width: 64, feedForwardWidth: 192, heads: 8, kvHeads: 4 });
  const odd = { ...narrow, heads: 9, kvHeads: 3, headSize: 64, width: 576 };
  expect(studentShape(odd, 'binary')).toMatchObject({ width: 640, heads: 12, kvHeads: 3 });
  expect(() => studentShape(narrow, 'binary', { feedForwardWidth: 128 })).toThrow(/as wide as its teacher/);
});

test('copies are rounded apart: two of a weight make more than two values', async () => {
  const teacher = await readStartModel(memorySource(await tinyModel({ format: 'f32' })), 'float');
  const shape = studentShape(teacher.shape, 'binary', { width: 256 });
  const row = studentOf(teacher, shape).weights.get('blk.0.attn_q.weight')!.subarray(0, 256);
  const of = teacher.weights.get('blk.0.attn_q.weight')!;
  const sums = Array.from({ length: 128 }, (_, i) => Math.sign(row[i]) + Math.sign(row[i + 128]));
  expect(new Set(sums)).toEqual(new Set([-2, 0, 2]));
  for (let i = 0; i < 128; i++) expect(row[i] + row[i + 128]).toBeCloseTo(2 * of[i], 5);
});

test('the texts that a model writes depend on the seed, not on how many are written at a time', async () => {
  const bytes = await tinyModel({ contextLength: 64 });
  const teacher = await readStartModel(memorySource(bytes));
  const tokenizer = tokenizerOf(teacher.tokenizer);
  const write = async (lanes: number, seed: number) =>
    selfGenerated(await engineOf(bytes), tokenizer, lanes, { count: 4, tokens: 8, seed });
  const texts = await write(1, 7);
  expect(texts).toHaveLength(4);
  expect(await write(3, 7)).toEqual(texts);
  expect(await write(3, 8)).not.toEqual(texts);
  for (const special of CONTROL_TOKENS) expect(texts.join()).not.toContain(special);
});

test('a student learns to predict as its teacher does, from rounded weights', async () => {
  const bytes = await tinyModel({ architecture: 'llama', format: 'f32', layers: 1, contextLength: 64 });
  const teacher = await readStartModel(memorySource(bytes), 'float');
  const init = studentOf(teacher, studentShape(teacher.shape, 'binary'));
  const texts = await selfGenerated(await engineOf(bytes), tokenizerOf(teacher.tokenizer), 4, {
    ...{ count: 3, tokens: 24, seed: 1 },
  });
  let done: TrainDone | undefined;
  for await (const event of train({
    documents: texts.map((text) => ({ text })),
    init,
    teacher: await Teacher.open(memorySource(bytes), backend, 64),
    teacherShare: 1,
    recipe: { steps: 16, optimizer: 'muon', learningRate: 0.01, adamLearningRate: 0.002, fullPrecisionShare: 0 },
    sampleEvery: 0,
    threads: 1,
  })) {
    if (event.type === 'done') done = event;
  }
  const engines = [await engineOf(bytes), await engineOf(await naiveModel(init)), await engineOf(done!.model)];
  const encoder = new DocumentEncoder(tokenizerOf(teacher.tokenizer));
  const read = texts.map((text) => encoder.measured({ text }));
  const [, naive, distilled] = await compareModels(engines, read, 64);
  expect(distilled.divergence).toBeLessThan(0.8 * naive.divergence);
}, 120_000);
