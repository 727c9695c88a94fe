// Owns what a trained model looks like in a file: tensors in the formats of their kind, and the architecture's metadata. Must not know training.

import type { WritableTensor, WritableValue } from '../gguf/write.ts';
import { rotatedRows as reordered } from '../hf/tensors.ts';
import { ACTIVATION_KEY } from '../model/arch/bitnet.ts';
import { WINDOW_KEY } from '../model/local-layers.ts';
import type { RopeScaling } from '../model/rope-scaling.ts';
import type { FormatName } from '../quant/formats.ts';
import { formatByName } from '../quant/formats.ts';
import {
  isVector,
  type ModelShape,
  type ShapeTensor,
  shapeActivation,
  shapeArchitecture,
  shapeWindow,
  type WeightKind,
} from './shape.ts';

const formats: Readonly<Record<WeightKind, FormatName>> = { binary: 'q1_0', ternary: 'q2_0', float: 'f16' };

/** The metadata of a model of this shape, `general.architecture` included. */
export function shapeMetadata(shape: ModelShape): Map<string, WritableValue> {
  const u32 = (value: number) => ({ type: 'u32', value }) as const;
  const f32 = (value: number) => ({ type: 'f32', value }) as const;
  const { name } = shapeArchitecture(shape);
  return new Map<string, WritableValue>([
    ['general.architecture', name],
    [`${name}.block_count`, u32(shape.layers)],
    [`${name}.context_length`, u32(shape.contextLength)],
    [`${name}.embedding_length`, u32(shape.width)],
    [`${name}.feed_forward_length`, u32(shape.feedForwardWidth)],
    [`${name}.attention.head_count`, u32(shape.heads)],
    [`${name}.attention.head_count_kv`, u32(shape.kvHeads)],
    [`${name}.attention.key_length`, u32(shape.headSize)],
    [`${name}.attention.value_length`, u32(shape.headSize)],
    [`${name}.attention.layer_norm_rms_epsilon`, f32(shape.normEpsilon)],
    [`${name}.rope.freq_base`, f32(shape.ropeBase)],
    ...ropeScalingKeys(name, shape.ropeScaling),
    ...(shapeWindow(shape) === undefined ? [] : [[`${name}.${WINDOW_KEY}`, u32(shapeWindow(shape)!)] as const]),
    // Said although it is the usual one: other programs take another where the key is missing.
    ...(shapeArchitecture(shape).activations ? [[`${name}.${ACTIVATION_KEY}`, shapeActivation(shape)] as const] : []),
  ]);
}

/** The keys that model/rope-keys.ts reads, with their values; none for angles that are not scaled. */
function ropeScalingKeys(architecture: string, scaling: RopeScaling | undefined): [string, WritableValue][] {
  if (!scaling) return [];
  const prefix = `${architecture}.rope.scaling.`;
  const f32 = (value: number) => ({ type: 'f32', value }) as const;
  const keys: [string, WritableValue][] = [
    [`${prefix}type`, scaling.type],
    [`${prefix}factor`, f32(scaling.factor)],
  ];
  if (scaling.type !== 'yarn') return keys;
  return [
    ...keys,
    [`${prefix}original_context_length`, { type: 'u32', value: scaling.originalContext }],
    [`${prefix}yarn_beta_fast`, f32(scaling.betaFast)],
    [`${prefix}yarn_beta_slow`, f32(scaling.betaSlow)],
  ];
}

/** A tensor of the file from its already rounded weights: encoding loses nothing. */
export function exportTensor(tensor: ShapeTensor, shape: ModelShape, values: Float32Array): WritableTensor {
  const vector = isVector(tensor);
  const format = formatByName(vector ? 'f32' : formats[shape.weights]);
  const encoded = new Uint8Array((values.length / format.blockSize) * format.blockBytes);
  format.encode(rotatedRows(tensor.name, shape, values, 'file'), encoded);
  return {
    name: tensor.name,
    shape: vector ? [tensor.cols] : [tensor.cols, tensor.rows],
    format: format.name,
    bytes: () => encoded,
  };
}

/**
 * The rows of queries and keys as files of this architecture order them, or as the graph does: it rotates the two halves of a head, a `llama` file's rows are
 * for rotating neighbours. All other tensors stay as they are.
 */
export function rotatedRows(name: string, shape: ModelShape, values: Float32Array, to: 'file' | 'graph'): Float32Array {
  const part = /\.attn_([qk])\.(?:weight|bias)$/.exec(name)?.[1];
  if (!part || shapeArchitecture(shape).ropePairing === 'half') return values;
  const heads = part === 'q' ? shape.heads : shape.kvHeads;
  return reordered(values, heads * shape.headSize, heads, to === 'file' ? 'gguf' : 'hf');
}
