// Owns loading a model: bytes, container, configuration, tokenizer, backend, weights, in that order, and undoing it all when one fails.
import { checkOptions, wrong } from './core/check.ts';
import { OnebitError } from './errors.ts';
import type { SchedulerOptions } from './generate/scheduler.ts';
import { readGguf } from './gguf/read.ts';
import type { Gguf } from './gguf/types.ts';
import type { Backend } from './kernels/backend.ts';
import { residentBytes } from './kernels/weight-loading.ts';
import { LanguageModel } from './language-model.ts';
import { type BackendName, LOAD_OPTIONS, type LoadOptions } from './load-options.ts';
import { readModelConfig } from './model/config.ts';
import { Engine } from './model/engine.ts';
import { withFrequencyFactors } from './model/frequency-factors.ts';
import { type MemoryNeed, memoryNeed } from './model/memory.ts';
import { checkTensors, loadWeights } from './model/weights.ts';
import { EMBEDDED_MODEL, type ModelInput, openSource } from './open-source.ts';
import { createTokenizer } from './tokenizer/tokenizer.ts';

export type { BackendName, LoadOptions } from './load-options.ts';
export { EMBEDDED_MODEL, type ModelInput, openSource } from './open-source.ts';

const DEFAULT_CONTEXT = 4096;
/**
 * Weights from which `auto` takes a GPU. A step on a GPU costs some milliseconds however small the model is (hundreds of dispatches, one reading back);
 * in that time WebAssembly reads tens of megabytes. By reasoning: not measured on a GPU.
 */
const WORTH_A_GPU_BYTES = 64e6;
/** Failures of a GPU after which `auto` goes on with WebAssembly. */
const GPU_FAILURES: ReadonlySet<string> = new Set(['unsupported', 'out-of-memory', 'device-lost']);

/** Tokens of context that a model made for `modelContext` is loaded with unless told otherwise. */
export function defaultContextTokens(modelContext: number): number {
  return Math.min(modelContext, DEFAULT_CONTEXT);
}

/**
 * Loads a model from a path, a hub name that was pulled, a URL (by HTTP ranges), bytes, a file, or any `ByteSource`; without `input` the embedded one.
 * @throws OnebitError `bad-file` or `unsupported` with all problems found, `io`, `network`, `out-of-memory`; the signal's reason when aborted
 */
export async function load(input: ModelInput = EMBEDDED_MODEL, options: LoadOptions = {}): Promise<LanguageModel> {
  checkInput(input);
  checkOptions('load', options, LOAD_OPTIONS);
  const name = options.backend ?? 'auto';
  if (name === 'auto' || name === 'wasm') void prepareWasm();
  const source = await openSource(input, { signal: options.signal });
  try {
    const gguf = await readGguf(source, { signal: options.signal, i2sLayout: options.i2sLayout });
    const said = readModelConfig(gguf);
    checkTensors(gguf, said);
    const config = await withFrequencyFactors(said, gguf, source, options.signal);
    const tokenizer = createTokenizer(gguf.metadata);
    checkVocabulary(tokenizer.vocabularySize, config.vocabulary);
    const contextTokens = contextOf(options, config.contextLength);
    const limits = limitsOf(options);
    const start = async (name: BackendName): Promise<LanguageModel> => {
      const backend = await createBackend(name, options);
      try {
        const format = options.kvFormat ?? 'f16';
        const kvTokens = Math.max(options.kvTokens ?? 0, contextTokens);
        checkMemory(memoryNeed(config, residentBytesOf(gguf), kvTokens, format, limits.parallel), backend);
        const weights = await loadWeights(gguf, source, config, backend, options);
        const engine = new Engine(config, weights, backend, { kvFormat: format, kvTokens, parallel: limits.parallel });
        return new LanguageModel(gguf, tokenizer, engine, contextTokens, limits);
      } catch (error) {
        await backend.dispose();
        throw error;
      }
    };
    if (name !== 'auto') return await start(name);
    if (weightBytesOf(gguf) < WORTH_A_GPU_BYTES || !(await hasRealGpu())) return await start('wasm');
    try {
      return await start('webgpu');
    } catch (error) {
      if (!(error instanceof OnebitError) || !GPU_FAILURES.has(error.code)) throw error;
      return await start('wasm');
    }
  } finally {
    await source.close();
  }
}

