// Owns the backend's memory: one growable WebAssembly memory, views of it, and an allocator. Must not know what is stored.
import { OnebitError } from '../../errors.ts';

const PAGE_BYTES = 65536;
/** The last page stays unused, so that no address reaches 2^32. */
const MAX_PAGES = 65535;
const ALIGNMENT = 64;
/** Memory grows by at least this much at a time. */
const GROWTH_BYTES = 1 << 20;

/** First-fit allocation with merging of free neighbours over one shared WebAssembly.Memory. Addresses are bytes, multiples of 64. */
export class Heap {
  #memory: WebAssembly.Memory | undefined;
  /** The whole memory as words and floats; replaced when memory grows, so never kept across an allocation. */
  words: Int32Array<ArrayBufferLike>;
  floats: Float32Array<ArrayBufferLike>;
  readonly limitBytes: number;
  /** Free ranges by ascending address: never adjacent. */
  readonly #freeAddresses: number[] = [];
  readonly #freeSizes: number[] = [];
  readonly #sizes = new Map<number, number>();
  #end: number;
  /** Memory from here on was never handed out, so it is zero. */
  #untouched: number;
  #allocatedBytes = 0;

  /** @param limitBytes most bytes ever used, at most 4 GB − 64 KB. */
  constructor(limitBytes: number) {
    this.limitBytes = Math.min(limitBytes, MAX_PAGES * PAGE_BYTES);
    this.#memory = sharedMemory();
    this.#end = PAGE_BYTES; // the first page is the compiled module's
    this.#untouched = this.#end;
    this.words = new Int32Array(this.memory.buffer);
    this.floats = new Float32Array(this.memory.buffer);
  }

  /** The memory. Throws `disposed` after `drop`. */
  get memory(): WebAssembly.Memory {
    if (!this.#memory) {
      throw new OnebitError('disposed', 'wasm backend: the backend was disposed. Load the model again.');
    }
    return this.#memory;
  }

  /** Lets go of the memory. */
  drop(): void {
    const bytes = this.#memory?.buffer.byteLength ?? 0;
    this.#memory = undefined;
    pressGarbageCollector(bytes);
    this.words = new Int32Array(0);
    this.floats = new Float32Array(0);
    this.#freeAddresses.length = 0;
    this.#freeSizes.length = 0;
    this.#sizes.clear();
    this.#allocatedBytes = 0;
  }

  get allocatedBytes(): number {
    return this.#allocatedBytes;
  }

  /** The address of `bytes` bytes, not cleared. Throws `out-of-memory`. */
  allocate(bytes: number, what: string): number {
    const size = Math.max(ALIGNMENT, Math.ceil(bytes / ALIGNMENT) * ALIGNMENT);
    let index = this.#freeSizes.findIndex((free) => free >= size);
    if (index < 0) {
      this.#grow(size, what);
      index = this.#freeSizes.length - 1;
    }
    const address = this.#freeAddresses[index];
    if (this.#freeSizes[index] === size) {
      this.#freeAddresses.splice(index, 1);
      this.#freeSizes.splice(index, 1);
    } else {
      this.#freeAddresses[index] += size;
      this.#freeSizes[index] -= size;
    }
    this.#sizes.set(address, size);
    this.#allocatedBytes += size;
    return address;
  }

  /** The address of `bytes` zero bytes. Throws `out-of-memory`. */
  allocateZeroed(bytes: number, what: string): number {
    const untouched = this.#untouched;
    const address = this.allocate(bytes, what);
    const dirty = Math.min(bytes, untouched - address);
    if (dirty > 0) new Uint8Array(this.memory.buffer, address, dirty).fill(0);
    this.#untouched = Math.max(untouched, address + bytes);
    return address;
  }

  /** Gives back what `allocate` returned. */
  release(address: number): void {
    const size = this.#sizes.get(address);
    if (size === undefined) return;
    this.#sizes.delete(address);
    this.#allocatedBytes -= size;
    this.#untouched = Math.max(this.#untouched, address + size);
    this.#insertFree(address, size);
  }

  /** A view of `length` bytes; valid as long as the memory exists, also after it grows. */
  bytes(address: number, length: number): Uint8Array<ArrayBufferLike> {
    return new Uint8Array(this.memory.buffer, address, length);
  }

  #insertFree(address: number, size: number): void {
    const addresses = this.#freeAddresses;
    const sizes = this.#freeSizes;
    let index = addresses.findIndex((free) => free > address);
    if (index < 0) index = addresses.length;
    if (index > 0 && addresses[index - 1] + sizes[index - 1] === address) {
      index--;
      sizes[index] += size;
    } else {
      addresses.splice(index, 0, address);
      sizes.splice(index, 0, size);
    }
    if (addresses[index] + sizes[index] === addresses[index + 1]) {
      sizes[index] += sizes[index + 1];
      addresses.splice(index + 1, 1);
      sizes.splice(index + 1, 1);
    }
  }

  /** Makes the last free range hold at least `size` bytes. */
  #grow(size: number, what: string): void {
    const last = this.#freeSizes.length - 1;
    const tail =
      last >= 0 && this.#freeAddresses[last] + this.#freeSizes[last] === this.#end ? this.#freeSizes[last] : 0;
    const room = this.limitBytes - this.#end;
    const need = size - tail;
    const wanted = Math.min(Math.max(need, GROWTH_BYTES), room);
    const newEnd = Math.ceil((this.#end + wanted) / PAGE_BYTES) * PAGE_BYTES;
    const missing = (newEnd - this.memory.buffer.byteLength) / PAGE_BYTES;
    if (need > room || !this.#growMemory(missing)) {
      throw new OnebitError(
        'out-of-memory',
        `${what}: ${size} more bytes are needed, ${this.#allocatedBytes} of at most ${this.limitBytes} bytes are in use. ` +
          'Use a smaller model or context, or free what is no longer needed.',
      );
    }
    const added = newEnd - this.#end;
    const address = this.#end;
    this.#end = newEnd;
    this.#insertFree(address, added);
  }

  #growMemory(pages: number): boolean {
    if (pages <= 0) return true;
    try {
      this.memory.grow(pages);
    } catch {
      return false;
    }
    this.words = new Int32Array(this.memory.buffer);
    this.floats = new Float32Array(this.memory.buffer);
    return true;
  }
}

/** A shared memory that may grow to 4 GB, or less where the address space is short (telephones). */
function sharedMemory(): WebAssembly.Memory {
  for (let maximum = 65536; ; maximum /= 2) {
    try {
      return new WebAssembly.Memory({ initial: 2, maximum, shared: true });
    } catch (cause) {
      if (maximum > 4096) continue;
      throw new OnebitError(
        'out-of-memory',
        'wasm backend: the platform refused to reserve memory. Close other pages or dispose other models.',
        { cause },
      );
    }
  }
}

/**
 * V8 does not count shared memory towards garbage collection, so a dropped one would stay for long (measured: 20 backends of 200 MB, one after the
 * other, reached 2.7 GB). An ordinary buffer of that size is counted, and, never touched, takes no memory: with it they stay near 1 GB.
 */
function pressGarbageCollector(bytes: number): void {
  try {
    new ArrayBuffer(Math.min(bytes, 2 ** 30));
  } catch {
    // No room for it: then the collector has been run already.
  }
}
