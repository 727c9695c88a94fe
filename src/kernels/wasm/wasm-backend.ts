// Owns the WebAssembly backend: its resources, and how each operation becomes a command. What commands compute is in assembly/; when they run is
// program.ts. Must not know models.

import { exp, log } from '../../core/elementary.ts';
import { OnebitError } from '../../errors.ts';
import { formatByName } from '../../quant/formats.ts';
import {
  type Backend,
  type GateActivation,
  KV_PAGE,
  type KvFormat,
  type KvPool,
  type KvShape,
  type ReadWeight,
  type RopeSpec,
  type Rows,
  type Sampling,
  type Tensor,
  type Weight,
} from '../backend.ts';
import { writeRotations } from '../rotations.ts';
import { MOST_RANKED, neededCandidates, sampleCandidates, sampleValues } from '../sampling.ts';
import {
  OP_ATTENTION,
  OP_COPY,
  OP_GATE_GELU,
  OP_GATE_RELU2,
  OP_GATHER_ROWS,
  OP_RMS_NORM,
  OP_ROPE,
  OP_SCALE,
  OP_SHIFT_KEYS,
  OP_STORE_KV,
  OP_SWIGLU,
  OP_TOP_CHUNKS,
  OP_TOP_MERGE,
  SPAN_PAGES,
  TOP_CHUNK,
  TOP_HEAD_BYTES,
} from './assembly/opcodes.ts';
import type { WasmBuild } from './build.ts';
import type { Heap } from './heap.ts';
import { type Program, Region } from './program.ts';
import { HostRegion, RowsBlock } from './rows.ts';
import { type Started, startEngine, type WasmOptions } from './start.ts';
import type { Threads } from './threads.ts';
import { WasmWeight, Weights } from './weights.ts';

/** Makes a backend that computes in WebAssembly. Throws `unsupported` where the engine cannot run it, `device-lost` when threads do not start. */
export async function wasmBackend(options: WasmOptions = {}): Promise<WasmBackend> {
  return new WasmBackend(await startEngine('wasmBackend', options));
}

/** Float32 memory of the backend. */
class WasmTensor extends Region implements Tensor {
  readonly length: number;

  constructor(address: number, length: number, whole?: Region) {
    super(address, length * 4, whole);
    this.length = length;
  }
}

class WasmKvPool extends Region implements KvPool {
  readonly layers: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly pages: number;
  readonly format: KvFormat;
  readonly pageBytes: number;
  /** A part is the keys, or the values, of one head of a layer in a page: their bytes, and how many a page has. */
  readonly partBytes: number;
  readonly parts: number;
  /** Bytes of all pages' parts of one kind, which lie together. */
  readonly planeBytes: number;

  constructor(address: number, shape: KvShape, partBytes: number) {
    const parts = shape.layers * shape.kvHeads * 2;
    super(address, shape.pages * parts * partBytes);
    this.layers = shape.layers;
    this.kvHeads = shape.kvHeads;
    this.headSize = shape.headSize;
    this.pages = shape.pages;
    this.format = shape.format;
    this.partBytes = partBytes;
    this.parts = parts;
    this.planeBytes = shape.pages * partBytes;
    this.pageBytes = parts * partBytes;
  }
}

const gates: Record<GateActivation, number> = { silu: OP_SWIGLU, relu2: OP_GATE_RELU2, gelu: OP_GATE_GELU };

const kvCodes: Record<KvFormat, number> = { f32: 0, f16: 1, q8: 2 };
/** Windows share a word with two bits of the format; contexts are shorter. */
const MOST_WINDOW = 2 ** 29 - 1;

/** A backend of threads over one WebAssembly memory. Operations are recorded and run by `read` and `topK`. */
export class WasmBackend implements Backend {
  readonly name = 'wasm';
  readonly threads: number;
  readonly build: WasmBuild;
  readonly limitBytes: number;
  readonly #workers: Threads | undefined;
  readonly #heap: Heap;
  readonly #program: Program;
  readonly #weights: Weights;
  readonly #rows: RowsBlock;
  readonly #indices: HostRegion;
  readonly #shiftData: HostRegion;
  readonly #attentionScratch: HostRegion;
  readonly #topLists: HostRegion;
  /** Products that are multiplied by their weight's gain before they are added. */
  readonly #products: HostRegion;

