// Owns the budget that one request carries: how many steps, how many bytes and how much time may be spent on what somebody sent.
// Whatever computes from untrusted input (templates, schemas, patterns, texts) takes the request's budget and spends from it.
import { OnebitError } from '../errors.ts';
import { turnInLine } from './event-loop.ts';

/** What a budget allows. What is left out is not bounded. */
export interface BudgetLimits {
  /** Steps: the unit of work that a computation counts, each well under a microsecond to a few of them. */
  readonly steps?: number;
  /** Bytes of memory held for the request while it is prepared. */
  readonly bytes?: number;
  /** Milliseconds of computing (waiting in `turn` is not counted). */
  readonly computeMs?: number;
  /** Ends the work with the reason of the signal. */
  readonly signal?: AbortSignal;
}

/** Work that can be cut: it gives way between its pieces, and gives its result at the end. */
export type InPieces<Result> = Generator<undefined, Result, undefined>;

/** Does all pieces of some work one after the other. */
export function atOnce<Result>(work: InPieces<Result>): Result {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

/** Longest stretch of computing between two turns of the event loop, in milliseconds. */
const STRETCH_MS = 10;
/** Steps between two looks at the clock and the signal. */
const STEPS_PER_LOOK = 256;

/**
 * What one request may still spend. One budget goes through everything that is computed for a request, so that many small things cost
 * what one large thing costs.
 */
export class Budget {
  readonly signal: AbortSignal | undefined;
  private stepsLeft: number;
  private bytesLeft: number;
  private computeMsLeft: number;
  private untilLook = STEPS_PER_LOOK;
  private stretchStart = performance.now();

  constructor(limits: BudgetLimits = {}) {
    this.signal = limits.signal;
    this.stepsLeft = limits.steps ?? Number.POSITIVE_INFINITY;
    this.bytesLeft = limits.bytes ?? Number.POSITIVE_INFINITY;
    this.computeMsLeft = limits.computeMs ?? Number.POSITIVE_INFINITY;
  }

  /**
   * Spends steps; now and then also looks at the clock and the signal.
   * @param what what is being done, for the message: "compileSchema"
   * @throws OnebitError `over-budget` where steps or time are used up; the reason of the signal where it is aborted
   */
  spend(what: string, steps = 1): void {
    this.stepsLeft -= steps;
    if (this.stepsLeft < 0) throw overBudget(what, 'steps');
    this.untilLook -= steps;
    if (this.untilLook > 0) return;
    this.untilLook = STEPS_PER_LOOK;
    this.look(what);
  }

  /**
   * Reserves memory. A negative number gives back.
   * @throws OnebitError `over-budget` where more bytes are asked for than are left
   */
  hold(what: string, bytes: number): void {
    if (bytes > this.bytesLeft) throw overBudget(what, 'memory');
    this.bytesLeft -= bytes;
  }

  /** Checks the clock and the signal at once. Throws as `spend` does. */
  look(what: string): void {
    this.signal?.throwIfAborted();
    if (performance.now() - this.stretchStart > this.computeMsLeft) throw overBudget(what, 'time');
  }

  /** True where computing has gone on for so long that the event loop should have a turn: then await `turn`. */
  get isTurnDue(): boolean {
    return performance.now() - this.stretchStart > STRETCH_MS;
  }

  /** Gives the event loop a turn where one is due, so that others are served. Throws as `spend` does. */
  async turn(what: string): Promise<void> {
    this.look(what);
    if (this.isTurnDue) await this.nextTurn(what);
  }

  /** Does some work with turns of the event loop between its pieces, where they are due. Throws as `spend` does, and what the work throws. */
  async inTurns<Result>(what: string, work: InPieces<Result>): Promise<Result> {
    for (;;) {
      await this.turn(what);
      const { done, value } = work.next();
      if (done) return value;
    }
  }

  /** Gives the event loop a turn in any case: before work that takes long and cannot be cut. Throws as `spend` does. */
  nextTurn(what: string): Promise<void> {
    return this.wait(what, turnInLine());
  }

  /** Waits for something else; that takes no time from the budget. Afterwards throws as `spend` does. */
  async wait<Result>(what: string, other: Promise<Result>): Promise<Result> {
    this.pause();
    try {
      return await other;
    } finally {
      this.resume();
      this.look(what);
    }
  }

  /** Books the time computed so far; call it before waiting for something else than `turn`, and `resume` after it. */
  pause(): void {
    this.computeMsLeft -= performance.now() - this.stretchStart;
  }

  /** Starts the clock again after `pause`. */
  resume(): void {
    this.stretchStart = performance.now();
  }
}

function overBudget(what: string, of: 'steps' | 'memory' | 'time'): OnebitError {
  return new OnebitError(
    'over-budget',
    `${what}: what was sent must be prepared within the budget of one request, got more work than its share of ${of} allows. Send something smaller or simpler.`,
  );
}
