// Owns running recorded commands: every thread walks the same list and takes its share. What a command does is in the kernels' files.
import { attention } from './attention';
import { copy, gateGelu, gateRelu2, gatherRows, scale, swiglu } from './elementwise';
import { shiftKeys, storeKv } from './kv';
import { rmsNorm } from './norms';
import {
  BEFORE_SHIFT, CODE_MASK, FLAG_BARRIER, FLAG_LANES, GRAIN_MASK, HEADER_CHUNKS, HEADER_DONE, HEADER_END, LONG_SHIFT, MOST_LANES, OP_ATTENTION, OP_COPY, OP_EMBED,
  OP_GATE_GELU, OP_GATE_RELU2, OP_GATHER_ROWS, OP_PREPARE, OP_PREPARE_MANY, OP_PRODUCT, OP_PRODUCT_MANY, OP_PRODUCT_MANY_Q2, OP_REPACK, OP_RMS_NORM, OP_ROPE, OP_SCALE, OP_SHIFT_KEYS, OP_STORE_KV, OP_SWIGLU,
  OP_TOP_CHUNKS, OP_TOP_MERGE, OP_WIDEN,
  RECORD_BYTES, RUN_DONE, WORD_COUNTER, WORD_GRAIN, WORD_ITEMS, WORD_LANE_ITEMS,
} from './opcodes';
import { Q1_TILE_BLOCK } from './repack-q1';
import { rope } from './rope';
import { finish, nextProgram, publish, readWhileWaiting, thread, threads, waitFor, withdraw } from './sync';
import { topChunks, topMerge } from './top';
import { train } from './training-run';
import { embed, prepare, prepareMany, product, productMany, repack, widen } from './weights';

/** Does items `from` to `to` of the command at `c`. */
function execute(c: usize, from: i32, to: i32): void {
  switch (load<u32>(c) & CODE_MASK) {
    case OP_COPY: copy(c, from, to); break;
    case OP_RMS_NORM: rmsNorm(c, from, to); break;
    case OP_ROPE: rope(c, from, to); break;
    case OP_STORE_KV: storeKv(c, from, to); break;
    case OP_ATTENTION: attention(c, from, to, thread); break;
    case OP_SWIGLU: swiglu(c, from, to); break;
    case OP_GATE_RELU2: gateRelu2(c, from, to); break;
    case OP_GATE_GELU: gateGelu(c, from, to); break;
    case OP_SCALE: scale(c, from, to); break;
    case OP_GATHER_ROWS: gatherRows(c, from, to); break;
    case OP_SHIFT_KEYS: shiftKeys(c, from, to, thread); break;
    case OP_TOP_CHUNKS: topChunks(c, from, to); break;
    case OP_TOP_MERGE: topMerge(c); break;
    case OP_EMBED: embed(c, from, to); break;
    case OP_REPACK: repack(c, from, to, thread); break;
    case OP_WIDEN: widen(c, from, to); break;
    case OP_PREPARE: prepare(c, from, to); break;
    case OP_PRODUCT: product(c, from, to); break;
    case OP_PREPARE_MANY: prepareMany(c, from, to); break;
    case OP_PRODUCT_MANY:
    case OP_PRODUCT_MANY_Q2: productMany(c, from, to, thread); break;
    default: train(c, from, to, thread);
  }
}

