// Owns how far a run is and when it ends: by updates or by time. Must not know what is trained.

/** Before anything was measured, this share of the time is kept for the final measurement and the file. */
const FIRST_RESERVE = 0.04;

export interface RunLength {
  readonly steps: number;
  /** Bounds the run in place of `steps`. */
  readonly seconds?: number;
}

/** The progress of a run. */
export class RunClock {
  readonly #length: RunLength;
  #startedAt: number;
  readonly #now: () => number;
  #trainingFrom = 0;
  #reserve: number;
  /** Where training began: above 0 for a resumed run. */
  readonly #from: number;
  #progress: number;
  #stepSeconds = 0;

  /**
   * @param before seconds and progress of the run so far, when it was resumed
   * @param now milliseconds; for tests
   */
  constructor(length: RunLength, before = { seconds: 0, progress: 0 }, now = () => performance.now()) {
    this.#length = length;
    this.#now = now;
    this.#startedAt = now() - 1000 * before.seconds;
    this.#from = before.progress;
    this.#progress = before.progress;
    this.#reserve = FIRST_RESERVE * (length.seconds ?? 0);
  }

  /** Seconds since the run began, those before it was interrupted included. */
  get seconds(): number {
    return (this.#now() - this.#startedAt) / 1000;
  }

  /** Leaves out time in which the caller held the run. */
  held(milliseconds: number): void {
    this.#startedAt += milliseconds;
  }

  /** Says that preparations are over. */
  startTraining(): void {
    this.#trainingFrom = this.seconds;
  }

  /** Says how long measuring and writing at the end will take. */
  reserveSeconds(seconds: number): void {
    if (this.#length.seconds !== undefined) this.#reserve = Math.min(seconds, this.#length.seconds / 4);
  }

  /** Says how long an update took. */
  stepTook(seconds: number): void {
    this.#stepSeconds = this.#stepSeconds === 0 ? seconds : 0.9 * this.#stepSeconds + 0.1 * seconds;
  }

  /** Share of the run done when `steps` updates are, 0 to 1; never falls. */
  progress(steps: number): number {
    const { seconds } = this.#length;
    if (seconds === undefined) return Math.min(1, steps / this.#length.steps);
    const share = (this.seconds - this.#trainingFrom) / this.#span(seconds);
    this.#progress = Math.max(this.#progress, Math.min(1, this.#from + (1 - this.#from) * share));
    return this.#progress;
  }

  /** Whether the run is over when `steps` updates are done. */
  isOver(steps: number): boolean {
    const { seconds } = this.#length;
    if (seconds === undefined) return steps >= this.#length.steps;
    // At least one update, and none that would end late by more than the one before it ends early.
    const share = (0.5 * this.#stepSeconds * (1 - this.#from)) / this.#span(seconds);
    return steps > 0 && this.progress(steps) + share >= 1;
  }

  /** Seconds until the end, as far as can be told. */
  secondsLeft(steps: number): number {
    const { seconds } = this.#length;
    if (seconds !== undefined) return Math.max(0, seconds - this.seconds);
    return Math.max(0, this.#length.steps - steps) * this.#stepSeconds;
  }

  /** Seconds that updates (and what comes between them) may take from here on. */
  #span(seconds: number): number {
    return Math.max(1e-3, seconds - this.#reserve - this.#trainingFrom);
  }
}
