// Owns the WebGPU backend: its resources, and how each operation becomes dispatches. What shaders compute is in wgsl/; when they run is recorder.ts.
// Must not know models.
import { OnebitError } from '../../errors.ts';
import {
  type Backend,
  KV_PAGE,
  type KvFormat,
  type KvPool,
  type KvShape,
  type ReadWeight,
  type RopeSpec,
  type Rows,
  type Tensor,
  type Weight,
} from '../backend.ts';
import { rankValues } from '../ranking.ts';
import { type OpenedDevice, openDevice, type WebGpuOptions } from './device.ts';
import { type Counts, type Memory, Recorder } from './recorder.ts';
import { RowsData, writeRotations } from './rows.ts';
import { GpuWeight, loadWeight } from './weights.ts';
import { attentionKernel, LARGEST_HEAD } from './wgsl/attention.ts';
import { copyKernel, shiftKeysKernel, storeKvKernel, vectorWords } from './wgsl/kv.ts';
import { embedKernel, matmulKernel, matvecKernel, TILE } from './wgsl/products.ts';
import { gatherRowsKernel, rmsNormKernel, ropeKernel, swigluKernel } from './wgsl/rows.ts';
import { logSumKernel, MOST_RANKED, RANK_CHUNK, rankKernel } from './wgsl/top-k.ts';
import { weightShader } from './wgsl/weights.ts';

/** Workgroups of one dimension that every device allows. */
const MOST_GROUPS = 65_535;
/** Rows up to which products go a row at a time: a tile would be mostly empty. */
const MATVEC_ROWS = 4;

/** What one dispatch after the other moved, as their shapes say; caches may have moved less. */
export interface Traffic extends Counts {
  weightBytes: number;
  kvBytes: number;
}

/**
 * Makes a backend that computes on a GPU, in a page or, with the package `webgpu`, in Node.
 * @throws OnebitError `unsupported` where there is no WebGPU or no adapter
 */
export async function webgpuBackend(options: WebGpuOptions = {}): Promise<WebGpuBackend> {
  return new WebGpuBackend(await openDevice(options));
}

class GpuTensor implements Tensor {
  readonly memory: Memory;
  readonly length: number;

  constructor(memory: Memory, length: number) {
    this.memory = memory;
    this.length = length;
  }
}

class GpuKvPool implements KvPool {
  readonly layers: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly pages: number;
  readonly format: KvFormat;
  readonly layerPageBytes: number;
  readonly pageBytes: number;
  readonly memories: readonly Memory[];

  constructor({ layers, kvHeads, headSize, pages, format }: KvShape, allocate: (bytes: number) => Memory) {
    this.layers = layers;
    this.kvHeads = kvHeads;
    this.headSize = headSize;
    this.pages = pages;
    this.format = format;
    this.layerPageBytes = 2 * kvHeads * KV_PAGE * vectorWords(format, headSize) * 4;
    this.pageBytes = layers * this.layerPageBytes;
    this.memories = Array.from({ length: layers }, () => allocate(pages * this.layerPageBytes));
  }
}

const memoryOf = (tensor: Tensor): Memory => (tensor as GpuTensor).memory;
const floatScratch = new Float32Array(1);
const wordScratch = new Uint32Array(floatScratch.buffer);
/** The bits of a float32, as parameters go. */
function bits(value: number): number {
  floatScratch[0] = value;
  return wordScratch[0];
}

/** A backend of one device. Operations are recorded and submitted as one command buffer by what reads. */
export class WebGpuBackend implements Backend {
  readonly name = 'webgpu';
  readonly threads = 1;
  /** WebGPU does not tell; what does not fit throws `out-of-memory`. */
  readonly limitBytes = Number.POSITIVE_INFINITY;
  /** The adapter, as far as it tells. */
  readonly adapter: string;
  readonly #opened: OpenedDevice;
  readonly #recorder: Recorder;
  readonly #rows: RowsData;
  #rankMemories: readonly Memory[] = [];
  #weightBytes = 0;
  #kvBytes = 0;

  /** Use `webgpuBackend`. */
  constructor(opened: OpenedDevice) {
    this.#opened = opened;
    this.adapter = opened.adapter;
    this.#recorder = new Recorder(opened.device);
    this.#rows = new RowsData(this.#recorder);
  }

