// Owns what a decoder architecture is: the tensors that a model has, and the plan of its layers. One small file per architecture lies in arch/; the
// blocks that they are put together from are blocks.ts.
import type { Metadata } from '../gguf/metadata.ts';
import type { GateActivation, RopeSpec } from '../kernels/backend.ts';
import { withInputNorms } from './blocks.ts';
import type { Keys, LocalLayers } from './local-layers.ts';
import { type Block, type LayerSizes, layerTensors, type TensorSpec } from './plan.ts';

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
  /** Files may have an RMSNorm in front of every projection: `attn_q_norm_in`, as BitNet's embedding models do. */
  readonly inputNorms?: boolean;
  /** Files may have a factor for each frequency of the rotary positions, in `rope_freqs.weight`. */
  readonly frequencyFactors?: boolean;
  /** Tokens that its local layers see in models that are trained here, unless told. */
  readonly usualWindow?: number;
  /** What it computes beside its blocks. @throws OnebitError `bad-file` @internal */
  traits?(sizes: LayerSizes & { readonly layers: number }, keys: Keys): Traits;
  /** The plan of each layer: what it runs, in this order. @internal */
  readonly blocks: readonly Block[];
}

/** What some architectures compute beside their blocks. */
export interface Traits {
  /** Factor on embeddings. */
  readonly embeddingScale?: number;
  /** Factor on the products of queries and keys, where it is not 1/√headSize. */
  readonly attentionScale?: number;
  readonly local?: LocalLayers;
}

/** The numbers that describe a model; config.ts reads them from a file. */
export interface ModelConfig extends Traits {
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
  /** Of the layers that see a window. */
  readonly localRope?: RopeSpec;
  /** Of the feed-forward's gate, where it is not SiLU. */
  readonly activation?: GateActivation;
  /** The output head is the embedding. */
  readonly tiedHead: boolean;
  /** Every projection has an RMSNorm of its own in front. */
  readonly inputNorms?: boolean;
  /** What of a text's final states its vector is, where the file says so. */
  readonly pooling?: Pooling;
}

/** Which final states make a text's vector: the mean of all, the first, or the last; `none`: the model gives none. Names are llama.cpp's. */
export type Pooling = 'none' | 'mean' | 'cls' | 'last';

/** The plan of a model's layers. */
export function blocksOf({ architecture, inputNorms }: ModelConfig): readonly Block[] {
  return inputNorms ? architecture.blocks.map(withInputNorms) : architecture.blocks;
}

/** Factors of the frequencies of rotary positions. */
export const FREQUENCY_FACTORS = 'rope_freqs.weight';

/** Every tensor that a model of `config` consists of, in the order of their use: the only list of them. */
export function tensorsOf(config: ModelConfig): TensorSpec[] {
  const { architecture, width, vocabulary } = config;
  const layer = layerTensors(blocksOf(config), config);
  const layers = Array.from({ length: config.layers }, (_, i) =>
    layer.map((spec) => ({ ...spec, name: `blk.${i}.${spec.name}` })),
  );
  return [
    { name: 'token_embd.weight', shape: [width, vocabulary] },
    ...(architecture.frequencyFactors
      ? [{ name: FREQUENCY_FACTORS, shape: [config.rope.dims / 2], optional: true } as const]
      : []),
    ...layers.flat(),
    { name: 'output_norm.weight', shape: [width] },
    ...(config.tiedHead ? [] : [{ name: 'output.weight', shape: [width, vocabulary] } as const]),
  ];
}
