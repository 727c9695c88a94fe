// Kernels give the same bits beyond the first 2 GB of memory, where addresses are negative as signed numbers. The memory below is only reserved.
import { afterAll, expect, it } from 'vitest';
import { kernelCases } from '../cases.ts';
import { wasmBackend } from './wasm-backend.ts';

const low = await wasmBackend({ threads: 1 });
const high = await wasmBackend({ threads: 1 });
high.tensor(2 ** 29);
afterAll(() => Promise.all([low.dispose(), high.dispose()]));

for (const kernelCase of kernelCases()) {
  it(`${kernelCase.kernel} ${kernelCase.name}`, async () => {
    const [expected, actual] = [await kernelCase.run(low), await kernelCase.run(high)];
    expect(Buffer.compare(Buffer.from(actual.buffer), Buffer.from(expected.buffer))).toBe(0);
  });
}
