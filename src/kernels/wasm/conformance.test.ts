// Every case of every kernel on both builds and on one, two and three threads, against the reference.
import { afterAll, describe, expect, it } from 'vitest';
import { kernelCases } from '../cases.ts';
import { checkCase } from '../conformance.ts';
import { wasmBackend } from './wasm-backend.ts';

for (const build of ['simd', 'relaxed'] as const) {
  for (const threads of [1, 2, 3]) {
    describe(`wasm ${build}, threads: ${threads}`, async () => {
      const backend = await wasmBackend({ threads, build });
      afterAll(() => backend.dispose());
      for (const kernelCase of kernelCases()) {
        it(`${kernelCase.kernel} ${kernelCase.name}`, async () => {
          const result = await checkCase(backend, kernelCase);
          expect(result.passed, `rms ${result.rms}, max ${result.max}`).toBe(true);
        });
      }
    });
  }
}
