// Owns a model with an adapter merged into its weights, as the bytes of the GGUF that says so: changed matrices are float32, with the
// factor beside them multiplied in, all others as they were. Must not know where files lie.
import type { ByteSource } from '../bytes/source.ts';
import { OnebitError } from '../errors.ts';
import { scaleName, scaleOf } from '../gguf/matrix-scale.ts';
import { metadataNumber, metadataString } from '../gguf/metadata.ts';
import type { Gguf, TensorInfo } from '../gguf/types.ts';
import { writableMetadata } from '../gguf/write.ts';
import { formatByName } from '../quant/formats.ts';
import type { AdaptedModel, AdapterMatrix } from './adapter.ts';
import { virtualFile } from './source.ts';
import type { VirtualTensor } from './virtual-tensor.ts';

/** What an adapter must know of the model in a file. */
export function adaptedModelOf(gguf: Gguf): AdaptedModel {
  const architecture = metadataString(gguf, 'general.architecture');
  const heads = metadataNumber(gguf, `${architecture}.attention.head_count`);
  return {
    architecture,
    heads,
    kvHeads: metadataNumber(gguf, `${architecture}.attention.head_count_kv`, { default: heads }),
  };
}

/**
 * The model in `source` with an adapter merged. Closing it closes `source`.
 * @throws OnebitError `bad-file` for matrices that the model has not, or of another size
 */
export function mergedSource(gguf: Gguf, source: ByteSource, matrices: readonly AdapterMatrix[]): ByteSource {
  const byName = new Map(matrices.map((matrix) => [matrix.name, matrix]));
  for (const { name, rank, a, b } of matrices) {
    const shape = gguf.tensors.get(name)?.shape;
    if (shape?.length === 2 && a.length === rank * shape[0] && b.length === rank * shape[1]) continue;
    throw new OnebitError(
      'bad-file',
      `merge: the adapter's '${name.slice(0, 80)}' must be a matrix of the model, which has ${shape ? `one of [${shape}]` : 'none of this name'}. Use the model that the adapter was trained on.`,
    );
  }
  const scales = new Set(matrices.map(({ name }) => scaleName(name)).filter((name) => !byName.has(name)));
  const tensors = [...gguf.tensors.values()]
    .filter(({ name }) => !scales.has(name))
    .map((tensor) => merged(tensor, gguf, source, byName.get(tensor.name)));
  return virtualFile(source.name, writableMetadata(gguf), tensors, [source]);
}

function merged(tensor: TensorInfo, gguf: Gguf, source: ByteSource, matrix: AdapterMatrix | undefined): VirtualTensor {
  const { name, shape, offsetBytes, sizeBytes } = tensor;
  const format = formatByName(tensor.format);
  if (format.tailBytes) {
    throw new OnebitError(
      'unsupported',
      `merge: tensor '${name}' must have its scales in its rows, ${tensor.format} has one behind them. Convert the model first: onebit convert MODEL --type tq2_0 -o …`,
    );
  }
  const [cols, rows = 1] = shape;
  const rowBytes = sizeBytes / rows;
  const stored = async (from: number, to: number, signal?: AbortSignal) => {
    const bytes = new Uint8Array((to - from) * rowBytes);
    await source.readInto(bytes, offsetBytes + from * rowBytes, signal);
    return bytes;
  };
  if (!matrix) return { name, shape, format: tensor.format, rows: stored };
  const { rank, a, b, factor } = matrix;
  let scale: number | undefined;
  return {
    name,
    shape,
    format: 'f32',
    async rows(from, to, signal) {
      const values = new Float32Array((to - from) * cols);
      format.decode(await stored(from, to, signal), values);
      scale ??= await scaleOf(gguf, source, name, signal);
      if (scale !== 1) for (let i = 0; i < values.length; i++) values[i] *= scale;
      for (let row = from; row < to; row++) {
        const target = values.subarray((row - from) * cols, (row - from + 1) * cols);
        for (let r = 0; r < rank; r++) {
          const weight = factor * b[row * rank + r];
          for (let col = 0; col < cols; col++) target[col] += weight * a[r * cols + col];
        }
      }
      const bytes = new Uint8Array(values.length * 4);
      formatByName('f32').encode(values, bytes);
      return bytes;
    },
  };
}
