// Owns worker threads: starting them in Node and in browsers, noticing that one died, ending them. Must not know any operation.
// A worker's source is text, so that it needs no file of its own from dist/, from src/ under a test runner, or in a bundled page.
import type { Worker as NodeWorker } from 'node:worker_threads';
import { OnebitError } from '../../errors.ts';
import { CONTROL_BYTES, CONTROL_GENERATION, CONTROL_POISON, CONTROL_QUIT, CONTROL_WALKED } from './assembly/opcodes.ts';
import { nodeModule } from './build.ts';

/** What a worker needs to take part. */
export interface ThreadSetup {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** Address of the control block. */
  readonly control: number;
  readonly threads: number;
  /** Loads of an address before a thread goes to sleep on it. */
  readonly spins: number;
}

const workerBody = `
function start(setup, ready) {
  const words = new Int32Array(setup.memory.buffer);
  try {
    const { module, memory, control, thread, threads, spins } = setup;
    const wait = (address, expected, milliseconds) => { Atomics.wait(words, address >>> 2, expected, milliseconds); };
    const notify = (address) => { Atomics.notify(words, address >>> 2); };
    const kernels = new WebAssembly.Instance(module, { env: { memory, wait, notify } }).exports;
    kernels.init(control, thread, threads, 1, spins);
    ready();
    kernels.work();
  } catch (error) {
    const word = (setup.control >>> 2);
    Atomics.store(words, word + ${CONTROL_POISON / 4}, 1);
    throw error;
  }
}`;
const nodeWorkerSource = `${workerBody}
const { workerData, parentPort } = require('node:worker_threads');
start(workerData, () => parentPort.postMessage('ready'));`;
const webWorkerSource = `${workerBody}
onmessage = (event) => start(event.data, () => postMessage('ready'));`;

/** The workers of one backend: threads 1 and up; thread 0 is the caller's. */
export class Threads {
  /** The control block, until `stop`. */
  #words: Int32Array | undefined;
  readonly #count: number;
  readonly #terminate: (() => unknown)[] = [];
  #lost: OnebitError | undefined;
  #stopping = false;

  constructor(setup: ThreadSetup) {
    this.#words = new Int32Array(setup.memory.buffer, setup.control, CONTROL_BYTES / 4);
    this.#count = setup.threads;
  }

  /** Set once a worker ended although nobody asked it to. */
  get lost(): OnebitError | undefined {
    return this.#lost;
  }

  /** Whether a worker still looks through commands between these addresses, although they are done. */
  walks(from: number, to: number): boolean {
    if (!this.#words) return false;
    for (let thread = 1; thread < this.#count; thread++) {
      const address = Atomics.load(this.#words, CONTROL_WALKED / 4 + thread) >>> 0;
      if (address >= from && address < to) return true;
    }
    return false;
  }

  /** Starts all workers and waits until they run. Throws `device-lost` when one does not start. */
  async start(setup: ThreadSetup): Promise<void> {
    const workerThreads = nodeModule<typeof import('node:worker_threads')>('node:worker_threads');
    const starts: Promise<void>[] = [];
    for (let thread = 1; thread < setup.threads; thread++) {
      const data = { ...setup, thread };
      starts.push(workerThreads ? this.#startNode(workerThreads.Worker, data) : this.#startWeb(data));
    }
    try {
      await Promise.all(starts);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Ends all workers. */
  async stop(): Promise<void> {
    this.#stopping = true;
    if (!this.#words) return;
    Atomics.store(this.#words, CONTROL_QUIT / 4, 1);
    Atomics.add(this.#words, CONTROL_GENERATION / 4, 1);
    Atomics.notify(this.#words, CONTROL_GENERATION / 4);
    this.#words = undefined;
    await Promise.all(this.#terminate.splice(0).map((terminate) => terminate()));
  }

  #startNode(NodeWorkerClass: typeof NodeWorker, data: ThreadSetup): Promise<void> {
    return new Promise((resolve, reject) => {
      const worker = new NodeWorkerClass(nodeWorkerSource, { eval: true, workerData: data, execArgv: [] });
      const ended = (cause: unknown) => reject(this.#noteLoss(cause));
      this.#terminate.push(() => worker.terminate());
      worker.once('message', () => {
        worker.unref(); // only now: nothing else keeps the process alive while it starts
        resolve();
      });
      worker.on('error', ended);
      worker.on('exit', (code) => ended(new Error(`worker thread exited with code ${code}`)));
    });
  }

  #startWeb(data: ThreadSetup): Promise<void> {
    return new Promise((resolve, reject) => {
      const failed = (cause: unknown) =>
        reject(
          new OnebitError(
            'device-lost',
            'wasm backend: a thread must start, but its worker did not. Where the page has a Content-Security-Policy, let worker-src allow blob:, or load with threads: 1.',
            { cause },
          ),
        );
      const url = URL.createObjectURL(new Blob([webWorkerSource], { type: 'text/javascript' }));
      let worker: Worker;
      try {
        worker = new Worker(url);
      } catch (error) {
        failed(error);
        return;
      }
      this.#terminate.push(() => worker.terminate());
      worker.onmessage = () => {
        URL.revokeObjectURL(url);
        worker.onerror = (event) => void this.#noteLoss(event.message);
        resolve();
      };
      worker.onerror = (event) => failed(event.message);
      worker.postMessage(data);
    });
  }

  #noteLoss(cause: unknown): OnebitError {
    const error = new OnebitError(
      'device-lost',
      'wasm backend: a worker thread ended unexpectedly. Dispose the model and load it again.',
      { cause },
    );
    if (!this.#stopping) this.#lost ??= error;
    return error;
  }
}

/** Whether memory can be shared with workers here; pages need cross-origin isolation for it. */
export function canShareMemory(): boolean {
  if (typeof SharedArrayBuffer === 'undefined') return false;
  return (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated !== false;
}

/** Whether this thread may sleep on an address: everywhere but in a page's main thread. */
export function mayWait(memory: WebAssembly.Memory): boolean {
  try {
    Atomics.wait(new Int32Array(memory.buffer, 0, 1), 0, 1, 0);
    return true;
  } catch {
    return false;
  }
}

/** Threads to use unless told: as many as run at once, half of them beyond four (two share a core there), at most eight. */
export function defaultThreads(): number {
  const os = nodeModule<typeof import('node:os')>('node:os');
  const available = os ? os.availableParallelism() : (globalThis.navigator?.hardwareConcurrency ?? 1);
  return available <= 4 ? available : Math.min(8, Math.ceil(available / 2));
}
