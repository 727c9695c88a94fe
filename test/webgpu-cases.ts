// Owns what the WebGPU tests run where no test runner is: in a page, and in a process that was started with a driver. Everything given and returned
// is plain data. Must not name Node's modules.
import { OnebitError } from '../src/errors.ts';
import {
  kernelCases,
  oneSequence,
  randomValues,
  randomWeightBytes,
  tensorOf,
  weightFromBytes,
} from '../src/kernels/cases.ts';
import { checkCase, relativeError } from '../src/kernels/conformance.ts';
import { referenceBackend } from '../src/kernels/reference/reference-backend.ts';
import type { WebGpuOptions } from '../src/kernels/webgpu/device.ts';
import type { GpuFeatures } from '../src/kernels/webgpu/features.ts';
import { type WebGpuBackend, webgpuBackend } from '../src/kernels/webgpu/webgpu-backend.ts';
import { load } from '../src/load.ts';
import { formatByName } from '../src/quant/formats.ts';

/** A case's errors, and what it threw. */
export interface CaseReport {
  readonly rms: number;
  readonly max: number;
  readonly passed: boolean;
  readonly error?: string;
}

/** Runs every case whose name has `filter`, on a backend with `options`; names as `kernel name`. */
export async function runCases(filter = '', options: WebGpuOptions = {}): Promise<Record<string, CaseReport>> {
  const backend = await webgpuBackend(options);
  const reports: Record<string, CaseReport> = {};
  for (const kernelCase of kernelCases()) {
    const name = `${kernelCase.kernel} ${kernelCase.name}`;
    if (!name.includes(filter)) continue;
    try {
      const { rms, max, passed } = await checkCase(backend, kernelCase);
      reports[name] = { rms, max, passed };
    } catch (error) {
      reports[name] = { rms: -1, max: -1, passed: false, error: String(error) };
    }
  }
  await backend.dispose();
  return reports;
}

/** Sampling that backends do by themselves: among a few candidates, and among all. */
export const seeded = [
  { seed: 5, temperature: 0.8, topK: 20, topP: 0.9 },
  { seed: 6, temperature: 1, topK: 0, topP: 0.95, minP: 0.001 },
] as const;

/** What the device has beyond WebGPU's least, as far as known answers came back. */
export async function features(): Promise<GpuFeatures> {
  const backend = await webgpuBackend();
  await backend.dispose();
  return backend.features;
}

/** Log-probabilities of `tokens` with activations rounded to int8. */
export async function scoreRounded(source: string, tokens: readonly number[]): Promise<number[]> {
  const model = await load(source, { backend: 'webgpu', contextTokens: 256, activations: 'q8' });
  const { logprobs } = await model.score([...tokens]);
  await model.dispose();
  return Array.from(logprobs, Number).slice(1);
}

export interface ModelRun {
  readonly tokens: number[];
  /** Tokens of each of `seeded`, and the bytes read back for one of them. */
  readonly sampled: { tokens: number[]; readBackBytes: number }[];
  readonly logprobs: number[];
  /** Of one step of one token in the middle of a text. */
  readonly step: { dispatches: number; submissions: number; readBackBytes: number; uploadedBytes: number };
  readonly memoryBytes: number;
}

/** Continues `prompt` greedily, then scores the whole. */
export async function runModel(source: string, prompt: string, maxTokens: number): Promise<ModelRun> {
  const model = await load(source, { backend: 'webgpu', contextTokens: 256 });
  const options = { temperature: 0, maxTokens, ignoreEndOfText: true } as const;
  const { tokens } = await model.generate(prompt, options).result();
  const all = [...model.tokenizer.encode(prompt), ...tokens];
  const scored = await model.score(all);
  const backend = model.backend as unknown as WebGpuBackend;
  const before = backend.traffic();
  let steps = 0;
  let after = before;
  // The prompt's last token gives the first; what lies between the first two pieces' steps is one step.
  for await (const _ of model.generate([...tokens.slice(0, 4)], { ...options, maxTokens: 3 })) {
    if (++steps === 1) Object.assign(before, backend.traffic());
    if (steps === 2) after = backend.traffic();
  }
  const step = {
    dispatches: after.dispatches - before.dispatches,
    submissions: after.submissions - before.submissions,
    readBackBytes: after.readBackBytes - before.readBackBytes,
    uploadedBytes: after.uploadedBytes - before.uploadedBytes,
  };
  const sampled: { tokens: number[]; readBackBytes: number }[] = [];
  for (const sampling of seeded) {
    const readBefore = backend.traffic().readBackBytes;
    const result = await model.generate(prompt, { ...options, ...sampling, maxTokens: 12 }).result();
    const readBackBytes = (backend.traffic().readBackBytes - readBefore) / 12;
    sampled.push({ tokens: [...result.tokens], readBackBytes });
  }
  const { memoryBytes } = model;
  await model.dispose();
  return { tokens: [...tokens], sampled, logprobs: Array.from(scored.logprobs, Number).slice(1), step, memoryBytes };
}

