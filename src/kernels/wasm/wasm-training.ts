// Owns the WebAssembly backend of training: its memory, and how each operation becomes a command. What commands compute is in assembly/training-*;
// when they run is program.ts. Must not know models.
import { power } from '../../core/elementary.ts';
import { OnebitError } from '../../errors.ts';
import type { GateActivation } from '../backend.ts';
import type {
  AdamStep,
  AttentionShape,
  ProductShape,
  Rounding,
  SignMatrix,
  TrainingBackend,
  TrainingTensor,
} from '../training.ts';
import { OP_COPY, OP_GATE_GELU, OP_GATE_RELU2, OP_GATHER_ROWS, OP_RMS_NORM, OP_SWIGLU } from './assembly/opcodes.ts';
import * as op from './assembly/training-opcodes.ts';
import type { Heap } from './heap.ts';
import { type Program, Region } from './program.ts';
import { HostRegion } from './rows.ts';
import { type Started, startEngine, type WasmOptions } from './start.ts';
import type { Threads } from './threads.ts';
import { Part, TILE_SPEED, TrainingCommands } from './training-commands.ts';
import { TrainingProducts } from './training-products.ts';

const gates: Record<GateActivation, { forward: number; backward: number }> = {
  silu: { forward: OP_SWIGLU, backward: op.GATE_SILU },
  relu2: { forward: OP_GATE_RELU2, backward: op.GATE_RELU2 },
  gelu: { forward: OP_GATE_GELU, backward: op.GATE_GELU },
};

const roundings: Record<Rounding, { code: number; group: number }> = {
  binary: { code: op.ROUND_BINARY, group: 128 },
  ternary: { code: op.ROUND_TERNARY, group: 64 },
  half: { code: op.ROUND_HALF, group: 4 },
};

/** Makes a training backend that computes in WebAssembly. Throws `unsupported` where the engine cannot run it. */
export async function wasmTrainingBackend(options: WasmOptions = {}): Promise<WasmTrainingBackend> {
  return new WasmTrainingBackend(await startEngine('training', options));
}

/** Training on threads over one WebAssembly memory. Operations are recorded and run by `read`. */
export class WasmTrainingBackend implements TrainingBackend {
  readonly name: string;
  readonly threads: number;
  readonly #heap: Heap;
  readonly #program: Program;
  readonly #workers: Threads | undefined;
  readonly #commands: TrainingCommands;
  readonly #products: TrainingProducts;
  readonly #partials: HostRegion;
  readonly #extra: HostRegion;

  /** Use `wasmTrainingBackend`. */
  constructor({ build, threads, heap, program, workers }: Started) {
    this.name = `wasm-${build}`;
    this.threads = threads;
    this.#heap = heap;
    this.#program = program;
    this.#workers = workers;
    this.#commands = new TrainingCommands(heap, program, threads);
    this.#products = new TrainingProducts(this.#commands);
    this.#partials = new HostRegion(heap, program);
    this.#extra = new HostRegion(heap, program);
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
    const c = this.#commands.elements(op.OP_ZERO, out.length, 0.5, [out], []);
    this.#commands.operands(c, out, out.length);
  }

  copy(out: TrainingTensor, x: TrainingTensor): void {
    const c = this.#commands.add(OP_COPY, 1, out.length >> 1, [out], [x]);
    this.#commands.operands(c, out, x, out.length * 4);
  }

  product(out: TrainingTensor, a: TrainingTensor, b: TrainingTensor, shape: ProductShape, base?: TrainingTensor): void {
    this.#products.product(out, a, b, shape, base);
  }

  signMatrix(rows: number, cols: number): SignMatrix {
    return this.#products.signMatrix(rows, cols);
  }

  packSigns(signs: SignMatrix, weights: TrainingTensor): void {
    this.#products.packSigns(signs, weights);
  }

