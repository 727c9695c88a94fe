// Owns the blocks that layers are made of: attention and gated feed-forward, with what architectures have in addition. Must not know which architecture it
// is, nor who interprets them.
import type { Block, Instruction } from './plan.ts';

export interface AttentionOptions {
  /** Queries and keys get an RMSNorm for each head. */
  readonly qkNorm?: boolean;
  /** Queries, keys and values have biases. */
  readonly biases?: boolean;
  /** What was attended to gets an RMSNorm before it is projected. */
  readonly subNorm?: boolean;
  /** Matrices may have a factor in a tensor beside them, `attn_q.scale`. */
  readonly scales?: boolean;
}

/** Causal grouped-query attention with rotary positions: norm, queries, keys and values, rotation, softmax, projection, added to the residual. */
export function attentionBlock({ qkNorm, biases, subNorm, scales }: AttentionOptions = {}): Block {
  const projections = [
    { weight: 'attn_q', out: 'queries' },
    { weight: 'attn_k', out: 'keys' },
    { weight: 'attn_v', out: 'values' },
  ] as const;
  return [
    { op: 'norm', x: 'hidden', out: 'normed', weight: 'attn_norm' },
    { op: 'linear', x: 'normed', to: projections, biases, scales },
    ...when(qkNorm, { op: 'norm', x: 'queries', out: 'queries', weight: 'attn_q_norm', each: 'heads' }),
    ...when(qkNorm, { op: 'norm', x: 'keys', out: 'keys', weight: 'attn_k_norm', each: 'kvHeads' }),
    { op: 'rotate', x: 'queries', each: 'heads' },
    { op: 'rotate', x: 'keys', each: 'kvHeads' },
    { op: 'attend' },
    ...when(subNorm, { op: 'norm', x: 'attended', out: 'attended', weight: 'attn_sub_norm' }),
    { op: 'linear', x: 'attended', to: [{ weight: 'attn_output', out: 'hidden' }], add: true, scales },
  ];
}

export interface FeedForwardOptions {
  /** The gated vector gets an RMSNorm before it is projected back. */
  readonly subNorm?: boolean;
  /** As for attention. */
  readonly scales?: boolean;
}

/** Gated feed-forward: norm, activation(gate) · up, projection, added to the residual. The activation is the configuration's, else SiLU. */
export function feedForwardBlock({ subNorm, scales }: FeedForwardOptions = {}): Block {
  const projections = [
    { weight: 'ffn_gate', out: 'gate' },
    { weight: 'ffn_up', out: 'up' },
  ] as const;
  return [
    { op: 'norm', x: 'hidden', out: 'normed', weight: 'ffn_norm' },
    { op: 'linear', x: 'normed', to: projections, scales },
    { op: 'gate' },
    ...when(subNorm, { op: 'norm', x: 'gate', out: 'gate', weight: 'ffn_sub_norm' }),
    { op: 'linear', x: 'gate', to: [{ weight: 'ffn_down', out: 'hidden' }], add: true, scales },
  ];
}

function when(condition: boolean | undefined, instruction: Instruction): Instruction[] {
  return condition ? [instruction] : [];
}
