// Owns what a layer is: a plan, a list of instructions over a few registers. Inference (run-plan.ts) and training (train/graph.ts) interpret the same plan, and
// the tensors of a layer follow from it. Must not know who interprets it.

/** The vectors that a layer computes with, one row for each token. */
export type Register = 'hidden' | 'normed' | 'queries' | 'keys' | 'values' | 'attended' | 'gate' | 'up' | 'input';

/** A matrix by its name in the layer without `.weight`, and where its product goes. */
export interface Projection {
  readonly weight: string;
  readonly out: Register;
}

export type Instruction =
  /** out = RMSNorm(x) · weight: of whole rows, or of each head. `out` may be `x`. */
  | {
      readonly op: 'norm';
      readonly x: Register;
      readonly out: Register;
      readonly weight: string;
      readonly each?: Heads;
    }
  /** Each out = x · weightᵀ, plus a bias where there are `biases`; with `add`, added to what is in out. */
  | {
      readonly op: 'linear';
      readonly x: Register;
      readonly to: readonly Projection[];
      readonly add?: boolean;
      /** A vector beside each matrix: `attn_q.bias`. */
      readonly biases?: boolean;
      /** Files may have a factor beside each matrix: `attn_q.scale`. */
      readonly scales?: boolean;
    }
  /** Rotates each head of x by its token's position. */
  | { readonly op: 'rotate'; readonly x: Register; readonly each: Heads }
  /** attended = causal attention of queries over keys and values. */
  | { readonly op: 'attend' }
  /** gate = activation(gate) · up. */
  | { readonly op: 'gate' }
  /** hidden = hidden + x. */
  | { readonly op: 'add'; readonly x: Register };

/** Which number of heads a register has. */
export type Heads = 'heads' | 'kvHeads';

/** A part of a layer. */
export type Block = readonly Instruction[];

/** The sizes that a plan's tensors follow from. */
export interface LayerSizes {
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly feedForwardWidth: number;
}

export type Shape = readonly [cols: number] | readonly [cols: number, rows: number];

/** A tensor of a model. */
export interface TensorSpec {
  /** GGUF's name, verbatim; within a layer without `blk.N.`. */
  readonly name: string;
  /** In GGUF's order of dimensions. */
  readonly shape: Shape;
  /** Files may leave it out. */
  readonly optional?: boolean;
}

/** Numbers in a row of a register. */
export function colsOf(register: Register, sizes: LayerSizes): number {
  switch (register) {
    case 'hidden':
    case 'normed':
    case 'input':
      return sizes.width;
    case 'queries':
    case 'attended':
      return sizes.heads * sizes.headSize;
    case 'keys':
    case 'values':
      return sizes.kvHeads * sizes.headSize;
    case 'gate':
    case 'up':
      return sizes.feedForwardWidth;
  }
}

/** The tensors that a layer of these blocks has, in the order of their use. */
export function layerTensors(blocks: readonly Block[], sizes: LayerSizes): TensorSpec[] {
  return blocks.flat().flatMap((instruction): TensorSpec[] => {
    if (instruction.op === 'norm') {
      const { weight, x, each } = instruction;
      return [{ name: `${weight}.weight`, shape: [each ? sizes.headSize : colsOf(x, sizes)] }];
    }
    if (instruction.op !== 'linear') return [];
    const { x, to, biases, scales } = instruction;
    const cols = colsOf(x, sizes);
    const matrices = to.flatMap(({ weight, out }): TensorSpec[] => [
      { name: `${weight}.weight`, shape: [cols, colsOf(out, sizes)] },
      ...(scales ? [{ name: `${weight}.scale`, shape: [1], optional: true } as const] : []),
    ]);
    const vectors = to.map(({ weight, out }) => ({ name: `${weight}.bias`, shape: [colsOf(out, sizes)] as const }));
    return [...matrices, ...(biases ? vectors : [])];
  });
}