function checkInput(input: unknown): void {
  const isSource = typeof input === 'object' && input !== null && ('readInto' in input || input instanceof URL);
  if (isSource || (typeof input === 'string' && input !== '') || input instanceof Uint8Array || input instanceof Blob)
    return;
  throw wrong('load', 'input', 'be a name, a path, a URL, bytes (Uint8Array), a Blob or a ByteSource', input);
}

/** Compiles the kernels while the file's header is still on its way. What goes wrong is said when the backend starts. */
async function prepareWasm(): Promise<void> {
  try {
    const { loadBuild } = await import('./kernels/wasm/build.ts');
    await loadBuild();
  } catch {}
}

/** Whether the page has WebGPU on a real GPU; a processor that plays one is slower than WebAssembly. */
async function hasRealGpu(): Promise<boolean> {
  if (typeof navigator === 'undefined' || !navigator.gpu) return false;
  const { isRealGpu } = await import('./kernels/webgpu/adapter.ts');
  return isRealGpu(navigator.gpu);
}

/** Bytes of all weights of a file once they are loaded: those of formats that kernels do not read become another. */
export function residentBytesOf(gguf: Gguf): number {
  let bytes = 0;
  for (const { format, shape } of gguf.tensors.values()) {
    bytes += residentBytes(
      format,
      shape.reduce((product, size) => product * size, 1),
    );
  }
  return bytes;
}

/** Bytes of all tensors of a file. */
export function weightBytesOf(gguf: Gguf): number {
  let bytes = 0;
  for (const tensor of gguf.tensors.values()) bytes += tensor.sizeBytes;
  return bytes;
}

async function createBackend(name: BackendName, options: LoadOptions): Promise<Backend> {
  if (name === 'reference') {
    const { referenceBackend } = await import('./kernels/reference/reference-backend.ts');
    return referenceBackend();
  }
  if (name === 'wasm') {
    const { wasmBackend } = await import('./kernels/wasm/wasm-backend.ts');
    return wasmBackend({ threads: options.threads });
  }
  if (name === 'webgpu') {
    const { webgpuBackend } = await import('./kernels/webgpu/webgpu-backend.ts');
    return webgpuBackend({ activations: options.activations });
  }
  throw new OnebitError(
    'bad-argument',
    `load: backend must be auto, wasm, webgpu or reference, got '${String(name)}'.`,
  );
}

function contextOf(options: LoadOptions, modelContext: number): number {
  const contextTokens = options.contextTokens ?? defaultContextTokens(modelContext);
  if (!Number.isInteger(contextTokens) || contextTokens < 1 || contextTokens > modelContext) {
    throw new OnebitError(
      'bad-argument',
      `load: contextTokens must be a whole number from 1 to the ${modelContext} that this model was made for, got ${contextTokens}.`,
    );
  }
  return contextTokens;
}

function limitsOf({ parallel = 16, queue = Number.POSITIVE_INFINITY }: LoadOptions): SchedulerOptions {
  if (!Number.isInteger(parallel) || parallel < 1 || parallel > 64) {
    throw new OnebitError('bad-argument', `load: parallel must be a whole number from 1 to 64, got ${parallel}.`);
  }
  if (!(queue >= 0)) throw new OnebitError('bad-argument', `load: queue must be 0 or more, got ${queue}.`);
  return { parallel, queue };
}

function checkMemory(need: MemoryNeed, backend: Backend): void {
  if (need.totalBytes <= backend.limitBytes) return;
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`;
  throw new OnebitError(
    'out-of-memory',
    `load: weights (${gigabytes(need.weightBytes)}), a cache of ${need.contextTokens} tokens (${gigabytes(need.kvBytes)}) and activations must fit the ${gigabytes(backend.limitBytes)} of the ${backend.name} backend, got ${gigabytes(need.totalBytes)}. Ask for less contextTokens, kvFormat 'q8', or take a smaller model.`,
  );
}

/** Fewer tokens than rows is common (padding); more would let text produce rows that do not exist. */
function checkVocabulary(tokens: number, rows: number): void {
  if (tokens > rows) {
    throw new OnebitError(
      'bad-file',
      `load: the tokenizer must have at most as many tokens as 'token_embd.weight' has rows (${rows}), got ${tokens}.`,
    );
  }
}
