// Owns following a text byte by byte through a program, with a stack where rules call each other. Knows no tokens.
// All ways in which the text so far can be read are followed at once; what was computed is remembered (a lazily built automaton).
import { jsonCharacters } from './json-character.ts';
import type { Program } from './program.ts';

/** Situations remembered at most, some 2 KB each; then all are forgotten. */
const MOST_SITUATIONS = 4096;
const QUOTE = 0x22;

/** Where to go on when the rules entered so far end. Equal stacks are the same object. */
export interface Stack {
  readonly id: number;
  /** −1 at the bottom. */
  readonly after: number;
  readonly below: Stack | undefined;
  readonly above: Map<number, Stack>;
}

/** Inside of a JSON string: its bounds, and how many characters are complete (no more than matter). */
export interface InString {
  readonly min: number;
  readonly max: number;
  readonly count: number;
}

/** One way to read the text so far: a state of the program, or of `jsonCharacters` inside of a string. */
export interface Reading {
  readonly state: number;
  readonly stack: Stack;
  readonly string: InString | undefined;
}

/** All ways to read the text so far. Equal situations are the same object until forgotten. */
export interface Situation {
  readonly readings: readonly Reading[];
  /** Whether the text may end here. */
  readonly ended: boolean;
  /** By byte: what follows, null where nothing does, undefined where not computed. */
  next: (Situation | null | undefined)[] | undefined;
  /** Owned by whoever makes masks. */
  mask: Uint32Array | undefined;
}

export class Machine {
  readonly bottom: Stack = { id: 0, after: -1, below: undefined, above: new Map() };
  readonly start: Situation;
  private readonly program: Program;
  private readonly known = new Map<string, Situation>();
  private stacks = 1;

  constructor(program: Program) {
    this.program = program;
    this.start = this.situation([{ state: program.starts[0], stack: this.bottom, string: undefined }]);
  }

  /** What follows after `value`, or null. */
  step(from: Situation, value: number): Situation | null {
    const known = from.next?.[value];
    if (known !== undefined) return known;
    const reached: Reading[] = [];
    for (const reading of from.readings) {
      if (reading.string) this.stepString(reading, reading.string, value, reached);
      else {
        const { bytes } = this.program.states[reading.state];
        for (let i = 0; i < bytes.length; i += 3) {
          if (value < bytes[i] || value > bytes[i + 1]) continue;
          reached.push({ state: bytes[i + 2], stack: reading.stack, string: undefined });
        }
      }
    }
    const next = reached.length === 0 ? null : this.situation(reached);
    // Making the situation may have forgotten all others.
    from.next ??= new Array(256);
    from.next[value] = next;
    return next;
  }

  /** A situation of exactly this reading, whose state must have edges over bytes or lie in a string. */
  only(reading: Reading): Situation {
    return { readings: [reading], ended: false, next: undefined, mask: undefined };
  }

  /** The situation right after the rule on top of `stack` has ended. */
  afterTop(stack: Stack): Situation {
    return this.situation([{ state: stack.after, stack: stack.below!, string: undefined }]);
  }

  private stepString({ state, stack }: Reading, string: InString, value: number, reached: Reading[]): void {
    const { min, max, count } = string;
    if (state === 0 && value === QUOTE) {
      if (count >= min) reached.push({ state: stack.after, stack: stack.below!, string: undefined });
      return;
    }
    const next = jsonCharacters.next[state * 256 + value];
    if (next < 0 || (state === 0 && count >= max)) return;
    if (next > 0) {
      reached.push({ state: next, stack, string });
      return;
    }
    const counted = max === Number.POSITIVE_INFINITY ? Math.min(count + 1, min) : count + 1;
    reached.push({ state: 0, stack, string: { min, max, count: counted } });
  }

  private situation(from: Reading[]): Situation {
    const { states, ends } = this.program;
    const found = new Map<string, Reading>();
    const readings: [string, Reading][] = [];
    let ended = false;
    const work = from.reverse();
    for (let at = work.pop(); at; at = work.pop()) {
      const key = keyOf(at);
      if (found.has(key)) continue;
      found.set(key, at);
      if (at.string) {
        readings.push([key, at]);
        continue;
      }
      const { stack } = at;
      const state = states[at.state];
      if (state.bytes.length > 0) readings.push([key, at]);
      for (const target of state.free) work.push({ state: target, stack, string: undefined });
      for (const edge of state.calls) {
        work.push({ state: edge.start, stack: this.push(stack, edge.after), string: undefined });
      }
      for (const { min, max, after } of state.strings) {
        work.push({ state: 0, stack: this.push(stack, after), string: { min, max, count: 0 } });
      }
      if (at.state !== ends[state.rule]) continue;
      if (stack.below) work.push({ state: stack.after, stack: stack.below, string: undefined });
      else ended = true;
    }
    readings.sort(([a], [b]) => (a < b ? -1 : 1));
    return this.intern(readings, ended);
  }

  private intern(readings: [string, Reading][], ended: boolean): Situation {
    const key = `${readings.map(([part]) => part).join(' ')}${ended ? '.' : ''}`;
    let situation = this.known.get(key);
    if (situation) return situation;
    situation = { readings: readings.map(([, reading]) => reading), ended, next: undefined, mask: undefined };
    if (this.known.size >= MOST_SITUATIONS) this.forget();
    this.known.set(key, situation);
    return situation;
  }

  /** Those who hold a situation can go on with it: ids of stacks are never used again. */
  private forget(): void {
    for (const situation of this.known.values()) situation.next = undefined;
    this.known.clear();
    this.bottom.above.clear();
  }

  private push(below: Stack, after: number): Stack {
    let stack = below.above.get(after);
    if (!stack) {
      stack = { id: this.stacks++, after, below, above: new Map() };
      below.above.set(after, stack);
    }
    return stack;
  }
}

function keyOf({ state, stack, string }: Reading): string {
  return string ? `${state}:${stack.id}:${string.min}:${string.max}:${string.count}` : `${state}:${stack.id}`;
}