/** Products and embeddings of weights that a binding holds 32 or 64 rows of; the largest relative error a format. */
export async function splitWeights(): Promise<Record<string, number>> {
  const errors: Record<string, number> = {};
  for (const format of ['f32', 'q1_0', 'q8_0'] as const) {
    const { blockBytes, blockSize } = formatByName(format);
    const backend = await webgpuBackend({ bindingBytes: 64 * (256 / blockSize) * blockBytes + 64 });
    const bytes = randomWeightBytes(format, 150, 256, 4);
    const [actual, expected] = await Promise.all(
      [backend, referenceBackend()].map(async (b) => {
        const weight = await weightFromBytes(b, format, 150, 256, bytes);
        const results: number[] = [];
        for (const rows of [1, 9]) {
          const out = b.tensor(rows * 150);
          b.matmul(out, tensorOf(b, randomValues(rows * 256, rows)), weight, rows);
          results.push(...(await b.read(out, 0, out.length)));
        }
        const embedded = b.tensor(3 * 256);
        b.setRows(oneSequence([149, 0, 64], 0, Int32Array.of(0)));
        b.embed(embedded, weight);
        return Float32Array.from([...results, ...(await b.read(embedded, 0, embedded.length))]);
      }),
    );
    errors[format] = relativeError(actual, expected).max;
    await backend.dispose();
  }
  return errors;
}

/** How the backend orders writes, keeps pages, frees, refuses and ends: by name, whether it did as it should, else what it did. */
export async function behaviours(): Promise<Record<string, unknown>> {
  const backend = await webgpuBackend();
  const x = tensorOf(backend, Float32Array.of(1));
  const outs = [backend.tensor(1), backend.tensor(1)];
  backend.gatherRows(outs[0], x, Int32Array.of(0), 1);
  backend.write(x, Float32Array.of(5));
  backend.gatherRows(outs[1], x, Int32Array.of(0), 1);
  backend.free(x);
  const ordered = [(await backend.read(outs[0], 0, 1))[0], (await backend.read(outs[1], 0, 1))[0]];
  const before = backend.memoryBytes();
  const large = backend.tensor(1 << 20);
  const grown = backend.memoryBytes() - before;
  backend.free(large);
  const freed = backend.memoryBytes() - before;
  const pages = await copiedPages(backend);
  const damaged = randomWeightBytes('q1_0', 100, 256, 5);
  damaged.set([0, 0x7c], (71 * 2 + 1) * 18);
  const refused = await codeOf(weightFromBytes(backend, 'q1_0', 100, 256, damaged));
  const tooLarge = await codeOf((async () => backend.tensor(2 ** 40))());
  const aborted = await codeOf(backend.read(outs[0], 0, 1, AbortSignal.abort(new Error('enough'))));
  const still = (await backend.read(outs[1], 0, 1))[0];
  const reading = codeOf(backend.read(outs[0], 0, 1));
  await backend.dispose();
  const disposed = [await reading, await codeOf((async () => backend.tensor(4))()), backend.memoryBytes()];
  await backend.dispose();
  return { ordered, grown, freed, pages, refused, tooLarge, aborted, still, disposed };
}

