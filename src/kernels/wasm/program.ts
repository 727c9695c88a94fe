// Owns recording and running: operations become commands in memory, barriers are set only between commands that depend on each other across
// threads, and long programs run in slices with a turn of the event loop between them. Must not know what commands do.
import { nextTurn } from '../../core/event-loop.ts';
import { OnebitError } from '../../errors.ts';
import {
  BEFORE_SHIFT,
  CODE_MASK,
  FLAG_BARRIER,
  FLAG_LANES,
  HEADER_CHUNKS,
  HEADER_DONE,
  HEADER_END,
  LONG_SHIFT,
  MOST_LANES,
  OP_NONE,
  RECORD_WORDS,
  RUN_DONE,
  RUN_STALLED,
  WORD_COUNTER,
  WORD_GRAIN,
  WORD_ITEMS,
  WORD_LANE_ITEMS,
} from './assembly/opcodes.ts';
import type { Kernels } from './build.ts';
import type { Heap } from './heap.ts';
import type { Threads } from './threads.ts';

/** Work is counted in multiply-adds, or what takes about as long. Below this a command stays on one thread: waking and waiting costs more. */
export const SHARE_WORK = 40_000;
/** Least work of a chunk that a thread takes at a time. */
const CHUNK_WORK = 20_000;
/** Chunks of a large command for each thread, so that a slow thread leaves work to the others. */
const CHUNKS_PER_THREAD = 16;
/** Of them, those that each thread takes at once as a long one: each start elsewhere in memory costs two microseconds (docs/experiments.md). */
const LONG_CHUNK = 15;
/** Most threads that share lanes: with more, chunks might not fit the counters. */
const MOST_LANE_THREADS = 16;
/** How long the event loop waits for a slice, about. */
const SLICE_MS = 20;
/** Slices with less work than this are too short to learn from. */
const TIMED_WORK = 1e7;
const SEGMENT_WORDS = 1024 * RECORD_WORDS;
const SEGMENT_BYTES = SEGMENT_WORDS * 4;

/** A piece of memory that commands read and write, with the numbers of the last commands that did. */
export class Region {
  readonly address: number;
  readonly byteLength: number;
  private readonly uses: { written: number; readLast: number };

  /** @param whole the region that it is a part of: commands on parts of one region follow each other as if they were on all of it */
  constructor(address: number, byteLength: number, whole?: Region) {
    this.address = address;
    this.byteLength = byteLength;
    this.uses = whole?.uses ?? { written: -1, readLast: -1 };
  }

  get written(): number {
    return this.uses.written;
  }

  set written(command: number) {
    this.uses.written = command;
  }

  get readLast(): number {
    return this.uses.readLast;
  }

  set readLast(command: number) {
    this.uses.readLast = command;
  }
}

/** Memory for commands. */
interface Segment {
  readonly address: number;
  readonly words: Int32Array<ArrayBufferLike>;
  readonly floats: Float32Array<ArrayBufferLike>;
}

/** Commands that run without a turn of the event loop: a header record and what follows it. */
interface Slice {
  readonly segment: Segment;
  /** Of the header, in words of the segment. */
  readonly start: number;
  readonly end: number;
  /** Number of the command after the last. */
  readonly until: number;
  readonly shared: boolean;
  readonly work: number;
}

export class Program {
  /** The segment being recorded; command operands are stored here at the index that `add` returns. */
  words: Int32Array<ArrayBufferLike>;
  floats: Float32Array<ArrayBufferLike>;

