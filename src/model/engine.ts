// Owns stepping sequences through the forward pass, one step at a time however many callers there are. Must not know tokens' meaning or text.
import { nextTurn } from '../core/event-loop.ts';
import type { Backend, KvFormat, Rows, Tensor } from '../kernels/backend.ts';
import { KV_PAGE } from '../kernels/backend.ts';
import type { ModelConfig } from './config.ts';
import { Forward } from './forward.ts';
import { KvPages, KvSequence } from './kv-cache.ts';
import type { ModelWeights } from './weights.ts';

/** Rows that go through the model at a time; longer prompts are cut into such chunks, between which an abort is noticed. */
export const CHUNK_ROWS = 64;
/** Rows of a step that may give logits. */
export const CHUNK_OUTPUTS = 16;

/** Steps follow each other without a turn of the event loop for at most this long. */
const TURN_MS = 8;

/** Tokens that one step feeds to one sequence. */
export interface StepPart {
  readonly sequence: KvSequence;
  readonly tokens: ArrayLike<number>;
  /** Which of `tokens` give a row of logits, ascending. */
  readonly outputs: ArrayLike<number>;
}

export interface EngineOptions {
  readonly kvFormat: KvFormat;
  /** Tokens that all sequences together can hold. */
  readonly kvTokens: number;
}

/** A model ready to step. */
export class Engine {
  readonly config: ModelConfig;
  readonly backend: Backend;
  readonly pages: KvPages;
  /** Bytes of weights that one decode step reads: all matrices, but of an untied embedding only a row. */
  readonly decodeWeightBytes: number;
  private readonly forward: Forward;
  private lastStep: Promise<unknown> = Promise.resolve();
  private lastTurnMs = 0;
  private readonly reclaimers: (() => boolean)[] = [];

  constructor(config: ModelConfig, weights: ModelWeights, backend: Backend, options: EngineOptions) {
    this.config = config;
    this.backend = backend;
    this.decodeWeightBytes = decodeBytes(weights);
    this.forward = new Forward(config, weights, backend, CHUNK_ROWS, CHUNK_OUTPUTS);
    const pool = backend.kvPool({
      layers: config.layers,
      kvHeads: config.kvHeads,
      headSize: config.headSize,
      pages: Math.ceil(options.kvTokens / KV_PAGE),
      format: options.kvFormat,
    });
    this.pages = new KvPages(pool, () => this.reclaimers.some((reclaim) => reclaim()));
  }

  /** Adds somebody who can give cache pages back when they run out. */
  onPagesExhausted(reclaim: () => boolean): void {
    this.reclaimers.push(reclaim);
  }

  newSequence(): KvSequence {
    return new KvSequence(this.pages);
  }

  /**
   * Feeds tokens to sequences and hands the logits [sum of outputs, vocabulary] to `use` before anybody else steps. At most CHUNK_ROWS tokens and
   * CHUNK_OUTPUTS outputs. If it throws, or is aborted, the sequences are as before.
   */
  step<Result>(
    parts: readonly StepPart[],
    use: (logits: Tensor) => Promise<Result>,
    signal?: AbortSignal,
  ): Promise<Result> {
    const result = this.lastStep.then(async () => {
      if (performance.now() - this.lastTurnMs > TURN_MS) {
        await nextTurn();
        this.lastTurnMs = performance.now();
      }
      signal?.throwIfAborted();
      const { rows, outputs } = assembleRows(parts);
      const used = await use(this.forward.step(rows, this.pages.pool, outputs));
      for (const part of parts) part.sequence.append(part.tokens);
      return used;
    });
    this.lastStep = result.catch(() => {});
    return result;
  }

  /** Feeds `tokens` to `sequence` in chunks without asking for logits. */
  async prefill(
    sequence: KvSequence,
    tokens: ArrayLike<number>,
    options: { signal?: AbortSignal; onProgress?: (tokens: number) => void } = {},
  ): Promise<void> {
    for (let from = 0; from < tokens.length; from += CHUNK_ROWS) {
      const chunk = Array.prototype.slice.call(tokens, from, from + CHUNK_ROWS) as number[];
      const wait = (logits: Tensor) => this.backend.read(logits, 0, 0, options.signal);
      await this.step([{ sequence, tokens: chunk, outputs: [] }], wait, options.signal);
      options.onProgress?.(from + chunk.length);
    }
  }
}

function decodeBytes({ layers, output }: ModelWeights): number {
  let bytes = output.sizeBytes;
  for (const layer of layers) {
    for (const weight of Object.values(layer)) if (weight && 'sizeBytes' in weight) bytes += weight.sizeBytes;
  }
  return bytes;
}

function assembleRows(parts: readonly StepPart[]): { rows: Rows; outputs: Int32Array } {
  const tokens: number[] = [];
  const positions: number[] = [];
  const sequence: number[] = [];
  const outputs: number[] = [];
  for (const [s, part] of parts.entries()) {
    const start = part.sequence.length;
    part.sequence.reserve(start + part.tokens.length);
    for (let i = 0; i < part.outputs.length; i++) outputs.push(tokens.length + part.outputs[i]);
    for (let i = 0; i < part.tokens.length; i++) {
      tokens.push(part.tokens[i]);
      positions.push(start + i);
      sequence.push(s);
    }
  }
  const rows = {
    count: tokens.length,
    tokens: Int32Array.from(tokens),
    positions: Int32Array.from(positions),
    sequence: Int32Array.from(sequence),
    pageTables: parts.map((part) => part.sequence.pageTable()),
  };
  return { rows, outputs: Int32Array.from(outputs) };
}