  signProducts(
    outs: readonly TrainingTensor[],
    x: TrainingTensor,
    signs: readonly SignMatrix[],
    m: number,
    base?: TrainingTensor,
  ): void {
    this.#products.signProducts(outs, x, signs, m, base);
  }

  signProductBackward(
    dX: TrainingTensor,
    dOut: TrainingTensor,
    signs: SignMatrix,
    m: number,
    accumulate: boolean,
  ): void {
    this.#products.signProductBackward(dX, dOut, signs, m, accumulate);
  }

  roundedProduct(
    out: TrainingTensor,
    a: TrainingTensor,
    b: TrainingTensor,
    shape: ProductShape,
    base?: TrainingTensor,
  ): void {
    this.#products.roundedProduct(out, a, b, shape, base);
  }

  round(out: TrainingTensor, latent: TrainingTensor, rounding: Rounding): void {
    const { code, group } = roundings[rounding];
    const c = this.#commands.add(op.OP_ROUND, out.length / group, 2 * out.length, [out], [latent]);
    this.#commands.operands(c, out, latent, code);
  }

  embed(out: TrainingTensor, table: TrainingTensor, tokens: TrainingTensor, rows: number, cols: number): void {
    const c = this.#commands.add(OP_GATHER_ROWS, rows, rows * cols, [out], [table, tokens]);
    this.#commands.operands(c, out, table, tokens, cols * 4);
  }