/** Attention over a page, and over another that got its contents; each format whether they agree. */
async function copiedPages(backend: WebGpuBackend): Promise<boolean[]> {
  const agreed: boolean[] = [];
  for (const format of ['f32', 'f16', 'q8'] as const) {
    const pool = backend.kvPool({ layers: 2, kvHeads: 2, headSize: 16, pages: 3, format });
    const q = tensorOf(backend, randomValues(64, 3));
    const attend = async (page: number) => {
      backend.setRows(oneSequence([0], 0, Int32Array.of(page)));
      const out = backend.tensor(64);
      backend.attention(out, q, pool, 1, 4, 0.25);
      return (await backend.read(out, 0, 64)).join();
    };
    backend.setRows(oneSequence([0], 0, Int32Array.of(1)));
    backend.storeKv(pool, 1, tensorOf(backend, randomValues(32, 1)), tensorOf(backend, randomValues(32, 2)));
    const bytes = await backend.readKvPage(pool, 1);
    backend.writeKvPage(pool, 2, bytes);
    agreed.push(bytes.length === pool.pageBytes && (await attend(2)) === (await attend(1)));
  }
  return agreed;
}

/** What a reader and later calls throw when the device dies under the backend, and what the backend still holds. */
export async function lostDevice(): Promise<{ reading: string; later: string; memoryBytes: number }> {
  const devices: GPUDevice[] = [];
  const backend = await webgpuBackend({ gpu: await watchedGpu(devices) });
  const x = backend.tensor(4);
  devices[0].destroy();
  const reading = await codeOf(backend.read(x, 0, 4));
  const later = await codeOf((async () => backend.tensor(4))());
  const memoryBytes = backend.memoryBytes();
  await backend.dispose();
  return { reading, later, memoryBytes };
}

/**
 * Loses the device in the middle of an answer: what the answer, another that waits, and a later one throw, what the backend still holds, and whether
 * the model loaded again goes on as if nothing had been.
 */
export async function lostWhileGenerating(source: string): Promise<Record<string, unknown>> {
  const devices: GPUDevice[] = [];
  const alive = new Set<GPUBuffer>();
  const gpu = await watchedGpu(devices, alive);
  const own = typeof navigator === 'undefined' ? undefined : navigator;
  Object.defineProperty(globalThis, 'navigator', { value: { gpu }, configurable: true, writable: true });
  try {
    const options = { temperature: 0, maxTokens: 12, ignoreEndOfText: true } as const;
    const model = await load(source, { backend: 'webgpu', contextTokens: 256 });
    const whole = await model.generate('Once', options).result();
    const answer = async () => {
      let tokens = 0;
      for await (const piece of model.generate('Once', options)) {
        tokens += piece.tokens.length;
        if (tokens >= 3) devices[0].destroy();
      }
    };
    const codes = await Promise.all([codeOf(answer()), codeOf(model.generate('One', options).result())]);
    codes.push(await codeOf(model.generate('Once', options).result()));
    const held = { bytes: model.backend.memoryBytes(), buffers: alive.size };
    await model.dispose();
    const again = await load(source, { backend: 'webgpu', contextTokens: 256 });
    const same = (await again.generate('Once', options).result()).text === whole.text;
    await again.dispose();
    return { codes, held, same, devices: devices.length };
  } finally {
    Object.defineProperty(globalThis, 'navigator', { value: own, configurable: true, writable: true });
  }
}

/** A GPU that hands out the platform's devices and keeps them in `devices`, and in `alive` their buffers that were not destroyed. */
async function watchedGpu(devices: GPUDevice[], alive = new Set<GPUBuffer>()): Promise<GPU> {
  const gpu = await platformGpu();
  return {
    wgslLanguageFeatures: gpu.wgslLanguageFeatures,
    async requestAdapter(options?: GPURequestAdapterOptions) {
      const adapter = (await gpu.requestAdapter(options))!;
      return {
        limits: adapter.limits,
        info: adapter.info,
        features: adapter.features,
        async requestDevice(descriptor?: GPUDeviceDescriptor) {
          const device = await adapter.requestDevice(descriptor);
          devices.push(device);
          const createBuffer = device.createBuffer.bind(device);
          device.createBuffer = (described) => {
            const buffer = createBuffer(described);
            const destroy = buffer.destroy.bind(buffer);
            alive.add(buffer);
            buffer.destroy = () => {
              alive.delete(buffer);
              return destroy();
            };
            return buffer;
          };
          return device;
        },
      };
    },
  } as unknown as GPU;
}

async function platformGpu(): Promise<GPU> {
  if (typeof navigator !== 'undefined' && navigator.gpu) return navigator.gpu;
  const name = 'webgpu';
  return (await import(name)).create([]);
}

/** The code of what a promise throws, else its message; `none` where it does not throw. */
async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    return error instanceof OnebitError ? error.code : (error as Error).message;
  }
}
