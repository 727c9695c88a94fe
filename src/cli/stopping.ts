// Owns how the program ends before its work is done: Ctrl-C, SIGTERM, --timeout, in every state. Must not know commands.
import { Worker } from 'node:worker_threads';
import { nextTurn } from '../core/event-loop.ts';
import { OnebitError } from '../errors.ts';
import { note, printError } from './print.ts';
import type { StallWatchData } from './stall-watch.ts';

/** 128 and the number of the signal, as shells say it; 124 as timeout(1) does. */
const EXIT_INTERRUPTED = 130;
const EXIT_TERMINATED = 143;
const EXIT_LATE = 124;

/** Name of the global function that takes the signal handlers away: the only thing that another thread can call. */
const DISARM = 'onebit.disarm-signals';
const BEAT_MS = 50;
/** A main thread that stands still for longer no longer hears signals: what they do by default holds then. */
const STALL_MS = 1000;
/** For commands that end in order, whose steps may be long. */
const ORDERLY_STALL_MS = 60_000;
/** How long a command that has nothing to put in order may take to notice that it shall end. */
const GRACE_MS = 2000;

/** Says why the command ends before its work is done. */
export function printStop(reason: unknown): void {
  if (reason instanceof OnebitError) printError(reason.message);
  else note('\ninterrupted');
}

/**
 * Ends the program when it is told to. The first signal aborts `signal`; whoever does not notice is ended after a while, at the second signal at once.
 * Where the main thread stands still, so that handlers cannot run, signals end the process as if there were no handlers (stall-watch.ts).
 */
export class Stopping {
  readonly #abort = new AbortController();
  readonly #shared = new Int32Array(new SharedArrayBuffer(8));
  readonly #handlers: readonly [NodeJS.Signals, () => void][] = [
    ['SIGINT', () => this.#interrupt()],
    ['SIGTERM', () => this.#stop(EXIT_TERMINATED, new DOMException('Terminated.', 'AbortError'))],
  ];
  #graceMs = GRACE_MS;
  #exitCode = 0;
  #armed = false;
  #watched = false;
  #caught = true;
  #watch: Worker | undefined;
  #beat: NodeJS.Timeout | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #catcher: (() => void) | undefined;

  /** Aborted by Ctrl-C, SIGTERM and --timeout. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** The exit code that says why it was stopped; 0 where it was not. */
  get exitCode(): number {
    return this.#exitCode;
  }

  /** Begins to listen to signals; `timeoutSeconds` after now it stops the command. Until then signals do what they do by default. */
  begin(timeoutSeconds?: number): void {
    Atomics.store(this.#shared, 1, STALL_MS);
    (globalThis as Record<symbol, unknown>)[Symbol.for(DISARM)] = () => this.#disarm();
    this.#beat = setInterval(() => {
      Atomics.add(this.#shared, 0, 1);
      this.#arm();
    }, BEAT_MS).unref();
    if (timeoutSeconds !== undefined) {
      const what = `run: the command must end within the ${timeoutSeconds} s of --timeout, it has not. Give it more time.`;
      const late = () => this.#stop(EXIT_LATE, new OnebitError('over-budget', what));
      this.#deadline = setTimeout(late, 1000 * timeoutSeconds).unref();
    }
    this.#startWatch(timeoutSeconds);
  }

  /** Says that the command has things to put in order when it is stopped, and may take so long for that. */
  endsInOrder(graceMs = Number.POSITIVE_INFINITY): void {
    this.#graceMs = graceMs;
    Atomics.store(this.#shared, 1, ORDERLY_STALL_MS);
  }

  /** Does work that may keep the event loop for long, for a file or a prompt asks for it: meanwhile signals do what they do by default. */
  async uncaught<Result>(work: () => Result | Promise<Result>): Promise<Result> {
    await nextTurn(); // for a signal that has come already
    this.signal.throwIfAborted();
    this.#caught = false;
    this.#disarm();
    try {
      return await work();
    } finally {
      this.#caught = true;
      this.#arm();
    }
  }

  /** Sends the next Ctrl-C to `catcher` instead; call it with nothing to have it back. */
  catchInterrupt(catcher?: () => void): void {
    this.#catcher = catcher;
  }

  /** Gives signals back what they do by default. */
  end(): void {
    this.#watched = false;
    clearInterval(this.#beat);
    clearTimeout(this.#deadline);
    this.#disarm();
    void this.#watch?.terminate();
  }

  #interrupt(): void {
    const catcher = this.#catcher;
    this.#catcher = undefined;
    if (catcher) catcher();
    else this.#stop(EXIT_INTERRUPTED, new DOMException('Interrupted.', 'AbortError'));
  }

  #stop(exitCode: number, reason: unknown): void {
    const again = this.#abort.signal.aborted;
    this.#exitCode ||= exitCode;
    if (again) this.#endNow();
    if (Number.isFinite(this.#graceMs)) {
      const end = () => {
        printStop(reason);
        this.#endNow();
      };
      setTimeout(end, this.#graceMs).unref();
    }
    this.#abort.abort(reason);
  }

  /**
   * Ends the process. Node's exit waits for what the system still does for it, and a pipe that nobody opens at its other end lasts for ever: then a
   * signal ends it as the system does.
   */
  #endNow(): void {
    const waits = process.getActiveResourcesInfo().some((name) => /^(FSReq|GetAddrInfo|GetNameInfo)/.test(name));
    if (!waits) process.exit(this.#exitCode);
    this.#watched = false;
    this.#disarm();
    process.kill(process.pid, this.#exitCode === EXIT_INTERRUPTED ? 'SIGINT' : 'SIGTERM');
  }

  #arm(): void {
    if (this.#armed || !this.#watched || !this.#caught) return;
    this.#armed = true;
    for (const [name, handler] of this.#handlers) process.on(name, handler);
  }

  #disarm(): void {
    this.#armed = false;
    for (const [name, handler] of this.#handlers) process.off(name, handler);
  }

  /** Where threads or the inspector are missing, handlers are all there is. */
  #startWatch(timeoutSeconds = Number.POSITIVE_INFINITY): void {
    const isWatched = () => {
      this.#watched = true;
      this.#arm();
    };
    const workerData: StallWatchData = {
      shared: this.#shared,
      endsWithinMs: 1000 * timeoutSeconds + GRACE_MS,
      disarm: DISARM,
      lateExitCode: EXIT_LATE,
    };
    try {
      this.#watch = new Worker(new URL('./stall-watch.js', import.meta.url), { workerData, execArgv: [] });
      this.#watch.unref();
      this.#watch.once('message', isWatched);
      this.#watch.once('error', isWatched);
    } catch {
      isWatched();
    }
  }
}