  /** Use `wasmBackend`. */
  constructor({ build, threads, heap, program, workers }: Started) {
    this.build = build;
    this.threads = threads;
    this.limitBytes = heap.limitBytes;
    this.#heap = heap;
    this.#program = program;
    this.#workers = workers;
    this.#weights = new Weights(heap, program, threads);
    this.#rows = new RowsBlock(heap, program);
    this.#indices = new HostRegion(heap, program);
    this.#shiftData = new HostRegion(heap, program);
    this.#attentionScratch = new HostRegion(heap, program);
    this.#topLists = new HostRegion(heap, program);
    this.#products = new HostRegion(heap, program);
  }

  tensor(length: number): Tensor {
    return new WasmTensor(this.#heap.allocateZeroed(length * 4, `tensor of ${length} elements`), length);
  }

  slice(x: Tensor, offset: number, length: number): Tensor {
    const whole = x as WasmTensor;
    return new WasmTensor(whole.address + offset * 4, length, whole);
  }

  weight(
    format: Weight['format'],
    rows: number,
    cols: number,
    read: ReadWeight,
    signal?: AbortSignal,
    gain = 1,
  ): Promise<Weight> {
    return this.#weights.load(formatByName(format), rows, cols, read, signal, gain);
  }

  kvPool(shape: KvShape): KvPool {
    const { headSize, kvHeads, layers, pages, format } = shape;
    if (headSize % 4 !== 0) {
      throw new OnebitError(
        'unsupported',
        `kvPool: the head size must be a multiple of 4, got ${headSize}. Use the reference backend.`,
      );
    }
    const vectorBytes = format === 'f32' ? 4 * headSize : format === 'f16' ? 2 * headSize : headSize + 4;
    const partBytes = KV_PAGE * vectorBytes;
    const bytes = pages * layers * kvHeads * 2 * partBytes;
    const address = this.#heap.allocateZeroed(bytes, `key/value cache of ${pages} pages`);
    return new WasmKvPool(address, shape, partBytes);
  }

  free(resource: Tensor | Weight | KvPool): void {
    if (resource instanceof WasmWeight) this.#weights.free(resource);
    else this.#program.retire((resource as unknown as Region).address);
  }

  write(target: Tensor, values: Float32Array, offset = 0): void {
    const region = target as WasmTensor;
    const address = region.address + offset * 4;
    const program = this.#program;
    if (program.isFree(region)) {
      this.#heap.floats.set(values, address / 4);
      program.hostWrote(region);
      return;
    }
    const copy = this.#heap.allocate(values.byteLength, 'write');
    this.#heap.floats.set(values, copy / 4);
    this.#recordCopy(region, address, copy, values.byteLength);
    program.retire(copy);
  }

  abandonable<Result>(record: () => Result): Result {
    return this.#program.abandonable(record);
  }

  setRows(rows: Rows): void {
    this.#rows.set(rows);
  }

  embed(out: Tensor, table: Weight): void {
    const { cols, gainLeft } = table as WasmWeight;
    this.#weights.embed(out as WasmTensor, table as WasmWeight, this.#rows.region, this.#rows.count);
    if (gainLeft !== 1) this.scale(out, out, this.#rows.count * cols, gainLeft);
  }

  rmsNorm(out: Tensor, x: Tensor, scale: Tensor, rows: number, cols: number, eps: number): void {
    const program = this.#program;
    const c = program.add(OP_RMS_NORM, rows, rows * cols);
    program.writes(out as WasmTensor);
    if (x !== out) program.reads(x as WasmTensor);
    program.reads(scale as WasmTensor);
    const { words } = program;
    words[c + 1] = (out as WasmTensor).address;
    words[c + 2] = (x as WasmTensor).address;
    words[c + 3] = (scale as WasmTensor).address;
    words[c + 4] = cols;
    program.floats[c + 5] = eps;
  }

  matmul(out: Tensor, x: Tensor, weight: Weight, rows: number, accumulate = false): void {
    const { gainLeft } = weight as WasmWeight;
    const length = rows * weight.rows;
    const apart = gainLeft !== 1 && accumulate;
    const into = apart ? this.#products.fits(length * 4) : (out as WasmTensor);
    this.#weights.matmul(into, x as WasmTensor, weight as WasmWeight, rows, accumulate && !apart);
    if (gainLeft !== 1) this.scale(out, into as WasmTensor, length, gainLeft, accumulate);
  }

  rope(x: Tensor, heads: number, headSize: number, rope: RopeSpec): void {
    const program = this.#program;
    const table = this.#rows.ropeTable(rope);
    const { count } = this.#rows;
    const c = program.add(OP_ROPE, count, count * heads * headSize);
    program.writes(x as WasmTensor);
    program.reads(table);
    const { words } = program;
    words[c + 1] = (x as WasmTensor).address;
    words[c + 2] = heads;
    words[c + 3] = headSize;
    words[c + 4] = rope.dims >> 1;
    words[c + 5] = rope.pairing === 'interleaved' ? 1 : 0;
    words[c + 6] = table.address;
  }

  storeKv(pool: KvPool, layer: number, k: Tensor, v: Tensor): void {
    const program = this.#program;
    const cache = pool as WasmKvPool;
    const rows = this.#rows.region;
    const { count } = this.#rows;
    const c = program.add(OP_STORE_KV, count, 4 * count * cache.kvHeads * cache.headSize);
    program.writes(cache);
    program.reads(k as WasmTensor);
    program.reads(v as WasmTensor);
    program.reads(rows);
    const { words } = program;
    words[c + 1] = (k as WasmTensor).address;
    words[c + 2] = (v as WasmTensor).address;
    words[c + 3] = cache.address + layer * cache.kvHeads * 2 * cache.planeBytes;
    words[c + 4] = cache.planeBytes;
    words[c + 5] = cache.kvHeads;
    words[c + 6] = cache.headSize;
    words[c + 7] = kvCodes[cache.format];
    words[c + 8] = rows.address;
  }

  attention(out: Tensor, q: Tensor, pool: KvPool, layer: number, heads: number, scale: number, window?: number): void {
    const program = this.#program;
    const cache = pool as WasmKvPool;
    const group = heads / cache.kvHeads;
    const blockRows = this.#rows.groupFor(group);
    const rows = this.#rows.region;
    const scratchBytes = attentionScratchBytes(blockRows * group, cache.headSize);
    const scratch = this.#attentionScratch.fits(scratchBytes * this.threads);
    const items = this.#rows.blocks * cache.kvHeads;
    const attended = Math.min(this.#rows.attendedTokens, this.#rows.count * (window ?? Number.POSITIVE_INFINITY));
    const c = program.add(OP_ATTENTION, items, 4 * attended * heads * cache.headSize);
    program.writes(out as WasmTensor);
    program.reads(q as WasmTensor);
    program.reads(cache);
    program.reads(rows);
    const { words } = program;
    words[c + 1] = (out as WasmTensor).address;
    words[c + 2] = (q as WasmTensor).address;
    words[c + 3] = cache.address + layer * cache.kvHeads * 2 * cache.planeBytes;
    words[c + 4] = cache.planeBytes;
    words[c + 5] = cache.kvHeads;
    words[c + 6] = cache.headSize;
    words[c + 7] = kvCodes[cache.format] | (Math.min(window ?? 0, MOST_WINDOW) << 2);
    words[c + 8] = heads;
    program.floats[c + 9] = scale;
    words[c + 10] = rows.address;
    words[c + 11] = scratch.address;
    words[c + 12] = scratchBytes;
  }

  gated(out: Tensor, gate: Tensor, up: Tensor, length: number, activation: GateActivation = 'silu'): void {
    const program = this.#program;
    const c = program.add(gates[activation], Math.ceil(length / 16), 20 * length);
    program.writes(out as WasmTensor);
    if (gate !== out) program.reads(gate as WasmTensor);
    if (up !== out) program.reads(up as WasmTensor);
    const { words } = program;
    words[c + 1] = (out as WasmTensor).address;
    words[c + 2] = (gate as WasmTensor).address;
    words[c + 3] = (up as WasmTensor).address;
    words[c + 4] = length;
  }

  scale(out: Tensor, x: Tensor, length: number, factor: number, accumulate = false): void {
    const program = this.#program;
    const c = program.add(OP_SCALE, Math.ceil(length / 16), 2 * length);
    program.writes(out as WasmTensor);
    if (x !== out) program.reads(x as WasmTensor);
    const { words } = program;
    words[c + 1] = (out as WasmTensor).address;
    words[c + 2] = (x as WasmTensor).address;
    words[c + 3] = length;
    program.floats[c + 4] = factor;
    words[c + 5] = accumulate ? 1 : 0;
  }

  gatherRows(out: Tensor, x: Tensor, indices: Int32Array, cols: number): void {
    const program = this.#program;
    const list = this.#indices.fresh(indices.byteLength);
    this.#heap.words.set(indices, list.address / 4);
    const c = program.add(OP_GATHER_ROWS, indices.length, indices.length * cols);
    program.writes(out as WasmTensor);
    program.reads(x as WasmTensor);
    program.reads(list);
    program.words.set([(out as WasmTensor).address, (x as WasmTensor).address, list.address, cols * 4], c + 1);
  }

  shiftKeys(pool: KvPool, pages: Int32Array, delta: number, rope: RopeSpec, layer?: number): void {
    const program = this.#program;
    const cache = pool as WasmKvPool;
    const scratchBytes = Math.ceil(cache.headSize / 16) * 64;
    // Page numbers, then cosines and sines, then each thread's scratch.
    const tableOffset = pages.byteLength;
    const scratchOffset = Math.ceil((tableOffset + rope.dims * 4) / 64) * 64;
    const data = this.#shiftData.fresh(scratchOffset + this.threads * scratchBytes);
    this.#heap.words.set(pages, data.address / 4);
    // The stored keys carry the magnitude already.
    writeRotations(this.#heap.floats, (data.address + tableOffset) / 4, [-delta], rope, 1);
    const planes = (layer === undefined ? cache.layers : 1) * cache.kvHeads;
    const first = cache.address + (layer ?? 0) * cache.kvHeads * 2 * cache.planeBytes;
    const items = pages.length * planes;
    const c = program.add(OP_SHIFT_KEYS, items, 8 * items * KV_PAGE * cache.headSize);
    program.writes(cache);
    program.reads(data);
    const { words } = program;
    words.set([first, cache.planeBytes, planes, cache.headSize], c + 1);
    words.set([kvCodes[cache.format], data.address, rope.dims >> 1, rope.pairing === 'interleaved' ? 1 : 0], c + 5);
    words.set([data.address + tableOffset, data.address + scratchOffset, scratchBytes], c + 9);
  }

  copyKvPage(pool: KvPool, from: number, to: number): void {
    const { address, partBytes, planeBytes } = pool as WasmKvPool;
    this.#recordPageCopy(pool as WasmKvPool, to, address + from * partBytes, planeBytes);
  }

  async readKvPage(pool: KvPool, page: number): Promise<Uint8Array> {
    const { address, pageBytes, partBytes, parts, planeBytes } = pool as WasmKvPool;
    await this.#program.finish();
    const bytes = new Uint8Array(pageBytes);
    for (let i = 0; i < parts; i++) {
      bytes.set(this.#heap.bytes(address + i * planeBytes + page * partBytes, partBytes), i * partBytes);
    }
    return bytes;
  }

  writeKvPage(pool: KvPool, page: number, bytes: Uint8Array): void {
    const cache = pool as WasmKvPool;
    if (bytes.length !== cache.pageBytes) {
      throw new OnebitError(
        'bad-argument',
        `writeKvPage: a page has ${cache.pageBytes} bytes, got ${bytes.length}. Pass what readKvPage gave.`,
      );
    }
    const copy = this.#heap.allocate(bytes.length, 'write');
    this.#heap.bytes(copy, bytes.length).set(bytes);
    this.#recordPageCopy(cache, page, copy, cache.partBytes);
    this.#program.retire(copy);
  }

  async read(x: Tensor, offset: number, length: number, signal?: AbortSignal): Promise<Float32Array> {
    await this.#program.finish(signal);
    return new Float32Array(this.#heap.memory.buffer, (x as WasmTensor).address + offset * 4, length) as Float32Array;
  }

  async topK(x: Tensor, offset: number, length: number, k: number, signal?: AbortSignal) {
    const { top, parts } = await this.#rank(x as WasmTensor, offset, length, k, true, signal);
    const { floats } = this.#heap;
    let largest = Number.NEGATIVE_INFINITY;
    for (const part of parts) largest = Math.max(largest, floats[part + 1]);
    let sum = 0;
    for (const part of parts) sum += floats[part + 2] * exp(floats[part + 1] - largest);
    return { top, logSumExp: largest + log(sum) };
  }

  async sample(x: Tensor, offset: number, length: number, sampling: Sampling, signal?: AbortSignal): Promise<number> {
    const needed = neededCandidates(sampling);
    if (needed === 0 || needed > MOST_RANKED) return sampleValues(await this.read(x, offset, length, signal), sampling);
    const { top } = await this.#rank(x as WasmTensor, offset, length, needed, false, signal);
    return sampleCandidates(top, 0, sampling);
  }

  memoryBytes(): number {
    return this.#heap.allocatedBytes;
  }

  async dispose(): Promise<void> {
    const gone = new OnebitError('disposed', 'wasm backend: the backend was disposed. Load the model again.');
    this.#program.fail(gone);
    await this.#workers?.stop();
    this.#program.release();
    this.#heap.drop();
  }

  /** The `k` likeliest, and the words at which the head of each chunk's list begins; its sum of exponentials is there if `sums`. */
  async #rank(x: WasmTensor, offset: number, length: number, k: number, sums: boolean, signal?: AbortSignal) {
    const chunks = Math.ceil(length / TOP_CHUNK);
    const count = Math.min(k, length);
    const listBytes = TOP_HEAD_BYTES + 8 * Math.min(count, TOP_CHUNK);
    const lists = this.#topLists.fresh((chunks + 1) * listBytes + 8 * count);
    const merged = lists.address + chunks * listBytes;
    const program = this.#program;
    let c = program.add(OP_TOP_CHUNKS, chunks, (sums ? 8 : 2) * length);
    program.writes(lists);
    program.reads(x);
    program.words.set([x.address + offset * 4, length, count, lists.address, listBytes, sums ? 1 : 0], c + 1);
    c = program.add(OP_TOP_MERGE, 1, count * chunks);
    program.writes(lists);
    program.words.set([merged, chunks, count, lists.address, listBytes], c + 1);
    await program.finish(signal);
    const { words, floats } = this.#heap;
    const entry = (merged + TOP_HEAD_BYTES) / 4;
    const top = Array.from({ length: words[merged / 4] }, (_, i) => ({
      token: words[entry + 2 * i + 1],
      logit: floats[entry + 2 * i],
    }));
    return { top, parts: Array.from({ length: chunks }, (_, i) => (lists.address + i * listBytes) / 4) };
  }

  /** Copies pieces of `bytes` bytes: `toStep` bytes from one to the next at `address`, `fromStep` at `source`. */
  #recordCopy(
    target: Region,
    address: number,
    source: number,
    bytes: number,
    pieces = 1,
    toStep = 0,
    fromStep = 0,
  ): void {
    const program = this.#program;
    const c = program.add(OP_COPY, pieces, (pieces * bytes) >> 3);
    program.writes(target);
    program.words.set([address, source, bytes, toStep, fromStep], c + 1);
  }

  /** Copies the parts of a page, `fromStep` bytes apart from `source` on, to page `page`. */
  #recordPageCopy(cache: WasmKvPool, page: number, source: number, fromStep: number): void {
    const { address, partBytes, parts, planeBytes } = cache;
    this.#recordCopy(cache, address + page * partBytes, source, partBytes, parts, planeBytes, fromStep);
  }
}

/** Queries, sums, scores, state, addresses and one expanded span, as assembly/attention.ts lays them out. */
function attentionScratchBytes(queries: number, headSize: number): number {
  const span = SPAN_PAGES * KV_PAGE;
  return queries * (8 * headSize + 4 * span + 16) + 8 * SPAN_PAGES + 4 * span * headSize;
}
