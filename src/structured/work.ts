// Owns doing long work in slices under a budget: at once, or with turns of the event loop between the slices.
import { Budget } from '../core/budget.ts';

/** Work that yields where a turn of the event loop may come. */
export type Work<T> = Generator<void, T, void>;

/** What compiling may cost unless the caller says otherwise: a few seconds, and some 200 MB. */
export function ownBudget(): Budget {
  return new Budget({ steps: 30_000_000, bytes: 200 << 20 });
}

/** Does all of it now. */
export function finish<T>(work: Work<T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

/** Does it with turns of the event loop in between. @throws what `Budget.turn` throws */
export async function finishInTurns<T>(work: Work<T>, budget: Budget): Promise<T> {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
    await budget.turn('compile');
  }
}

/** Counts the steps of compiling. */
export class Meter {
  readonly budget: Budget;
  private steps = 0;
  /** Whether a turn was due when the clock was looked at, and whoever spent did not yield. */
  private isDue = false;

  constructor(budget: Budget = ownBudget()) {
    this.budget = budget;
  }

  /** Spends steps. Returns whether it is time to yield. @throws OnebitError `over-budget` */
  spend(steps: number): boolean {
    this.steps += steps;
    if (this.steps < 1000) return this.isDue && this.look();
    const spent = this.steps;
    this.steps = 0;
    this.budget.spend('compile', spent);
    return this.look();
  }

  private look(): boolean {
    this.isDue = this.budget.isTurnDue;
    return this.isDue;
  }

  /** Holds memory for what is being made. @throws OnebitError `over-budget` */
  hold(bytes: number): void {
    this.budget.hold('compile', bytes);
  }
}
