// Owns the numbers that describe a model to train, their checks, and the list of its tensors. Must not know data, kernels or files.
// The graph is `qwen3` as model/forward.ts runs it, or `llama` where queries and keys are not normalised; names are GGUF's, verbatim.
import { OnebitError } from '../errors.ts';

/** What the matrices become: ±a, {−a, 0, a}, or left as they are (f32 in training, f16 in the file). */
export type WeightKind = 'binary' | 'ternary' | 'float';

export interface ModelShape {
  /** Rows of the embedding and outputs of the head. */
  readonly vocabulary: number;
  readonly layers: number;
  /** Length of the residual vector. */
  readonly width: number;
  readonly heads: number;
  /** Divides `heads`. */
  readonly kvHeads: number;
  readonly headSize: number;
  readonly feedForwardWidth: number;
  /** Longest sequence, in tokens, that the model is made for; written into the file. */
  readonly contextLength: number;
  readonly ropeBase: number;
  readonly normEpsilon: number;
  /** The output head is the embedding. */
  readonly tiedHead: boolean;
  /** Whether queries and keys get an RMSNorm a head, as in `qwen3`; without it the model is a `llama`. Absent: true. */
  readonly qkNorm?: boolean;
  /** Of every matrix, embedding and head included; norms stay float32. */
  readonly weights: WeightKind;
}

/** What a tensor is for; decides its initial values and its optimiser. */
export type TensorRole = 'embedding' | 'head' | 'matrix' | 'norm' | 'adapter';

/** One trained tensor. Norms have one row. */
export interface ShapeTensor {
  /** GGUF's name. */
  readonly name: string;
  readonly role: TensorRole;
  /** Outputs. */
  readonly rows: number;
  /** Inputs, contiguous. */
  readonly cols: number;
}

/** Weights that share one scale, by kind: the block sizes of Q1_0 and Q2_0. */
export const groupSizes: Readonly<Record<WeightKind, number>> = { binary: 128, ternary: 64, float: 1 };

/** A shape from the few numbers people choose; the rest follows. Head size 64 (or the width, where smaller), feed-forward 3 × width, tied head. */
export function modelShape(
  given: Pick<ModelShape, 'vocabulary' | 'layers' | 'width'> & Partial<ModelShape>,
): ModelShape {
  const headSize = given.headSize ?? Math.min(64, given.width);
  const heads = given.heads ?? Math.max(1, Math.floor(given.width / headSize));
  return {
    headSize,
    heads,
    kvHeads: heads,
    feedForwardWidth: 3 * given.width,
    contextLength: 512,
    ropeBase: 10000,
    normEpsilon: 1e-6,
    tiedHead: true,
    weights: 'binary',
    ...given,
  };
}

/**
 * Checks that a model of this shape can be trained and exported.
 * @throws OnebitError `bad-argument` with every problem in `problems`.
 */
export function checkShape(shape: ModelShape): void {
  const problems: string[] = [];
  const sizes = ['vocabulary', 'layers', 'width', 'heads', 'kvHeads', 'headSize', 'feedForwardWidth', 'contextLength'];
  for (const name of sizes) {
    const value = shape[name as keyof ModelShape] as number;
    if (!Number.isInteger(value) || value < 1)
      problems.push(`shape: ${name} must be a whole number from 1, got ${value}.`);
  }
  if (!(shape.ropeBase >= 1)) problems.push(`shape: ropeBase must be at least 1, got ${shape.ropeBase}.`);
  if (!(shape.normEpsilon >= 0 && shape.normEpsilon < 1)) {
    problems.push(`shape: normEpsilon must be from 0 to below 1, got ${shape.normEpsilon}.`);
  }
  if (shape.heads % shape.kvHeads !== 0) {
    problems.push(`shape: heads must be a multiple of kvHeads, got ${shape.heads} and ${shape.kvHeads}.`);
  }
  if (shape.headSize % 8 !== 0) problems.push(`shape: headSize must be a multiple of 8, got ${shape.headSize}.`);
  const group = Math.max(8, groupSizes[shape.weights]);
  const rowLengths = {
    width: shape.width,
    'heads × headSize': shape.heads * shape.headSize,
    feedForwardWidth: shape.feedForwardWidth,
  };
  for (const [name, length] of Object.entries(rowLengths)) {
    if (length % group !== 0) {
      problems.push(
        `shape: ${name} must be a multiple of ${group} with ${shape.weights} weights, got ${length}. Round it up.`,
      );
    }
  }
  if (problems.length > 0) throw new OnebitError('bad-argument', problems.join('\n'), { problems });
}

/** Every tensor of the model, in the order of the file. */
export function shapeTensors(shape: ModelShape): ShapeTensor[] {
  const { width, feedForwardWidth, headSize, vocabulary } = shape;
  const queryWidth = shape.heads * headSize;
  const kvWidth = shape.kvHeads * headSize;
  const tensors: ShapeTensor[] = [];
  const add = (name: string, role: TensorRole, rows: number, cols: number) =>
    tensors.push({ name: `${name}.weight`, role, rows, cols });
  add('token_embd', 'embedding', vocabulary, width);
  for (let layer = 0; layer < shape.layers; layer++) {
    const block = `blk.${layer}`;
    add(`${block}.attn_norm`, 'norm', 1, width);
    add(`${block}.attn_q`, 'matrix', queryWidth, width);
    add(`${block}.attn_k`, 'matrix', kvWidth, width);
    add(`${block}.attn_v`, 'matrix', kvWidth, width);
    if (shape.qkNorm !== false) {
      add(`${block}.attn_q_norm`, 'norm', 1, headSize);
      add(`${block}.attn_k_norm`, 'norm', 1, headSize);
    }
    add(`${block}.attn_output`, 'matrix', width, queryWidth);
    add(`${block}.ffn_norm`, 'norm', 1, width);
    add(`${block}.ffn_gate`, 'matrix', feedForwardWidth, width);
    add(`${block}.ffn_up`, 'matrix', feedForwardWidth, width);
    add(`${block}.ffn_down`, 'matrix', width, feedForwardWidth);
  }
  add('output_norm', 'norm', 1, width);
  if (!shape.tiedHead) add('output', 'head', vocabulary, width);
  return tensors;
}

/** Number of trained numbers. */
export function parameterCount(shape: ModelShape): number {
  return shapeTensors(shape).reduce((sum, { rows, cols }) => sum + rows * cols, 0);
}

/** Bytes of the tensors in the exported file (without metadata and tokenizer). */
export function exportedBytes(shape: ModelShape): number {
  const bitsPerWeight = { binary: 1.125, ternary: 2.25, float: 16 }[shape.weights];
  return shapeTensors(shape).reduce(
    (sum, { role, rows, cols }) => sum + (rows * cols * (role === 'norm' ? 32 : bitsPerWeight)) / 8,
    0,
  );
}
