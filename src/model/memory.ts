// Owns saying how much memory a model will need, before anything is loaded.
import type { KvFormat } from '../kernels/backend.ts';
import type { ModelConfig } from './config.ts';
import { stepSize } from './engine.ts';

export interface MemoryNeed {
  readonly contextTokens: number;
  readonly weightBytes: number;
  /** Keys and values of a full context. */
  readonly kvBytes: number;
  readonly activationBytes: number;
  /** Of the three above. */
  readonly totalBytes: number;
  /** What the process takes beside that, about: Node, the compiled kernels, the vocabulary in the tokenizer. */
  readonly processBytes: number;
}

/** Of a process without a vocabulary, and of one of its tokens with the merges that make it, at the peak while a model is loaded. Measured: docs/formats.md. */
const PROCESS_BYTES = 110e6;
const TOKEN_BYTES = 350;

/** Bytes of keys and values of one token over all layers. A q8 head vector has one fp16 scale. */
export function kvBytesPerToken(config: ModelConfig, format: KvFormat): number {
  const headBytes = { f32: config.headSize * 4, f16: config.headSize * 2, q8: config.headSize + 2 }[format];
  return 2 * config.layers * config.kvHeads * headBytes;
}

/** What running `config` with a cache of `contextTokens` and steps of `parallel` sequences takes. */
export function memoryNeed(
  config: ModelConfig,
  weightBytes: number,
  contextTokens: number,
  format: KvFormat,
  parallel?: number,
): MemoryNeed {
  const { rows, outputs } = stepSize(parallel);
  const kvBytes = kvBytesPerToken(config, format) * contextTokens;
  const headsWidth = (2 * config.heads + 2 * config.kvHeads) * config.headSize;
  const rowFloats = (config.inputNorms ? 3 : 2) * config.width + headsWidth + 2 * config.feedForwardWidth;
  const activationBytes = 4 * (rows * rowFloats + outputs * (config.width + config.vocabulary));
  const totalBytes = weightBytes + kvBytes + activationBytes;
  const processBytes = PROCESS_BYTES + TOKEN_BYTES * config.vocabulary;
  return { contextTokens, weightBytes, kvBytes, activationBytes, totalBytes, processBytes };
}
