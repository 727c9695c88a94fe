// Owns the WebAssembly backend of training: its memory, and how each operation becomes a command. What commands compute is in assembly/training-*;
// when they run is program.ts. Must not know models.
import { power } from '../../core/elementary.ts';
import { OnebitError } from '../../errors.ts';
import type {
  AdamStep,
  AttentionShape,
  ProductShape,
  Rounding,
  SignMatrix,
  TrainingBackend,
  TrainingTensor,
} from '../training.ts';
import { OP_COPY, OP_GATHER_ROWS, OP_RMS_NORM, OP_SWIGLU } from './assembly/opcodes.ts';
import * as op from './assembly/training-opcodes.ts';
import type { Heap } from './heap.ts';
import { type Program, Region } from './program.ts';
import { HostRegion } from './rows.ts';
import { type Started, startEngine, type WasmOptions } from './start.ts';
import type { Threads } from './threads.ts';

const GEMM_SCRATCH_BYTES = op.GEMM_M_BLOCK * op.GEMM_K_BLOCK * 4 + op.TILE_BYTES;
/** Blocks of a product a thread should have at least, so that a slow thread leaves work to the others. */
const BLOCKS_PER_THREAD = 4;
/** Multiply-adds that take as long as one of the 30,000 unit works of program.ts, in float32 tiles. */
const TILE_SPEED = 4;
/** The same for rounded factors. */
const ROUNDED_SPEED = 8;
/** The same for look-ups. */
const LOOK_UP_SPEED = 16;
/** Bytes of a tile of 32 × 128 signs with its scales (repack-q1.ts), and of the tables of 128 activations (tables.ts). */
const SIGN_TILE_BYTES = 576;
const TABLE_BYTES = 576;

const roundings: Record<Rounding, { code: number; group: number }> = {
  binary: { code: op.ROUND_BINARY, group: 128 },
  ternary: { code: op.ROUND_TERNARY, group: 64 },
  half: { code: op.ROUND_HALF, group: 4 },
};

/** Makes a training backend that computes in WebAssembly. Throws `unsupported` where the engine cannot run it. */
export async function wasmTrainingBackend(options: WasmOptions = {}): Promise<WasmTrainingBackend> {
  return new WasmTrainingBackend(await startEngine('training', options));
}

/** A tensor or a part of one: dependencies between commands are tracked by whole tensors. */
class Part implements TrainingTensor {
  readonly region: Region;
  readonly address: number;
  readonly length: number;

  constructor(region: Region, address: number, length: number) {
    this.region = region;
    this.address = address;
    this.length = length;
  }
}

/** Tiles for both directions and the scales of the backward one, as assembly/training-signs.ts lays them out. */
class WasmSignMatrix extends Region implements SignMatrix {
  readonly rows: number;
  readonly cols: number;
  readonly backwardTiles: number;
  readonly scales: number;

  constructor(address: number, rows: number, cols: number, sizes: { forward: number; backward: number; all: number }) {
    super(address, sizes.all);
    this.rows = rows;
    this.cols = cols;
    this.backwardTiles = address + sizes.forward;
    this.scales = this.backwardTiles + sizes.backward;
  }
}

/** A factor of `roundedProduct` in panels of `width` lines. */
interface PackedFactor {
  readonly memory: HostRegion;
  readonly width: 4 | 8;
  /** What was packed last: places, sizes, and the command that wrote the source. */
  key: string;
}

type Operand = TrainingTensor | Region | undefined;

/** Training on threads over one WebAssembly memory. Operations are recorded and run by `read`. */
export class WasmTrainingBackend implements TrainingBackend {
  readonly name: string;
  readonly threads: number;
  readonly #heap: Heap;
  readonly #program: Program;
  readonly #workers: Threads | undefined;
  readonly #packed: HostRegion;
  #scratch: Region | undefined;
  /** Bytes of scratch of each thread. */
  #scratchStride = 0;
  readonly #partials: HostRegion;
  readonly #extra: HostRegion;
  readonly #outputs: HostRegion;
  readonly #left: PackedFactor;
  readonly #right: PackedFactor;

