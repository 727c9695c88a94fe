// Owns the one forward pass of every decoder architecture, for one row or many, prefill or decode. Must not know a concrete backend.
import type { Backend, KvPool, Rows, Tensor } from '../kernels/backend.ts';
import { AdaptedBackend, type AdaptedRows } from './adapter.ts';
import { blocksOf } from './architecture.ts';
import type { ModelConfig } from './config.ts';
import type { Block } from './plan.ts';
import { type Registers, runLayer, type Step, type WatchAttention } from './run-plan.ts';
import type { ModelWeights } from './weights.ts';

export type { WatchAttention } from './run-plan.ts';

/** Runs the decoder for up to `maxRows` rows at a time, of which up to `maxOutputs` give logits. */
export class Forward {
  readonly config: ModelConfig;
  readonly backend: Backend;
  readonly maxRows: number;
  readonly maxOutputs: number;
  private readonly weights: ModelWeights;
  private readonly registers: Registers;
  private readonly blocks: readonly Block[];
  /** Of the rows that give logits. */
  private readonly selected: Tensor;
  private readonly logits: Tensor;
  private readonly zeros: Int32Array;
  private adapted: AdaptedBackend | undefined;

  constructor(config: ModelConfig, weights: ModelWeights, backend: Backend, maxRows: number, maxOutputs: number) {
    this.config = config;
    this.weights = weights;
    this.backend = backend;
    this.maxRows = maxRows;
    this.maxOutputs = maxOutputs;
    const rowsOf = (cols: number, rows = maxRows) => backend.tensor(rows * cols);
    this.registers = {
      hidden: rowsOf(config.width),
      normed: rowsOf(config.width),
      queries: rowsOf(config.heads * config.headSize),
      keys: rowsOf(config.kvHeads * config.headSize),
      values: rowsOf(config.kvHeads * config.headSize),
      attended: rowsOf(config.heads * config.headSize),
      gate: rowsOf(config.feedForwardWidth),
      up: rowsOf(config.feedForwardWidth),
      ...(config.inputNorms ? { input: rowsOf(config.width) } : {}),
    };
    this.blocks = blocksOf(config);
    this.selected = rowsOf(config.width, maxOutputs);
    this.logits = rowsOf(config.vocabulary, maxOutputs);
    this.zeros = new Int32Array(maxRows);
  }

  /**
   * Dispatches one step: stores keys and values of `rows` in `pool`, and gives the logits [outputs.length, vocabulary] of the rows named by
   * `outputs` (indices into rows). The tensor is overwritten by the next step. Nothing waits here; read the result through the backend.
   * @param adapted rows that want an adapter
   */
  step(
    rows: Rows,
    pool: KvPool,
    outputs: Int32Array,
    watch?: WatchAttention,
    adapted: readonly AdaptedRows[] = [],
  ): Tensor {
    const { config, weights, registers } = this;
    const backend = this.backendFor(adapted);
    backend.setRows(rows);
    const { hidden } = registers;
    backend.embed(hidden, weights.token_embd);
    const { embeddingScale } = config;
    if (embeddingScale) backend.scale(hidden, hidden, rows.count * config.width, embeddingScale);
    const zeros = this.zeros.subarray(0, rows.count);
    for (let layer = 0; layer < config.layers; layer++) {
      const part: Step = { backend, config, registers, count: rows.count, layer, pool, zeros, watch };
      runLayer(this.blocks, part, weights.layers[layer]);
    }
    if (outputs.length > 0) this.head(outputs);
    return this.logits;
  }

  /** The final states [count, width] of the last step's `count` rows, normalised as the head would have them; overwritten by the next step. */
  states(count: number): Tensor {
    const { backend, config, weights } = this;
    const { hidden, normed } = this.registers;
    backend.rmsNorm(normed, hidden, weights.output_norm, count, config.width, config.normEpsilon);
    return normed;
  }

  private backendFor(adapted: readonly AdaptedRows[]): Backend {
    if (adapted.length === 0) return this.backend;
    this.adapted ??= new AdaptedBackend(this.backend);
    this.adapted.begin(adapted);
    return this.adapted.backend;
  }

  private head(outputs: Int32Array): void {
    const { backend, config, weights, selected, logits } = this;
    backend.gatherRows(selected, this.registers.hidden, outputs, config.width);
    backend.rmsNorm(selected, selected, weights.output_norm, outputs.length, config.width, config.normEpsilon);
    backend.matmul(logits, selected, weights.output, outputs.length);
  }
}
