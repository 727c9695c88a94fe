// Owns loading a model: bytes, container, configuration, tokenizer, backend, weights, in that order, and undoing it all when one fails.
import { memorySource } from './bytes/memory-source.ts';
import { openModelBytes } from './bytes/open.ts';
import type { ByteSource } from './bytes/source.ts';
import { OnebitError } from './errors.ts';
import type { SchedulerOptions } from './generate/scheduler.ts';
import { readGguf } from './gguf/read.ts';
import type { Gguf } from './gguf/types.ts';
import type { Backend, KvFormat } from './kernels/backend.ts';
import { LanguageModel } from './language-model.ts';
import { readModelConfig } from './model/config.ts';
import { Engine } from './model/engine.ts';
import { type MemoryNeed, memoryNeed } from './model/memory.ts';
import { checkTensors, type LoadProgress, loadWeights } from './model/weights.ts';
import { createTokenizer } from './tokenizer/tokenizer.ts';

/** The model that the package brings: the seedling, which books tables, hotels and taxis. Its card: models/README.md. */
export const EMBEDDED_MODEL = new URL('../models/seedling.gguf', import.meta.url);

export type BackendName = 'auto' | 'wasm' | 'webgpu' | 'reference';

export interface LoadOptions {
  /** What computes. `auto` (default) takes `wasm`; `webgpu` has only run on an emulated GPU so far (docs/webgpu.md). */
  backend?: BackendName;
  /** Threads of the wasm backend. Default: all cores. */
  threads?: number;
  /** Most tokens of one sequence. Default: what the model was made for, at most 4,096; memory for it is used as the context fills. */
  contextTokens?: number;
  /** Tokens that all requests and sessions together can hold in the cache, fixed from the start. Default, and least: contextTokens. */
  kvTokens?: number;
  /** Most requests that run at once, 1 to 64; others wait for a place. Default 16. */
  parallel?: number;
  /** Most requests that wait for a place; more are refused with code `busy`. Default: no limit. */
  queue?: number;
  /** How keys and values are cached. Default `f16`; `q8` halves the memory at a small loss, `f32` doubles it. */
  kvFormat?: KvFormat;
  /** Told bytes of tensors loaded so far, of all. */
  onProgress?: LoadProgress;
  /** Stops the load; it throws the signal's reason and gives everything back. */
  signal?: AbortSignal;
}

const DEFAULT_CONTEXT = 4096;

/** Tokens of context that a model made for `modelContext` is loaded with unless told otherwise. */
export function defaultContextTokens(modelContext: number): number {
  return Math.min(modelContext, DEFAULT_CONTEXT);
}

/**
 * Loads a model from a path, a hub name that was pulled, a URL (by HTTP ranges), bytes, or any `ByteSource`; without `input` the embedded one.
 * @throws OnebitError `bad-file` or `unsupported` with all problems found, `io`, `network`, `out-of-memory`; the signal's reason when aborted
 */
export async function load(
  input: string | URL | Uint8Array | ByteSource = EMBEDDED_MODEL,
  options: LoadOptions = {},
): Promise<LanguageModel> {
  const source = await openSource(input, options.signal);
  let backend: Backend | undefined;
  try {
    const gguf = await readGguf(source, { signal: options.signal });
    const config = readModelConfig(gguf);
    checkTensors(gguf, config);
    const tokenizer = createTokenizer(gguf.metadata);
    checkVocabulary(tokenizer.vocabularySize, config.vocabulary);
    const contextTokens = contextOf(options, config.contextLength);
    const limits = limitsOf(options);
    backend = await createBackend(options);
    const kv = { format: options.kvFormat ?? 'f16', tokens: Math.max(options.kvTokens ?? 0, contextTokens) } as const;
    checkMemory(memoryNeed(config, weightBytesOf(gguf), kv.tokens, kv.format, limits.parallel), backend);
    const weights = await loadWeights(gguf, source, config, backend, options);
    const engine = new Engine(config, weights, backend, {
      kvFormat: kv.format,
      kvTokens: kv.tokens,
      parallel: limits.parallel,
    });
    return new LanguageModel(gguf, tokenizer, engine, contextTokens, limits);
  } catch (error) {
    await backend?.dispose();
    throw error;
  } finally {
    await source.close();
  }
}

/** Opens what `load` accepts, to look into a file without loading it. */
export async function openSource(
  input: string | URL | Uint8Array | ByteSource,
  signal?: AbortSignal,
): Promise<ByteSource> {
  if (input instanceof Uint8Array) return memorySource(input);
  if (typeof input === 'object' && 'readInto' in input) return input;
  return openModelBytes(String(input), { signal });
}

/** Bytes of all tensors of a file. */
export function weightBytesOf(gguf: Gguf): number {
  let bytes = 0;
  for (const tensor of gguf.tensors.values()) bytes += tensor.sizeBytes;
  return bytes;
}

async function createBackend(options: LoadOptions): Promise<Backend> {
  const name = options.backend ?? 'auto';
  if (name === 'reference') {
    const { referenceBackend } = await import('./kernels/reference/reference-backend.ts');
    return referenceBackend();
  }
  if (name === 'wasm' || name === 'auto') {
    const { wasmBackend } = await import('./kernels/wasm/wasm-backend.ts');
    return wasmBackend({ threads: options.threads });
  }
  if (name === 'webgpu') {
    const { webgpuBackend } = await import('./kernels/webgpu/webgpu-backend.ts');
    return webgpuBackend();
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
