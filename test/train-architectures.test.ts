// Every architecture that runs can be trained: what is learnt is what the file's model does in inference, and training goes on from the file.
import { expect, test } from 'vitest';
import { memorySource } from '../src/bytes/memory-source.ts';
import { checkHeader } from '../src/cli/doctor-checks.ts';
import { Random } from '../src/core/random.ts';
import { readGguf } from '../src/gguf/read.ts';
import { architectures } from '../src/model/arch/index.ts';
import type { RopeScaling } from '../src/model/rope-scaling.ts';
import { exportedFile } from '../src/train/exported.ts';
import { defaultRecipe, type Recipe } from '../src/train/recipe.ts';
import { checkShape, modelShape, shapeTensors, type WeightKind } from '../src/train/shape.ts';
import { readStartModel, withWholeRows } from '../src/train/start-model.ts';
import { createTrainer } from '../src/train/trainer.ts';
import type { Batch } from '../src/train/trainer-types.ts';

const VOCABULARY = 40;
const recipe: Recipe = { ...defaultRecipe, steps: 20, warmupSteps: 2, learningRate: 0.02, adamLearningRate: 0.02 };
const kinds: readonly WeightKind[] = ['binary', 'ternary', 'float'];

/** Sequences that count by sevens. */
const batch: Batch = {
  ...{ sequences: 4, length: 16 },
  tokens: Int32Array.from({ length: 64 }, (_, i) => (i * 7) % VOCABULARY),
  targets: Int32Array.from({ length: 64 }, (_, i) => ((i + 1) * 7) % VOCABULARY),
};

const yarn = { type: 'yarn', factor: 4, originalContext: 8, betaFast: 32, betaSlow: 1 } as const;

/** Each architecture with one kind of weights, one of them with all, and scaled positions. */
const cases: [string, WeightKind, RopeScaling?][] = [
  ...architectures.map(({ name }, i): [string, WeightKind] => [name, kinds[i % 3]]),
  ...kinds.map((kind): [string, WeightKind] => ['bitnet-b1.58', kind]),
  ['qwen3', 'binary', yarn],
  ['llama', 'float', { type: 'linear', factor: 8 }],
];

test.each([...new Map(cases.map((one) => [JSON.stringify(one), one])).values()])(
  '%s with %s weights %o',
  async (architecture, weights, ropeScaling) => {
    const sizes = {
      layers: 1,
      width: 128,
      headSize: 32,
      kvHeads: 2,
      feedForwardWidth: 256,
      contextLength: 32,
      normEpsilon: Math.fround(1e-6),
    };
    const shape = modelShape({
      ...sizes,
      vocabulary: VOCABULARY,
      weights,
      architecture,
      ...(ropeScaling ? { ropeScaling } : {}),
    });
    const trainer = await createTrainer(shape, recipe, { seed: 5, threads: 1, exact: true });
    try {
      const first = await trainer.step(batch);
      while (trainer.stepsDone < recipe.steps) await trainer.step(batch);
      const current = await trainer.evaluate(batch, { weights: 'current' });
      expect(current.lossSum / 64).toBeLessThan(0.5 * first.loss);
      // The file's model rounds activations to 8 bits, its cache to 16, float weights to 16.
      const exported = await trainer.evaluate(batch);
      expect(Math.abs(exported.lossSum - current.lossSum) / 64).toBeLessThan(0.05);
      const model = await trainer.exportModel();
      const file = memorySource(await exportedFile(model));
      const start = await readStartModel(file);
      const findings = checkHeader({ name: 'trained.gguf', gguf: await readGguf(file) });
      expect(findings.filter(({ check }) => check === 'missing-activation')).toEqual([]);
      expect(start.shape).toEqual(architecture === 'qwen3' ? { ...shape, architecture: undefined } : shape);
      await trainer.initFrom(start.weights);
      // At the start of a run weights are as they are given.
      const again = await trainer.evaluate(batch, { weights: 'current' });
      expect(Math.abs(again.lossSum - current.lossSum) / 64).toBeLessThan(0.01);
    } finally {
      await trainer.dispose();
    }
  },
  60_000,
);

