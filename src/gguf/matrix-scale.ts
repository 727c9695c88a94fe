// Owns the factor that a file may have beside a matrix: that of `blk.0.attn_q.weight` is `blk.0.attn_q.scale`. Must not know models.
import type { ByteSource } from '../bytes/source.ts';
import { readNumbers } from './read-numbers.ts';
import type { Gguf } from './types.ts';

/** What the factor beside a matrix is called. */
export function scaleName(matrix: string): string {
  return matrix.replace(/\.weight$/, '.scale');
}

/** The factor beside a matrix; 1 where there is none. */
export async function scaleOf(gguf: Gguf, source: ByteSource, matrix: string, signal?: AbortSignal): Promise<number> {
  const tensor = gguf.tensors.get(scaleName(matrix));
  if (!tensor || tensor.name === matrix) return 1;
  return (await readNumbers(tensor, source, signal))[0];
}
