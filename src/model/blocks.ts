// Owns the blocks that layers are made of: attention and gated feed-forward, with what architectures have in addition. Must not know which architecture it
// is, nor who interprets them.
import type { Block, Instruction, Register } from './plan.ts';

export interface AttentionOptions {
  /** Queries and keys get an RMSNorm for each head. */
  readonly qkNorm?: boolean;
  /** Queries, keys and values have biases. */
  readonly biases?: boolean;
  /** What was attended to gets an RMSNorm before it is projected. */
  readonly subNorm?: boolean;
  /** Matrices may have a factor in a tensor beside them, `attn_q.scale`. */
  readonly scales?: boolean;
  /** The name of an RMSNorm of what is added to the residual. */
  readonly postNorm?: string;
}

/** Causal grouped-query attention with rotary positions: norm, queries, keys and values, rotation, softmax, projection, added to the residual. */
export function attentionBlock({ qkNorm, biases, subNorm, scales, postNorm }: AttentionOptions = {}): Block {
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
    ...toResidual('attended', 'attn_output', postNorm, scales),
  ];
}

export interface FeedForwardOptions {
  /** The gated vector gets an RMSNorm before it is projected back. */
  readonly subNorm?: boolean;
  /** As for attention. */
  readonly scales?: boolean;
  readonly postNorm?: string;
}

/** Gated feed-forward: norm, activation(gate) · up, projection, added to the residual. The activation is the configuration's, else SiLU. */
export function feedForwardBlock({ subNorm, scales, postNorm }: FeedForwardOptions = {}): Block {
  const projections = [
    { weight: 'ffn_gate', out: 'gate' },
    { weight: 'ffn_up', out: 'up' },
  ] as const;
  return [
    { op: 'norm', x: 'hidden', out: 'normed', weight: 'ffn_norm' },
    { op: 'linear', x: 'normed', to: projections, scales },
    { op: 'gate' },
    ...when(subNorm, { op: 'norm', x: 'gate', out: 'gate', weight: 'ffn_sub_norm' }),
    ...toResidual('gate', 'ffn_down', postNorm, scales),
  ];
}

/** The projection of x, normalised first where there is a `postNorm`, is added to the residual. */
function toResidual(x: Register, weight: string, postNorm: string | undefined, scales: boolean | undefined): Block {
  if (postNorm === undefined) return [{ op: 'linear', x, to: [{ weight, out: 'hidden' }], add: true, scales }];
  return [
    { op: 'linear', x, to: [{ weight, out: 'normed' }], scales },
    { op: 'norm', x: 'normed', out: 'normed', weight: postNorm },
    { op: 'add', x: 'normed' },
  ];
}

/** A block whose every projection has an RMSNorm of its own in front: `attn_q_norm_in` (BitNet's embedding models). */
export function withInputNorms(block: Block): Block {
  return block.flatMap((instruction): Block => {
    if (instruction.op !== 'linear') return [instruction];
    const { x, to } = instruction;
    // What several projections read must stay as it is.
    const input = to.length > 1 ? 'input' : x;
    return to.flatMap(
      ({ weight, out }): Block => [
        { op: 'norm', x, out: input, weight: `${weight}_norm_in` },
        { ...instruction, x: input, to: [{ weight, out }] },
      ],
    );
  });
}

function when(condition: boolean | undefined, instruction: Instruction): Instruction[] {
  return condition ? [instruction] : [];
}