  /** Lanes that large weights are cut into, so that each thread reads a part of its own of all of them. */
  readonly lanes: number;
  readonly #heap: Heap;
  #kernels: Kernels | undefined;
  readonly #threads: Threads | undefined;
  readonly #threadCount: number;
  readonly #shareWork: number;
  #segment: Segment;
  /** Segments that hold slices to run, and those whose slices are done, which late threads may still look through. */
  #filled: Segment[] = [];
  #resting: Segment[] = [];
  /** Where the next command goes, and where the header of the open slice is, in words of the segment. */
  #next = RECORD_WORDS;
  #sliceStart = 0;
  #sliceWork = 0;
  #sliceChunks = 0;
  #sliceShared = false;
  #slices: Slice[] = [];
  /** Commands recorded and commands finished since the start; each command's number is the former at its recording. */
  #recorded = 0;
  #finished = 0;
  /** Number of the last command that waits for all before it; infinite with one thread, so that nothing ever does. */
  #barrier: number;
  /** Number of the command being recorded. */
  #command = 0;
  /** Ends of what others wait for. */
  readonly #goals: number[] = [];
  /** Commands that need not run when nobody waits for them: from a number to before another, in order. */
  #abandonable: { readonly from: number; readonly until: number }[] = [];
  #running: Promise<void> | undefined;
  #retired: { until: number; address: number }[] = [];
  #sliceBudget = 3e8;
  #failure: OnebitError | undefined;

  constructor(heap: Heap, kernels: Kernels, threadCount: number, threads: Threads | undefined, shareWork = SHARE_WORK) {
    this.#shareWork = shareWork;
    this.#heap = heap;
    this.#kernels = kernels;
    this.#threads = threads;
    this.#threadCount = threadCount;
    this.lanes = threadCount > MOST_LANE_THREADS ? 1 : Math.min(threadCount, MOST_LANES);
    this.#barrier = threadCount > 1 ? 0 : Number.POSITIVE_INFINITY;
    this.#segment = this.#newSegment();
    this.words = this.#segment.words;
    this.floats = this.#segment.floats;
  }

  /** The number of the next command. */
  get sequence(): number {
    return this.#recorded;
  }

  /** Work that keeps the event loop waiting about SLICE_MS: commands should not be larger. */
  get sliceWork(): number {
    return this.#sliceBudget;
  }

  /** Whether every recorded command has run. */
  get idle(): boolean {
    return this.#finished === this.#recorded;
  }

  /** Whether every command that uses `region` has run, so that the host may write it. */
  isFree(region: Region): boolean {
    return region.written < this.#finished && region.readLast < this.#finished;
  }

