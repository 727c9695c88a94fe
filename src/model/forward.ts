// Owns the one forward pass of every decoder architecture, for one row or many, prefill or decode. Must not know a concrete backend.
import type { Backend, KvPool, Rows, Tensor } from '../kernels/backend.ts';
import type { ModelConfig } from './config.ts';
import type { ModelWeights } from './weights.ts';

/** The activations of one step; all [maxRows, …] float32. */
interface Activations {
  readonly hidden: Tensor;
  readonly normed: Tensor;
  readonly queries: Tensor;
  readonly keys: Tensor;
  readonly values: Tensor;
  readonly attended: Tensor;
  readonly gate: Tensor;
  readonly up: Tensor;
  readonly selected: Tensor;
  readonly logits: Tensor;
}

/**
 * Told each layer's queries [rows, heads, headSize] and keys [rows, kvHeads, headSize], rotated, right before they attend. It may dispatch, for instance
 * copies: the tensors are overwritten by the next layer.
 */
export type WatchAttention = (layer: number, queries: Tensor, keys: Tensor) => void;

/** Runs the decoder for up to `maxRows` rows at a time, of which up to `maxOutputs` give logits. */
export class Forward {
  readonly config: ModelConfig;
  readonly backend: Backend;
  readonly maxRows: number;
  readonly maxOutputs: number;
  private readonly weights: ModelWeights;
  private readonly activations: Activations;

  constructor(config: ModelConfig, weights: ModelWeights, backend: Backend, maxRows: number, maxOutputs: number) {
    this.config = config;
    this.weights = weights;
    this.backend = backend;
    this.maxRows = maxRows;
    this.maxOutputs = maxOutputs;
    const rowsOf = (cols: number, rows = maxRows) => backend.tensor(rows * cols);
    this.activations = {
      hidden: rowsOf(config.width),
      normed: rowsOf(config.width),
      queries: rowsOf(config.heads * config.headSize),
      keys: rowsOf(config.kvHeads * config.headSize),
      values: rowsOf(config.kvHeads * config.headSize),
      attended: rowsOf(config.heads * config.headSize),
      gate: rowsOf(config.feedForwardWidth),
      up: rowsOf(config.feedForwardWidth),
      selected: rowsOf(config.width, maxOutputs),
      logits: rowsOf(config.vocabulary, maxOutputs),
    };
  }

  /**
   * Dispatches one step: stores keys and values of `rows` in `pool`, and gives the logits [outputs.length, vocabulary] of the rows named by
   * `outputs` (indices into rows). The tensor is overwritten by the next step. Nothing waits here; read the result through the backend.
   */
  step(rows: Rows, pool: KvPool, outputs: Int32Array, watch?: WatchAttention): Tensor {
    const { backend, weights, activations } = this;
    backend.setRows(rows);
    backend.embed(activations.hidden, weights.token_embd);
    for (let layer = 0; layer < this.config.layers; layer++) {
      this.attentionBlock(layer, rows.count, pool, watch);
      this.feedForwardBlock(layer, rows.count);
    }
    if (outputs.length > 0) this.head(outputs);
    return activations.logits;
  }

  /** The final states [count, width] of the last step's `count` rows, normalised as the head would have them; overwritten by the next step. */
  states(count: number): Tensor {
    const { backend, config, weights } = this;
    const { hidden, normed } = this.activations;
    backend.rmsNorm(normed, hidden, weights.output_norm, count, config.width, config.normEpsilon);
    return normed;
  }

  private attentionBlock(layer: number, count: number, pool: KvPool, watch?: WatchAttention): void {
    const { backend, config } = this;
    const { hidden, normed, queries, keys, values, attended } = this.activations;
    const { heads, kvHeads, headSize, normEpsilon, rope } = config;
    const w = this.weights.layers[layer];
    backend.rmsNorm(normed, hidden, w.attn_norm, count, config.width, normEpsilon);
    backend.matmul(queries, normed, w.attn_q, count);
    backend.matmul(keys, normed, w.attn_k, count);
    backend.matmul(values, normed, w.attn_v, count);
    if (w.attn_q_norm && w.attn_k_norm) {
      backend.rmsNorm(queries, queries, w.attn_q_norm, count * heads, headSize, normEpsilon);
      backend.rmsNorm(keys, keys, w.attn_k_norm, count * kvHeads, headSize, normEpsilon);
    }
    backend.rope(queries, heads, headSize, rope);
    backend.rope(keys, kvHeads, headSize, rope);
    watch?.(layer, queries, keys);
    backend.storeKv(pool, layer, keys, values);
    backend.attention(attended, queries, pool, layer, heads, 1 / Math.sqrt(headSize));
    backend.matmul(hidden, attended, w.attn_output, count, true);
  }

  private feedForwardBlock(layer: number, count: number): void {
    const { backend, config } = this;
    const { hidden, normed, gate, up } = this.activations;
    const w = this.weights.layers[layer];
    backend.rmsNorm(normed, hidden, w.ffn_norm, count, config.width, config.normEpsilon);
    backend.matmul(gate, normed, w.ffn_gate, count);
    backend.matmul(up, normed, w.ffn_up, count);
    backend.swiglu(gate, gate, up, count * config.feedForwardWidth);
    backend.matmul(hidden, gate, w.ffn_down, count, true);
  }

  private head(outputs: Int32Array): void {
    const { backend, config, weights } = this;
    const { hidden, selected, logits } = this.activations;
    backend.gatherRows(selected, hidden, outputs, config.width);
    backend.rmsNorm(selected, selected, weights.output_norm, outputs.length, config.width, config.normEpsilon);
    backend.matmul(logits, selected, weights.output, outputs.length);
  }
}
