// Owns how operations of training become commands: the tensors they work on, their operands, the threads' scratch. Must not know operations.
import type { TrainingTensor } from '../training.ts';
import * as op from './assembly/training-opcodes.ts';
import type { Heap } from './heap.ts';
import { type Program, Region } from './program.ts';

/** Multiply-adds that take as long as one of the 30,000 unit works of program.ts, in float32 tiles. */
export const TILE_SPEED = 4;

/** A tensor or a part of one: dependencies between commands are tracked by whole tensors. */
export class Part implements TrainingTensor {
  readonly region: Region;
  readonly address: number;
  readonly length: number;

  constructor(region: Region, address: number, length: number) {
    this.region = region;
    this.address = address;
    this.length = length;
  }
}

type Operand = TrainingTensor | Region | undefined;

/** Records commands. */
export class TrainingCommands {
  readonly heap: Heap;
  readonly program: Program;
  readonly threads: number;
  #scratch: Region | undefined;
  /** Bytes of scratch of each thread. */
  scratchStride = 0;

  constructor(heap: Heap, program: Program, threads: number) {
    this.heap = heap;
    this.program = program;
    this.threads = threads;
  }

  /**
   * Scratch of at least `bytes` bytes for each thread. A thread may be one command behind another, so the parts of threads never move within a
   * region: more scratch is a new region.
   */
  scratchOf(bytes: number): Region {
    if (this.#scratch && bytes <= this.scratchStride) return this.#scratch;
    if (this.#scratch) this.program.retire(this.#scratch.address);
    this.scratchStride = Math.ceil(bytes / 64) * 64;
    const total = this.scratchStride * this.threads;
    this.#scratch = new Region(this.heap.allocate(total, 'training: scratch'), total);
    return this.#scratch;
  }

  /** Begins a command over ELEMENT_BLOCK elements an item, each costing `workEach`. */
  elements(code: number, length: number, workEach: number, writes: Operand[], reads: Operand[]): number {
    return this.add(code, Math.ceil(length / op.ELEMENT_BLOCK), length * workEach, writes, reads);
  }

  /** Begins a command and notes what it writes and reads. */
  add(code: number, items: number, work: number, writes: Operand[], reads: Operand[]): number {
    const program = this.program;
    const c = program.add(code, items, work);
    for (const out of writes) if (out) program.writes(regionOf(out));
    for (const x of reads) if (x) program.reads(regionOf(x));
    return c;
  }

  /** Stores operands from word c + 1: addresses of tensors, and whole numbers. */
  operands(c: number, ...values: (TrainingTensor | Region | number)[]): void {
    const { words } = this.program;
    for (const [i, value] of values.entries()) words[c + 1 + i] = typeof value === 'number' ? value : addressOf(value);
  }

  floats(at: number, ...values: number[]): void {
    this.program.floats.set(values, at);
  }
}

function regionOf(x: TrainingTensor | Region): Region {
  return x instanceof Region ? x : (x as Part).region;
}

function addressOf(x: TrainingTensor | Region): number {
  return (x as Part | Region).address;
}
