// Owns stepping sequences through the forward pass, one step at a time however many callers there are. Must not know tokens' meaning or text.
import { nextTurn } from '../core/event-loop.ts';
import { OnebitError } from '../errors.ts';
import type { Backend, KvFormat, Rows, Tensor } from '../kernels/backend.ts';
import { KV_PAGE } from '../kernels/backend.ts';
import { type AdaptedRows, type Adapter, freeAdapter, type LowRank, loadAdapter } from './adapter.ts';
import type { ModelConfig } from './config.ts';
import { Forward, type WatchAttention } from './forward.ts';
import { KvPages, KvSequence } from './kv-cache.ts';
import { PrefixCache } from './prefix-cache.ts';
import type { ModelWeights } from './weights.ts';

/** Rows that go through the model at a time; longer prompts are cut into such chunks, between which an abort is noticed. */
export const CHUNK_ROWS = 64;
/** Rows of a step that may give logits, at least. */
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
  /** Sequences that decode in one step: rows that may give logits, beside CHUNK_ROWS others. Default CHUNK_OUTPUTS. */
  readonly parallel?: number;
}

/** A model ready to step. */
export class Engine {
  readonly config: ModelConfig;
  readonly backend: Backend;
  readonly pages: KvPages;
  /** Pages kept because a later text may begin like an earlier one. */
  readonly prefixes: PrefixCache;
  /** Says which weights these are: see `ModelWeights.digest`. */
  readonly weightsDigest: string;
  /** Bytes of weights that one decode step reads: all matrices, but of an untied embedding only a row. */
  readonly decodeWeightBytes: number;
  /** Rows of a step, and those of them that may give logits. */
  readonly maxRows: number;
  readonly maxOutputs: number;
  /** That of sequences that name none. */
  defaultAdapter: Adapter | undefined;
  private readonly forward: Forward;
  private readonly weights: ModelWeights;
  private lastStep: Promise<unknown> = Promise.resolve();
  private lastTurnMs = 0;

  constructor(config: ModelConfig, weights: ModelWeights, backend: Backend, options: EngineOptions) {
    this.config = config;
    this.backend = backend;
    this.weights = weights;
    this.weightsDigest = weights.digest;
    this.decodeWeightBytes = decodeBytes(weights);
    const { rows, outputs } = stepSize(options.parallel);
    this.maxRows = rows;
    this.maxOutputs = outputs;
    this.forward = new Forward(config, weights, backend, rows, outputs);
    const pool = backend.kvPool({
      layers: config.layers,
      kvHeads: config.kvHeads,
      headSize: config.headSize,
      pages: Math.ceil(options.kvTokens / KV_PAGE),
      format: options.kvFormat,
    });
    this.pages = new KvPages(backend, pool, (owner) => this.prefixes.evict(owner));
    this.prefixes = new PrefixCache(this.pages);
  }

  /** A sequence of `owner`, who alone finds again what it leaves in the prefix cache. Default: whoever names none. */
  newSequence(owner?: string, adapter = this.defaultAdapter): KvSequence {
    return new KvSequence(this.pages, owner, adapter);
  }

  /** Loads an adapter, which sequences may then have. @throws OnebitError `bad-file` where it does not fit the model, `unsupported` on webgpu */
  async loadAdapter(matrices: readonly LowRank[], signal?: AbortSignal): Promise<Adapter> {
    const probe = this.backend.tensor(1);
    this.backend.slice(probe, 0, 1);
    this.backend.free(probe);
    return loadAdapter(matrices, this.weights, this.backend, signal);
  }

  /** Gives back an adapter's memory, once the step that goes on is over. No sequence may have it any more. */
  async freeAdapter(adapter: Adapter): Promise<void> {
    await this.lastStep;
    freeAdapter(adapter, this.backend);
  }

