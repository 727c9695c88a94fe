// What the backend does beyond its kernels: loading, memory, threads that die, aborts, disposal.
import { afterEach, describe, expect, it, vi } from 'vitest';
import { OnebitError } from '../../errors.ts';
import { formatByName } from '../../quant/formats.ts';
import type { KvFormat, Weight } from '../backend.ts';
import { oneSequence, randomValues, randomWeightBytes, tensorOf, weightFromBytes } from '../cases.ts';
import { relativeError } from '../conformance.ts';
import { referenceBackend } from '../reference/reference-backend.ts';
import type { WasmOptions } from './start.ts';
import { type WasmBackend, wasmBackend } from './wasm-backend.ts';

const open: WasmBackend[] = [];
async function backendFor(options: WasmOptions): Promise<WasmBackend> {
  const backend = await wasmBackend(options);
  open.push(backend);
  return backend;
}
afterEach(async () => {
  vi.unstubAllGlobals();
  for (const backend of open.splice(0)) await backend.dispose();
});

const workerThreads = process.getBuiltinModule('node:worker_threads');

/** Runs `start` and gives its result with the workers it started. */
async function watchingWorkers<T>(start: () => Promise<T>) {
  const Original = workerThreads.Worker;
  const workers: InstanceType<typeof Original>[] = [];
  workerThreads.Worker = class extends Original {
    constructor(...args: ConstructorParameters<typeof Original>) {
      super(...args);
      workers.push(this);
    }
  };
  try {
    return { result: await start(), workers };
  } finally {
    workerThreads.Worker = Original;
  }
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** Records products that take some seconds. */
async function recordLongProgram(backend: WasmBackend, repeats = 400) {
  const weight = await weightFromBytes(backend, 'f32', 2048, 2048, new Uint8Array(2048 * 2048 * 4));
  const x = backend.tensor(16 * 2048);
  const out = backend.tensor(16 * 2048);
  backend.abandonable(() => {
    for (let i = 0; i < repeats; i++) backend.matmul(i & 1 ? x : out, i & 1 ? out : x, weight, 16);
  });
  return x;
}

/** Loads and multiplies on both backends; gives the largest relative error. */
async function productError(
  backend: WasmBackend,
  format: Weight['format'],
  rows: number,
  cols: number,
  bytes: Uint8Array,
): Promise<number> {
  const outputs: Float32Array[] = [];
  for (const b of [backend, referenceBackend()]) {
    const weight = await weightFromBytes(b, format, rows, cols, bytes);
    const out = b.tensor(rows);
    b.matmul(out, tensorOf(b, randomValues(cols, 3)), weight, 1);
    outputs.push((await b.read(out, 0, rows)).slice());
    b.free(weight);
  }
  return relativeError(outputs[0], outputs[1]).max;
}

describe('loading', () => {
  for (const format of ['f32', 'q8_0', 'q1_0', 'q2_0'] as const) {
    it(`loads ${format} in many pieces`, async () => {
      const backend = await backendFor({ threads: 2 });
      const [rows, cols] = format === 'q1_0' ? [20_000, 4096] : [6001, 2048];
      const bytes = randomWeightBytes(format, 64, cols, 5);
      const all = new Uint8Array((bytes.length / 64) * rows);
      for (let at = 0; at < all.length; at += bytes.length)
        all.set(bytes.subarray(0, Math.min(bytes.length, all.length - at)), at);
      expect(await productError(backend, format, rows, cols, all)).toBeLessThan(0.07);
    });
  }

  it('asks for bytes in ascending order, each once', async () => {
    const backend = await backendFor({ threads: 2 });
    let expected = 0;
    await backend.weight('q1_0', 40_000, 1024, async (_target, offset) => {
      expect(offset).toBe(expected);
      expected += _target.length;
    });
    expect(expected).toBe((40_000 * 1024 * 18) / 128);
  });

  it('repacks 2-bit codes of 3 that appear late in a file', async () => {
    const backend = await backendFor({ threads: 2 });
    const [rows, cols] = [10_000, 2048];
    const bytes = randomWeightBytes('q2_0', 32, cols, 5);
    const all = new Uint8Array((bytes.length / 32) * rows);
    for (let at = 0; at < all.length; at += bytes.length)
      all.set(bytes.subarray(0, Math.min(bytes.length, all.length - at)), at);
    all[all.length - 1] |= 0xc0; // the last code of the last row
    expect(await productError(backend, 'q2_0', rows, cols, all)).toBeLessThan(0.07);
  });

  it('keeps 2-bit widths that tiles cannot hold', async () => {
    const backend = await backendFor({ threads: 1 });
    expect(await productError(backend, 'q2_0', 70, 192, randomWeightBytes('q2_0', 70, 192, 5))).toBeLessThan(1e-5);
  });

  for (const [format, width] of [
    ['q1_0', 128],
    ['q2_0', 64],
    ['q8_0', 32],
  ] as const) {
    for (const bits of [0x7c00, 0xfe00]) {
      it(`refuses ${format} with a scale of ${bits === 0x7c00 ? 'infinity' : 'NaN'}, naming row and block`, async () => {
        const backend = await backendFor({ threads: 2 });
        const cols = 256;
        const bytes = randomWeightBytes(format, 100, cols, 5);
        const { blockBytes } = formatByName(format);
        const block = 71 * (cols / width) + 1;
        bytes.set([bits & 255, bits >> 8], block * blockBytes);
        const before = backend.memoryBytes();
        const error = await weightFromBytes(backend, format, 100, cols, bytes).catch((e) => e);
        expect(error).toBeInstanceOf(OnebitError);
        expect(error.code).toBe('bad-file');
        expect(error.message).toContain('row 71, block 1');
        expect(backend.memoryBytes() - before).toBeLessThan(9e6); // the staging buffers stay
      });
    }
  }

  it('gives the memory back when reading fails, and stays usable', async () => {
    const backend = await backendFor({ threads: 2 });
    await weightFromBytes(backend, 'q1_0', 32, 128, randomWeightBytes('q1_0', 32, 128, 1));
    const before = backend.memoryBytes();
    const failing = backend.weight('q1_0', 100_000, 2048, async (_target, offset) => {
      if (offset > 1e7) throw new Error('the disk is gone');
    });
    await expect(failing).rejects.toThrow('the disk is gone');
    expect(backend.memoryBytes() - before).toBeLessThan(1e6); // recorded commands may have moved
    expect(await productError(backend, 'q1_0', 64, 256, randomWeightBytes('q1_0', 64, 256, 1))).toBeLessThan(0.07);
  });
});

describe('memory', () => {
  it('throws out-of-memory with need and limit, and stays usable', async () => {
    const backend = await backendFor({ threads: 1, memoryLimitBytes: 8 << 20 });
    let error: unknown;
    try {
      backend.tensor(4 << 20);
    } catch (caught) {
      error = caught;
    }
    expect((error as OnebitError).code).toBe('out-of-memory');
    expect((error as OnebitError).message).toMatch(/16777216 more bytes .* 8388608/);
    const x = tensorOf(backend, Float32Array.of(1, 2, 3));
    expect([...(await backend.read(x, 0, 3))]).toEqual([1, 2, 3]);
  });

  it('does not reuse freed memory before recorded commands have run', async () => {
    const backend = await backendFor({ threads: 1 });
    const gate = tensorOf(backend, new Float32Array(64).fill(2));
    const up = tensorOf(backend, new Float32Array(64).fill(3));
    const out = backend.tensor(64);
    backend.gated(out, gate, up, 64);
    backend.free(up);
    tensorOf(backend, new Float32Array(64).fill(1e9));
    const expected = (2 / (1 + Math.exp(-2))) * 3;
    expect((await backend.read(out, 0, 1))[0]).toBeCloseTo(expected, 4);
  });

  it('writes in order with recorded commands', async () => {
    const backend = await backendFor({ threads: 1 });
    const x = tensorOf(backend, Float32Array.of(1));
    const first = backend.tensor(1);
    const second = backend.tensor(1);
    backend.gatherRows(first, x, Int32Array.of(0), 1);
    backend.write(x, Float32Array.of(5));
    backend.gatherRows(second, x, Int32Array.of(0), 1);
    expect((await backend.read(first, 0, 1))[0]).toBe(1);
    expect((await backend.read(second, 0, 1))[0]).toBe(5);
  });

  for (const build of ['simd', 'relaxed'] as const) {
    it.each(['q1_0', 'tq2_0'] as const)(
      `gives a row the same bits alone and with any others, ${build}, %s`,
      async (format) => {
        const [rows, cols, most] = [2 * 32 * 20 + 37, 512, 41];
        const backend = await backendFor({ build, threads: 2, shareWork: 1 });
        const weight = await weightFromBytes(backend, format, rows, cols, randomWeightBytes(format, rows, cols, 8));
        const input = randomValues(most * cols, 9);
        for (let i = 0; i < input.length; i += 61) input[i] *= 30;
        for (let i = 5 * cols; i < 5 * cols + 128; i++) input[i] *= 1e-35; // below the least step
        for (let t = 0; t < most; t += 3) input[t * cols + 131 + 4 * t] *= 1000; // half of the largest sum sets the step
        const before = randomValues(most * rows, 10);
        const products = async (first: number, count: number) => {
          const x = tensorOf(backend, input.subarray(first * cols, (first + count) * cols));
          const out = tensorOf(backend, before.subarray(first * rows, (first + count) * rows));
          backend.matmul(out, x, weight, count, true);
          const sums = (await backend.read(out, 0, count * rows)).slice();
          backend.matmul(out, x, weight, count);
          return [sums, (await backend.read(out, 0, count * rows)).slice()];
        };
        const alone: Float32Array[][] = [];
        for (let t = 0; t < most; t++) alone.push(await products(t, 1));
        for (const [first, count] of [
          [0, 2],
          [3, 6],
          [0, 7],
          [1, 8],
          [5, 9],
          [0, 15],
          [2, 16],
          [0, 17],
          [7, 23],
          [0, most],
        ]) {
          const together = await products(first, count);
          for (const i of [0, 1]) {
            for (let t = 0; t < count; t++) {
              const row = together[i].subarray(t * rows, (t + 1) * rows);
              expect(Buffer.compare(bytesOf(row), bytesOf(alone[first + t][i])), `row ${t} of ${count}`).toBe(0);
            }
          }
        }
      },
    );
  }

  it('makes products of new activations after the same tensor was written again', async () => {
    const backend = await backendFor({ threads: 1 });
    const weight = await weightFromBytes(backend, 'q1_0', 32, 128, randomWeightBytes('q1_0', 32, 128, 1));
    const x = tensorOf(backend, randomValues(128, 1));
    const outs = [backend.tensor(32), backend.tensor(32)];
    backend.matmul(outs[0], x, weight, 1);
    const once = (await backend.read(outs[0], 0, 32)).slice();
    backend.write(
      x,
      randomValues(128, 1).map((value) => value * 2),
    );
    backend.matmul(outs[1], x, weight, 1);
    const twice = await backend.read(outs[1], 0, 32);
    expect(twice[7]).toBeCloseTo(2 * once[7], 4);
  });

  it('stays bounded when backends are made and disposed 50 times', async () => {
    const rss: number[] = [];
    for (let i = 0; i < 50; i++) {
      const backend = await wasmBackend({ threads: 2 });
      const x = backend.tensor(16 << 20);
      (await backend.read(x, 0, x.length)).fill(1); // 64 MB
      await backend.dispose();
      rss.push(process.memoryUsage.rss() / 1e6);
    }
    expect(Math.max(...rss) - rss[0], `MB: ${rss.map(Math.round)}`).toBeLessThan(640);
  }, 120_000);

  for (const format of ['f32', 'f16', 'q8'] as KvFormat[]) {
    it(`copies ${format} cache pages out and in`, async () => {
      const backend = await backendFor({ threads: 1 });
      const pool = backend.kvPool({ layers: 2, kvHeads: 2, headSize: 16, pages: 3, format });
      const k = tensorOf(backend, randomValues(32, 1));
      const v = tensorOf(backend, randomValues(32, 2));
      const q = tensorOf(backend, randomValues(64, 3));
      const attend = async (page: number) => {
        backend.setRows(oneSequence([0], 0, Int32Array.of(page)));
        const out = backend.tensor(64);
        backend.attention(out, q, pool, 1, 4, 0.25);
        return [...(await backend.read(out, 0, 64))];
      };
      backend.setRows(oneSequence([0], 0, Int32Array.of(1)));
      backend.storeKv(pool, 1, k, v);
      const bytes = await backend.readKvPage(pool, 1);
      expect(bytes.length).toBe(pool.pageBytes);
      backend.writeKvPage(pool, 2, bytes);
      expect(await attend(2)).toEqual(await attend(1));
    });
  }
});

describe('large 1- and 2-bit weights in lanes and panels', () => {
  // An odd number of tiles, a last lane with fewer pairs, a last panel of one block.
  const [rows, cols] = [2100, 2 * 2048 + 128];
  const bytes = randomWeightBytes('q1_0', rows, cols, 7);

  it.each(['q1_0', 'q2_0', 'q2_0-128'] as const)(
    '%s: gives the bits of one piece for any number of threads',
    async (format) => {
      const bytes = randomWeightBytes(format, rows, cols, 7);
      // A scale with a sign: such rows are turned around while they are packed.
      bytes[1] ^= 0x80;
      const results: Float32Array[] = [];
      for (const threads of format === 'q1_0' ? [1, 2, 3, 4, 5, 9] : [1, 2, 5]) {
        const backend = await backendFor({ threads });
        const weight = await weightFromBytes(backend, format, rows, cols, bytes);
        const values: number[] = [];
        for (const tokens of [1, 3, 17]) {
          const out = backend.tensor(tokens * rows);
          backend.matmul(out, tensorOf(backend, randomValues(tokens * cols, tokens)), weight, tokens);
          values.push(...(await backend.read(out, 0, tokens * rows)));
        }
        const embedded = backend.tensor(4 * cols);
        backend.setRows(oneSequence([0, 1055, 1056, 2099], 0, Int32Array.of(0)));
        backend.embed(embedded, weight);
        values.push(...(await backend.read(embedded, 0, 4 * cols)));
        results.push(Float32Array.from(values));
        await backend.dispose();
      }
      for (const result of results) expect(Buffer.from(bytesOf(result)).equals(bytesOf(results[0]))).toBe(true);
      const backend = referenceBackend();
      const out = backend.tensor(rows);
      const weight = await weightFromBytes(backend, format, rows, cols, bytes);
      backend.matmul(out, tensorOf(backend, randomValues(cols, 1)), weight, 1);
      expect(relativeError(results[0].subarray(0, rows), await backend.read(out, 0, rows)).max).toBeLessThan(0.07);
    },
  );

  it('gives their memory back with the last of those that share it', async () => {
    const backend = await backendFor({ threads: 2 });
    const load = () => weightFromBytes(backend, 'q1_0', rows, cols, bytes);
    backend.free(await load());
    const before = backend.memoryBytes();
    const [first, second] = [await load(), await load()];
    const both = backend.memoryBytes();
    expect(both).toBeGreaterThan(before);
    backend.free(first);
    backend.free(first);
    expect(backend.memoryBytes()).toBe(both);
    backend.free(second);
    for (let i = 0; i < 10; i++) backend.free(await load());
    // A worker that is late with a list of commands makes the next list go elsewhere; such memory stays, 64 kB for each late worker, and is used again.
    const more = backend.memoryBytes() - before;
    expect([0, 65536, 2 * 65536]).toContain(more);
  });
});

describe('threads', () => {
  it('computes on one thread where memory cannot be shared', async () => {
    vi.stubGlobal('SharedArrayBuffer', undefined);
    const backend = await backendFor({ threads: 4 });
    expect(backend.threads).toBe(1);
    expect(await productError(backend, 'q1_0', 64, 256, randomWeightBytes('q1_0', 64, 256, 1))).toBeLessThan(0.07);
  });

  it('refuses thread numbers that make no sense', async () => {
    await expect(wasmBackend({ threads: 0 })).rejects.toThrow(/threads must be 1 to 256, got 0/);
  });

  it('throws device-lost when a worker dies in the middle of a program', async () => {
    const { result: backend, workers } = await watchingWorkers(() => backendFor({ threads: 2 }));
    const x = await recordLongProgram(backend);
    const reading = backend.read(x, 0, 1).catch((error) => error);
    await new Promise((resolve) => setTimeout(resolve, 30));
    await workers[0].terminate();
    const error = await reading;
    expect(error).toBeInstanceOf(OnebitError);
    expect(error.code).toBe('device-lost');
    await expect(backend.read(x, 0, 1)).rejects.toThrow(/worker thread/);
    await backend.dispose();
  });

  it('throws device-lost when a worker died between programs', async () => {
    const { result: backend, workers } = await watchingWorkers(() => backendFor({ threads: 2 }));
    await workers[0].terminate();
    const x = await recordLongProgram(backend, 2);
    await expect(backend.read(x, 0, 1)).rejects.toThrow(/worker thread/);
  });

  it('goes on after being asked for a stalled thread that lives', async () => {
    const { result: backend } = await watchingWorkers(() => backendFor({ threads: 3, shareWork: 1 }));
    const x = tensorOf(backend, randomValues(4096, 1));
    for (let i = 0; i < 200; i++) {
      const out = backend.tensor(4096);
      backend.gated(out, x, x, 4096);
      await backend.read(out, 0, 1);
      if (i % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 5)); // workers fall asleep
      backend.free(out);
    }
  });
});

