// Owns what one rendering may cost: steps, characters, the size of one text, depth of calls. Templates come from files that strangers made, so everything
// that a template can repeat or grow spends here before it is done. Must not know templates.
import { Budget } from '../../core/budget.ts';
import { OnebitError } from '../../errors.ts';

/** Steps that every rendering has; measured: the slowest hostile template found spends them in about 100 ms. */
const STEPS = 300_000;
/** Characters that every rendering may make or look through, one after the other. */
const CHARACTERS = 1 << 23;
/** Longest text that every rendering may have. */
const LONGEST = 1 << 21;
/** What one more character of messages and tools adds to the three limits, so that long conversations fit. */
const PER_CHARACTER = { steps: 1, characters: 32, longest: 4 };
/** Characters that cost as much as a step. */
const CHARACTERS_PER_STEP = 64;
/** So often a text could be looked through in the time that looking up what its characters are takes. */
const SCANS_PER_STUDY = 3;
/** Depth of calls, in levels of nesting of the template's source. */
const DEEPEST_CALLS = 500;
/** Depth of values: lists in lists. */
const DEEPEST_VALUE = 100;
/** Steps between two looks at the clock of the request's budget. */
const STEPS_PER_LOOK = 512;

/** What a template did wrong, or refused. */
export class TemplateError extends Error {}

/** The account of one rendering. @throws OnebitError `over-budget` from every method, where a limit is passed */
export class Work {
  private readonly budget: Budget;
  private steps = STEPS;
  private characters = CHARACTERS;
  private longest = LONGEST;
  private untilLook = STEPS_PER_LOOK;
  private callDepth = 0;

  /** @param budget that of the request, whose time and steps are spent too */
  constructor(budget: Budget = new Budget()) {
    this.budget = budget;
  }

  /** Widens the limits for `characters` of what the caller gave. */
  grant(characters: number): void {
    this.steps += characters * PER_CHARACTER.steps;
    this.characters += characters * PER_CHARACTER.characters;
    this.longest += characters * PER_CHARACTER.longest;
  }

  /** Spends `steps`: one is an operation, or an element of a list. */
  step(steps = 1): void {
    this.steps -= steps;
    if (!(this.steps >= 0)) throw overBudget('steps');
    this.untilLook -= steps;
    if (this.untilLook > 0) return;
    this.budget.spend('chat', STEPS_PER_LOOK - this.untilLook);
    this.untilLook = STEPS_PER_LOOK;
  }

  /** Looks through a text of `length` characters. */
  scan(length: number): void {
    this.characters -= length;
    if (!(this.characters >= 0)) throw overBudget('characters');
    this.step(1 + Math.floor(length / CHARACTERS_PER_STEP));
  }

  /** Is about to look through a text of `length` characters by what Unicode says of each. */
  study(length: number): void {
    this.scan(length * SCANS_PER_STUDY);
  }

  /** Is about to make a text of `length` characters. */
  make(length: number): void {
    this.fits(length);
    this.scan(length);
  }

  /** A text of `length` characters is about to be joined of others, without copying them. */
  fits(length: number): void {
    if (!(length <= this.longest)) throw overBudget('characters');
    this.step();
  }

  /** Goes `levels` deeper, while `run` runs. */
  call<T>(levels: number, run: () => T): T {
    this.step(10);
    this.callDepth += levels;
    if (this.callDepth > DEEPEST_CALLS) throw overBudget('depth');
    const result = run();
    this.callDepth -= levels;
    return result;
  }

  /** Goes into a value that lies `depth` deep. */
  enter(depth: number): void {
    if (depth > DEEPEST_VALUE) throw overBudget('depth');
    this.step();
  }
}

export function overBudget(of: string): OnebitError {
  return new OnebitError(
    'over-budget',
    `chat: the model's template must write the prompt within a budget, got more work than its share of ${of} allows. Send fewer or shorter messages; if short ones fail too, the file's template is broken.`,
  );
}
