// Owns running all cases where no test runner is: the browser test bundles this file. Not part of the package's interface.
import type { Backend } from '../backend.ts';
import { kernelCases } from '../cases.ts';
import type { WasmOptions } from './start.ts';
import { wasmBackend } from './wasm-backend.ts';

/** Runs every case; gives one number a case that changes with every bit of its result (FNV-1a over 32-bit words). */
export async function runAllCases(backend: Backend): Promise<Record<string, number>> {
  const digests: Record<string, number> = {};
  for (const kernelCase of kernelCases()) {
    const values = await kernelCase.run(backend);
    let digest = 0x811c9dc5;
    for (const word of new Int32Array(values.buffer, values.byteOffset, values.length)) {
      digest = Math.imul(digest ^ word, 0x01000193);
    }
    digests[`${kernelCase.kernel} ${kernelCase.name}`] = digest >>> 0;
  }
  return digests;
}

/** Runs every case on a backend of its own. */
export async function runInBrowser(options: WasmOptions) {
  const backend = await wasmBackend(options);
  try {
    return { threads: backend.threads, digests: await runAllCases(backend) };
  } finally {
    await backend.dispose();
  }
}
