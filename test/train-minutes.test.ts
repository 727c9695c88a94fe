// A run bounded by time, resumed with more of it.
import { expect, test } from 'vitest';
import { memorySource } from '../src/bytes/memory-source.ts';
import type { CheckpointStore } from '../src/train/checkpoint.ts';
import { train } from '../src/train/train.ts';
import type { TrainOptions, TrainStep } from '../src/train/train-options.ts';

const documents = Array.from({ length: 40 }, (_, i) => ({
  text: `Table ${i} for ${i % 7} people at ${i % 12} o'clock.`,
}));

function memoryStore(): CheckpointStore {
  const files = new Map<string, Uint8Array>();
  return {
    name: 'memory',
    list: async () => [...files.keys()],
    open: async (name) => memorySource(files.get(name)!),
    write: async (name, produce) => {
      const chunks: Uint8Array[] = [];
      await produce(async (bytes) => void chunks.push(bytes.slice()));
      files.set(name, new Uint8Array(Buffer.concat(chunks)));
    },
    remove: async (name) => void files.delete(name),
  };
}

/** Updates until `enough` says so. */
async function steps(options: Partial<TrainOptions>, enough: (step: TrainStep) => boolean): Promise<TrainStep[]> {
  const stop = new AbortController();
  const all: TrainStep[] = [];
  const shape = { vocabulary: 300, layers: 1, width: 128, contextLength: 32 };
  for await (const event of train({ documents, shape, batchTokens: 128, threads: 1, stop: stop.signal, ...options })) {
    if (event.type !== 'step') continue;
    all.push(event);
    if (enough(event)) stop.abort();
  }
  return all;
}

test('a run bounded by time goes on with another time until its learning rate begins to fall', async () => {
  const checkpoints = memoryStore();
  const recipe = { fullPrecisionShare: 0.1, decayShare: 0.5, warmupSteps: 0 };
  const first = await steps({ checkpoints, recipe, minutes: 0.3 }, ({ progress }) => progress > 0.15);
  const more = { checkpoints, recipe, resume: true };
  await expect(steps({ ...more, minutes: 3, recipe: { ...recipe, learningRate: 0.001 } }, () => true)).rejects.toThrow(
    /learningRate was 0\.006, is 0\.001/,
  );
  const second = await steps({ ...more, minutes: 3 }, () => true);
  expect(second[0].step).toBe(first.at(-1)!.step + 1);
  // Not back to full precision, though a tenth of the new time is not over.
  expect(second[0].quantized).toBe(true);
  expect(second[0].progress).toBeGreaterThanOrEqual(0.1);
  expect(second[0].progress).toBeLessThan(first.at(-1)!.progress);
  const falling = await steps({ ...more, minutes: 0.3 }, ({ progress }) => progress > 0.6);
  expect(falling.at(-1)!.learningRateFactor).toBeLessThan(1);
  await expect(steps({ ...more, minutes: 3 }, () => true)).rejects.toThrow(/minutes was 0\.3, is 3/);
});
