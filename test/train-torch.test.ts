// Whole training runs, loss by loss, against PyTorch: the golden file is made by bench/training/torch-golden.py, which names versions.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Recipe } from '../src/train/recipe.ts';
import { type ModelShape, shapeTensors } from '../src/train/shape.ts';
import { createTrainer } from '../src/train/trainer.ts';
import type { Batch } from '../src/train/trainer-types.ts';

interface GoldenCase {
  readonly name: string;
  readonly shape: ModelShape;
  readonly recipe: Recipe;
  readonly sequences: number;
  readonly length: number;
  readonly losses: number[];
  readonly gradientNorms: number[];
}

const path = new URL('golden/training/torch-losses.json', import.meta.url);
const golden = JSON.parse(readFileSync(path, 'utf8')) as { program: string; cases: GoldenCase[] };

/** Murmur3's finaliser of index × 2654435761 + seed. */
function hashed(index: number, seed: number): number {
  let h = (Math.imul(index, 2654435761) + seed) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function initialWeights(shape: ModelShape): Map<string, Float32Array> {
  return new Map(
    shapeTensors(shape).map(({ name, role, rows, cols }, i) => {
      const value = (index: number) => (hashed(index, i + 1) / 4294967296) * 2 - 1;
      const isVector = role === 'norm' || role === 'bias';
      return [
        name,
        Float32Array.from({ length: rows * cols }, (_, index) => {
          const uniform = Math.fround(value(index) * (isVector ? 0.1 : 0.08));
          return role === 'norm' ? 1 + uniform : uniform;
        }),
      ];
    }),
  );
}

function batchOf({ sequences, length, shape }: GoldenCase, step: number): Batch {
  const rows = sequences * length;
  const tokens = new Int32Array(rows);
  const targets = new Int32Array(rows);
  for (let s = 0; s < sequences; s++) {
    const start = hashed(s + step * 31, 5) % shape.vocabulary;
    const token = (t: number) => {
      const h = hashed(s * (length + 1) + t + step * 100003, 777);
      return h % 4 === 0 ? (h >>> 8) % shape.vocabulary : (start + t) % shape.vocabulary;
    };
    for (let t = 0; t < length; t++) {
      tokens[s * length + t] = token(t);
      targets[s * length + t] = token(t + 1);
    }
  }
  const weights = Float32Array.from({ length: rows }, (_, i) => (i % 5 === 0 ? 0 : 1));
  return { sequences, length, tokens, targets, weights };
}

describe(`twenty steps against ${golden.program}`, () => {
  for (const one of golden.cases) {
    it(`give the same losses and gradient lengths: ${one.name}`, async () => {
      const trainer = await createTrainer(one.shape, one.recipe, { seed: 1, threads: 1, exact: true });
      await trainer.initFrom(initialWeights(one.shape));
      const differences: number[] = [];
      for (let step = 0; step < one.losses.length; step++) {
        const { loss, gradientNorm } = await trainer.step(batchOf(one, step));
        differences.push(Math.abs(loss / one.losses[step] - 1));
        // Until rounded weights of the two programs begin to differ in a few signs, gradients agree as well.
        if (step < 5) expect(Math.abs(gradientNorm / one.gradientNorms[step] - 1)).toBeLessThan(1e-3);
      }
      await trainer.dispose();
      expect(Math.max(...differences), differences.map((d) => d.toExponential(1)).join(' ')).toBeLessThan(1e-3);
    });
  }
});
