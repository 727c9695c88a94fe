// The trainer as its callers see it: learning, repeating itself to the bit, saving, accumulating, exporting, refusing.
import { afterEach, describe, expect, it } from 'vitest';
import { memorySource } from '../src/bytes/memory-source.ts';
import { readGguf } from '../src/gguf/read.ts';
import { type Backend, KV_PAGE, type KvFormat, type Rows } from '../src/kernels/backend.ts';
import { referenceBackend } from '../src/kernels/reference/reference-backend.ts';
import { referenceTrainingBackend } from '../src/kernels/reference/training-backend.ts';
import type { TrainingBackend } from '../src/kernels/training.ts';
import { wasmBackend } from '../src/kernels/wasm/wasm-backend.ts';
import { readModelConfig } from '../src/model/config.ts';
import { Forward } from '../src/model/forward.ts';
import { loadWeights } from '../src/model/weights.ts';
import { exportedFile } from '../src/train/exported.ts';
import { defaultRecipe, type Recipe } from '../src/train/recipe.ts';
import { type ModelShape, modelShape } from '../src/train/shape.ts';
import { createTrainer } from '../src/train/trainer.ts';
import type { Batch, Trainer } from '../src/train/trainer-types.ts';

const shape = modelShape({
  vocabulary: 61,
  layers: 2,
  width: 128,
  headSize: 32,
  kvHeads: 2,
  feedForwardWidth: 256,
  contextLength: 64,
});
const recipe: Recipe = { ...defaultRecipe, steps: 12, warmupSteps: 2, learningRate: 0.01 };
const made: Trainer[] = [];

afterEach(async () => {
  for (const trainer of made.splice(0)) await trainer.dispose();
});

/** A trainer that the test need not dispose. */
async function trainerOf(
  options: Partial<{
    shape: ModelShape;
    recipe: Recipe;
    seed: number;
    threads: number;
    exact: boolean;
    backend: TrainingBackend;
  }> = {},
): Promise<Trainer> {
  const { seed = 3, threads = 1 } = options;
  const trainer = await createTrainer(options.shape ?? shape, options.recipe ?? recipe, {
    seed,
    threads,
    exact: options.exact,
    backend: options.backend,
  });
  made.push(trainer);
  return trainer;
}

/** Sequences that count by sevens, a few tokens off. */
function batch(step: number, sequences = 4, length = 24): Batch {
  const rows = sequences * length;
  const token = (i: number) => (i * 7 + ((i * i * (step + 3)) % 5 === 0 ? 1 : 0)) % shape.vocabulary;
  return {
    sequences,
    length,
    tokens: Int32Array.from({ length: rows }, (_, i) => token(i)),
    targets: Int32Array.from({ length: rows }, (_, i) => token(i + 1)),
  };
}

async function run(trainer: Trainer, from: number, to: number): Promise<number[]> {
  const numbers: number[] = [];
  for (let step = from; step < to; step++) {
    const { loss, gradientNorm } = await trainer.step(batch(step));
    numbers.push(loss, gradientNorm);
  }
  return numbers;
}

