// Owns a compiled form of text for one vocabulary, and following a generation through it.
import { OnebitError } from '../errors.ts';
import { stringOfUnits } from '../tokenizer/text-bytes.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { Constraint, Matcher } from './constraint.ts';
import type { Node } from './language.ts';
import { Machine, type Situation } from './machine.ts';
import { buildProgram } from './program.ts';
import { TokenMasks } from './token-masks.ts';
import { trieOf } from './token-trie.ts';

/** A form of text, compiled for a vocabulary: what option `constraint` takes. Any number of generations can share it; what one learns, all use. */
export class Grammar implements Constraint {
  private readonly machine: Machine;
  private readonly masks: TokenMasks;
  private readonly tokenizer: Tokenizer;

  /** @internal Compile functions make grammars; see `compileSchema`. */
  constructor(language: Node, tokenizer: Tokenizer) {
    this.machine = new Machine(buildProgram(language));
    this.masks = new TokenMasks(this.machine, trieOf(tokenizer));
    this.tokenizer = tokenizer;
  }

  matcher(): Matcher {
    return new GrammarMatcher(this.machine, this.masks, this.tokenizer);
  }

  /** Whether `text` is of this form, from its beginning to its end. */
  accepts(text: string): boolean {
    return accepts(this.machine, text);
  }
}

/** Tells whether texts are of the form `language`, without a vocabulary. */
export function recognizer(language: Node): (text: string) => boolean {
  const machine = new Machine(buildProgram(language));
  return (text) => accepts(machine, text);
}

function accepts(machine: Machine, text: string): boolean {
  let situation: Situation | null = machine.start;
  for (const value of new TextEncoder().encode(text)) {
    situation = machine.step(situation, value);
    if (!situation) return false;
  }
  return situation.ended;
}

class GrammarMatcher implements Matcher {
  private readonly machine: Machine;
  private readonly masks: TokenMasks;
  private readonly tokenizer: Tokenizer;
  private situation: Situation;
  private ended = false;

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
    return this.masks.of(this.situation);
  }

  accept(token: number): void {
    if (this.tokenizer.endOfGeneration.has(token) && this.isComplete) {
      this.ended = true;
      return;
    }
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
  }
}
