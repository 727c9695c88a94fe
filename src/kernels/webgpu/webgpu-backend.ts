// Owns the WebGPU backend: its resources, and how each operation becomes dispatches. What shaders compute is in wgsl/; when they run is recorder.ts.
// Must not know models.
import { OnebitError } from '../../errors.ts';
import {
  type Backend,
  type GateActivation,
  KV_PAGE,
  type KvPool,
  type KvShape,
  type ReadWeight,
  type RopeSpec,
  type Rows,
  type Sampling,
  type Tensor,
  type Weight,
} from '../backend.ts';
import { rankValues } from '../ranking.ts';
import { writeRotations } from '../rotations.ts';
import { MOST_RANKED, sampleValues } from '../sampling.ts';
import { type OpenedDevice, openDevice, type WebGpuOptions } from './device.ts';
import type { GpuFeatures } from './features.ts';
import { bits, type Memory, spread } from './pipelines.ts';
import { Products } from './products.ts';
import { Ranking } from './ranking.ts';
import { type Counts, Recorder } from './recorder.ts';
import { GpuKvPool, GpuTensor, memoryOf } from './resources.ts';
import { RowsData } from './rows.ts';
import { GpuWeight, loadWeight } from './weights.ts';
import { attentionChunks, attentionKernel, combineKernel, headsOfGroup, partialElements } from './wgsl/attention.ts';
import { copyKernel, shiftKeysKernel, storeKvKernel } from './wgsl/kv.ts';
import { gatedKernel, gatherRowsKernel, rmsNormKernel, ropeKernel, scaleKernel } from './wgsl/rows.ts';

/**
 * Makes a backend that computes on a GPU, in a page or, with the package `webgpu`, in Node.
 * @throws OnebitError `unsupported` where there is no WebGPU or no adapter
 */
export async function webgpuBackend(options: WebGpuOptions = {}): Promise<WebGpuBackend> {
  const opened = await openDevice(options);
  return new WebGpuBackend(opened, options.activations);
}

/** A backend of one device. Operations are recorded and submitted as one command buffer by what reads. */
export class WebGpuBackend implements Backend {
  readonly name = 'webgpu';
  readonly threads = 1;
  /** WebGPU does not tell; what does not fit throws `out-of-memory`. */
  readonly limitBytes = Number.POSITIVE_INFINITY;
  /** The adapter, as far as it tells. */
  readonly adapter: string;
  readonly features: GpuFeatures;
  /** Whether products take activations as they are or rounded to int8: the latter only where it was asked for and the device has int8 products. */
  readonly activations: 'f32' | 'q8';
  readonly #opened: OpenedDevice;
  readonly #recorder: Recorder;
  readonly #rows: RowsData;
  readonly #ranking: Ranking;
  readonly #products: Products;
  /** Partial results of split attention. */
  #partials: Memory | undefined;

  /** Use `webgpuBackend`. */
  constructor(opened: OpenedDevice, activations: 'f32' | 'q8' = 'f32') {
    this.#opened = opened;
    this.adapter = opened.adapter;
    this.features = opened.features;
    this.activations = opened.features.int8Dots ? activations : 'f32';
    this.#recorder = new Recorder(opened.device);
    this.#rows = new RowsData(this.#recorder);
    this.#ranking = new Ranking(this.#recorder);
    this.#products = new Products(this.#recorder, opened.features, this.activations === 'q8');
  }

