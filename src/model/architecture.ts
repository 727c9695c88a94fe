// Owns what a decoder architecture is: the tensors that a model has, and the plan of its layers. One small file per architecture lies in arch/; the
// blocks that they are put together from are blocks.ts.
import type { Metadata } from '../gguf/metadata.ts';
import type { GateActivation, RopeSpec } from '../kernels/backend.ts';
import { type Block, layerTensors, type TensorSpec } from './plan.ts';

export type { TensorSpec } from './plan.ts';

/** A decoder-only architecture: an embedding, layers of blocks on a residual vector, RMSNorm, a head. */
export interface Architecture {
  /** `general.architecture` in GGUF, also the prefix of its metadata keys. */
  readonly name: string;
  readonly ropePairing: RopeSpec['pairing'];
  /** Keys below the prefix that only it reads. */
  readonly keys?: readonly string[];
  /** What files may say that the activation of its feed-forward gate is, in the key `hidden_activation`. */
  readonly activations?: readonly GateActivation[];
  /** The activation of its feed-forward gate, where that is not always SiLU. @throws OnebitError `unsupported` */
  activation?(metadata: Metadata): GateActivation;
  /** The plan of each layer: what it runs, in this order. @internal */
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
  const layer = layerTensors(architecture.blocks, config);
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