describe('trainer', () => {
  it('learns a simple sequence, in full precision and with binary weights', async () => {
    const trainer = await trainerOf({ recipe: { ...recipe, steps: 60 } });
    const first = (await trainer.step(batch(0))).loss;
    expect(Math.abs(first - Math.log(shape.vocabulary))).toBeLessThan(0.5);
    let last = await trainer.step(batch(1));
    while (trainer.stepsDone < 60) last = await trainer.step(batch(trainer.stepsDone));
    expect(last.quantized).toBe(true);
    expect(last.loss).toBeLessThan(1.5);
  });

  it('gives the same bits on one thread and on two, and again', async () => {
    const runs = [];
    for (const threads of [1, 2, 1]) runs.push(await run(await trainerOf({ threads }), 0, 6));
    expect(runs[1]).toEqual(runs[0]);
    expect(runs[2]).toEqual(runs[0]);
  });

  it('goes on from a saved state bit for bit', async () => {
    const whole = await trainerOf();
    await run(whole, 0, 5);
    const state = await whole.save();
    const expected = await run(whole, 5, 9);
    const resumed = await trainerOf({ seed: 99 });
    resumed.restore(state);
    expect(resumed.stepsDone).toBe(5);
    expect(await run(resumed, 5, 9)).toEqual(expected);
    const [a, b] = [await whole.save(), await resumed.save()];
    for (const [name, values] of a.arrays) expect(b.arrays.get(name), name).toEqual(values);
  });

  it('accumulates the gradient of several batches as if they were one', async () => {
    const [one, several] = [await trainerOf(), await trainerOf()];
    const whole = batch(1, 6, 20);
    const part = (first: number, sequences: number): Batch => ({
      sequences,
      length: 20,
      tokens: whole.tokens.slice(first * 20, (first + sequences) * 20),
      targets: whole.targets.slice(first * 20, (first + sequences) * 20),
    });
    const a = await one.step(whole);
    const b = await several.step([part(0, 1), part(1, 3), part(4, 2)]);
    expect(b.loss).toBeCloseTo(a.loss, 5);
    expect(b.gradientNorm / a.gradientNorm).toBeCloseTo(1, 4);
    expect(b.tokens).toBe(120);
  });

  it('leaves out positions of weight 0 and follows a teacher for its share', async () => {
    const [plain, taught] = [await trainerOf(), await trainerOf()];
    const whole = batch(2);
    const rows = whole.tokens.length;
    const masked = { ...whole, weights: Float32Array.from({ length: rows }, (_, i) => (i < rows / 2 ? 1 : 0)) };
    const result = await plain.step(masked);
    expect(result.tokens).toBe(rows / 2);
    // A teacher that is sure of the targets changes nothing.
    const teacher = { k: 1, tokens: whole.targets, probabilities: new Float32Array(rows).fill(1), share: 0.5 };
    const same = await taught.step({ ...masked, teacher });
    expect(same.loss).toBe(result.loss);
    expect(same.gradientNorm / result.gradientNorm).toBeCloseTo(1, 5);
    const other = { ...teacher, tokens: whole.targets.map((target) => (target + 1) % shape.vocabulary) };
    const evaluated = await plain.evaluate(masked, { weights: 'current' });
    expect(evaluated.weightSum).toBe(rows / 2);
    const wrong = await trainerOf();
    await wrong.step({ ...masked, teacher: other });
    expect((await wrong.evaluate(masked, { weights: 'current' })).lossSum).toBeGreaterThan(evaluated.lossSum);
  });

  it('agrees with its reference backend, loss by loss', async () => {
    const small = { ...recipe, steps: 8 };
    const expected = await run(await trainerOf({ recipe: small, backend: referenceTrainingBackend() }), 0, 4);
    const exact = await run(await trainerOf({ recipe: small, exact: true }), 0, 4);
    const lookedUp = await run(await trainerOf({ recipe: small }), 0, 4);
    for (const [i, value] of expected.entries()) {
      expect(Math.abs(exact[i] / value - 1)).toBeLessThan(1e-4);
      expect(Math.abs(lookedUp[i] / value - 1)).toBeLessThan(1e-2);
    }
  });

  it('learns by look-up as by exact products', async () => {
    const last: number[] = [];
    for (const exact of [true, false]) {
      const trainer = await trainerOf({ recipe: { ...recipe, steps: 60 }, exact });
      const losses = await run(trainer, 0, 60);
      last.push(losses[118]);
      expect(losses[118]).toBeLessThan(losses[0] / 3);
    }
    expect(Math.abs(last[1] / last[0] - 1)).toBeLessThan(0.15);
  });

  it('reports a loss that is not finite and keeps the weights', async () => {
    const trainer = await trainerOf();
    const before = await trainer.save();
    const weights = before.arrays.get('output_norm.weight')!.slice().fill(Number.NaN);
    trainer.restore({ ...before, arrays: new Map([...before.arrays, ['output_norm.weight', weights]]) });
    expect((await trainer.step(batch(0))).loss).toBeNaN();
    const after = await trainer.save();
    expect(after.arrays.get('token_embd.weight')).toEqual(before.arrays.get('token_embd.weight'));
  });

  it('changes nothing when a step is aborted', async () => {
    const [aborted, plain] = [await trainerOf(), await trainerOf()];
    const reason = new Error('stop');
    await expect(aborted.step(batch(0), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    setImmediate(() => controller.abort(reason));
    await aborted.step(batch(0, 16, 64), { signal: controller.signal }).catch((error) => expect(error).toBe(reason));
    if (aborted.stepsDone === 0) expect(await run(aborted, 0, 2)).toEqual(await run(plain, 0, 2));
  });

  it('refuses tokens outside the vocabulary, sequences that are too long, and shapes that no file can hold', async () => {
    const trainer = await trainerOf();
    const one = batch(0);
    await expect(trainer.step({ ...one, tokens: one.tokens.map(() => 61) })).rejects.toThrow(/ids below 61, got 61/);
    await expect(trainer.step(batch(0, 1, 65))).rejects.toThrow(/at most 64 tokens, got 65/);
    await expect(trainer.step({ ...one, targets: one.targets.slice(1) })).rejects.toThrow(/targets must be 4 × 24/);
    await expect(trainerOf({ shape: { ...shape, feedForwardWidth: 200 } })).rejects.toThrow(/multiple of 128/);
    await expect(trainerOf({ recipe: { ...recipe, momentum: 2 } })).rejects.toThrow(/momentum/);
  });
});

describe('exported file', () => {
  for (const weights of ['binary', 'ternary', 'float'] as const) {
    for (const tiedHead of [true, false]) {
      it(`gives the trainer's own logits to the bit: ${weights}, ${tiedHead ? 'tied' : 'untied'} head`, async () => {
        const trainer = await trainerOf({ shape: { ...shape, weights, tiedHead } });
        await run(trainer, 0, 6);
        const one = batch(9, 2, 40);
        const logits = await trainer.logits(one);
        const file = await exportedFile(await trainer.exportModel());
        const backend = await wasmBackend({ threads: 1 });
        const parts = [];
        for (const s of [0, 1])
          parts.push(...(await fileLogits(file, one.tokens.subarray(40 * s, 40 * s + 40), backend)));
        await backend.dispose();
        expect(Array.from(logits)).toEqual(parts);
        const { losses } = await trainer.evaluate(one);
        for (const row of [0, 39, 40, 79]) {
          const likelihoods = parts.slice(row * 61, row * 61 + 61).map((logit) => Math.exp(logit));
          const sum = likelihoods.reduce((x, y) => x + y, 0);
          expect(losses[row]).toBeCloseTo(-Math.log(likelihoods[one.targets[row]] / sum), 4);
        }
        // A step changes the weights, and so what is measured.
        await run(trainer, 6, 7);
        expect(await trainer.logits(one)).not.toEqual(logits);
      });

      it(`computes what training computes: ${weights}, ${tiedHead ? 'tied' : 'untied'} head`, async () => {
        const { sequences, length, tokens } = batch(9, 1, 20);
        // The trainer sums in float32, the reference backends in float64. In training, weights of a float model are not rounded to fp16.
        const rounding = weights === 'float' ? 2e-3 : 0;
        const trained = await trainerOf({ shape: { ...shape, weights, tiedHead } });
        await run(trained, 0, 6);
        const reference = await trainerOf({ shape: trained.shape, backend: referenceTrainingBackend() });
        reference.restore(await trained.save());
        const file = await exportedFile(await trained.exportModel());
        const expected = await fileLogits(file, tokens, referenceBackend(), 'f32');
        const scale = Math.sqrt(expected.reduce((sum, x) => sum + x * x, 0) / expected.length);
        for (const [trainer, bound] of [
          [trained, 2e-5],
          [reference, 1e-6],
        ] as const) {
          const logits = await trainer.logits({ sequences, length, tokens }, { weights: 'current' });
          const worst = logits.reduce((max, x, i) => Math.max(max, Math.abs(x - expected[i])), 0);
          expect(worst / scale).toBeLessThan(bound + rounding);
        }
      });
    }
  }
});

/** Logits of every position, by the model's one forward pass, seven rows at a time. */
async function fileLogits(
  file: Uint8Array,
  tokens: Int32Array,
  backend: Backend,
  format: KvFormat = 'f16',
): Promise<number[]> {
  const source = memorySource(file);
  const gguf = await readGguf(source);
  const config = readModelConfig(gguf);
  const forward = new Forward(config, await loadWeights(gguf, source, config, backend), backend, 7, 7);
  const { layers, kvHeads, headSize } = config;
  const pool = backend.kvPool({ layers, kvHeads, headSize, pages: 2, format });
  const all: number[] = [];
  for (let at = 0; at < tokens.length; at += 7) {
    const count = Math.min(7, tokens.length - at);
    const indices = Int32Array.from({ length: count }, (_, i) => i);
    const rows: Rows = {
      count,
      tokens: tokens.subarray(at, at + count),
      positions: indices.map((i) => at + i),
      sequence: new Int32Array(count),
      pageTables: [Int32Array.from({ length: Math.ceil((at + count) / KV_PAGE) }, (_, i) => i)],
    };
    const logits = forward.step(rows, pool, indices);
    all.push(...(await backend.read(logits, 0, count * config.vocabulary)));
  }
  return all;
}
