// Owns what threads share: the control block, the barrier, and how a worker sleeps between programs. Must not know any operation.
// The barrier is one counter that only grows: thread arrivals are added, and barrier number n is open once the counter reaches n * threads.
import {
  CONTROL_ARRIVED, CONTROL_GENERATION, CONTROL_IDLE, CONTROL_POISON, CONTROL_QUIT, CONTROL_SLEEPERS,
  RUN_BROKEN, RUN_DONE, RUN_STALLED,
} from './opcodes';

/** This thread's number and how many there are. */
export let thread: i32 = 0;
export let threads: i32 = 1;
/** Address of the control block. */
export let control: usize = 0;

let mayWait: bool = false;
let spins: i32 = 0;
/** The counter's value that opens the current barrier. */
let target: i32 = 0;
let seenGeneration: i32 = 0;

/**
 * Sleeps while the word at `address` is `expected`, at most so long, and wakes all who do. Imported (Atomics.wait and notify): around
 * memory.atomic.wait32 the baseline compiler of Node 20 loses local variables.
 */
// @ts-ignore: decorator
@external('env', 'wait') declare function wait(address: usize, expected: i32, milliseconds: f64): void;
// @ts-ignore: decorator
@external('env', 'notify') declare function notify(address: usize): void;

/** Milliseconds of one sleep at a barrier, and how many of them thread 0 takes before it reports a stall. */
const NAP: f64 = 20;
const NAPS: i32 = 5;
/** Rounds of spinning after which a thread 0 that must not sleep (a browser's main thread) reports a stall. */
const SPIN_ROUNDS: i32 = 400;

/** Sets up this instance. `canWait`: whether this thread may sleep on an address. `spinLimit`: loads before it does. */
export function init(controlBlock: usize, index: i32, count: i32, canWait: i32, spinLimit: i32): void {
  control = controlBlock;
  thread = index;
  threads = count;
  mayWait = canWait != 0;
  spins = spinLimit;
}

/** Announces this thread's arrival at the next barrier. */
export function arrive(): void {
  target += threads;
  const before = atomic.add<i32>(control + CONTROL_ARRIVED, 1);
  if (before + 1 == target && atomic.load<i32>(control + CONTROL_SLEEPERS) > 0) {
    notify(control + CONTROL_ARRIVED);
  }
}

/** Waits for the barrier announced last. */
export function awaitAll(): i32 {
  const counter = control + CONTROL_ARRIVED;
  let round = 0;
  while (true) {
    for (let i = 0; i < spins; i++) {
      if (atomic.load<i32>(counter) - target >= 0) return RUN_DONE;
    }
    if (atomic.load<i32>(control + CONTROL_POISON) | atomic.load<i32>(control + CONTROL_QUIT)) return RUN_BROKEN;
    if (mayWait) {
      const now = atomic.load<i32>(counter);
      if (now - target >= 0) return RUN_DONE;
      atomic.add<i32>(control + CONTROL_SLEEPERS, 1);
      wait(counter, now, NAP);
      atomic.sub<i32>(control + CONTROL_SLEEPERS, 1);
      if (thread == 0 && round >= NAPS) return RUN_STALLED;
    } else if (round >= SPIN_ROUNDS) return RUN_STALLED;
    round++;
  }
}

/** Thread 0: wakes the workers for a program whose range was stored before. */
export function wake(): void {
  atomic.add<i32>(control + CONTROL_GENERATION, 1);
  if (atomic.load<i32>(control + CONTROL_IDLE) > 0) notify(control + CONTROL_GENERATION);
}

/** A worker: sleeps until there is a program. False when it should end. */
export function sleep(): bool {
  const generation = control + CONTROL_GENERATION;
  for (let i = 0; i < spins; i++) {
    if (atomic.load<i32>(generation) != seenGeneration) break;
  }
  while (atomic.load<i32>(generation) == seenGeneration) {
    if (atomic.load<i32>(control + CONTROL_QUIT)) return false;
    atomic.add<i32>(control + CONTROL_IDLE, 1);
    wait(generation, seenGeneration, Infinity);
    atomic.sub<i32>(control + CONTROL_IDLE, 1);
  }
  seenGeneration++;
  return !atomic.load<i32>(control + CONTROL_QUIT);
}
