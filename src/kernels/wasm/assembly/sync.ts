// Owns what threads share: the control block, waiting for chunks to be done, and how a worker finds and leaves programs. Must not know operations.
// Nobody waits for a thread as such, only for chunks that a thread took: one that the machine does not run for a while holds up nothing it has not
// begun. With barriers that count threads a busy neighbour on one of two cores halved the speed.
import {
  CONTROL_GENERATION, CONTROL_IDLE, CONTROL_POISON, CONTROL_PROGRAM, CONTROL_PROGRESS, CONTROL_QUIT, CONTROL_SLEEPERS,
  CONTROL_WALKED, RUN_BROKEN, RUN_DONE, RUN_STALLED,
} from './opcodes';

/** This thread's number. */
export let thread: i32 = 0;
/** How many threads there are. */
export let threads: i32 = 1;
/** Address of the control block. */
export let control: usize = 0;

let mayWait: bool = false;
let spins: i32 = 0;
let seenGeneration: i32 = 0;

/**
 * Sleeps while the word at `address` is `expected`, at most so long, and wakes all who do. Imported (Atomics.wait and notify): around
 * memory.atomic.wait32 the baseline compiler of Node 20 loses local variables.
 */
// @ts-ignore: decorator
@external('env', 'wait') declare function wait(address: usize, expected: i32, milliseconds: f64): void;
// @ts-ignore: decorator
@external('env', 'notify') declare function notify(address: usize): void;

/** Milliseconds of one sleep while others work, and how many of them thread 0 takes before it reports a stall. */
const NAP: f64 = 20;
const NAPS: i32 = 5;
/** Rounds of spinning after which a thread 0 that must not sleep (a browser's main thread) reports a stall. */
const SPIN_ROUNDS: i32 = 400;
/** Rounds that a worker without a program spins, since the next step often follows at once. */
const IDLE_ROUNDS: i32 = 4;

/** Sets up this instance as thread `index` of `count`. `canWait`: whether it may sleep on an address. `spinLimit`: loads before it does. */
export function init(controlBlock: usize, index: i32, count: i32, canWait: i32, spinLimit: i32): void {
  control = controlBlock;
  thread = index;
  threads = count;
  mayWait = canWait != 0;
  spins = spinLimit;
}

/** Adds `chunks` to those done, and wakes who sleeps for them. */
export function finish(done: usize, chunks: i32): void {
  atomic.add<i32>(done, chunks);
  if (atomic.load<i32>(control + CONTROL_SLEEPERS) > 0) {
    atomic.add<i32>(control + CONTROL_PROGRESS, 1);
    notify(control + CONTROL_PROGRESS);
  }
}

/** What a waiting thread reads, a word of each line, so that it is in its cache when the wait is over. */
let ahead: usize = 0;
let aheadEnd: usize = 0;
/** Takes what was read: no compiler may find it useless. */
export let seen: i32 = 0;

/** Gives the thread `bytes` bytes at `from` to read the next times it waits. */
export function readWhileWaiting(from: usize, bytes: usize): void {
  ahead = from;
  aheadEnd = from + bytes;
}

/** Waits until `chunks` are done. */
export function waitFor(done: usize, chunks: i32): i32 {
  let round = 0;
  while (true) {
    for (let i = 0; i < spins; i++) {
      if (atomic.load<i32>(done) >= chunks) return RUN_DONE;
      if (ahead < aheadEnd) {
        seen ^= load<i32>(ahead);
        ahead += 64;
      }
    }
    if (atomic.load<i32>(control + CONTROL_POISON) | atomic.load<i32>(control + CONTROL_QUIT)) return RUN_BROKEN;
    if (mayWait) {
      atomic.add<i32>(control + CONTROL_SLEEPERS, 1);
      const progress = atomic.load<i32>(control + CONTROL_PROGRESS);
      const ready = atomic.load<i32>(done) >= chunks;
      if (!ready) wait(control + CONTROL_PROGRESS, progress, NAP);
      atomic.sub<i32>(control + CONTROL_SLEEPERS, 1);
      if (ready) return RUN_DONE;
      if (thread == 0 && round >= NAPS) return RUN_STALLED;
    } else if (round >= SPIN_ROUNDS) return RUN_STALLED;
    round++;
  }
}

/** Thread 0: shows the workers a program. */
export function publish(program: usize): void {
  atomic.store<u32>(control + CONTROL_PROGRAM, <u32>program);
  atomic.add<i32>(control + CONTROL_GENERATION, 1);
  if (atomic.load<i32>(control + CONTROL_IDLE) > 0) notify(control + CONTROL_GENERATION);
}

/** Thread 0: the program is done; who has not begun to walk it will not. */
export function withdraw(): void {
  atomic.store<u32>(control + CONTROL_PROGRAM, 0);
}

/** A worker: sleeps until there is a program it has not seen, and gives its address; 0 when it should end. */
export function nextProgram(): usize {
  const walked: usize = control + CONTROL_WALKED + (<usize>thread << 2);
  atomic.store<u32>(walked, 0);
  while (true) {
    const generation = awaitGeneration();
    if (atomic.load<i32>(control + CONTROL_QUIT)) return 0;
    seenGeneration = generation;
    const program = atomic.load<u32>(control + CONTROL_PROGRAM);
    if (program == 0) continue;
    // Thread 0 withdraws a program before it looks who walks it: seen here again, it is safe.
    atomic.store<u32>(walked, program);
    if (atomic.load<u32>(control + CONTROL_PROGRAM) == program) return program;
    atomic.store<u32>(walked, 0);
  }
}

/** Sleeps while the generation is the one seen last. */
function awaitGeneration(): i32 {
  const address = control + CONTROL_GENERATION;
  for (let i = 0; i < IDLE_ROUNDS * spins; i++) {
    const generation = atomic.load<i32>(address);
    if (generation != seenGeneration) return generation;
  }
  while (true) {
    atomic.add<i32>(control + CONTROL_IDLE, 1);
    wait(address, seenGeneration, Infinity);
    atomic.sub<i32>(control + CONTROL_IDLE, 1);
    const generation = atomic.load<i32>(address);
    if (generation != seenGeneration) return generation;
  }
}
