// Owns running recorded commands: every thread walks the same list and takes its share. What a command does is in the kernels' files.
import { attention } from './attention';
import { copy, gatherRows, swiglu } from './elementwise';
import { shiftKeys, storeKv } from './kv';
import { rmsNorm } from './norms';
import {
  CODE_MASK, CONTROL_PROGRAM, FLAG_BARRIER, FLAG_PARALLEL, OP_ATTENTION, OP_COPY, OP_EMBED, OP_GATHER_ROWS, OP_PREPARE,
  OP_PRODUCT, OP_REPACK, OP_RMS_NORM, OP_ROPE, OP_SHIFT_KEYS, OP_STORE_KV, OP_SWIGLU, OP_TOP_CHUNKS, OP_TOP_MERGE, OP_WIDEN,
  RECORD_BYTES, RUN_DONE, WORD_COUNTER, WORD_GRAIN, WORD_ITEMS,
} from './opcodes';
import { rope } from './rope';
import { arrive, awaitAll, control, sleep, thread, wake } from './sync';
import { topChunks, topMerge } from './top';
import { train } from './training-run';
import { embed, prepare, product, repack, widen } from './weights';

/** Does items `from` to `to` of the command at `c`. */
function execute(c: usize, from: i32, to: i32): void {
  switch (load<u32>(c) & CODE_MASK) {
    case OP_COPY: copy(c); break;
    case OP_RMS_NORM: rmsNorm(c, from, to); break;
    case OP_ROPE: rope(c, from, to); break;
    case OP_STORE_KV: storeKv(c, from, to); break;
    case OP_ATTENTION: attention(c, from, to, thread); break;
    case OP_SWIGLU: swiglu(c, from, to); break;
    case OP_GATHER_ROWS: gatherRows(c, from, to); break;
    case OP_SHIFT_KEYS: shiftKeys(c, from, to, thread); break;
    case OP_TOP_CHUNKS: topChunks(c, from, to); break;
    case OP_TOP_MERGE: topMerge(c); break;
    case OP_EMBED: embed(c, from, to); break;
    case OP_REPACK: repack(c, from, to, thread); break;
    case OP_WIDEN: widen(c, from, to); break;
    case OP_PREPARE: prepare(c, from, to); break;
    case OP_PRODUCT: product(c, from, to); break;
    default: train(c, from, to, thread);
  }
}

/** Takes chunks of the command at `c` until none is left. */
function share(c: usize): void {
  const items = load<i32>(c + WORD_ITEMS * 4);
  const grain = load<i32>(c + WORD_GRAIN * 4);
  while (true) {
    const from = atomic.add<i32>(c + WORD_COUNTER * 4, 1) * grain;
    if (from >= items) return;
    execute(c, from, min(from + grain, items));
  }
}

/** Runs the commands from `first` to before `end` on this thread alone. */
export function runAlone(first: usize, end: usize): void {
  for (let c = first; c < end; c += RECORD_BYTES) execute(c, 0, load<i32>(c + WORD_ITEMS * 4));
}

/** Where this thread is in the program, kept when thread 0 leaves a barrier early. */
let at: usize = 0;
let end: usize = 0;
let arrived: bool = false;

/** Thread 0: starts a program on all threads and takes part. Returns RUN_DONE, RUN_STALLED (call `resume`) or RUN_BROKEN. */
export function run(first: usize, last: usize): i32 {
  store<u32>(control + CONTROL_PROGRAM, <u32>first);
  store<u32>(control + CONTROL_PROGRAM, <u32>last, 4);
  at = first;
  end = last;
  arrived = false;
  wake();
  return resume();
}

/** Goes on after a stall. */
export function resume(): i32 {
  let c = at;
  while (c < end) {
    const flags = load<u32>(c);
    if (flags & FLAG_BARRIER) {
      const result = barrier();
      if (result != RUN_DONE) {
        at = c;
        return result;
      }
    }
    if (flags & FLAG_PARALLEL) share(c);
    else if (thread == 0) execute(c, 0, load<i32>(c + WORD_ITEMS * 4));
    c += RECORD_BYTES;
  }
  at = c;
  return barrier();
}

function barrier(): i32 {
  if (!arrived) {
    arrive();
    arrived = true;
  }
  const result = awaitAll();
  if (result == RUN_DONE) arrived = false;
  return result;
}

/** A worker: runs programs until told to end. */
export function work(): void {
  while (sleep()) {
    at = load<u32>(control + CONTROL_PROGRAM);
    end = load<u32>(control + CONTROL_PROGRAM, 4);
    if (resume() != RUN_DONE) return;
  }
}
