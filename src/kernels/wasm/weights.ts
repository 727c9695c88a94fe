// Owns weights in memory: loading them piece by piece, and the commands of products with them.
import { OnebitError } from '../../errors.ts';
import type { Format, FormatName } from '../../quant/format.ts';
import type { ReadWeight, Weight } from '../backend.ts';
import { OP_EMBED, OP_PRODUCT } from './assembly/opcodes.ts';
import type { Heap } from './heap.ts';
import { type Program, Region } from './program.ts';

export class WasmWeight extends Region implements Weight {
  readonly rows: number;
  readonly cols: number;
  readonly format: FormatName;
  readonly sizeBytes: number;

  constructor(address: number, format: FormatName, rows: number, cols: number, sizeBytes: number) {
    super(address, sizeBytes);
    this.rows = rows;
    this.cols = cols;
    this.format = format;
    this.sizeBytes = sizeBytes;
  }
}

export class Weights {
  readonly #heap: Heap;
  readonly #program: Program;

  constructor(heap: Heap, program: Program, _threads: number) {
    this.#heap = heap;
    this.#program = program;
  }

  async load(format: Format, rows: number, cols: number, read: ReadWeight, signal?: AbortSignal): Promise<WasmWeight> {
    if (format.name !== 'f32') throw new OnebitError('unsupported', 'not yet');
    const sizeBytes = rows * cols * 4;
    const address = this.#heap.allocate(sizeBytes, `weight of ${sizeBytes}`);
    const view = this.#heap.bytes(address, sizeBytes);
    await read(view, 0, signal);
    return new WasmWeight(address, 'f32', rows, cols, sizeBytes);
  }

  embed(out: Region, table: WasmWeight, rows: Region, count: number): void {
    const program = this.#program;
    const c = program.add(OP_EMBED, count, count * table.cols);
    program.writes(out);
    program.reads(rows);
    program.words[c + 1] = out.address;
  }

  matmul(out: Region, x: Region, weight: WasmWeight, rows: number, accumulate: boolean): void {
    const program = this.#program;
    const c = program.add(OP_PRODUCT, Math.ceil(weight.rows / 4), rows * weight.rows * weight.cols);
    program.writes(out);
    program.reads(x);
    const { words } = program;
    words[c + 1] = out.address;
    words[c + 2] = x.address;
    words[c + 3] = weight.address;
    words[c + 4] = weight.rows;
    words[c + 5] = weight.cols;
    words[c + 6] = rows;
    words[c + 7] = accumulate ? 1 : 0;
  }
}