/** Takes chunks of the command at `c` until none is left, those of this thread's lane first; a command without lanes is one lane. */
function share(c: usize, done: usize): void {
  const counter = c + WORD_COUNTER * 4;
  const items = load<i32>(c + WORD_ITEMS * 4);
  const grain = load<i32>(c + WORD_GRAIN * 4) & GRAIN_MASK;
  const long = load<i32>(c + WORD_GRAIN * 4) >> LONG_SHIFT;
  const inLanes = (load<u32>(c) & FLAG_LANES) != 0;
  const lanes = inLanes ? min(threads, MOST_LANES) : 1;
  const laneItems = inLanes ? load<i32>(c + WORD_LANE_ITEMS * 4) : items;
  const mask = inLanes ? 255 : -1;
  /** Threads of a lane, each of which takes one long chunk, and chunks that the long ones take beyond one each. */
  const together = (threads + lanes - 1) / lanes;
  const beyond = together * (long - 1);
  let taken = 0;
  for (let i = 0; i < lanes; i++) {
    const lane = (thread + i) % lanes;
    const shift = lane << 3;
    const start = lane * laneItems;
    const end = min(start + laneItems, items);
    while (true) {
      let chunk = (atomic.load<i32>(counter) >>> shift) & mask;
      // Looking costs less than taking when others have taken all.
      if (start + (chunk < together ? chunk * long : chunk + beyond) * grain >= end) break;
      chunk = (atomic.add<i32>(counter, 1 << shift) >>> shift) & mask;
      const from = start + (chunk < together ? chunk * long : chunk + beyond) * grain;
      if (from >= end) break;
      execute(c, from, min(from + (chunk < together ? long * grain : grain), end));
      taken++;
    }
  }
  if (taken > 0) finish(done, taken);
}

/** Runs the program at `program` to before `end` on this thread alone. */
export function runAlone(program: usize, end: usize): void {
  for (let c = program + RECORD_BYTES; c < end; c += RECORD_BYTES) execute(c, 0, load<i32>(c + WORD_ITEMS * 4));
}

/** Where this thread is in which program, kept when thread 0 leaves early. */
let current: usize = 0;
let at: usize = 0;

/** Thread 0: shows a program to all threads and takes part. Returns RUN_DONE, RUN_STALLED (call `resume`) or RUN_BROKEN. */
export function run(program: usize): i32 {
  current = program;
  at = program + RECORD_BYTES;
  publish(program);
  return resume();
}

/** Thread 0: goes on after a stall. */
export function resume(): i32 {
  let result = walk();
  if (result == RUN_DONE) result = waitFor(current + HEADER_DONE * 4, load<i32>(current + HEADER_CHUNKS * 4));
  if (result == RUN_DONE) withdraw();
  return result;
}

/** How much of the next weights a thread reads while it waits: what the machine itself, starting anew there, is slow to fetch (docs/experiments.md). */
const AHEAD_BYTES: i32 = 16 << 10;

/** Has the thread read the beginning of its lane in the next product, from `c` on, while it waits. Gives the product's command, or `end`. */
function lookAhead(c: usize, end: usize): usize {
  for (; c < end; c += RECORD_BYTES) {
    const word = load<u32>(c);
    if ((word & CODE_MASK) != OP_PRODUCT) continue;
    if (word & FLAG_LANES) {
      const lane: usize = thread % min(threads, MOST_LANES);
      // At least so many bytes has a lane of any kind: a 1-bit one.
      const bytes = load<i32>(c + WORD_LANE_ITEMS * 4) * (2 * <i32>Q1_TILE_BLOCK) * (load<i32>(c, 20) >> 7);
      readWhileWaiting(load<usize>(c, 12) + lane * load<usize>(c, 36), min(bytes, AHEAD_BYTES));
    }
    break;
  }
  return c;
}

/** Does this thread's share of all commands from `at`. */
function walk(): i32 {
  const done = current + HEADER_DONE * 4;
  const end = load<usize>(current + HEADER_END * 4);
  let c = at;
  let product: usize = 0;
  for (; c < end; c += RECORD_BYTES) {
    const word = load<u32>(c);
    if (word & FLAG_BARRIER) {
      if (c > product) product = lookAhead(c, end);
      const result = waitFor(done, word >> BEFORE_SHIFT);
      if (result != RUN_DONE) {
        at = c;
        return result;
      }
    }
    share(c, done);
  }
  at = c;
  return RUN_DONE;
}

/** A worker: takes part in programs until told to end. */
export function work(): void {
  while (true) {
    current = nextProgram();
    if (current == 0) return;
    at = current + RECORD_BYTES;
    if (walk() != RUN_DONE) return;
  }
}
