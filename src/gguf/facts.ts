// Owns what a file is in a few words: how many weights of which format, and a digest of what its header says.
import { hexOf, sha256 } from '../core/digest.ts';
import type { Gguf } from './types.ts';

export interface ModelFacts {
  readonly architecture: string;
  readonly parameters: number;
  /** The format of most of the weights, by ggml's name: `Q1_0`. */
  readonly format: string;
  /** Hex SHA-256 of the header's values (lists by their lengths) and tensors. Files that differ in their weights alone have the same. */
  readonly headerDigest: string;
}

/** Reads them off the header. */
export async function factsOf(gguf: Gguf): Promise<ModelFacts> {
  const counts = new Map<string, number>();
  const shapes: unknown[] = [];
  for (const { name, format, shape, sizeBytes } of gguf.tensors.values()) {
    const elements = shape.reduce((product, size) => product * size, 1);
    counts.set(format, (counts.get(format) ?? 0) + elements);
    shapes.push([name, format, shape, sizeBytes]);
  }
  const [mostly = ''] = [...counts].sort((a, b) => b[1] - a[1])[0] ?? [];
  const values = [...gguf.metadata].map(([name, value]) => [name, typeof value === 'object' ? value.length : String(value)]); // biome-ignore format: short
  return {
    architecture: String(gguf.metadata.get('general.architecture') ?? ''),
    parameters: [...counts.values()].reduce((sum, count) => sum + count, 0),
    format: mostly.toUpperCase(),
    headerDigest: hexOf(await sha256(JSON.stringify([values, shapes]))),
  };
}
