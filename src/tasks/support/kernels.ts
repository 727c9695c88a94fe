// Owns the memory and the compiled kernels of one network: hands out arrays whose numbers the kernels see. Runs in Node and in pages. Must not know
// what is computed with them.
import { OnebitError } from '../../errors.ts';
import { wasmBase64 } from './generated/kernels.ts';

/** What assembly/index.ts exports; addresses in bytes. */
export interface SupportKernels {
  bagForward(
    ids: number,
    weights: number,
    count: number,
    table: number,
    width: number,
    out: number,
    binary: number,
  ): void;
  bagUpdate(
    ids: number,
    weights: number,
    count: number,
    table: number,
    squares: number,
    width: number,
    grad: number,
    rate: number,
  ): void;
  bagAdd(ids: number, weights: number, count: number, table: number, width: number, x: number): void;
  denseForward(matrix: number, x: number, out: number, rows: number, width: number, binary: number): void;
  denseUpdate(
    matrix: number,
    squares: number,
    x: number,
    grad: number,
    dx: number,
    rows: number,
    width: number,
    rate: number,
    binary: number,
  ): void;
  seenWeights(weights: number, out: number, groups: number): void;
  slideForward(
    matrix: number,
    x: number,
    out: number,
    places: number,
    rows: number,
    width: number,
    step: number,
    count: number,
  ): void;
  slideBackward(
    matrix: number,
    matrixGradient: number,
    x: number,
    dx: number,
    grad: number,
    places: number,
    rows: number,
    width: number,
    step: number,
  ): void;
  adamStep(
    weights: number,
    gradient: number,
    means: number,
    squares: number,
    count: number,
    rate: number,
    decay: number,
    meanScale: number,
    squareScale: number,
  ): void;
}

const PAGE_BYTES = 65536;
const MAX_BYTES = 2 ** 32 - PAGE_BYTES;
/** The first bytes belong to the module. */
const FIRST_BYTE = 1024;

let compiled: WebAssembly.Module | undefined;

/** Arrays of 32-bit numbers in one WebAssembly memory of fixed size. */
export class KernelMemory {
  readonly kernels: SupportKernels;
  private readonly memory: WebAssembly.Memory;
  private next = FIRST_BYTE;

  /** @param numbers how many 32-bit numbers all arrays together will have; @param arrays how many arrays */
  constructor(numbers: number, arrays: number) {
    const bytes = FIRST_BYTE + 4 * numbers + 64 * arrays;
    if (bytes > MAX_BYTES) {
      throw new OnebitError(
        'out-of-memory',
        `support: a network must fit the 4 GB of WebAssembly, got ${(bytes / 1e9).toFixed(1)} GB. Train with fewer intents or a smaller file.`,
      );
    }
    this.memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE_BYTES), maximum: 65536 });
    compiled ??= new WebAssembly.Module(Uint8Array.from(atob(wasmBase64), (char) => char.charCodeAt(0)));
    const instance = new WebAssembly.Instance(compiled, { env: { memory: this.memory } });
    this.kernels = instance.exports as unknown as SupportKernels;
  }

  floats(count: number): Float32Array {
    return new Float32Array(this.memory.buffer, this.take(count), count);
  }

  integers(count: number): Uint32Array {
    return new Uint32Array(this.memory.buffer, this.take(count), count);
  }

  private take(count: number): number {
    const at = this.next;
    this.next += Math.ceil((4 * count) / 64) * 64;
    return at;
  }
}

/** Where the kernels find an array. */
export function at(array: Float32Array | Uint32Array): number {
  return array.byteOffset;
}
