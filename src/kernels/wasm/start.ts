// Owns bringing the WebAssembly engine up: the right build, its memory, its threads, a program to record into. What is recorded is the backends' business.
import { OnebitError } from '../../errors.ts';
import { CONTROL_BYTES } from './assembly/opcodes.ts';
import { instantiate, loadBuild, type WasmBuild } from './build.ts';
import { Heap } from './heap.ts';
import { Program } from './program.ts';
import { canShareMemory, defaultThreads, mayWait, Threads } from './threads.ts';

export interface WasmOptions {
  /** Threads that compute, the caller's included. Default: what the machine runs at once. One where memory cannot be shared. */
  threads?: number;
  /** Which kernels to use. Default: relaxed SIMD where it gives right numbers, else baseline SIMD. */
  build?: WasmBuild;
  /** Most bytes of memory to use; at most, and by default, 4 GB − 64 KB. */
  memoryLimitBytes?: number;
  /** Multiply-adds from which threads share an operation, at least 1; for tests and measurements. Default: where it pays. */
  shareWork?: number;
}

/** A running engine: what a backend is made of. */
export interface Started {
  readonly build: WasmBuild;
  readonly threads: number;
  readonly heap: Heap;
  readonly program: Program;
  /** Absent with one thread. */
  readonly workers: Threads | undefined;
}

/** Loads of an address before a thread sleeps on it: some tens of microseconds. */
const SPINS = 20_000;

/**
 * Starts the engine for `owner`, whose name errors begin with. Throws `bad-argument` for a wrong number of threads, `unsupported` where the engine cannot
 * run, `device-lost` when threads do not start.
 */
export async function startEngine(owner: string, options: WasmOptions): Promise<Started> {
  const { threads = defaultThreads(), memoryLimitBytes = 2 ** 32 } = options;
  if (!Number.isInteger(threads) || threads < 1 || threads > 256) {
    throw new OnebitError(
      'bad-argument',
      `${owner}: threads must be 1 to 256, got ${threads}. Leave it out for the default.`,
    );
  }
  const { module, build } = await loadBuild(options.build);
  const heap = new Heap(memoryLimitBytes);
  const control = heap.allocateZeroed(CONTROL_BYTES, owner);
  const kernels = instantiate(module, heap.memory);
  const count = canShareMemory() ? threads : 1;
  kernels.init(control, 0, count, mayWait(heap.memory) ? 1 : 0, SPINS);
  let workers: Threads | undefined;
  if (count > 1) {
    const setup = { module, memory: heap.memory, control, threads: count, spins: SPINS };
    workers = new Threads(setup);
    await workers.start(setup);
  }
  const program = new Program(heap, kernels, count, workers, options.shareWork);
  return { build, threads: count, heap, program, workers };
}
