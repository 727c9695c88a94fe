// Owns a compiled form of text for one vocabulary, and following a generation through it.
import { checkArgument, checkGiven } from '../core/check.ts';
import { nextTurn } from '../core/event-loop.ts';
import { OnebitError } from '../errors.ts';
import { stringOfUnits } from '../tokenizer/text-bytes.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { Constraint, Matcher } from './constraint.ts';
import type { Node } from './language.ts';
import { Machine, type Situation } from './machine.ts';
import { buildProgram } from './program.ts';
import { TokenMasks } from './token-masks.ts';
import { trieOf } from './token-trie.ts';
import { finish, type Meter, type Work } from './work.ts';

/** Steps of a generation, some 50 ns each: so many, and so many more for each token. */
const STEPS = 100_000_000;
const STEPS_PER_TOKEN = 500_000;

/** A form of text, compiled for a vocabulary: what option `constraint` takes. Any number of generations can share it; what one learns, all use. */
export class Grammar implements Constraint {
  private readonly machine: Machine;
  private readonly masks: TokenMasks;
  private readonly tokenizer: Tokenizer;

  /** @internal Compile functions make grammars; see `compileSchema`. */
  constructor(machine: Machine, tokenizer: Tokenizer) {
    checkGiven('new Grammar', 'machine', machine, 'compiling', ['start', 'bytes']);
    checkGiven('new Grammar', 'tokenizer', tokenizer, 'load', ['vocabularySize']);
    this.machine = machine;
    this.masks = new TokenMasks(machine, trieOf(tokenizer));
    this.tokenizer = tokenizer;
  }

  get bytes(): number {
    return this.machine.bytes + this.masks.bytes;
  }

  matcher(): Matcher {
    return new GrammarMatcher(this.machine, this.masks, this.tokenizer);
  }

  /** Whether `text` is of this form, from its beginning to its end. */
  accepts(text: string): boolean {
    checkArgument('accepts', 'text', text, 'text');
    let situation: Situation | null = this.machine.start;
    for (const value of new TextEncoder().encode(text)) {
      situation = this.machine.step(situation, value);
      if (!situation) return false;
    }
    return situation.ended;
  }
}

/** The grammar of a language. */
export function* grammarOf(language: Node, tokenizer: Tokenizer, meter: Meter): Work<Grammar> {
  const program = yield* buildProgram(language, meter);
  return new Grammar(new Machine(program), tokenizer);
}

class GrammarMatcher implements Matcher {
  private readonly machine: Machine;
  private readonly masks: TokenMasks;
  private readonly tokenizer: Tokenizer;
  private situation: Situation;
  private ended = false;
  private stepsLeft = STEPS;

  constructor(machine: Machine, masks: TokenMasks, tokenizer: Tokenizer) {
    this.machine = machine;
    this.masks = masks;
    this.tokenizer = tokenizer;
    this.situation = machine.start;
  }

  get isComplete(): boolean {
    return this.situation.ended;
  }

  get isFinished(): boolean {
    return this.ended || (this.situation.ended && this.situation.readings.length === 0);
  }

  mask(): Uint32Array {
    return finish(this.makeMask());
  }

  async prepare(): Promise<void> {
    const work = this.makeMask();
    while (!work.next().done) await nextTurn();
  }

  private makeMask(): Work<Uint32Array> {
    return this.masks.of(this.situation, (steps) => this.spend(steps));
  }

  private spend(steps: number): void {
    this.stepsLeft -= steps;
    if (this.stepsLeft >= 0) return;
    throw new OnebitError(
      'over-budget',
      'generate: the form must cost at most a few seconds to follow, got one that costs more. Use fewer alternatives, or simpler patterns.',
    );
  }

  accept(token: number): void {
    if (this.tokenizer.endOfGeneration.has(token) && this.isComplete) {
      this.ended = true;
      return;
    }
    this.stepsLeft += STEPS_PER_TOKEN;
    const before = this.machine.steps;
    let situation: Situation | null = this.situation;
    const bytes = this.tokenizer.isSpecial(token) ? new Uint8Array(0) : this.tokenizer.bytesOf(token);
    for (const value of bytes) situation = situation && this.machine.step(situation, value);
    if (!situation || bytes.length === 0 || this.ended) {
      throw new OnebitError(
        'bad-argument',
        `accept: the token must be one that the mask allows, got ${token} (${JSON.stringify(stringOfUnits(bytes))}).`,
      );
    }
    this.situation = situation;
    this.spend(this.machine.steps - before);
  }
}