  embedBackward(dTable: TrainingTensor, dOut: TrainingTensor, tokens: TrainingTensor, rows: number, cols: number) {
    const c = this.#commands.add(
      op.OP_EMBED_BACKWARD,
      Math.ceil(cols / op.EMBED_COLS),
      2 * rows * cols,
      [dTable],
      [dOut, tokens],
    );
    this.#commands.operands(c, dTable, dOut, tokens, rows, cols);
  }

  rmsNorm(out: TrainingTensor, x: TrainingTensor, scale: TrainingTensor, rows: number, cols: number, epsilon: number) {
    const c = this.#commands.add(OP_RMS_NORM, rows, rows * cols, [out], [x, scale]);
    this.#commands.operands(c, out, x, scale, cols);
    this.#commands.floats(c + 5, epsilon);
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
    let c = this.#commands.add(op.OP_NORM_BACKWARD, blocks, 3 * rows * cols, [dX, partials], reads);
    this.#commands.operands(c, dX, partials, dOut, x, scale, rows, cols);
    this.#commands.floats(c + 8, epsilon);
    this.#program.words[c + 9] = accumulate ? 1 : 0;
    c = this.#commands.add(op.OP_ADD_ROWS, cols / 4, blocks * cols, [dScale], [partials]);
    this.#commands.operands(c, dScale, partials, blocks, cols);
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
    const c = this.#commands.add(op.OP_ROTATE, rows, rows * heads * headSize, [x], [table]);
    this.#commands.operands(c, x, table, length, heads, headSize, inverse ? 1 : 0);
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
    const scratch = this.#commands.scratchOf(op.TILE_BYTES + 4 * floats);
    const work = (sequences * heads * length * length * headSize) / TILE_SPEED;
    const c = this.#commands.add(op.OP_ATTEND, sequences * heads, work, [out, logSums], [q, k, v]);
    this.#commands.operands(
      c,
      out,
      logSums,
      q,
      k,
      v,
      length,
      (heads << 16) | kvHeads,
      shape.window ?? 0,
      headSize,
      scratch,
      this.#commands.scratchStride,
    );
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
    const scratch = this.#commands.scratchOf(op.TILE_BYTES + 4 * floats);
    const extra = this.#extra.fresh(16);
    const more = [(dV as Part).address, scratch.address, this.#commands.scratchStride, shape.window ?? 0];
    this.#heap.words.set(more, extra.address / 4);
    const work = (2.5 * sequences * heads * length * length * headSize) / TILE_SPEED;
    const reads = [dOut, out, logSums, q, k, v, extra];
    const c = this.#commands.add(op.OP_ATTEND_BACKWARD, sequences * kvHeads, work, [dQ, dK, dV], reads);
    this.#commands.operands(c, out, logSums, q, k, v, length, (heads << 16) | kvHeads, headSize, dOut, dQ, dK, extra);
  }

  gated(
    out: TrainingTensor,
    gate: TrainingTensor,
    up: TrainingTensor,
    length: number,
    activation: GateActivation,
  ): void {
    const c = this.#commands.add(gates[activation].forward, Math.ceil(length / 16), 6 * length, [out], [gate, up]);
    this.#commands.operands(c, out, gate, up, length);
  }

  gatedBackward(
    dGate: TrainingTensor,
    dUp: TrainingTensor,
    dOut: TrainingTensor,
    gate: TrainingTensor,
    up: TrainingTensor,
    length: number,
    activation: GateActivation,
  ): void {
    const reads = [dOut, dGate === gate ? undefined : gate, dUp === up ? undefined : up];
    const c = this.#commands.elements(op.OP_GATED_BACKWARD, length, 8, [dGate, dUp], reads);
    this.#commands.operands(c, dGate, dUp, dOut, gate, up, length, gates[activation].backward);
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
    const c = this.#commands.add(op.OP_CROSS_ENTROPY, rows, work, [losses, logits], [targets, weights]);
    this.#commands.operands(c, losses, logits, targets, weights, vocabulary);
    this.#commands.floats(c + 6, factor, share);
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
    const c = this.#commands.add(op.OP_SUBTRACT_TEACHER, rows, 4 * rows * k, [dLogits], reads);
    this.#commands.operands(c, dLogits, tokens, probabilities, weights, vocabulary, k);
    this.#commands.floats(c + 7, factor);
  }

  sumsOfSquares(out: TrainingTensor, x: TrainingTensor): void {
    const c = this.#commands.add(op.OP_SUMS_OF_SQUARES, Math.ceil(x.length / op.SQUARES_CHUNK), x.length, [out], [x]);
    this.#commands.operands(c, out, x, x.length);
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
    const c = this.#commands.elements(op.OP_ADAM, latent.length, 6, [latent, momentum, second], [gradient]);
    this.#commands.operands(c, latent, gradient, momentum, second, latent.length);
    this.#commands.floats(c + 6, gradientScale, beta1, beta2, epsilon * correction2);
    this.#commands.floats(c + 10, 1 - learningRate * weightDecay, (learningRate * correction2) / correction1);
  }

  nesterov(
    out: TrainingTensor,
    momentum: TrainingTensor,
    gradient: TrainingTensor,
    mu: number,
    gradientScale: number,
  ): void {
    const c = this.#commands.elements(op.OP_NESTEROV, out.length, 3, [out, momentum], [gradient]);
    this.#commands.operands(c, out, momentum, gradient, out.length);
    this.#commands.floats(c + 5, mu, gradientScale);
  }

  normalize(out: TrainingTensor, x: TrainingTensor, sums: TrainingTensor, epsilon: number): void {
    const c = this.#commands.elements(op.OP_NORMALIZE, out.length, 2, [out], [x === out ? undefined : x, sums]);
    this.#commands.operands(c, out, x, out.length, sums, sums.length);
    this.#commands.floats(c + 6, epsilon);
  }

  addScaled(out: TrainingTensor, x: TrainingTensor, factor: number): void {
    const c = this.#commands.elements(op.OP_ADD_SCALED, out.length, 2, [out], [x]);
    this.#commands.operands(c, out, x, out.length);
    this.#commands.floats(c + 4, factor);
  }

  #set(address: number, values: Float32Array | Int32Array): void {
    if (values instanceof Int32Array) this.#heap.words.set(values, address / 4);
    else this.#heap.floats.set(values, address / 4);
  }
}