test('training scales positions as inference does', async () => {
  const sizes = { layers: 1, width: 128, headSize: 32, kvHeads: 4, feedForwardWidth: 128, contextLength: 64 };
  const plain = modelShape({
    ...sizes,
    vocabulary: VOCABULARY,
    weights: 'float',
    architecture: 'llama',
    tiedHead: false,
  });
  const random = new Random(9);
  const sharp = (name: string) => (/attn_[qk]|token_embd|output\.weight/.test(name) ? 0.5 : 0.2); // what is looked at matters
  const weights = new Map(
    shapeTensors(plain).map(({ name, role, rows, cols }) => [
      name,
      Float32Array.from({ length: rows * cols }, () => (role === 'norm' ? 1 : sharp(name) * random.normal())),
    ]),
  );
  const tokens = Int32Array.from({ length: 64 }, () => Math.floor(random.uniform() * VOCABULARY));
  const long: Batch = {
    sequences: 1,
    length: 64,
    tokens,
    targets: tokens.map((token) => (token * 3 + 1) % VOCABULARY),
  };
  const losses = new Map<string, number>();
  for (const scaling of [undefined, { type: 'linear', factor: 4 } as const, yarn]) {
    const trainer = await createTrainer({ ...plain, ropeScaling: scaling }, recipe, {
      seed: 1,
      threads: 1,
      exact: true,
    });
    try {
      await trainer.initFrom(weights);
      const { lossSum } = await trainer.evaluate(long, { weights: 'current' });
      const inference = await trainer.evaluate(long);
      expect(Math.abs(inference.lossSum - lossSum) / 64).toBeLessThan(0.02);
      losses.set(scaling?.type ?? 'none', lossSum / 64);
    } finally {
      await trainer.dispose();
    }
  }
  for (const type of ['linear', 'yarn'])
    expect(Math.abs(losses.get(type)! - losses.get('none')!)).toBeGreaterThan(0.05);
}, 60_000);

test('tensors are those of the architecture', () => {
  const names = (architecture?: string) =>
    shapeTensors(modelShape({ vocabulary: 300, layers: 1, width: 128, architecture })).map(({ name }) => name);
  expect(names('qwen3')).toEqual(names());
  expect(names('llama')).toEqual(names().filter((name) => !/_[qk]_norm/.test(name)));
  expect(names('qwen2')).toContain('blk.0.attn_q.bias');
  expect(names('bitnet')).toContain('blk.0.ffn_sub_norm.weight');
  expect(names('bitnet')).not.toContain('blk.0.attn_q.scale');
});

test('a model whose feed-forward rows are no multiple of 8 gets units that do nothing', () => {
  const shape = modelShape({ vocabulary: 40, layers: 1, width: 32, feedForwardWidth: 20, weights: 'float' });
  const weights = new Map(
    shapeTensors(shape).map(({ name, rows, cols }) => [
      name,
      Float32Array.from({ length: rows * cols }, (_, i) => i + 1),
    ]),
  );
  const whole = withWholeRows({ name: 'narrow', shape, tokenizer: new Map(), weights });
  expect(whole.shape).toEqual({ ...shape, feedForwardWidth: 24 });
  checkShape(whole.shape);
  for (const { name, rows, cols } of shapeTensors(shape)) {
    const grown = whole.weights.get(name)!;
    const wide = name.includes('ffn_down') ? 24 : cols;
    const expected = new Float32Array(grown.length);
    for (let row = 0; row < rows; row++)
      for (let col = 0; col < cols; col++) expected[row * wide + col] = row * cols + col + 1;
    expect(grown, name).toEqual(expected);
  }
  const normed = { ...shape, architecture: 'bitnet' };
  expect(withWholeRows({ name: '', shape: normed, tokenizer: new Map(), weights }).shape).toBe(normed);
});

test('what cannot be is refused with every problem', () => {
  const shape = modelShape({ vocabulary: 300, layers: 1, width: 128 });
  expect(() => checkShape({ ...shape, architecture: 'gpt2' })).toThrow(
    /architecture must be one of llama, .*got 'gpt2'/,
  );
  expect(() => checkShape({ ...shape, activation: 'relu2' })).toThrow(
    /activation must be left out with architecture qwen3, got relu2/,
  );
  expect(() => checkShape({ ...shape, architecture: 'bitnet', activation: 'gelu' })).toThrow(
    /activation must be silu or relu2 with/,
  );
  expect(() => checkShape({ ...shape, architecture: 'bitnet', activation: 'relu2' })).not.toThrow();
});