  /** Dispatches, submissions and bytes moved so far. */
  traffic(): Counts {
    return { ...this.#recorder.counts };
  }

  tensor(length: number): Tensor {
    return new GpuTensor(this.#recorder.allocate(length * 4, `tensor of ${length} elements`), length);
  }

  slice(): Tensor {
    throw new OnebitError(
      'unsupported',
      'webgpu backend: tensors have no parts here, which adapters for some of the rows need. Use the wasm backend, or merge the adapter into the model.',
    );
  }

  weight(
    format: Weight['format'],
    rows: number,
    cols: number,
    read: ReadWeight,
    signal?: AbortSignal,
    gain = 1,
  ): Promise<Weight> {
    return loadWeight(this.#recorder, this.#opened.bindingBytes, format, rows, cols, read, signal, gain);
  }

  kvPool(shape: KvShape): KvPool {
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

  abandonable<Result>(record: () => Result): Result {
    return record();
  }

  setRows(rows: Rows): void {
    this.#rows.set(rows);
  }

  embed(out: Tensor, table: Weight): void {
    const tokens = this.#rows.current.tokens;
    this.#products.embed(memoryOf(out), table as GpuWeight, tokens, () => this.#rows.wordsAt());
  }

  rmsNorm(out: Tensor, x: Tensor, scale: Tensor, rows: number, cols: number, eps: number): void {
    const inPlace = out === x;
    const memories = [memoryOf(out), memoryOf(scale)];
    if (!inPlace) memories.push(memoryOf(x));
    const moved = { other: 4 * cols * (2 * rows + 1), again: 4 * cols * (2 * rows - 1) };
    this.#recorder.dispatch(
      rmsNormKernel(inPlace, this.features.subgroups),
      memories,
      [rows, cols, bits(eps)],
      spread(rows),
      moved,
    );
  }

  matmul(out: Tensor, x: Tensor, weight: Weight, rows: number, accumulate = false): void {
    this.#products.matmul(memoryOf(out), memoryOf(x), weight as GpuWeight, rows, accumulate);
  }

  rope(x: Tensor, heads: number, headSize: number, rope: RopeSpec): void {
    const { count } = this.#rows.current;
    const pairs = rope.dims / 2;
    const at = this.#rows.rotationsAt(rope);
    const params = [heads, headSize, pairs, rope.pairing === 'interleaved' ? 1 : 0, at];
    const groups = [Math.ceil((heads * pairs) / 64), count] as const;
    const tables = 4 * count * rope.dims;
    const moved = { other: tables * (2 * heads + 1), again: tables * (heads - 1) };
    this.#recorder.dispatch(ropeKernel, [memoryOf(x), this.#recorder.hostMemory], params, groups, moved);
  }

  storeKv(pool: KvPool, layer: number, k: Tensor, v: Tensor): void {
    const { format, headSize, kvHeads, memories, positionBytes } = pool as GpuKvPool;
    const { count } = this.#rows.current;
    const at = this.#rows.wordsAt();
    const places = 4 * count * 3; // position, where the page table is, page
    this.#recorder.dispatch(
      storeKvKernel(format, headSize),
      [memories[layer], memoryOf(k), memoryOf(v), this.#recorder.hostMemory],
      [kvHeads, count, at],
      [kvHeads, count, 2],
      {
        kv: count * positionBytes,
        other: 8 * count * kvHeads * headSize + places,
        again: places * (2 * kvHeads - 1),
      },
    );
  }

  attention(out: Tensor, q: Tensor, pool: KvPool, layer: number, heads: number, scale: number, window?: number): void {
    const { format, headSize, kvHeads, memories, positionBytes } = pool as GpuKvPool;
    const { count, positions } = this.#rows.current;
    const group = headsOfGroup(heads, kvHeads, headSize);
    const longest = positions.reduce((most, position) => Math.max(most, position + 1), 0);
    const chunks = attentionChunks(count, heads / group, longest);
    const within = window ?? Number.POSITIVE_INFINITY;
    const attended = positions.reduce((sum, position) => sum + Math.min(position + 1, within), 0);
    const results = chunks * heads * count;
    const to = chunks > 1 ? this.#partialsFor(results * partialElements(headSize)) : memoryOf(out);
    const at = this.#rows.wordsAt();
    // Every row reads its sequence's positions; of rows that share them, all but the farthest find them in caches.
    const farthest = Math.min(farthestPositions(this.#rows.current), attended);
    const kv = farthest * positionBytes;
    const perHead = heads / group / kvHeads;
    const places = 4 * (2 * count + Math.ceil(farthest / KV_PAGE));
    this.#recorder.dispatch(
      attentionKernel(format, headSize, group, chunks > 1),
      [to, memoryOf(q), memories[layer], this.#recorder.hostMemory],
      [heads, kvHeads, count, at, bits(scale), chunks, window ?? 0],
      [heads / group, chunks, count],
      {
        kv,
        other:
          places +
          4 * (count * heads * headSize + (chunks > 1 ? results * partialElements(headSize) : results * headSize)),
        again:
          attended * positionBytes * perHead -
          kv +
          4 * count * heads * headSize * (chunks - 1) +
          places * (heads / group - 1),
      },
    );
    if (chunks === 1) return;
    const elements = results * partialElements(headSize);
    const moved = { other: 4 * (elements + count * heads * headSize) };
    this.#recorder.dispatch(combineKernel(headSize), [memoryOf(out), to], [heads, chunks], [heads, count], moved);
  }

  gated(out: Tensor, gate: Tensor, up: Tensor, length: number, activation: GateActivation = 'silu'): void {
    const same = out === gate ? 'gate' : out === up ? 'up' : 'none';
    const memories = [out, ...[gate, up].filter((input) => input !== out)].map(memoryOf);
    this.#recorder.dispatch(gatedKernel(same, activation), memories, [length], spread(Math.ceil(length / 64)), {
      other: 12 * length,
    });
  }

  scale(out: Tensor, x: Tensor, length: number, factor: number, accumulate = false): void {
    const inPlace = out === x;
    const memories = (inPlace ? [out] : [out, x]).map(memoryOf);
    const params = [length, bits(factor), accumulate ? 1 : 0];
    const moved = { other: 4 * length * (accumulate && !inPlace ? 3 : 2) };
    this.#recorder.dispatch(scaleKernel(inPlace), memories, params, spread(Math.ceil(length / 64)), moved);
  }

  gatherRows(out: Tensor, x: Tensor, indices: Int32Array, cols: number): void {
    const at = this.#recorder.hostWords(indices.length);
    this.#recorder.words.set(indices, at);
    const memories = [memoryOf(out), memoryOf(x), this.#recorder.hostMemory];
    const groups = [Math.ceil(cols / 64), indices.length] as const;
    const moved = { other: 4 * indices.length * (2 * cols + 1), again: 4 * indices.length * (groups[0] - 1) };
    this.#recorder.dispatch(gatherRowsKernel, memories, [cols, at], groups, moved);
  }

  shiftKeys(pool: KvPool, pages: Int32Array, delta: number, rope: RopeSpec, layer?: number): void {
    const { format, headSize, kvHeads, memories, layerPageBytes } = pool as GpuKvPool;
    if (pages.length === 0) return;
    const kernel = shiftKeysKernel(format, headSize);
    for (const memory of layer === undefined ? memories : [memories[layer]]) {
      // One allocation for both, so that a submission in between cannot part them.
      const pagesAt = this.#recorder.hostWords(pages.length + rope.dims) + rope.dims;
      this.#recorder.words.set(pages, pagesAt);
      // The stored keys carry the magnitude already.
      writeRotations(this.#recorder.floats, pagesAt - rope.dims, [-delta], rope, 1);
      const params = [kvHeads, rope.dims / 2, rope.pairing === 'interleaved' ? 1 : 0, pagesAt, pagesAt - rope.dims];
      const groups = [KV_PAGE, kvHeads, pages.length] as const;
      // Keys are half of a page; they are read and written.
      const moved = { kv: pages.length * layerPageBytes, other: 4 * (pages.length + rope.dims) };
      this.#recorder.dispatch(kernel, [memory, this.#recorder.hostMemory], params, groups, moved);
    }
  }

  copyKvPage(pool: KvPool, from: number, to: number): void {
    const { memories, layerPageBytes } = pool as GpuKvPool;
    const words = layerPageBytes / 4;
    const groups = [Math.ceil(words / 64)] as const;
    for (const memory of memories) {
      const moved = { kv: 2 * layerPageBytes, other: 0 };
      this.#recorder.dispatch(copyKernel, [memory], [from * words, to * words, words], groups, moved);
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
    return this.#ranking.topK(memoryOf(x), offset, length, Math.min(k, length), signal);
  }

  async sample(x: Tensor, offset: number, length: number, sampling: Sampling, signal?: AbortSignal): Promise<number> {
    if (sampling.pick) return sampleValues(await this.read(x, offset, length, signal), sampling);
    return this.#ranking.sample(memoryOf(x), offset, length, sampling, signal);
  }

  memoryBytes(): number {
    return this.#recorder.allocatedBytes;
  }

  async dispose(): Promise<void> {
    this.#recorder.fail(new OnebitError('disposed', 'webgpu backend: the backend was disposed. Load the model again.'));
  }

  #partialsFor(elements: number): Memory {
    if (!this.#partials || this.#partials.byteLength < 4 * elements) {
      if (this.#partials) this.#recorder.release(this.#partials);
      this.#partials = this.#recorder.allocate(2 ** Math.ceil(Math.log2(4 * elements)), 'partial attention');
    }
    return this.#partials;
  }
}

/** Positions that the rows of a step attend to, those of a sequence counted once. */
function farthestPositions({ count, positions, sequence, pageTables }: Rows): number {
  const lengths = new Int32Array(pageTables.length);
  for (let r = 0; r < count; r++) lengths[sequence[r]] = Math.max(lengths[sequence[r]], positions[r] + 1);
  return lengths.reduce((sum, length) => sum + length, 0);
}