  /** Use `wasmTrainingBackend`. */
  constructor({ build, threads, heap, program, workers }: Started) {
    this.name = `wasm-${build}`;
    this.threads = threads;
    this.#heap = heap;
    this.#program = program;
    this.#workers = workers;
    this.#packed = new HostRegion(heap, program);
    this.#partials = new HostRegion(heap, program);
    this.#extra = new HostRegion(heap, program);
    this.#outputs = new HostRegion(heap, program);
    this.#left = { memory: new HostRegion(heap, program), width: 4, key: '' };
    this.#right = { memory: new HostRegion(heap, program), width: 8, key: '' };
  }

  tensor(length: number): TrainingTensor {
    const bytes = length * 4;
    const address = this.#heap.allocateZeroed(bytes, `training: tensor of ${length} elements`);
    return new Part(new Region(address, bytes), address, length);
  }

  slice(x: TrainingTensor, offset: number, length: number): TrainingTensor {
    const part = x as Part;
    return new Part(part.region, part.address + offset * 4, length);
  }

  free(x: TrainingTensor): void {
    this.#program.retire((x as Part).region.address);
  }

  write(target: TrainingTensor, values: Float32Array | Int32Array, offset = 0): void {
    const part = target as Part;
    const address = part.address + offset * 4;
    if (this.#program.isFree(part.region)) {
      this.#set(address, values);
      this.#program.hostWrote(part.region);
      return;
    }
    const copy = this.#heap.allocate(values.byteLength, 'training: write');
    this.#set(copy, values);
    const c = this.#program.add(OP_COPY, 1, values.length >> 1);
    this.#program.writes(part.region);
    this.#program.words.set([address, copy, values.byteLength], c + 1);
    this.#program.retire(copy);
  }

