// Owns the thread that notices when the program's main thread stands still. While JavaScript computes without a pause (a template of a hostile file, a
// pattern that backtracks), no signal handler can run, so Ctrl-C would do nothing. This thread then takes the handlers away, through V8's inspector,
// which interrupts loops: what signals do by default, ending the process, holds again. Must not know commands. Started by stopping.ts.
import { writeSync } from 'node:fs';
import { Session } from 'node:inspector';
import { setTimeout as wait } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';

/** What the main thread gives to this one. */
export interface StallWatchData {
  /** [0] counts the turns of the main thread's event loop; [1] how long it may stand still, in milliseconds. */
  readonly shared: Int32Array;
  /** When a program that hears nothing is ended, in milliseconds from now; may be infinite. */
  readonly endsWithinMs: number;
  /** Global function of the main thread that takes its signal handlers away. */
  readonly disarm: string;
  /** Exit code when it has not ended by then. */
  readonly lateExitCode: number;
}

const LOOK_MS = 100;
/** A program whose time is over and whose event loop turns is ending by itself: a training writes its model. */
const STILL_MS = 1000;

async function watch({ shared, endsWithinMs, disarm, lateExitCode }: StallWatchData): Promise<void> {
  let session: Session | undefined;
  const run = (expression: string) => {
    if (!session) {
      session = new Session();
      session.connectToMainThread();
    }
    session.post('Runtime.evaluate', { expression }, () => {});
  };
  const endsAt = performance.now() + endsWithinMs;
  let turns = -1;
  let turnedAt = performance.now();
  let disarmed = false;
  parentPort?.postMessage('watching');
  for (;;) {
    await wait(LOOK_MS);
    const now = performance.now();
    const seen = Atomics.load(shared, 0);
    if (seen !== turns) {
      turns = seen;
      turnedAt = now;
      disarmed = false;
    } else if (!disarmed && now - turnedAt > Atomics.load(shared, 1)) {
      disarmed = true;
      run(`globalThis[Symbol.for('${disarm}')]?.()`);
    }
    if (now < endsAt || now - turnedAt < STILL_MS) continue;
    writeSync(2, 'error: the time of --timeout is over.\n');
    run(`process.exit(${lateExitCode})`);
    await wait(2000);
    process.kill(process.pid, 'SIGKILL'); // it does not even let the inspector in
  }
}

await watch(workerData as StallWatchData);