describe('aborting', () => {
  it('stops a long program between slices with the reason of the signal, and stays usable', async () => {
    const backend = await backendFor({ threads: 2 });
    const x = await recordLongProgram(backend);
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error('enough')), 30);
    const began = performance.now();
    await expect(backend.read(x, 0, 1, controller.signal)).rejects.toThrow('enough');
    expect(performance.now() - began).toBeLessThan(2000);
    const y = tensorOf(backend, Float32Array.of(1, 2));
    expect([...(await backend.read(y, 0, 2))]).toEqual([1, 2]);
  });

  it('carries out what others recorded, whoever aborts; of the abandonable only what nobody waits for is dropped', async () => {
    const backend = await backendFor({ threads: 2 });
    const x = tensorOf(backend, new Float32Array(64).fill(2));
    const [abandoned, others] = [backend.tensor(64), backend.tensor(64)];
    const long = await recordLongProgram(backend, 40);
    backend.abandonable(() => backend.gatherRows(abandoned, x, Int32Array.of(0), 64));
    backend.gatherRows(others, x, Int32Array.of(0), 64); // a page copied for another sequence is such an operation
    await expect(backend.read(abandoned, 0, 1, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
    expect((await backend.read(others, 0, 1))[0]).toBe(2);
    expect((await backend.read(abandoned, 0, 1))[0]).toBe(0);
    expect((await backend.read(long, 0, 1)).length).toBe(1);
  });

  it('keeps what another reader waits for', async () => {
    const backend = await backendFor({ threads: 2 });
    const x = tensorOf(backend, new Float32Array(64).fill(2));
    const out = backend.tensor(64);
    const long = await recordLongProgram(backend, 40);
    backend.gatherRows(out, x, Int32Array.of(0), 64);
    const waiting = backend.read(out, 0, 1);
    backend.gatherRows(out, x, Int32Array.of(0), 64);
    const aborted = backend.read(long, 0, 1, AbortSignal.abort(new Error('enough')));
    await expect(aborted).rejects.toThrow('enough');
    expect((await waiting)[0]).toBe(2);
  });

  it('throws disposed to readers of a backend that is disposed meanwhile, and afterwards', async () => {
    const backend = await wasmBackend({ threads: 2 });
    const x = await recordLongProgram(backend);
    const reading = backend.read(x, 0, 1).catch((error) => error);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await backend.dispose();
    expect((await reading).code).toBe('disposed');
    expect(() => backend.tensor(4)).toThrow(/disposed/);
    await backend.dispose();
  });
});