  async read(x: TrainingTensor, offset: number, length: number, signal?: AbortSignal): Promise<Float32Array> {
    await this.#program.finish(signal);
    return new Float32Array(this.#heap.memory.buffer, (x as Part).address + offset * 4, length).slice();
  }

  memoryBytes(): number {
    return this.#heap.allocatedBytes;
  }

  async dispose(): Promise<void> {
    this.#program.fail(new OnebitError('disposed', 'training: the trainer was disposed. Make another.'));
    await this.#workers?.stop();
    this.#program.release();
    this.#heap.drop();
  }

  zero(out: TrainingTensor): void {
    const c = this.#elements(op.OP_ZERO, out.length, 0.5, [out], []);
    this.#operands(c, out, out.length);
  }

  copy(out: TrainingTensor, x: TrainingTensor): void {
    const c = this.#add(OP_COPY, 1, out.length >> 1, [out], [x]);
    this.#operands(c, out, x, out.length * 4);
  }

  product(out: TrainingTensor, a: TrainingTensor, b: TrainingTensor, shape: ProductShape, base?: TrainingTensor): void {
    const { layout, m, n, k, alpha = 1, beta = 1 } = shape;
    const panels = Math.ceil(n / 8);
    const packed = this.#packed.fits(panels * k * 32);
    let c = this.#add(op.OP_PACK, panels, n * k * 2, [packed], [b]);
    this.#operands(c, packed, b, n, k, layout === 'nt' ? 1 : 0);
    const scratch = this.#scratchOf(GEMM_SCRATCH_BYTES);
    const { items, cols } = this.#blocksOf(m, n, op.GEMM_M_BLOCK);
    c = this.#add(op.OP_GEMM, items, (m * n * k) / TILE_SPEED, [out], [packed, a, base === out ? undefined : base]);
    this.#operands(c, out, base ?? out, a, packed, m, n, k, this.#scratchStride);
    this.#floats(c + 9, alpha, base ? beta : 0);
    this.#program.words[c + 11] = scratch.address;
    this.#program.words[c + 12] = cols + (layout === 'tn' ? 1 : 0);
  }

  signMatrix(rows: number, cols: number): SignMatrix {
    const groups = cols / 128;
    const outputBlocks = Math.ceil(rows / 128);
    // Whole pairs of tiles: a last odd one leaves a gap in each panel of columns (assembly/repack-q1.ts).
    const forward = 2 * Math.ceil(rows / 64) * groups * SIGN_TILE_BYTES;
    const backward = (cols / 32) * outputBlocks * SIGN_TILE_BYTES;
    const all = forward + backward + groups * outputBlocks * 512;
    const address = this.#heap.allocate(all, `training: sign matrix ${rows} × ${cols}`);
    return new WasmSignMatrix(address, rows, cols, { forward, backward, all });
  }

  packSigns(signs: SignMatrix, weights: TrainingTensor): void {
    const matrix = signs as WasmSignMatrix;
    const { rows, cols } = matrix;
    const blocks = Math.max(cols / 128, op.SIGN_RANGE_BLOCKS);
    const scratch = this.#scratchOf(1024 + 32 * blocks * 18 + 64);
    const work = 2 * rows * cols;
    let c = this.#add(op.OP_PACK_FORWARD, Math.ceil(rows / 32), work, [matrix], [weights]);
    this.#operands(c, matrix, weights, rows, cols, scratch, this.#scratchStride);
    c = this.#add(op.OP_PACK_BACKWARD, cols / 32, 2 * work, [matrix], [weights]);
    this.#operands(c, matrix.backwardTiles, weights, rows, cols, scratch, this.#scratchStride, matrix.scales);
  }

  signProducts(
    outs: readonly TrainingTensor[],
    x: TrainingTensor,
    signs: readonly SignMatrix[],
    m: number,
    base?: TrainingTensor,
  ): void {
    const matrices = signs as readonly WasmSignMatrix[];
    const { cols } = matrices[0];
    const scratch = this.#scratchOf((op.SIGN_TOKENS * cols * TABLE_BYTES) / 128);
    const list = this.#outputs.fresh(outs.length * 12);
    const entries = outs.flatMap((out, i) => [(out as Part).address, matrices[i].address, matrices[i].rows]);
    this.#heap.words.set(entries, list.address / 4);
    const outputs = matrices.reduce((sum, { rows }) => sum + rows, 0);
    const work = (m * cols * (outputs + 128)) / LOOK_UP_SPEED;
    const reads = [x, list, ...matrices, base && !outs.includes(base) ? base : undefined];
    const c = this.#add(op.OP_SIGN_PRODUCTS, Math.ceil(m / op.SIGN_TOKENS), work, [...outs], reads);
    this.#operands(c, x, cols, m, base ?? 0, scratch, this.#scratchStride, outs.length, list);
  }

  signProductBackward(
    dX: TrainingTensor,
    dOut: TrainingTensor,
    signs: SignMatrix,
    m: number,
    accumulate: boolean,
  ): void {
    const matrix = signs as WasmSignMatrix;
    const { rows, cols } = matrix;
    const scratch = this.#scratchOf(op.SIGN_RANGE_BLOCKS * (512 + op.SIGN_TOKENS * TABLE_BYTES));
    const work = (2 * m * cols * rows) / LOOK_UP_SPEED;
    const items = Math.ceil(m / op.SIGN_TOKENS);
    const c = this.#add(op.OP_SIGN_PRODUCT_BACKWARD, items, work, [dX], [dOut, matrix]);
    this.#operands(c, dX, dOut, matrix.backwardTiles, matrix.scales, rows, cols, m, accumulate ? 1 : 0);
    this.#program.words[c + 9] = scratch.address;
    this.#program.words[c + 10] = this.#scratchStride;
  }

  roundedProduct(
    out: TrainingTensor,
    a: TrainingTensor,
    b: TrainingTensor,
    shape: ProductShape,
    base?: TrainingTensor,
  ): void {
    const { layout, m, n, k, alpha = 1, beta = 1 } = shape;
    const left = this.#packRounded(this.#left, a, k, m, layout === 'tn');
    const right = this.#packRounded(this.#right, b, k, n, layout !== 'nt');
    const scratch = this.#scratchOf(op.TILE_BYTES);
    const { items, cols } = this.#blocksOf(m, n, op.ROUNDED_ROWS);
    const reads = [left, right, base === out ? undefined : base];
    const c = this.#add(op.OP_ROUNDED_PRODUCT, items, (m * n * k) / ROUNDED_SPEED, [out], reads);
    this.#operands(c, out, base ?? out, left, right, k, m, n, cols);
    this.#program.words[c + 9] = scratch.address;
    this.#program.words[c + 10] = this.#scratchStride;
    this.#floats(c + 11, alpha, base ? beta : 0);
  }

  round(out: TrainingTensor, latent: TrainingTensor, rounding: Rounding): void {
    const { code, group } = roundings[rounding];
    const c = this.#add(op.OP_ROUND, out.length / group, 2 * out.length, [out], [latent]);
    this.#operands(c, out, latent, code);
  }

  embed(out: TrainingTensor, table: TrainingTensor, tokens: TrainingTensor, rows: number, cols: number): void {
    const c = this.#add(OP_GATHER_ROWS, rows, rows * cols, [out], [table, tokens]);
    this.#operands(c, out, table, tokens, cols * 4);
  }

  embedBackward(dTable: TrainingTensor, dOut: TrainingTensor, tokens: TrainingTensor, rows: number, cols: number) {
    const c = this.#add(
      op.OP_EMBED_BACKWARD,
      Math.ceil(cols / op.EMBED_COLS),
      2 * rows * cols,
      [dTable],
      [dOut, tokens],
    );
    this.#operands(c, dTable, dOut, tokens, rows, cols);
  }

