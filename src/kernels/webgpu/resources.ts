// Owns what callers hold of device memory: tensors and pools of cache pages. Must not know operations. Weights are weights.ts.
import { OnebitError } from '../../errors.ts';
import { KV_PAGE, type KvFormat, type KvPool, type KvShape, type Tensor } from '../backend.ts';
import type { Memory } from './pipelines.ts';
import { LARGEST_HEAD } from './wgsl/attention.ts';
import { vectorWords } from './wgsl/kv.ts';

export class GpuTensor implements Tensor {
  readonly memory: Memory;
  readonly length: number;

  constructor(memory: Memory, length: number) {
    this.memory = memory;
    this.length = length;
  }
}

export const memoryOf = (tensor: Tensor): Memory => (tensor as GpuTensor).memory;

/** A memory per layer, each [page][key|value][kvHead][KV_PAGE tokens][vector]. */
export class GpuKvPool implements KvPool {
  readonly layers: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly pages: number;
  readonly format: KvFormat;
  readonly layerPageBytes: number;
  /** Keys and values of one position in one layer. */
  readonly positionBytes: number;
  readonly pageBytes: number;
  readonly memories: readonly Memory[];

  /** @throws OnebitError `unsupported` for head sizes that the kernels cannot read */
  constructor({ layers, kvHeads, headSize, pages, format }: KvShape, allocate: (bytes: number) => Memory) {
    if (headSize % 4 !== 0 || headSize > LARGEST_HEAD) {
      throw new OnebitError(
        'unsupported',
        `kvPool: the head size must be a multiple of 4 up to ${LARGEST_HEAD}, got ${headSize}. Use the reference backend.`,
      );
    }
    this.layers = layers;
    this.kvHeads = kvHeads;
    this.headSize = headSize;
    this.pages = pages;
    this.format = format;
    this.positionBytes = 2 * kvHeads * vectorWords(format, headSize) * 4;
    this.layerPageBytes = KV_PAGE * this.positionBytes;
    this.pageBytes = layers * this.layerPageBytes;
    this.memories = Array.from({ length: layers }, () => allocate(pages * this.layerPageBytes));
  }
}
