// Every case of every kernel, on both builds, against the reference: on one thread, and on two and three that share even the smallest commands, whose
// results must be the same bits.
import { afterAll, describe, expect, it } from 'vitest';
import { kernelCases } from '../cases.ts';
import { relativeError } from '../conformance.ts';
import { referenceBackend } from '../reference/reference-backend.ts';
import { wasmBackend } from './wasm-backend.ts';

for (const build of ['simd', 'relaxed'] as const) {
  describe(`wasm ${build}`, async () => {
    const alone = await wasmBackend({ build, threads: 1 });
    const shared = [
      await wasmBackend({ build, threads: 2, shareWork: 1 }),
      await wasmBackend({ build, threads: 3, shareWork: 1 }),
    ];
    afterAll(() => Promise.all([alone, ...shared].map((backend) => backend.dispose())));

    for (const kernelCase of kernelCases()) {
      it(`${kernelCase.kernel} ${kernelCase.name}`, async () => {
        const actual = await kernelCase.run(alone);
        const { rms, max } = relativeError(actual, await kernelCase.run(referenceBackend()));
        expect(rms).toBeLessThanOrEqual(kernelCase.bound.rms);
        expect(max).toBeLessThanOrEqual(kernelCase.bound.max);
        for (const backend of shared) {
          const bits = new Int32Array((await kernelCase.run(backend)).buffer);
          expect(
            Buffer.compare(Buffer.from(bits.buffer), Buffer.from(actual.buffer)),
            `${backend.threads} threads`,
          ).toBe(0);
        }
      });
    }
  });
}