  rmsNorm(out: TrainingTensor, x: TrainingTensor, scale: TrainingTensor, rows: number, cols: number, epsilon: number) {
    const c = this.#add(OP_RMS_NORM, rows, rows * cols, [out], [x, scale]);
    this.#operands(c, out, x, scale, cols);
    this.#floats(c + 5, epsilon);
  }

  rmsNormBackward(
    dX: TrainingTensor,
    dScale: TrainingTensor,
    dOut: TrainingTensor,
    x: TrainingTensor,
    scale: TrainingTensor,
    rows: number,
    cols: number,
    epsilon: number,
    accumulate: boolean,
  ): void {
    const blocks = Math.ceil(rows / op.NORM_ROWS);
    const partials = this.#partials.fits(blocks * cols * 4);
    const reads = [dX === dOut ? undefined : dOut, x, scale];
    let c = this.#add(op.OP_NORM_BACKWARD, blocks, 3 * rows * cols, [dX, partials], reads);
    this.#operands(c, dX, partials, dOut, x, scale, rows, cols);
    this.#floats(c + 8, epsilon);
    this.#program.words[c + 9] = accumulate ? 1 : 0;
    c = this.#add(op.OP_ADD_ROWS, cols / 4, blocks * cols, [dScale], [partials]);
    this.#operands(c, dScale, partials, blocks, cols);
  }

  rotate(
    x: TrainingTensor,
    table: TrainingTensor,
    rows: number,
    length: number,
    heads: number,
    headSize: number,
    inverse: boolean,
  ): void {
    const c = this.#add(op.OP_ROTATE, rows, rows * heads * headSize, [x], [table]);
    this.#operands(c, x, table, length, heads, headSize, inverse ? 1 : 0);
  }

  attention(
    out: TrainingTensor,
    logSums: TrainingTensor,
    q: TrainingTensor,
    k: TrainingTensor,
    v: TrainingTensor,
    shape: AttentionShape,
  ): void {
    const { sequences, length, heads, kvHeads, headSize } = shape;
    const stride = Math.ceil(length / 8) * 8;
    const wide = Math.max(headSize, length);
    const floats = headSize * stride + headSize * length + op.ATTEND_ROWS * (stride + wide);
    const scratch = this.#scratchOf(op.TILE_BYTES + 4 * floats);
    const work = (sequences * heads * length * length * headSize) / TILE_SPEED;
    const c = this.#add(op.OP_ATTEND, sequences * heads, work, [out, logSums], [q, k, v]);
    this.#operands(c, out, logSums, q, k, v, length, heads, kvHeads, headSize, scratch, this.#scratchStride);
  }

