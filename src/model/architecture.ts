// Owns what a decoder architecture is: the tensors that a model has, and the blocks that each layer runs. One small file per architecture lies in arch/; the
// blocks that they are put together from are blocks.ts.
import type { Metadata } from '../gguf/metadata.ts';
import type { Backend, GateActivation, KvPool, RopeSpec, Tensor, Weight } from '../kernels/backend.ts';

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

/** A layer's tensors in a backend, by their names in the layer without `.weight`: `attn_q`, `attn_q.bias`. */
export type LayerWeights = Readonly<Record<string, Tensor | Weight | undefined>>;

/** The activations of one step; all [maxRows, …] float32. */
export interface Activations {
  /** The residual vectors [rows, width], which blocks read and add to. */
  readonly hidden: Tensor;
  readonly normed: Tensor;
  readonly queries: Tensor;
  readonly keys: Tensor;
  readonly values: Tensor;
  readonly attended: Tensor;
  readonly gate: Tensor;
  readonly up: Tensor;
}

/** What a block works on: `count` rows of one step in one layer. */
export interface Step {
  readonly backend: Backend;
  readonly config: ModelConfig;
  readonly activations: Activations;
  readonly count: number;
  readonly layer: number;
  readonly pool: KvPool;
  /** `count` zeros: indices that repeat a vector for each row. */
  readonly zeros: Int32Array;
  readonly watch?: WatchAttention;
}

/**
 * Told each layer's queries [rows, heads, headSize] and keys [rows, kvHeads, headSize], rotated, right before they attend. It may dispatch, for instance
 * copies: the tensors are overwritten by the next layer.
 */
export type WatchAttention = (layer: number, queries: Tensor, keys: Tensor) => void;

/** A part of a layer: which tensors it has, and what it does with them. */
export interface Block {
  tensors(config: ModelConfig): readonly TensorSpec[];
  /** Dispatches it. */
  run(step: Step, weights: LayerWeights): void;
}

/** A decoder-only architecture: an embedding, layers of blocks on a residual vector, RMSNorm, a head. */
export interface Architecture {
  /** `general.architecture` in GGUF, also the prefix of its metadata keys. */
  readonly name: string;
  readonly ropePairing: RopeSpec['pairing'];
  /** Keys below the prefix that only it reads. */
  readonly keys?: readonly string[];
  /** The activation of its feed-forward gate, where that is not always SiLU. @throws OnebitError `unsupported` */
  activation?(metadata: Metadata): GateActivation;
  /** What each layer runs, in this order. @internal */
  readonly blocks: readonly Block[];
}

/** The numbers that describe a model; config.ts reads them from a file. */
export interface ModelConfig {
  readonly architecture: Architecture;
  /** `general.name`, or the architecture's. */
  readonly name: string;
  readonly layers: number;
  /** Length of the residual vector. */
  readonly width: number;
  readonly feedForwardWidth: number;
  readonly heads: number;
  readonly kvHeads: number;
  /** Not necessarily width / heads. */
  readonly headSize: number;
  /** Rows of the embedding. */
  readonly vocabulary: number;
  /** Longest context that the model was made for, in tokens. */
  readonly contextLength: number;
  readonly normEpsilon: number;
  readonly rope: RopeSpec;
  /** Of the feed-forward's gate, where it is not SiLU. */
  readonly activation?: GateActivation;
  /** The output head is the embedding. */
  readonly tiedHead: boolean;
}

/** Every tensor that a model of `config` consists of, in the order of their use: the only list of them. */
export function tensorsOf(config: ModelConfig): TensorSpec[] {
  const { architecture, width, vocabulary } = config;
  const layer = architecture.blocks.flatMap((block) => block.tensors(config));
  const layers = Array.from({ length: config.layers }, (_, i) =>
    layer.map((spec) => ({ ...spec, name: `blk.${i}.${spec.name}` })),
  );
  return [
    { name: 'token_embd.weight', shape: [width, vocabulary] },
    ...layers.flat(),
    { name: 'output_norm.weight', shape: [width] },
    ...(config.tiedHead ? [] : [{ name: 'output.weight', shape: [width, vocabulary] } as const]),
  ];
}
