// Every case of every training operation on both builds, on one and on three threads, against the reference.
import { afterAll, describe, expect, it } from 'vitest';
import { relativeError } from '../conformance.ts';
import { referenceTrainingBackend } from '../reference/training-backend.ts';
import { trainingCases } from '../training-cases.ts';
import { wasmTrainingBackend } from './wasm-training.ts';

const reference = referenceTrainingBackend();

for (const build of ['simd', 'relaxed'] as const) {
  for (const threads of [1, 3]) {
    describe(`wasm training ${build}, threads: ${threads}`, async () => {
      const backend = await wasmTrainingBackend({ threads, build });
      afterAll(() => backend.dispose());
      for (const one of trainingCases()) {
        it(`${one.operation} ${one.name}`, async () => {
          const [actual, expected] = [await one.run(backend), await one.run(reference)];
          for (const [i, values] of expected.entries()) {
            const { rms, max } = relativeError(actual[i], values);
            const passed = rms <= one.bound.rms && max <= one.bound.max;
            expect(passed, `output ${i}: rms ${rms}, max ${max}`).toBe(true);
          }
        });
      }
    });
  }
}