  attentionBackward(
    gradients: { dQ: TrainingTensor; dK: TrainingTensor; dV: TrainingTensor },
    dOut: TrainingTensor,
    saved: { out: TrainingTensor; logSums: TrainingTensor; q: TrainingTensor; k: TrainingTensor; v: TrainingTensor },
    shape: AttentionShape,
  ): void {
    const { sequences, length, heads, kvHeads, headSize } = shape;
    const { dQ, dK, dV } = gradients;
    const { out, logSums, q, k, v } = saved;
    const stride = Math.ceil(length / 8) * 8;
    const rows = op.ATTEND_ROWS;
    const panels = Math.max(rows * headSize, rows * (length + 6));
    const floats = 2 * headSize * stride + headSize * length + 2 * rows * headSize + 2 * rows * stride + panels;
    const scratch = this.#scratchOf(op.TILE_BYTES + 4 * floats);
    const extra = this.#extra.fresh(12);
    this.#heap.words.set([(dV as Part).address, scratch.address, this.#scratchStride], extra.address / 4);
    const work = (2.5 * sequences * heads * length * length * headSize) / TILE_SPEED;
    const reads = [dOut, out, logSums, q, k, v, extra];
    const c = this.#add(op.OP_ATTEND_BACKWARD, sequences * kvHeads, work, [dQ, dK, dV], reads);
    this.#operands(c, out, logSums, q, k, v, length, (heads << 16) | kvHeads, headSize, dOut, dQ, dK, extra);
  }

  swiglu(out: TrainingTensor, gate: TrainingTensor, up: TrainingTensor, length: number): void {
    const c = this.#add(OP_SWIGLU, Math.ceil(length / 16), 6 * length, [out], [gate, up]);
    this.#operands(c, out, gate, up, length);
  }

  swigluBackward(
    dGate: TrainingTensor,
    dUp: TrainingTensor,
    dOut: TrainingTensor,
    gate: TrainingTensor,
    up: TrainingTensor,
    length: number,
  ): void {
    const reads = [dOut, dGate === gate ? undefined : gate, dUp === up ? undefined : up];
    const c = this.#elements(op.OP_SWIGLU_BACKWARD, length, 8, [dGate, dUp], reads);
    this.#operands(c, dGate, dUp, dOut, gate, up, length);
  }

  crossEntropy(
    losses: TrainingTensor,
    logits: TrainingTensor,
    targets: TrainingTensor,
    weights: TrainingTensor,
    rows: number,
    vocabulary: number,
    factor: number,
    share: number,
  ): void {
    const work = 6 * rows * vocabulary;
    const c = this.#add(op.OP_CROSS_ENTROPY, rows, work, [losses, logits], [targets, weights]);
    this.#operands(c, losses, logits, targets, weights, vocabulary);
    this.#floats(c + 6, factor, share);
  }

  subtractTeacher(
    dLogits: TrainingTensor,
    tokens: TrainingTensor,
    probabilities: TrainingTensor,
    weights: TrainingTensor,
    rows: number,
    vocabulary: number,
    k: number,
    factor: number,
  ): void {
    const reads = [tokens, probabilities, weights];
    const c = this.#add(op.OP_SUBTRACT_TEACHER, rows, 4 * rows * k, [dLogits], reads);
    this.#operands(c, dLogits, tokens, probabilities, weights, vocabulary, k);
    this.#floats(c + 7, factor);
  }

  sumsOfSquares(out: TrainingTensor, x: TrainingTensor): void {
    const c = this.#add(op.OP_SUMS_OF_SQUARES, Math.ceil(x.length / op.SQUARES_CHUNK), x.length, [out], [x]);
    this.#operands(c, out, x, x.length);
  }

  adam(
    latent: TrainingTensor,
    gradient: TrainingTensor,
    momentum: TrainingTensor,
    second: TrainingTensor,
    step: AdamStep,
  ): void {
    const { learningRate, beta1, beta2, epsilon, weightDecay, gradientScale } = step;
    const correction1 = 1 - power(beta1, step.step);
    const correction2 = Math.sqrt(1 - power(beta2, step.step));
    const c = this.#elements(op.OP_ADAM, latent.length, 6, [latent, momentum, second], [gradient]);
    this.#operands(c, latent, gradient, momentum, second, latent.length);
    this.#floats(c + 6, gradientScale, beta1, beta2, epsilon * correction2);
    this.#floats(c + 10, 1 - learningRate * weightDecay, (learningRate * correction2) / correction1);
  }

  nesterov(
    out: TrainingTensor,
    momentum: TrainingTensor,
    gradient: TrainingTensor,
    mu: number,
    gradientScale: number,
  ): void {
    const c = this.#elements(op.OP_NESTEROV, out.length, 3, [out, momentum], [gradient]);
    this.#operands(c, out, momentum, gradient, out.length);
    this.#floats(c + 5, mu, gradientScale);
  }

