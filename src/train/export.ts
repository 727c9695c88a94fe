// Owns what a trained model looks like in a file: tensors in the formats of their kind, and the architecture's metadata. Must not know training.

import type { WritableTensor, WritableValue } from '../gguf/write.ts';
import type { FormatName } from '../quant/formats.ts';
import { formatByName } from '../quant/formats.ts';
import { isVector, type ModelShape, type ShapeTensor, type WeightKind } from './shape.ts';

const formats: Readonly<Record<WeightKind, FormatName>> = { binary: 'q1_0', ternary: 'q2_0', float: 'f16' };

/** The metadata of a `qwen3` model of this shape, `general.architecture` included. */
export function shapeMetadata(shape: ModelShape): Map<string, WritableValue> {
  const u32 = (value: number) => ({ type: 'u32', value }) as const;
  const f32 = (value: number) => ({ type: 'f32', value }) as const;
  return new Map<string, WritableValue>([
    ['general.architecture', 'qwen3'],
    ['qwen3.block_count', u32(shape.layers)],
    ['qwen3.context_length', u32(shape.contextLength)],
    ['qwen3.embedding_length', u32(shape.width)],
    ['qwen3.feed_forward_length', u32(shape.feedForwardWidth)],
    ['qwen3.attention.head_count', u32(shape.heads)],
    ['qwen3.attention.head_count_kv', u32(shape.kvHeads)],
    ['qwen3.attention.key_length', u32(shape.headSize)],
    ['qwen3.attention.value_length', u32(shape.headSize)],
    ['qwen3.attention.layer_norm_rms_epsilon', f32(shape.normEpsilon)],
    ['qwen3.rope.freq_base', f32(shape.ropeBase)],
  ]);
}

/** A tensor of the file from its already rounded weights: encoding loses nothing. */
export function exportTensor(tensor: ShapeTensor, kind: WeightKind, values: Float32Array): WritableTensor {
  const vector = isVector(tensor);
  const format = formatByName(vector ? 'f32' : formats[kind]);
  const encoded = new Uint8Array((values.length / format.blockSize) * format.blockBytes);
  format.encode(values, encoded);
  return {
    name: tensor.name,
    shape: vector ? [tensor.cols] : [tensor.cols, tensor.rows],
    format: format.name,
    bytes: () => encoded,
  };
}
