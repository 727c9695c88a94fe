// Owns what a trained model looks like in a file: tensors in the formats of their kind, and the architecture's metadata. Must not know training.

import type { WritableTensor, WritableValue } from '../gguf/write.ts';
import { rotationOrder } from '../hf/tensors.ts';
import type { FormatName } from '../quant/formats.ts';
import { formatByName } from '../quant/formats.ts';
import type { ModelShape, ShapeTensor, WeightKind } from './shape.ts';

const formats: Readonly<Record<WeightKind, FormatName>> = { binary: 'q1_0', ternary: 'q2_0', float: 'f16' };

/** The metadata of a model of this shape, `general.architecture` included. */
export function shapeMetadata(shape: ModelShape): Map<string, WritableValue> {
  const u32 = (value: number) => ({ type: 'u32', value }) as const;
  const f32 = (value: number) => ({ type: 'f32', value }) as const;
  const architecture = architectureOf(shape);
  return new Map<string, WritableValue>([
    ['general.architecture', architecture],
    [`${architecture}.block_count`, u32(shape.layers)],
    [`${architecture}.context_length`, u32(shape.contextLength)],
    [`${architecture}.embedding_length`, u32(shape.width)],
    [`${architecture}.feed_forward_length`, u32(shape.feedForwardWidth)],
    [`${architecture}.attention.head_count`, u32(shape.heads)],
    [`${architecture}.attention.head_count_kv`, u32(shape.kvHeads)],
    [`${architecture}.attention.key_length`, u32(shape.headSize)],
    [`${architecture}.attention.value_length`, u32(shape.headSize)],
    [`${architecture}.attention.layer_norm_rms_epsilon`, f32(shape.normEpsilon)],
    [`${architecture}.rope.freq_base`, f32(shape.ropeBase)],
  ]);
}

/** GGUF's name of what computes a model of this shape. */
export function architectureOf({ qkNorm }: ModelShape): 'qwen3' | 'llama' {
  return qkNorm === false ? 'llama' : 'qwen3';
}

/** A tensor of the file from its already rounded weights: encoding loses nothing. */
export function exportTensor(tensor: ShapeTensor, shape: ModelShape, values: Float32Array): WritableTensor {
  const isNorm = tensor.role === 'norm';
  const format = formatByName(isNorm ? 'f32' : formats[shape.weights]);
  const encoded = new Uint8Array((values.length / format.blockSize) * format.blockBytes);
  format.encode(rotatedRows(tensor.name, shape, values, 'gguf'), encoded);
  return {
    name: tensor.name,
    shape: isNorm ? [tensor.cols] : [tensor.cols, tensor.rows],
    format: format.name,
    bytes: () => encoded,
  };
}

/**
 * The rows of queries and keys as files of this architecture order them, or (`graph`) as the graph does: it rotates the two halves of a head, a `llama`
 * file's rows are for rotating neighbours. All other tensors stay as they are.
 */
export function rotatedRows(name: string, shape: ModelShape, values: Float32Array, to: 'gguf' | 'graph'): Float32Array {
  const part = /\.attn_([qk])\.weight$/.exec(name)?.[1];
  if (!part || architectureOf(shape) !== 'llama') return values;
  const heads = part === 'q' ? shape.heads : shape.kvHeads;
  // Of an adapter's factor they are as long as its rank.
  const width = values.length / (heads * shape.headSize);
  const out = new Float32Array(values.length);
  for (const [file, graph] of rotationOrder(heads * shape.headSize, heads).entries()) {
    const [from, into] = to === 'gguf' ? [graph, file] : [file, graph];
    out.set(values.subarray(from * width, (from + 1) * width), into * width);
  }
  return out;
}
