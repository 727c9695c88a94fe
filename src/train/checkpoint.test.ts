import { describe, expect, test } from 'vitest';
import { memorySource } from '../bytes/memory-source.ts';
import { OnebitError } from '../errors.ts';
import {
  type Checkpoint,
  type CheckpointStore,
  checkIdentity,
  checkpointNames,
  readCheckpoint,
  readNewestCheckpoint,
  writeCheckpoint,
} from './checkpoint.ts';
import { defaultRecipe } from './recipe.ts';
import { modelShape } from './shape.ts';

/** A store in memory; `failAfter` bytes its disk is full. */
function memoryStore(options: { failAfter?: number } = {}) {
  const files = new Map<string, Uint8Array>();
  const store: CheckpointStore = {
    name: 'memory',
    list: async () => [...files.keys()],
    open: async (name) => memorySource(files.get(name)!),
    remove: async (name) => void files.delete(name),
    async write(name, produce) {
      const parts: number[] = [];
      await produce(async (bytes) => {
        for (const byte of bytes) parts.push(byte);
        if (parts.length > (options.failAfter ?? Number.POSITIVE_INFINITY)) throw new OnebitError('io', 'ENOSPC');
      });
      files.set(name, Uint8Array.from(parts));
    },
  };
  return { store, files };
}

function checkpoint(step: number): Checkpoint {
  const special = Float32Array.of(0, -0, 1e-45, Number.MAX_VALUE, Number.NEGATIVE_INFINITY, Number.NaN, 1 / 3);
  return {
    run: {
      identity: { seed: 1, corpus: 'abc' },
      vocabulary: { tokens: ['a', 'Ġb'], merges: ['Ġ b'], special: [] },
      elapsedSeconds: 12.5,
      tokens: 1000,
      progress: 0.25,
      losses: [{ step: 1, value: 2.5 }],
      evaluations: [],
    },
    trainer: {
      shape: modelShape({ vocabulary: 300, layers: 1, width: 128 }),
      recipe: defaultRecipe,
      step,
      arrays: new Map([
        ['a.weight', special],
        ['a.weight/momentum', new Float32Array(0)],
        ['b.weight', Float32Array.from({ length: 1000 }, Math.random)],
      ]),
    },
  };
}

describe('checkpoints', () => {
  test('come back bit for bit', async () => {
    const { store } = memoryStore();
    const saved = checkpoint(7);
    const read = await readCheckpoint(store, await writeCheckpoint(store, saved));
    expect({ run: read.run, shape: read.trainer.shape, recipe: read.trainer.recipe, step: read.trainer.step }).toEqual({
      run: saved.run,
      shape: saved.trainer.shape,
      recipe: saved.trainer.recipe,
      step: 7,
    });
    expect([...read.trainer.arrays.keys()]).toEqual([...saved.trainer.arrays.keys()]);
    for (const [name, values] of saved.trainer.arrays) {
      expect(new Uint8Array(read.trainer.arrays.get(name)!.buffer)).toEqual(new Uint8Array(values.buffer));
    }
  });

  test('come back without a vocabulary too, as runs that borrow a tokenizer write them', async () => {
    const { store } = memoryStore();
    const { run, trainer } = checkpoint(3);
    const { vocabulary: _, ...borrowed } = run;
    const read = await readCheckpoint(store, await writeCheckpoint(store, { run: borrowed, trainer }));
    expect(read.run).toEqual(borrowed);
  });

  test('the last two are kept', async () => {
    const { store } = memoryStore();
    for (const step of [5, 10, 100, 1000]) await writeCheckpoint(store, checkpoint(step));
    expect(await checkpointNames(store)).toEqual(['step-000000100.ckpt', 'step-000001000.ckpt']);
    expect((await readNewestCheckpoint(store))!.trainer.step).toBe(1000);
  });

  test('any changed byte and any missing end is noticed', async () => {
    const { store, files } = memoryStore();
    const name = await writeCheckpoint(store, checkpoint(1));
    const good = files.get(name)!;
    for (let i = 0; i < 300; i++) {
      const at = i < 64 ? i : Math.floor((i / 300) * good.length);
      const bad = good.slice();
      bad[at] ^= 1 << (i % 8);
      files.set(name, bad);
      await expect(readCheckpoint(store, name), `byte ${at}`).rejects.toThrow('must be a whole checkpoint');
    }
    for (const length of [0, 20, 47, 60, good.length - 1]) {
      files.set(name, good.slice(0, length));
      await expect(readCheckpoint(store, name), `length ${length}`).rejects.toThrow('must be a whole checkpoint');
    }
  });

  test('a damaged newest one is passed over, and said so; when all are damaged it is an error', async () => {
    const { store, files } = memoryStore();
    await writeCheckpoint(store, checkpoint(1));
    const name = await writeCheckpoint(store, checkpoint(2));
    files.get(name)![400] ^= 1;
    const told: string[] = [];
    expect((await readNewestCheckpoint(store, (error) => told.push(error.message)))!.trainer.step).toBe(1);
    expect(told).toHaveLength(1);
    files.get('step-000000001.ckpt')![400] ^= 1;
    await expect(readNewestCheckpoint(store)).rejects.toThrow('whole checkpoint');
  });

  test('a write that fails leaves the earlier ones', async () => {
    const options: { failAfter?: number } = {};
    const { store } = memoryStore(options);
    await writeCheckpoint(store, checkpoint(1));
    options.failAfter = 2000;
    await expect(writeCheckpoint(store, checkpoint(2))).rejects.toThrow('ENOSPC');
    expect((await readNewestCheckpoint(store))!.trainer.step).toBe(1);
  });

  test('other files in the folder are left alone', async () => {
    const { store, files } = memoryStore();
    files.set('notes.txt', new Uint8Array(3));
    for (const step of [1, 2, 3]) await writeCheckpoint(store, checkpoint(step));
    expect(files.has('notes.txt')).toBe(true);
    expect(await readNewestCheckpoint(memoryStore().store)).toBeUndefined();
  });
});

test('everything that differs from the run to resume is named', () => {
  const saved = { seed: 1, corpus: 'abc', minutes: undefined, init: 'x' };
  expect(() => checkIdentity(saved, { ...saved })).not.toThrow();
  expect(() => checkIdentity(saved, { seed: 2, corpus: 'abc' })).toThrow('seed was 1, is 2; init was "x", is null');
});