  /**
   * Feeds tokens to sequences and hands the logits [sum of outputs, vocabulary] to `use` before anybody else steps, and a way to the final states
   * [sum of tokens, width]. At most maxRows tokens and maxOutputs outputs. If it throws, or is aborted, the sequences are as before.
   */
  step<Result>(
    parts: readonly StepPart[],
    use: (logits: Tensor, states: () => Tensor) => Promise<Result>,
    signal?: AbortSignal,
    watch?: WatchAttention,
  ): Promise<Result> {
    const result = this.lastStep.then(async () => {
      if (performance.now() - this.lastTurnMs > TURN_MS) {
        await nextTurn();
        this.lastTurnMs = performance.now();
      }
      signal?.throwIfAborted();
      const { rows, outputs } = assembleRows(parts);
      if (rows.count > this.maxRows || outputs.length > this.maxOutputs) {
        throw new OnebitError(
          'bad-argument',
          `step: at most ${this.maxRows} tokens and ${this.maxOutputs} outputs fit, got ${rows.count} and ${outputs.length}. Feed them in several steps.`,
        );
      }
      const { backend, forward, pages } = this;
      const logits = backend.abandonable(() => forward.step(rows, pages.pool, outputs, watch, adaptedRows(parts)));
      const used = await use(logits, () => forward.states(rows.count));
      for (const part of parts) part.sequence.append(part.tokens);
      return used;
    });
    this.lastStep = result.catch(() => {
      // Pages that were taken for tokens which did not come to be go back.
      for (const part of parts) part.sequence.trim();
    });
    return result;
  }

  /**
   * Evaluates at most CHUNK_ROWS `tokens` from their start and gives what each layer attends with: rotated queries [tokens, heads, headSize] and keys
   * [tokens, kvHeads, headSize].
   */
  async attentionInputs(
    tokens: readonly number[],
    signal?: AbortSignal,
  ): Promise<{ queries: Float32Array; keys: Float32Array }[]> {
    const { backend, config } = this;
    const count = tokens.length;
    const all = Int32Array.from(tokens, (_, i) => i);
    const [queryCols, keyCols] = [config.heads * config.headSize, config.kvHeads * config.headSize];
    const copies = Array.from({ length: config.layers }, () => ({
      queries: backend.tensor(count * queryCols),
      keys: backend.tensor(count * keyCols),
    }));
    const sequence = this.newSequence();
    try {
      const watch: WatchAttention = (layer, queries, keys) => {
        backend.gatherRows(copies[layer].queries, queries, all, queryCols);
        backend.gatherRows(copies[layer].keys, keys, all, keyCols);
      };
      const read = async (tensor: Tensor) => (await backend.read(tensor, 0, tensor.length, signal)).slice();
      const use = async () => {
        const inputs: { queries: Float32Array; keys: Float32Array }[] = [];
        for (const copy of copies) inputs.push({ queries: await read(copy.queries), keys: await read(copy.keys) });
        return inputs;
      };
      return await this.step([{ sequence, tokens, outputs: [] }], use, signal, watch);
    } finally {
      sequence.dispose();
      for (const { queries, keys } of copies) {
        backend.free(queries);
        backend.free(keys);
      }
    }
  }
}

/** Rows of a step of `parallel` sequences, and those of them that may give logits. */
export function stepSize(parallel = CHUNK_OUTPUTS): { rows: number; outputs: number } {
  const outputs = Math.max(CHUNK_OUTPUTS, parallel);
  return { rows: CHUNK_ROWS + outputs, outputs };
}

function decodeBytes({ layers, output }: ModelWeights): number {
  let bytes = output.sizeBytes;
  for (const layer of layers) {
    for (const weight of Object.values(layer)) if (weight && 'sizeBytes' in weight) bytes += weight.sizeBytes;
  }
  return bytes;
}

/** Rows that want an adapter, in groups; parts with the same adapter should follow each other. */
function adaptedRows(parts: readonly StepPart[]): AdaptedRows[] {
  const groups: { adapter: Adapter; from: number; count: number }[] = [];
  let from = 0;
  for (const { sequence, tokens } of parts) {
    const { adapter } = sequence;
    const last = groups.at(-1);
    if (adapter && last?.adapter === adapter && last.from + last.count === from) last.count += tokens.length;
    else if (adapter) groups.push({ adapter, from, count: tokens.length });
    from += tokens.length;
  }
  return groups;
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
