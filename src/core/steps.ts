// Owns running work that is written as a generator which yields now and then: at once, or with turns of the event loop in between. Must not know the work.
import type { Budget } from './budget.ts';

/** Work that can rest where it yields. */
export type Steps<Result = void> = Generator<void, Result, void>;

/** Runs `steps` to the end without a rest. */
export function runSteps<Result>(steps: Steps<Result>): Result {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/**
 * Runs `steps` to the end within `budget`, and gives the event loop its turns.
 * @param what what is being done, for the message where the budget ends
 * @param check called at every rest; ends the work by throwing
 */
export async function restSteps<Result>(
  steps: Steps<Result>,
  budget: Budget,
  what: string,
  check?: () => void,
): Promise<Result> {
  for (;;) {
    const step = steps.next();
    check?.();
    if (step.done) return step.value;
    budget.look(what);
    if (budget.isTurnDue) await budget.turn(what);
  }
}
