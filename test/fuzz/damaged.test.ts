// Files that carry a checksum, damaged: refused. Damaged before the checksum was made, or without one: refused or of use, and never a crash.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { memorySource } from '../../src/bytes/memory-source.ts';
import { FastDigest } from '../../src/core/fast-digest.ts';
import { Random } from '../../src/core/random.ts';
import { OnebitError } from '../../src/errors.ts';
import { load } from '../../src/index.ts';
import { loadSupport, saveSupport, trainSupport } from '../../src/tasks/support/index.ts';
import { type CheckpointStore, readCheckpoint, writeCheckpoint } from '../../src/train/checkpoint.ts';
import { defaultRecipe } from '../../src/train/recipe.ts';
import { modelShape } from '../../src/train/shape.ts';
import { trainingRows } from '../support-rows.ts';
import { tinyModel } from '../tiny-model.ts';
import { fuzzDamaged } from './damaged.mjs';

const SEED = 20261130;
const isTyped = (error: unknown) => error instanceof OnebitError;

test('sessions', async () => {
  const model = await load(await tinyModel({ contextLength: 192, layers: 1 }), { threads: 1, kvTokens: 512 });
  const greedy = { temperature: 0, maxTokens: 4, ignoreEndOfText: true };
  const prompt = model.tokenize('The quick brown fox jumps over the lazy dog.');
  const { tokens } = await model.generate(prompt, { ...greedy, owner: 'before' }).result();
  const session = model.session();
  await model.generateIn(session, prompt, greedy).result();
  const bytes = await session.save();
  session.dispose();
  const use = async (broken: Uint8Array) => {
    const restored = model.session();
    try {
      restored.restore(broken);
      await model.generateIn(restored, prompt, greedy).result();
    } finally {
      restored.dispose();
    }
  };
  const sign = (broken: Uint8Array) => {
    if (broken.length < 44) return broken;
    const digest = new FastDigest();
    digest.update(broken.subarray(40));
    broken.set(new TextEncoder().encode(digest.hex()), 8);
    return broken;
  };
  await use(sign(bytes.slice())); // signing here is as the file does it
  const damaged = await fuzzDamaged({ bytes, Random, seed: SEED, cases: 400, use, isTyped, sign: undefined });
  expect(damaged).toEqual({ refused: expect.any(Number), accepted: 0, findings: [] });
  const signed = await fuzzDamaged({ bytes, Random, seed: SEED, cases: 300, use, isTyped, sign });
  expect(signed.findings).toEqual([]);
  expect(signed.accepted).toBeGreaterThan(20);
  expect((await model.generate(prompt, { ...greedy, owner: 'after' }).result()).tokens).toEqual(tokens);
  expect(model.stats().kvPagesUsed).toBe(0);
  await model.dispose();
}, 120_000);

test('checkpoints', async () => {
  const files = new Map<string, Uint8Array>();
  const store: CheckpointStore = {
    name: 'memory',
    list: async () => [...files.keys()],
    open: async (name) => memorySource(files.get(name)!),
    remove: async (name) => void files.delete(name),
    async write(name, produce) {
      const parts: Uint8Array[] = [];
      await produce(async (bytes) => void parts.push(bytes.slice()));
      files.set(name, new Uint8Array(Buffer.concat(parts)));
    },
  };
  const name = await writeCheckpoint(store, {
    run: {
      identity: { seed: 1 },
      vocabulary: { tokens: ['a', 'Ġb'], merges: ['Ġ b'], special: [] },
      ...{ elapsedSeconds: 1, tokens: 10, progress: 0.5, losses: [], evaluations: [] },
    },
    trainer: {
      shape: modelShape({ vocabulary: 300, layers: 1, width: 128 }),
      recipe: defaultRecipe,
      step: 3,
      arrays: new Map([['b.weight', Float32Array.from({ length: 300 }, (_, i) => i)]]),
    },
  });
  const bytes = files.get(name)!;
  const use = async (broken: Uint8Array) => {
    files.set(name, broken);
    await readCheckpoint(store, name);
  };
  await use(bytes);
  const damaged = await fuzzDamaged({ bytes, Random, seed: SEED, cases: 400, use, isTyped, sign: undefined });
  expect(damaged).toEqual({ refused: expect.any(Number), accepted: 0, findings: [] });
  const sign = (broken: Uint8Array) => {
    const length = broken.length < 48 ? 0 : new DataView(broken.buffer).getUint32(12, true);
    if (48 + length <= broken.length)
      broken.set(
        createHash('sha256')
          .update(broken.subarray(48, 48 + length))
          .digest(),
        16,
      );
    return broken;
  };
  await use(sign(bytes.slice()));
  const signed = await fuzzDamaged({ bytes, Random, seed: SEED, cases: 400, use, isTyped, sign });
  expect(signed.findings).toEqual([]);
});

test('support models and the embedded model, which carry none', async () => {
  const model = await trainSupport(trainingRows, { epochs: 1, networks: 1 });
  const support = await saveSupport(model);
  const use = async (broken: Uint8Array) => {
    const { probability } = (await loadSupport(broken)).predict('where is my parcel');
    if (!(probability >= 0 && probability <= 1)) throw new RangeError(`probability ${probability}`);
  };
  const result = await fuzzDamaged({
    bytes: support,
    Random,
    seed: SEED,
    cases: 60,
    use,
    isTyped,
    sign: (bytes: Uint8Array) => bytes,
  });
  expect(result.findings).toEqual([]);
  const bytes = new Uint8Array(readFileSync(new URL('../../models/seedling.gguf', import.meta.url)));
  const run = async (broken: Uint8Array) => {
    const loaded = await load(broken, { threads: 1, contextTokens: 64 });
    try {
      await loaded.generate('I would like', { maxTokens: 2, temperature: 0, ignoreEndOfText: true }).result();
    } finally {
      await loaded.dispose();
    }
  };
  const seedling = await fuzzDamaged({
    bytes,
    Random,
    seed: SEED,
    cases: 25,
    use: run,
    isTyped,
    sign: (b: Uint8Array) => b,
  });
  expect(seedling.findings).toEqual([]);
}, 300_000);
