// Owns the blocks that layers are made of: attention and gated feed-forward, with what architectures have in addition. Must not know a concrete backend,
// nor which architecture it is.
import type { Tensor, Weight } from '../kernels/backend.ts';
import type { Block, LayerWeights, Step, TensorSpec } from './architecture.ts';
import type { ModelConfig } from './config.ts';

export interface AttentionOptions {
  /** Queries and keys get an RMSNorm a head. */
  readonly qkNorm?: boolean;
  /** Queries, keys and values have biases. */
  readonly biases?: boolean;
  /** What was attended to gets an RMSNorm before it is projected. */
  readonly subNorm?: boolean;
  /** Matrices may have a factor in a tensor beside them, `attn_q.scale`. */
  readonly scales?: boolean;
}

/** Causal grouped-query attention with rotary positions: norm, queries, keys and values, rotation, softmax, projection, added to the residual. */
export function attentionBlock(options: AttentionOptions = {}): Block {
  const { qkNorm, biases, subNorm } = options;
  return {
    tensors(config) {
      const { width, headSize } = config;
      const [queries, keys] = attentionWidths(config);
      return [
        vector('attn_norm', width),
        ...matrix('attn_q', width, queries, options),
        ...matrix('attn_k', width, keys, options),
        ...matrix('attn_v', width, keys, options),
        ...(biases ? [bias('attn_q', queries), bias('attn_k', keys), bias('attn_v', keys)] : []),
        ...(qkNorm ? [vector('attn_q_norm', headSize), vector('attn_k_norm', headSize)] : []),
        ...(subNorm ? [vector('attn_sub_norm', queries)] : []),
        ...matrix('attn_output', queries, width, options),
      ];
    },
    run(step, weights) {
      const { backend, config, count, layer, pool } = step;
      const { hidden, normed, queries, keys, values, attended } = step.activations;
      const { heads, kvHeads, headSize, normEpsilon, rope } = config;
      const norm = (x: Tensor, name: string, rows: number, cols: number) =>
        backend.rmsNorm(x, x, weights[name] as Tensor, rows, cols, normEpsilon);
      backend.rmsNorm(normed, hidden, weights.attn_norm as Tensor, count, config.width, normEpsilon);
      project(step, weights, queries, normed, 'attn_q');
      project(step, weights, keys, normed, 'attn_k');
      project(step, weights, values, normed, 'attn_v');
      if (qkNorm) {
        norm(queries, 'attn_q_norm', count * heads, headSize);
        norm(keys, 'attn_k_norm', count * kvHeads, headSize);
      }
      backend.rope(queries, heads, headSize, rope);
      backend.rope(keys, kvHeads, headSize, rope);
      step.watch?.(layer, queries, keys);
      backend.storeKv(pool, layer, keys, values);
      backend.attention(attended, queries, pool, layer, heads, 1 / Math.sqrt(headSize));
      if (subNorm) norm(attended, 'attn_sub_norm', count, heads * headSize);
      backend.matmul(hidden, attended, weights.attn_output as Weight, count, true);
    },
  };
}

export interface FeedForwardOptions {
  /** The gated vector gets an RMSNorm before it is projected back. */
  readonly subNorm?: boolean;
  /** As for attention. */
  readonly scales?: boolean;
}

/** Gated feed-forward: norm, activation(gate) · up, projection, added to the residual. The activation is the configuration's, else SiLU. */
export function feedForwardBlock(options: FeedForwardOptions = {}): Block {
  return {
    tensors({ width, feedForwardWidth }) {
      return [
        vector('ffn_norm', width),
        ...matrix('ffn_gate', width, feedForwardWidth, options),
        ...matrix('ffn_up', width, feedForwardWidth, options),
        ...(options.subNorm ? [vector('ffn_sub_norm', feedForwardWidth)] : []),
        ...matrix('ffn_down', feedForwardWidth, width, options),
      ];
    },
    run({ backend, config, count, activations }, weights) {
      const { hidden, normed, gate, up } = activations;
      const { width, feedForwardWidth, normEpsilon, activation } = config;
      backend.rmsNorm(normed, hidden, weights.ffn_norm as Tensor, count, width, normEpsilon);
      backend.matmul(gate, normed, weights.ffn_gate as Weight, count);
      backend.matmul(up, normed, weights.ffn_up as Weight, count);
      backend.gated(gate, gate, up, count * feedForwardWidth, activation);
      if (options.subNorm) {
        backend.rmsNorm(gate, gate, weights.ffn_sub_norm as Tensor, count, feedForwardWidth, normEpsilon);
      }
      backend.matmul(hidden, gate, weights.ffn_down as Weight, count, true);
    },
  };
}

/** out = x · weightᵀ, plus the bias where there is one: repeated for each row, then added to. */
function project(
  { backend, count, zeros }: Step,
  weights: LayerWeights,
  out: Tensor,
  x: Tensor,
  name: 'attn_q' | 'attn_k' | 'attn_v',
): void {
  const weight = weights[name] as Weight;
  const added = weights[`${name}.bias`] as Tensor | undefined;
  if (added) backend.gatherRows(out, added, zeros, weight.rows);
  backend.matmul(out, x, weight, count, added !== undefined);
}

function attentionWidths({ heads, kvHeads, headSize }: ModelConfig): [queries: number, keys: number] {
  return [heads * headSize, kvHeads * headSize];
}

function vector(name: string, length: number): TensorSpec {
  return { name: `${name}.weight`, shape: [length] };
}

function bias(name: string, length: number): TensorSpec {
  return { name: `${name}.bias`, shape: [length] };
}

function matrix(name: string, cols: number, rows: number, { scales }: { scales?: boolean }): TensorSpec[] {
  const spec: TensorSpec = { name: `${name}.weight`, shape: [cols, rows] };
  return scales ? [spec, { name: `${name}.scale`, shape: [1], optional: true }] : [spec];
}
