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
  readonly totalBytes: number;
}

/** Bytes of keys and values of one token over all layers. A q8 head vector has one fp16 scale. */
export function kvBytesPerToken(config: ModelConfig, format: KvFormat): number {
  const headBytes = { f32: config.headSize * 4, f16: config.headSize * 2, q8: config.headSize + 2 }[format];
  return 2 * config.layers * config.kvHeads * headBytes;
}

/** What running `config` with a cache of `contextTokens` and steps of `parallel` sequences takes; the process itself (some 60 MB in Node) comes on top. */
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
  return { contextTokens, weightBytes, kvBytes, activationBytes, totalBytes };
}
