// Owns the queue of a device: memory, pipelines, dispatches recorded in order, one submission at each read, and what happens when the device is lost.
// Must not know operations. Parameters of all dispatches and what the host writes for a step go up in two copies right before the submission.
import { OnebitError } from '../../errors.ts';
import { type Kernel, Memory, PARAM_WORDS, Pipelines } from './pipelines.ts';

// The numbers of GPUBufferUsage and GPUMapMode, which Node does not have as globals (https://www.w3.org/TR/webgpu/#buffer-usage).
const MAP_READ = 1;
const COPY_SRC = 4;
const COPY_DST = 8;
const UNIFORM = 64;
const STORAGE = 128;

/** Dispatches of a submission at most; more are submitted in several. */
const MOST_DISPATCHES = 2048;
/** Words of host data of a submission, at first. */
const HOST_WORDS = 1 << 16;

/**
 * Bytes that one dispatch moves between memory and workgroups, from its shapes: each byte that a workgroup of it needs once. What a workgroup reads that
 * another one of the same dispatch has read before comes from the device's caches and is `again`.
 */
export interface Moved {
  readonly weights?: number;
  /** Keys and values, read and written. */
  readonly kv?: number;
  /** Activations, tables of the host, candidates. */
  readonly other: number;
  readonly again?: number;
}

/** What was done since the backend was made. */
export interface Counts {
  dispatches: number;
  weightBytes: number;
  kvBytes: number;
  /** Activations, tables, candidates, and the parameters of dispatches. */
  otherBytes: number;
  /** Bytes that workgroups read although another of their dispatch had: a matter of caches. */
  cachedBytes: number;
  submissions: number;
  /** Bytes from the host to the device, without weights. */
  uploadedBytes: number;
  /** Bytes from the device to the host. */
  readBackBytes: number;
}

/** A part of a memory. */
export interface Segment {
  readonly memory: Memory;
  readonly offsetBytes: number;
  readonly byteLength: number;
}

const lossMessage = (why: string) => `webgpu backend: the device must live, got a loss: ${why}. Load the model again.`;

export class Recorder {
  readonly device: GPUDevice;
  readonly counts: Counts = {
    dispatches: 0,
    weightBytes: 0,
    kvBytes: 0,
    otherBytes: 0,
    cachedBytes: 0,
    submissions: 0,
    uploadedBytes: 0,
    readBackBytes: 0,
  };
  /** Changes whenever host data recorded before is gone. */
  epoch = 0;
  allocatedBytes = 0;
  readonly #pipelines: Pipelines;
  readonly #staging: GPUBuffer[] = [];
  readonly #memories = new Set<Memory>();
  readonly #paramStride: number;
  readonly #params: Uint32Array<ArrayBuffer>;
  readonly #paramMemory: Memory;
  #host: Memory;
  #hostWords = new Uint32Array(HOST_WORDS);
  #hostUsed = 0;
  #pending = 0;
  #encoder: GPUCommandEncoder | undefined;
  #pass: GPUComputePassEncoder | undefined;
  #nextId = 0;
  #failure: OnebitError | undefined;

  constructor(device: GPUDevice) {
    this.device = device;
    this.#paramStride = Math.max(PARAM_WORDS * 4, device.limits.minUniformBufferOffsetAlignment);
    this.#params = new Uint32Array((MOST_DISPATCHES * this.#paramStride) / 4);
    this.#paramMemory = this.#make(this.#params.byteLength, UNIFORM | COPY_DST, 'parameters');
    this.#host = this.allocate(HOST_WORDS * 4, 'host data');
    this.#pipelines = new Pipelines(device, this.#paramMemory);
    device.lost.then(({ message, reason }) => {
      this.fail(new OnebitError('device-lost', lossMessage(message || reason)));
    });
    device.addEventListener('uncapturederror', (event) => {
      event.preventDefault();
      this.#noteError((event as GPUUncapturedErrorEvent).error);
    });
  }

  /** Zeroed memory for kernels. Throws `out-of-memory` where the device never could; where it cannot now, the next read does. */
  allocate(byteLength: number, what: string): Memory {
    return this.#make(byteLength, STORAGE | COPY_SRC | COPY_DST, what);
  }