  normalize(out: TrainingTensor, x: TrainingTensor, sums: TrainingTensor, epsilon: number): void {
    const c = this.#elements(op.OP_NORMALIZE, out.length, 2, [out], [x === out ? undefined : x, sums]);
    this.#operands(c, out, x, out.length, sums, sums.length);
    this.#floats(c + 6, epsilon);
  }

  addScaled(out: TrainingTensor, x: TrainingTensor, factor: number): void {
    const c = this.#elements(op.OP_ADD_SCALED, out.length, 2, [out], [x]);
    this.#operands(c, out, x, out.length);
    this.#floats(c + 4, factor);
  }

  /** Blocks of `rows` rows that a product [m, n] is cut into, and their columns, a multiple of eight: enough blocks for all threads. */
  #blocksOf(m: number, n: number, rows: number): { items: number; cols: number } {
    const rowBlocks = Math.ceil(m / rows);
    const panels = Math.ceil(n / 8);
    const across = Math.min(panels, Math.ceil((BLOCKS_PER_THREAD * this.threads) / rowBlocks));
    const cols = Math.ceil(panels / across) * 8;
    return { items: rowBlocks * Math.ceil(n / cols), cols };
  }

  /** Packs a factor of `lines` lines of `summands` numbers, `apart` or contiguous, unless that was done last. */
  #packRounded(packed: PackedFactor, x: TrainingTensor, summands: number, lines: number, apart: boolean): Region {
    const { width } = packed;
    const { region: source, address } = x as Part;
    const blocks = Math.ceil(summands / op.ROUNDED_SUM);
    const panelBytes = Math.ceil(lines / width) * op.ROUNDED_SUM * width * 2;
    const region = packed.memory.fits(blocks * (panelBytes + Math.ceil(lines / 8) * 32));
    const key = `${region.address} ${address} ${source.written} ${summands} ${lines} ${apart}`;
    if (packed.key !== key) {
      const c = this.#add(op.OP_PACK_ROUNDED, blocks, 2 * summands * lines, [region], [x]);
      this.#operands(c, region, x, summands, lines, width, apart ? 1 : 0);
      packed.key = key;
    }
    return region;
  }

  /**
   * Scratch of at least `bytes` bytes for each thread. A thread may be one command behind another, so the parts of threads never move within a
   * region: more scratch is a new region.
   */
  #scratchOf(bytes: number): Region {
    if (this.#scratch && bytes <= this.#scratchStride) return this.#scratch;
    if (this.#scratch) this.#program.retire(this.#scratch.address);
    this.#scratchStride = Math.ceil(bytes / 64) * 64;
    const total = this.#scratchStride * this.threads;
    this.#scratch = new Region(this.#heap.allocate(total, 'training: scratch'), total);
    return this.#scratch;
  }

  #set(address: number, values: Float32Array | Int32Array): void {
    if (values instanceof Int32Array) this.#heap.words.set(values, address / 4);
    else this.#heap.floats.set(values, address / 4);
  }

  /** Begins a command over ELEMENT_BLOCK elements an item, each costing `workEach`. */
  #elements(code: number, length: number, workEach: number, writes: Operand[], reads: Operand[]): number {
    return this.#add(code, Math.ceil(length / op.ELEMENT_BLOCK), length * workEach, writes, reads);
  }

  /** Begins a command and notes what it writes and reads. */
  #add(code: number, items: number, work: number, writes: Operand[], reads: Operand[]): number {
    const program = this.#program;
    const c = program.add(code, items, work);
    for (const out of writes) if (out) program.writes(regionOf(out));
    for (const x of reads) if (x) program.reads(regionOf(x));
    return c;
  }

  /** Stores operands from word c + 1: addresses of tensors, and whole numbers. */
  #operands(c: number, ...values: (TrainingTensor | Region | number)[]): void {
    const { words } = this.#program;
    for (const [i, value] of values.entries()) words[c + 1 + i] = typeof value === 'number' ? value : addressOf(value);
  }

  #floats(at: number, ...values: number[]): void {
    this.#program.floats.set(values, at);
  }
}

function regionOf(x: TrainingTensor | Region): Region {
  return x instanceof Region ? x : (x as Part).region;
}

function addressOf(x: TrainingTensor | Region): number {
  return (x as Part | Region).address;
}
