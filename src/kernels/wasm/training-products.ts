// Owns the products of training: float32, of factors rounded to 12 bits, and of packed signs by look-up. What they compute: assembly/training-gemm.ts,
// training-rounded.ts, training-signs.ts.
import type { ProductShape, SignMatrix, TrainingTensor } from '../training.ts';
import * as op from './assembly/training-opcodes.ts';
import { Region } from './program.ts';
import { HostRegion } from './rows.ts';
import { type Part, TILE_SPEED, type TrainingCommands } from './training-commands.ts';

const GEMM_SCRATCH_BYTES = op.GEMM_M_BLOCK * op.GEMM_K_BLOCK * 4 + op.TILE_BYTES;
/** Blocks of a product a thread should have at least, so that a slow thread leaves work to the others. */
const BLOCKS_PER_THREAD = 4;
/** The same for rounded factors. */
const ROUNDED_SPEED = 8;
/** The same for look-ups. */
const LOOK_UP_SPEED = 16;
/** Bytes of a tile of 32 × 128 signs with its scales (repack-q1.ts), and of the tables of 128 activations (tables.ts). */
const SIGN_TILE_BYTES = 576;
const TABLE_BYTES = 576;

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

export class TrainingProducts {
  readonly #commands: TrainingCommands;
  readonly #packed: HostRegion;
  readonly #outputs: HostRegion;
  readonly #left: PackedFactor;
  readonly #right: PackedFactor;

  constructor(commands: TrainingCommands) {
    const { heap, program } = commands;
    this.#commands = commands;
    this.#packed = new HostRegion(heap, program);
    this.#outputs = new HostRegion(heap, program);
    this.#left = { memory: new HostRegion(heap, program), width: 4, key: '' };
    this.#right = { memory: new HostRegion(heap, program), width: 8, key: '' };
  }