  /**
   * Begins a command of `items` equal items that together cost `work`. `laneItems`: how many of them are in each of `lanes` lanes, if they are.
   * Returns the index of its word 0 in `words`.
   */
  add(code: number, items: number, work: number, laneItems = items): number {
    if (this.#failure) throw this.#failure;
    if (this.#sliceWork > this.#sliceBudget || this.#next === SEGMENT_WORDS) this.#closeSlice();
    const at = this.#next;
    const words = this.words;
    this.#next = at + RECORD_WORDS;
    this.#command = this.#recorded++;
    this.#sliceWork += work;
    words[at] = code | (this.#sliceChunks << BEFORE_SHIFT);
    words[at + WORD_ITEMS] = items;
    words[at + WORD_COUNTER] = 0;
    if (work >= this.#shareWork && items > 1 && this.#threadCount > 1) this.#cut(at, items, work, laneItems);
    else {
      words[at + WORD_GRAIN] = items | (1 << LONG_SHIFT);
      if (items > 0) this.#sliceChunks++;
    }
    return at;
  }

  /** Cuts the items of each lane, or all, into chunks for the threads: see `share` in assembly/run.ts. */
  #cut(at: number, items: number, work: number, laneItems: number): void {
    const { words } = this;
    const together = Math.ceil(this.#threadCount / (laneItems < items ? this.lanes : 1));
    const laneWork = (work * laneItems) / items;
    const most = together * CHUNKS_PER_THREAD;
    const grain = Math.ceil(laneItems / Math.min(most, Math.ceil(laneWork / Math.min(CHUNK_WORK, this.#shareWork))));
    const long = Math.max(1, Math.floor((Math.ceil(laneItems / grain) * LONG_CHUNK) / most));
    words[at + WORD_GRAIN] = grain | (long << LONG_SHIFT);
    if (laneItems < items) {
      words[at] |= FLAG_LANES;
      words[at + WORD_LANE_ITEMS] = laneItems;
    }
    for (let start = 0; start < items; start += laneItems) {
      const chunks = Math.ceil(Math.min(laneItems, items - start) / grain);
      const longs = Math.min(together, Math.ceil(chunks / long));
      this.#sliceChunks += longs + Math.max(0, chunks - longs * long);
    }
    this.#sliceShared = true;
  }

  /** Notes that the command being recorded writes `region` (and perhaps reads it as well). Comes before its `reads`. */
  writes(region: Region): void {
    if (region.written >= this.#barrier || region.readLast >= this.#barrier) this.#wait();
    region.written = this.#command;
  }

  /** Notes that the command being recorded reads `region`, which it does not write. */
  reads(region: Region): void {
    if (region.written >= this.#barrier) this.#wait();
    region.readLast = this.#command;
  }

  /** Notes that the host wrote `region`: what was derived from it is stale. */
  hostWrote(region: Region): void {
    // A command of its own that does nothing keeps numbers unique.
    this.add(OP_NONE, 0, 0);
    this.writes(region);
  }

  /** Whatever `record` records need not run once whoever waits for it aborts. */
  abandonable<Result>(record: () => Result): Result {
    const from = this.#recorded;
    try {
      return record();
    } finally {
      if (this.#recorded > from) this.#abandonable.push({ from, until: this.#recorded });
    }
  }

  /** Gives back memory once every command recorded so far has run. */
  retire(address: number): void {
    if (this.idle) this.#heap.release(address);
    else this.#retired.push({ until: this.#recorded, address });
  }

  /** Makes all later calls throw `failure`. */
  fail(failure: OnebitError): void {
    this.#failure ??= failure;
  }

  /** Lets go of the memory, after `fail`. */
  release(): void {
    this.#kernels = undefined;
    this.#segment = { address: 0, words: new Int32Array(0), floats: new Float32Array(0) };
    this.#filled = [];
    this.#resting = [];
    this.#slices = [];
    this.#retired = [];
    this.words = this.#segment.words;
    this.floats = this.#segment.floats;
  }

  /**
   * Runs everything recorded so far. Throws `device-lost` when a worker died, and the signal's reason when aborted between slices; then what is
   * abandonable of it, and nobody else waits for, is dropped.
   */
  async finish(signal?: AbortSignal): Promise<void> {
    if (this.#failure) throw this.#failure;
    const goal = this.#recorded;
    this.#goals.push(goal);
    try {
      while (this.#finished < goal) {
        if (signal?.aborted) {
          this.#drop(goal);
          throw signal.reason;
        }
        if (this.#running) await this.#running;
        else {
          const stall = this.#step();
          if (stall) await stall;
          if (this.#finished < goal) await nextTurn();
        }
        if (this.#failure) throw this.#failure;
      }
      signal?.throwIfAborted();
    } finally {
      this.#goals.splice(this.#goals.indexOf(goal), 1);
    }
  }

  /** Runs one slice. Gives a promise only when a thread keeps the others waiting. */
  #step(): Promise<void> | undefined {
    if (this.#slices.length === 0) this.#closeSlice();
    if (this.#threads?.lost) {
      this.fail(this.#threads.lost);
      return undefined;
    }
    const slice = this.#slices[0];
    const first = slice.segment.address + slice.start * 4;
    const start = slice.work > TIMED_WORK ? performance.now() : 0;
    const kernels = this.#kernels as Kernels;
    let result = RUN_DONE;
    try {
      if (slice.shared) result = kernels.run(first);
      else kernels.runAlone(first, slice.segment.address + slice.end * 4);
    } catch (cause) {
      this.fail(
        new OnebitError(
          'device-lost',
          `wasm backend: a kernel failed (${cause}). Dispose the model and load it again.`,
          { cause },
        ),
      );
      throw this.#failure;
    }
    if (result === RUN_DONE) {
      if (start) this.#adapt(slice.work, performance.now() - start);
      this.#stepDone();
      return undefined;
    }
    this.#running = this.#waitForThreads(result).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #waitForThreads(result: number): Promise<void> {
    while (result === RUN_STALLED) {
      await nextTurn();
      if (this.#threads?.lost) break;
      if (this.#failure) throw this.#failure;
      result = (this.#kernels as Kernels).resume();
    }
    if (result === RUN_DONE) {
      this.#stepDone();
      return;
    }
    this.fail(
      this.#threads?.lost ??
        new OnebitError('device-lost', 'wasm backend: a worker thread failed. Dispose the model and load it again.'),
    );
    throw this.#failure;
  }

  #stepDone(): void {
    this.#finished = (this.#slices.shift() as Slice).until;
    while (this.#retired.length > 0 && this.#retired[0].until <= this.#finished) {
      this.#heap.release((this.#retired.shift() as { address: number }).address);
    }
    while (this.#abandonable.length > 0 && this.#abandonable[0].until <= this.#finished) this.#abandonable.shift();
    if (this.#finished !== this.#recorded) return;
    this.#resting.push(...this.#filled.splice(0));
    this.#nextSegment();
  }

  /** Keeps slices near SLICE_MS from what they took. */
  #adapt(work: number, ms: number): void {
    const fitting = Math.min(1e10, Math.max(TIMED_WORK, (work / Math.max(ms, 0.01)) * SLICE_MS));
    this.#sliceBudget += 0.3 * (fitting - this.#sliceBudget);
  }

  /** Turns abandonable commands that nobody else waits for into nothing. */
  #drop(goal: number): void {
    const others = this.#goals.toSpliced(this.#goals.indexOf(goal), 1);
    const floor = Math.max(this.#finished, ...others);
    const isDropped = (number: number) =>
      number >= floor && number < goal && this.#abandonable.some(({ from, until }) => number >= from && number < until);
    this.#closeSlice();
    let number = this.#finished;
    for (const { segment, start, end } of this.#slices) {
      for (let at = start + RECORD_WORDS; at < end; at += RECORD_WORDS) {
        if (isDropped(number)) segment.words[at] &= ~CODE_MASK;
        number++;
      }
    }
  }

  #wait(): void {
    this.words[this.#next - RECORD_WORDS] |= FLAG_BARRIER;
    this.#barrier = this.#command;
  }

  /** Ends the open slice and begins another: what comes before it is then done. */
  #closeSlice(): void {
    const { words } = this;
    const start = this.#sliceStart;
    const end = this.#next;
    const segment = this.#segment;
    if (end > start + RECORD_WORDS) {
      words[start + HEADER_END] = segment.address + end * 4;
      words[start + HEADER_CHUNKS] = this.#sliceChunks;
      words[start + HEADER_DONE] = 0;
      const [shared, work] = [this.#sliceShared, this.#sliceWork];
      this.#slices.push({ segment, start, end, until: this.#recorded, shared, work });
      this.#beginSlice(end);
    }
    if (this.#next >= SEGMENT_WORDS) this.#nextSegment();
  }

  /** Goes on recording in a segment that no thread looks through: the present one, if it is empty and free. */
  #nextSegment(): void {
    if (this.#sliceStart > 0) {
      const list = this.idle ? this.#resting : this.#filled;
      list.push(this.#segment);
      this.#segment = this.#freeSegment() ?? this.#newSegment();
      this.words = this.#segment.words;
      this.floats = this.#segment.floats;
    }
    this.#beginSlice(0);
  }

  #beginSlice(start: number): void {
    this.#sliceStart = start;
    this.#next = start + RECORD_WORDS;
    this.#sliceWork = 0;
    this.#sliceChunks = 0;
    this.#sliceShared = false;
    if (this.#threadCount > 1) this.#barrier = this.#recorded;
  }

  #freeSegment(): Segment | undefined {
    for (let i = this.#resting.length - 1; i >= 0; i--) {
      const { address } = this.#resting[i];
      if (!this.#threads?.walks(address, address + SEGMENT_BYTES)) return this.#resting.splice(i, 1)[0];
    }
    return undefined;
  }

  #newSegment(): Segment {
    const address = this.#heap.allocate(SEGMENT_BYTES, 'recording');
    const { buffer } = this.#heap.memory;
    return {
      address,
      words: new Int32Array(buffer, address, SEGMENT_WORDS),
      floats: new Float32Array(buffer, address, SEGMENT_WORDS),
    };
  }
}
