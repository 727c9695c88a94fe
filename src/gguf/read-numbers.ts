// Owns reading all numbers of a tensor at once: factors, vectors, matrices of adapters and of models that training goes on from. Must not know models.
import type { ByteSource } from '../bytes/source.ts';
import { formatByName } from '../quant/formats.ts';
import type { TensorInfo } from './types.ts';

/** All numbers of a tensor, in the order of the file. */
export async function readNumbers(
  { shape, format, offsetBytes, sizeBytes }: TensorInfo,
  source: ByteSource,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const bytes = new Uint8Array(sizeBytes);
  await source.readInto(bytes, offsetBytes, signal);
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
  formatByName(format).decode(bytes, values);
  return values;
}