  /** Dispatches, submissions and bytes moved so far. */
  traffic(): Traffic {
    return { ...this.#recorder.counts, weightBytes: this.#weightBytes, kvBytes: this.#kvBytes };
  }

  tensor(length: number): Tensor {
    return new GpuTensor(this.#recorder.allocate(length * 4, `tensor of ${length} elements`), length);
  }

  weight(
    format: Weight['format'],
    rows: number,
    cols: number,
    read: ReadWeight,
    signal?: AbortSignal,
  ): Promise<Weight> {
    return loadWeight(this.#recorder, this.#opened.bindingBytes, format, rows, cols, read, signal);
  }

  kvPool(shape: KvShape): KvPool {
    if (shape.headSize % 4 !== 0 || shape.headSize > LARGEST_HEAD) {
      throw new OnebitError(
        'unsupported',
        `kvPool: the head size must be a multiple of 4 up to ${LARGEST_HEAD}, got ${shape.headSize}. Use the reference backend.`,
      );
    }
    return new GpuKvPool(shape, (bytes) =>
      this.#recorder.allocate(bytes, `a layer's cache of ${shape.pages * KV_PAGE} tokens`),
    );
  }

  free(resource: Tensor | Weight | KvPool): void {
    if (resource instanceof GpuTensor) this.#recorder.release(resource.memory);
    else if (resource instanceof GpuWeight) for (const { memory } of resource.parts) this.#recorder.release(memory);
    else for (const memory of (resource as GpuKvPool).memories) this.#recorder.release(memory);
  }

  write(target: Tensor, values: Float32Array, offset = 0): void {
    this.#recorder.upload(memoryOf(target), offset * 4, values);
  }

  setRows(rows: Rows): void {
    this.#rows.set(rows);
  }

  embed(out: Tensor, table: Weight): void {
    const weight = table as GpuWeight;
    const { count } = this.#rows.current;
    const kernel = embedKernel(weight.format, weight.cols);
    for (const part of weight.parts) {
      const at = this.#rows.wordsAt();
      const params = weightParams(weight, part, count, false, at);
      const memories = [memoryOf(out), this.#recorder.hostMemory, part.memory];
      this.#recorder.dispatch(kernel, memories, params, [Math.ceil(weight.cols / 256), count]);
    }
    this.#weightBytes += (count * weight.sizeBytes) / weight.rows;
  }

  rmsNorm(out: Tensor, x: Tensor, scale: Tensor, rows: number, cols: number, eps: number): void {
    const inPlace = out === x;
    const memories = [memoryOf(out), memoryOf(scale)];
    if (!inPlace) memories.push(memoryOf(x));
    this.#recorder.dispatch(rmsNormKernel(inPlace), memories, [rows, cols, bits(eps)], spread(rows));
  }

  matmul(out: Tensor, x: Tensor, weight: Weight, rows: number, accumulate = false): void {
    const { format, cols, parts } = weight as GpuWeight;
    const single = rows <= MATVEC_ROWS;
    const kernel = single ? matvecKernel(format, cols) : matmulKernel(format, cols);
    const groupRows = single ? weightShader(format, cols).groupRows : TILE;
    for (const part of parts) {
      const params = weightParams(weight as GpuWeight, part, rows, accumulate, 0);
      const groups = spread(Math.ceil(part.rows / groupRows));
      const tokens = single ? rows : Math.ceil(rows / TILE);
      this.#recorder.dispatch(kernel, [memoryOf(out), memoryOf(x), part.memory], params, [tokens, ...groups]);
    }
    this.#weightBytes += weight.sizeBytes;
  }

  rope(x: Tensor, heads: number, headSize: number, rope: RopeSpec): void {
    const { count } = this.#rows.current;
    const pairs = rope.dims / 2;
    const at = this.#rows.rotationsAt(rope);
    const params = [heads, headSize, pairs, rope.pairing === 'interleaved' ? 1 : 0, at];
    const groups = [Math.ceil((heads * pairs) / 64), count] as const;
    this.#recorder.dispatch(ropeKernel, [memoryOf(x), this.#recorder.hostMemory], params, groups);
  }

  storeKv(pool: KvPool, layer: number, k: Tensor, v: Tensor): void {
    const { format, headSize, kvHeads, memories, layerPageBytes } = pool as GpuKvPool;
    const { count } = this.#rows.current;
    const at = this.#rows.wordsAt();
    this.#recorder.dispatch(
      storeKvKernel(format, headSize),
      [memories[layer], memoryOf(k), memoryOf(v), this.#recorder.hostMemory],
      [kvHeads, count, at],
      [kvHeads, count, 2],
    );
    this.#kvBytes += (count * layerPageBytes) / KV_PAGE;
  }

  attention(out: Tensor, q: Tensor, pool: KvPool, layer: number, heads: number, scale: number): void {
    const { format, headSize, kvHeads, memories, layerPageBytes } = pool as GpuKvPool;
    const { count, positions } = this.#rows.current;
    const at = this.#rows.wordsAt();
    this.#recorder.dispatch(
      attentionKernel(format, headSize),
      [memoryOf(out), memoryOf(q), memories[layer], this.#recorder.hostMemory],
      [heads, kvHeads, count, at, bits(scale)],
      [heads, count],
    );
    const attended = positions.reduce((sum, position) => sum + position + 1, 0);
    this.#kvBytes += (attended * layerPageBytes * heads) / kvHeads / KV_PAGE;
  }

  swiglu(out: Tensor, gate: Tensor, up: Tensor, length: number): void {
    const same = out === gate ? 'gate' : out === up ? 'up' : 'none';
    const memories = [out, ...[gate, up].filter((input) => input !== out)].map(memoryOf);
    this.#recorder.dispatch(swigluKernel(same), memories, [length], spread(Math.ceil(length / 64)));
  }

  gatherRows(out: Tensor, x: Tensor, indices: Int32Array, cols: number): void {
    const at = this.#recorder.hostWords(indices.length);
    this.#recorder.words.set(indices, at);
    const memories = [memoryOf(out), memoryOf(x), this.#recorder.hostMemory];
    this.#recorder.dispatch(gatherRowsKernel, memories, [cols, at], [Math.ceil(cols / 64), indices.length]);
  }

  shiftKeys(pool: KvPool, pages: Int32Array, delta: number, rope: RopeSpec): void {
    const { format, headSize, kvHeads, memories } = pool as GpuKvPool;
    if (pages.length === 0) return;
    const kernel = shiftKeysKernel(format, headSize);
    for (const memory of memories) {
      // One allocation for both, so that a submission in between cannot part them.
      const pagesAt = this.#recorder.hostWords(pages.length + rope.dims) + rope.dims;
      this.#recorder.words.set(pages, pagesAt);
      // The stored keys carry the magnitude already.
      writeRotations(this.#recorder, pagesAt - rope.dims, [-delta], rope, 1);
      const params = [kvHeads, rope.dims / 2, rope.pairing === 'interleaved' ? 1 : 0, pagesAt, pagesAt - rope.dims];
      const groups = [KV_PAGE, kvHeads, pages.length] as const;
      this.#recorder.dispatch(kernel, [memory, this.#recorder.hostMemory], params, groups);
    }
  }

  copyKvPage(pool: KvPool, from: number, to: number): void {
    const { memories, layerPageBytes } = pool as GpuKvPool;
    const words = layerPageBytes / 4;
    const groups = [Math.ceil(words / 64)] as const;
    for (const memory of memories) {
      this.#recorder.dispatch(copyKernel, [memory], [from * words, to * words, words], groups);
    }
  }

  async readKvPage(pool: KvPool, page: number): Promise<Uint8Array> {
    const { memories, layerPageBytes } = pool as GpuKvPool;
    const offsetBytes = page * layerPageBytes;
    const segments = memories.map((memory) => ({ memory, offsetBytes, byteLength: layerPageBytes }));
    return new Uint8Array(await this.#recorder.read(segments));
  }

  writeKvPage(pool: KvPool, page: number, bytes: Uint8Array): void {
    const { memories, layerPageBytes, pageBytes } = pool as GpuKvPool;
    if (bytes.length !== pageBytes) {
      throw new OnebitError(
        'bad-argument',
        `writeKvPage: a page has ${pageBytes} bytes, got ${bytes.length}. Pass what readKvPage gave.`,
      );
    }
    for (const [layer, memory] of memories.entries()) {
      const part = bytes.subarray(layer * layerPageBytes, (layer + 1) * layerPageBytes);
      this.#recorder.upload(memory, page * layerPageBytes, part);
    }
  }

  async read(x: Tensor, offset: number, length: number, signal?: AbortSignal): Promise<Float32Array> {
    if (length === 0) {
      await this.#recorder.finish(signal);
      return new Float32Array(0);
    }
    const segment = { memory: memoryOf(x), offsetBytes: offset * 4, byteLength: length * 4 };
    return new Float32Array(await this.#recorder.read([segment], signal));
  }

  async topK(x: Tensor, offset: number, length: number, k: number, signal?: AbortSignal) {
    if (k > MOST_RANKED) return rankValues(await this.read(x, offset, length, signal), k);
    const recorder = this.#recorder;
    const count = Math.min(k, length);
    const chunks = Math.ceil(length / RANK_CHUNK);
    let [lists, other, sums] = this.#rankMemoriesFor(chunks, count);
    const first = [lists, memoryOf(x), sums];
    recorder.dispatch(rankKernel('logits', count), first, [length, count, offset], [chunks]);
    if (chunks > 1) recorder.dispatch(logSumKernel, [sums], [chunks], [1]);
    for (let left = length; left > RANK_CHUNK; ) {
      left = keptOf(left, count);
      const memories = [other, lists];
      recorder.dispatch(rankKernel('lists', count), memories, [left, count, 0], [Math.ceil(left / RANK_CHUNK)]);
      [lists, other] = [other, lists];
    }
    const found = await recorder.read(
      [
        { memory: sums, offsetBytes: 0, byteLength: 8 },
        { memory: lists, offsetBytes: 0, byteLength: 8 * count },
      ],
      signal,
    );
    const [floats, words] = [new Float32Array(found), new Uint32Array(found)];
    const top = Array.from({ length: count }, (_, i) => ({ logit: floats[2 + 2 * i], token: words[3 + 2 * i] }));
    return { top, logSumExp: floats[0] + Math.log(floats[1]) };
  }

  memoryBytes(): number {
    return this.#recorder.allocatedBytes;
  }

  async dispose(): Promise<void> {
    this.#recorder.fail(new OnebitError('disposed', 'webgpu backend: the backend was disposed. Load the model again.'));
  }

  /** Two memories for lists of candidates and one for the chunks' sums. */
  #rankMemoriesFor(chunks: number, k: number): readonly Memory[] {
    const listBytes = 8 * chunks * k;
    const [lists, , sums] = this.#rankMemories;
    if (!lists || lists.byteLength < listBytes || sums.byteLength < 8 * chunks) {
      for (const memory of this.#rankMemories) this.#recorder.release(memory);
      const sizes = [listBytes, listBytes, 8 * chunks];
      this.#rankMemories = sizes.map((bytes) => this.#recorder.allocate(bytes, 'candidates'));
    }
    return this.#rankMemories;
  }
}

/** Candidates that one pass over `length` values keeps. */
function keptOf(length: number, k: number): number {
  const last = length % RANK_CHUNK || RANK_CHUNK;
  return (Math.ceil(length / RANK_CHUNK) - 1) * k + Math.min(k, last);
}

/** `groups` workgroups over two dimensions. */
function spread(groups: number): readonly [number, number] {
  if (groups <= MOST_GROUPS) return [groups, 1];
  const second = Math.ceil(groups / MOST_GROUPS);
  return [Math.ceil(groups / second), second];
}

/** The struct Params of wgsl/weights.ts. */
function weightParams(
  { rows, cols, format }: GpuWeight,
  part: GpuWeight['parts'][number],
  tokens: number,
  accumulate: boolean,
  tokensAt: number,
): number[] {
  const units = Math.ceil(cols / weightShader(format, cols).unit);
  const cols4 = Math.ceil(cols / 4);
  return [part.rows, part.firstRow, rows, cols, cols4, units, part.scales, tokens, accumulate ? 1 : 0, tokensAt];
}
