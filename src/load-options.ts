// Owns what `load` may be told, here and in a worker: names, kinds, meaning. Must not load anything.
import type { Kind } from './core/check.ts';
import type { I2sLayout } from './gguf/tensors.ts';
import type { KvFormat } from './kernels/backend.ts';
import type { LoadProgress } from './model/weights.ts';

export type BackendName = 'auto' | 'wasm' | 'webgpu' | 'reference';

export interface LoadOptions {
  /**
   * What computes. `auto` (default) takes `webgpu` in a page that has a real GPU, for models large enough to be worth it, else `wasm`, with as many
   * threads as the page may have. `webgpu` has only run on an emulated GPU so far (docs/webgpu.md).
   */
  backend?: BackendName;
  /** Threads of the wasm backend. Default: all cores up to four, half of more than four (two share a core there), at most eight. */
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
  /**
   * What products on `webgpu` take: activations as they are (`f32`, default), or rounded to int8 (`q8`), faster where the device has int8 dot products
   * (others stay at `f32`) and as exact as `wasm`, whose products always round to 8 bits.
   */
  activations?: 'f32' | 'q8';
  /**
   * In groups of how many weights a file's I2_S tensors are. Default: 128, which converters write, or 64 where rows allow only that. Files that ARM builds of
   * BitNet's runtime wrote need `64`; nothing in a file says so, and in the wrong order a model writes gibberish.
   */
  i2sLayout?: I2sLayout;
  /** Told bytes of tensors loaded so far, of all. */
  onProgress?: LoadProgress;
  /** Stops the load; it throws the signal's reason and gives everything back. */
  signal?: AbortSignal;
}

/** What `load` checks them by. */
export const LOAD_OPTIONS: Readonly<Record<keyof LoadOptions, Kind>> = {
  backend: ['auto', 'wasm', 'webgpu', 'reference'],
  threads: 'number',
  contextTokens: 'number',
  kvTokens: 'number',
  parallel: 'number',
  queue: 'number',
  kvFormat: ['f16', 'q8', 'f32'],
  activations: ['f32', 'q8'],
  i2sLayout: ['128', '64'],
  onProgress: 'function',
  signal: 'signal',
};