  /** Gives memory back; what was recorded before still has it. */
  release(memory: Memory): void {
    if (!this.#memories.delete(memory)) return;
    this.submit();
    this.#pipelines.forget(memory);
    this.allocatedBytes -= memory.byteLength;
    memory.buffer.destroy();
  }

  /** Records one dispatch. `params` are 32-bit words in the order of the kernel's struct; `groups` counts workgroups; `moved` is only counted. */
  dispatch(
    kernel: Kernel,
    memories: readonly Memory[],
    params: readonly number[],
    groups: readonly [x: number, y?: number, z?: number],
    moved: Moved,
  ): void {
    this.check();
    const { pipeline, group } = this.#pipelines.bind(kernel, memories);
    const at = this.#pending++ * this.#paramStride;
    this.#params.set(params, at / 4);
    this.#encoder ??= this.device.createCommandEncoder();
    this.#pass ??= this.#encoder.beginComputePass();
    this.#pass.setPipeline(pipeline);
    this.#pass.setBindGroup(0, group, [at]);
    this.#pass.dispatchWorkgroups(...(groups as [number]));
    for (let i = 0; i < memories.length; i++) if (kernel.access[i] === 'w') memories[i].writes++;
    this.#count(moved);
    // Behind the dispatch, not before it: its host data must stay.
    if (this.#pending === MOST_DISPATCHES) this.submit();
  }

  /** Room for `count` words that kernels of this submission read from `hostMemory` at the returned index; fill them before the next call. */
  hostWords(count: number): number {
    this.check();
    if (this.#hostUsed + count > this.#hostWords.length) {
      this.submit();
      if (count > this.#hostWords.length) {
        this.release(this.#host);
        this.#hostWords = new Uint32Array(2 ** Math.ceil(Math.log2(count)));
        this.#host = this.allocate(this.#hostWords.byteLength, 'host data');
      }
    }
    const at = this.#hostUsed;
    this.#hostUsed += count;
    return at;
  }

  get hostMemory(): Memory {
    return this.#host;
  }

  /** Words that go up with the next submission. */
  get words(): Uint32Array<ArrayBuffer> {
    return this.#hostWords;
  }

  /** `words`, seen as float32. */
  get floats(): Float32Array<ArrayBuffer> {
    return new Float32Array(this.#hostWords.buffer);
  }

  /** Writes to memory behind everything recorded. Offset and length are multiples of 4. */
  upload(memory: Memory, offsetBytes: number, data: Uint8Array | Float32Array | Uint32Array): void {
    this.check();
    this.submit();
    this.device.queue.writeBuffer(memory.buffer, offsetBytes, data as Uint8Array<ArrayBuffer>);
    memory.writes++;
    this.counts.uploadedBytes += data.byteLength;
  }

  /** Submits what is recorded, as one command buffer. */
  submit(): void {
    if (!this.#encoder) return;
    this.#pass?.end();
    const { queue } = this.device;
    const paramWords = (this.#pending * this.#paramStride) / 4;
    if (paramWords > 0) queue.writeBuffer(this.#paramMemory.buffer, 0, this.#params, 0, paramWords);
    if (this.#hostUsed > 0) queue.writeBuffer(this.#host.buffer, 0, this.#hostWords, 0, this.#hostUsed);
    queue.submit([this.#encoder.finish()]);
    this.counts.uploadedBytes += 4 * (paramWords + this.#hostUsed);
    this.counts.submissions++;
    this.#encoder = undefined;
    this.#pass = undefined;
    this.#pending = 0;
    this.#hostUsed = 0;
    this.epoch++;
  }

  /** Waits for everything recorded. */
  async finish(signal?: AbortSignal): Promise<void> {
    this.check();
    signal?.throwIfAborted();
    this.submit();
    await this.#wait(this.device.queue.onSubmittedWorkDone(), signal);
  }

  /** Waits for everything recorded and gives the segments, one behind the other. */
  async read(segments: readonly Segment[], signal?: AbortSignal): Promise<ArrayBuffer> {
    this.check();
    signal?.throwIfAborted();
    const bytes = segments.reduce((sum, segment) => sum + segment.byteLength, 0);
    const staging = this.#takeStaging(bytes);
    this.#pass?.end();
    this.#pass = undefined;
    this.#encoder ??= this.device.createCommandEncoder();
    let at = 0;
    for (const { memory, offsetBytes, byteLength } of segments) {
      this.#encoder.copyBufferToBuffer(memory.buffer, offsetBytes, staging, at, byteLength);
      at += byteLength;
    }
    this.submit();
    this.counts.readBackBytes += bytes;
    const copied = staging.mapAsync(1, 0, bytes).then(() => {
      const result = staging.getMappedRange(0, bytes).slice(0);
      staging.unmap();
      this.#staging.push(staging);
      return result;
    });
    return this.#wait(copied, signal);
  }

  /** Makes this and every later call throw `error`, and gives everything back. The first failure stays. */
  fail(error: OnebitError): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#encoder = undefined;
    this.#pass = undefined;
    for (const memory of this.#memories) memory.buffer.destroy();
    for (const buffer of this.#staging.splice(0)) buffer.destroy();
    this.#memories.clear();
    this.#pipelines.clear();
    this.allocatedBytes = 0;
    this.device.destroy();
  }

  /** Throws when the device is lost or disposed. */
  check(): void {
    if (this.#failure) throw this.#failure;
  }

  async #wait<Result>(promise: Promise<Result>, signal?: AbortSignal): Promise<Result> {
    let stop: (() => void) | undefined;
    const aborted = new Promise<never>((_, reject) => {
      stop = () => reject(signal?.reason);
      signal?.addEventListener('abort', stop, { once: true });
    });
    try {
      const result = await Promise.race([promise, aborted]);
      this.check();
      return result;
    } catch (error) {
      promise.catch(() => {});
      if (signal?.aborted) throw error;
      // The device refuses a moment before it says why.
      if (!this.#failure) await Promise.race([this.device.lost, new Promise((resolve) => setTimeout(resolve, 100))]);
      this.check();
      throw new OnebitError('device-lost', lossMessage(String(error)), { cause: error });
    } finally {
      if (stop) signal?.removeEventListener('abort', stop);
    }
  }

  #count({ weights = 0, kv = 0, other, again = 0 }: Moved): void {
    this.counts.dispatches++;
    this.counts.weightBytes += weights;
    this.counts.kvBytes += kv;
    this.counts.otherBytes += other + PARAM_WORDS * 4;
    this.counts.cachedBytes += again;
  }

  #noteError(error: GPUError): void {
    const outOfMemory = error.constructor.name === 'GPUOutOfMemoryError';
    const message = outOfMemory
      ? `webgpu backend: the device must have room for ${this.allocatedBytes} bytes, got: ${error.message}. Take a smaller model or context.`
      : lossMessage(error.message);
    this.fail(new OnebitError(outOfMemory ? 'out-of-memory' : 'device-lost', message));
  }

  #make(byteLength: number, usage: number, what: string): Memory {
    this.check();
    const size = Math.max(16, Math.ceil(byteLength / 16) * 16);
    const { maxBufferSize, maxStorageBufferBindingSize } = this.device.limits;
    const most = Math.min(maxBufferSize, maxStorageBufferBindingSize);
    if (size > most) {
      throw new OnebitError(
        'out-of-memory',
        `webgpu backend: one buffer can have ${most} bytes on this device, got ${size} for ${what}. Ask for a smaller context, or use backend 'wasm'.`,
      );
    }
    const memory = new Memory(this.device.createBuffer({ label: what, size, usage }), this.#nextId++, size);
    this.#memories.add(memory);
    this.allocatedBytes += size;
    return memory;
  }

  #takeStaging(bytes: number): GPUBuffer {
    const at = this.#staging.findIndex((buffer) => buffer.size >= bytes);
    if (at >= 0) return this.#staging.splice(at, 1)[0];
    for (const small of this.#staging.splice(0)) small.destroy();
    const size = Math.max(4096, 2 ** Math.ceil(Math.log2(bytes)));
    return this.device.createBuffer({ label: 'read back', size, usage: MAP_READ | COPY_DST });
  }
}