  product(out: TrainingTensor, a: TrainingTensor, b: TrainingTensor, shape: ProductShape, base?: TrainingTensor): void {
    const { layout, m, n, k, alpha = 1, beta = 1 } = shape;
    const panels = Math.ceil(n / 8);
    const packed = this.#packed.fits(panels * k * 32);
    let c = this.#commands.add(op.OP_PACK, panels, n * k * 2, [packed], [b]);
    this.#commands.operands(c, packed, b, n, k, layout === 'nt' ? 1 : 0);
    const scratch = this.#commands.scratchOf(GEMM_SCRATCH_BYTES);
    const { items, cols } = this.#blocksOf(m, n, op.GEMM_M_BLOCK);
    c = this.#commands.add(
      op.OP_GEMM,
      items,
      (m * n * k) / TILE_SPEED,
      [out],
      [packed, a, base === out ? undefined : base],
    );
    this.#commands.operands(c, out, base ?? out, a, packed, m, n, k, this.#commands.scratchStride);
    this.#commands.floats(c + 9, alpha, base ? beta : 0);
    this.#commands.program.words[c + 11] = scratch.address;
    this.#commands.program.words[c + 12] = cols + (layout === 'tn' ? 1 : 0);
  }

  signMatrix(rows: number, cols: number): SignMatrix {
    const groups = cols / 128;
    const outputBlocks = Math.ceil(rows / 128);
    // Whole pairs of tiles: a last odd one leaves a gap in each panel of columns (assembly/repack-q1.ts).
    const forward = 2 * Math.ceil(rows / 64) * groups * SIGN_TILE_BYTES;
    const backward = (cols / 32) * outputBlocks * SIGN_TILE_BYTES;
    const all = forward + backward + groups * outputBlocks * 512;
    const address = this.#commands.heap.allocate(all, `training: sign matrix ${rows} × ${cols}`);
    return new WasmSignMatrix(address, rows, cols, { forward, backward, all });
  }

  packSigns(signs: SignMatrix, weights: TrainingTensor): void {
    const matrix = signs as WasmSignMatrix;
    const { rows, cols } = matrix;
    const blocks = Math.max(cols / 128, op.SIGN_RANGE_BLOCKS);
    const scratch = this.#commands.scratchOf(1024 + 32 * blocks * 18 + 64);
    const work = 2 * rows * cols;
    let c = this.#commands.add(op.OP_PACK_FORWARD, Math.ceil(rows / 32), work, [matrix], [weights]);
    this.#commands.operands(c, matrix, weights, rows, cols, scratch, this.#commands.scratchStride);
    c = this.#commands.add(op.OP_PACK_BACKWARD, cols / 32, 2 * work, [matrix], [weights]);
    this.#commands.operands(
      c,
      matrix.backwardTiles,
      weights,
      rows,
      cols,
      scratch,
      this.#commands.scratchStride,
      matrix.scales,
    );
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
    const scratch = this.#commands.scratchOf((op.SIGN_TOKENS * cols * TABLE_BYTES) / 128);
    const list = this.#outputs.fresh(outs.length * 12);
    const entries = outs.flatMap((out, i) => [(out as Part).address, matrices[i].address, matrices[i].rows]);
    this.#commands.heap.words.set(entries, list.address / 4);
    const outputs = matrices.reduce((sum, { rows }) => sum + rows, 0);
    const work = (m * cols * (outputs + 128)) / LOOK_UP_SPEED;
    const reads = [x, list, ...matrices, base && !outs.includes(base) ? base : undefined];
    const c = this.#commands.add(op.OP_SIGN_PRODUCTS, Math.ceil(m / op.SIGN_TOKENS), work, [...outs], reads);
    this.#commands.operands(c, x, cols, m, base ?? 0, scratch, this.#commands.scratchStride, outs.length, list);
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
    const scratch = this.#commands.scratchOf(op.SIGN_RANGE_BLOCKS * (512 + op.SIGN_TOKENS * TABLE_BYTES));
    const work = (2 * m * cols * rows) / LOOK_UP_SPEED;
    const items = Math.ceil(m / op.SIGN_TOKENS);
    const c = this.#commands.add(op.OP_SIGN_PRODUCT_BACKWARD, items, work, [dX], [dOut, matrix]);
    this.#commands.operands(c, dX, dOut, matrix.backwardTiles, matrix.scales, rows, cols, m, accumulate ? 1 : 0);
    this.#commands.program.words[c + 9] = scratch.address;
    this.#commands.program.words[c + 10] = this.#commands.scratchStride;
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
    const scratch = this.#commands.scratchOf(op.TILE_BYTES);
    const { items, cols } = this.#blocksOf(m, n, op.ROUNDED_ROWS);
    const reads = [left, right, base === out ? undefined : base];
    const c = this.#commands.add(op.OP_ROUNDED_PRODUCT, items, (m * n * k) / ROUNDED_SPEED, [out], reads);
    this.#commands.operands(c, out, base ?? out, left, right, k, m, n, cols);
    this.#commands.program.words[c + 9] = scratch.address;
    this.#commands.program.words[c + 10] = this.#commands.scratchStride;
    this.#commands.floats(c + 11, alpha, base ? beta : 0);
  }

  /** Blocks of `rows` rows that a product [m, n] is cut into, and their columns, a multiple of eight: enough blocks for all threads. */
  #blocksOf(m: number, n: number, rows: number): { items: number; cols: number } {
    const rowBlocks = Math.ceil(m / rows);
    const panels = Math.ceil(n / 8);
    const across = Math.min(panels, Math.ceil((BLOCKS_PER_THREAD * this.#commands.threads) / rowBlocks));
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
      const c = this.#commands.add(op.OP_PACK_ROUNDED, blocks, 2 * summands * lines, [region], [x]);
      this.#commands.operands(c, region, x, summands, lines, width, apart ? 1 : 0);
      packed.key = key;
    }
    return region;
  }
}
