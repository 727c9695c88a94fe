// Owns following a text byte by byte through a program, with a stack where rules call each other. Knows no tokens.
// All ways in which the text so far can be read are followed at once. Ways that go on alike are one: whoever calls a rule at the same place shares
// its frame (a graph-structured stack, Tomita 1987), and a call at the end of a rule needs no frame, so chained alternatives cost their size.
// What was computed is remembered (a lazily built automaton).
import { OnebitError } from '../errors.ts';
import type { Followed, Standing } from './language.ts';
import type { Program } from './program.ts';
import { Transitions } from './transitions.ts';

/** Situations remembered at most, some 1 KB each, and readings in all of them, some 100 bytes each; then all are forgotten. */
const MOST_SITUATIONS = 4096;
const MOST_READINGS = 200_000;
/** Ways to read one text at the same time. */
const MOST_WAYS = 30_000;
/** More readings than these are looked up by byte. */
const FEW_READINGS = 12;
const ANY_BYTE = [0, 255, 0];
/** Readings that go on with more bytes than these are kept once, under WIDE, rather than by byte. */
const MANY_BYTES = 32;
const WIDE = -1;

/** Where to go on when a rule ends, one or several ways. Equal stacks are the same object until forgotten. */
export interface Stack {
  readonly id: number;
  readonly frames: readonly Frame[];
  /** Whether the text may end with the rule. */
  readonly isBottom: boolean;
}

interface Frame {
  readonly after: number;
  readonly below: Stack;
}

/** One way to read the text so far: a state of the program, or where a followed language (by number) stands. */
export interface Reading {
  readonly state: number;
  readonly followed: number;
  readonly standing: Standing;
  readonly stack: Stack;
}

/** All ways to read the text so far. Equal situations are the same object until forgotten. */
export interface Situation {
  readonly readings: readonly Reading[];
  /** Whether the text may end here. */
  readonly ended: boolean;
  /** What follows after a byte, as far as that is computed. */
  next: Transitions<Situation> | undefined;
  /** By byte: the readings that may go on with it, where there are many. */
  byByte?: Map<number, Reading[]> | undefined;
  /** Owned by whoever makes masks. */
  mask: Uint32Array | undefined;
}

/** Callers of one rule that have not been put together yet. */
interface Callers {
  readonly frames: Map<number, Frame>;
  isBottom: boolean;
}

export class Machine {
  readonly bottom: Stack = { id: 0, frames: [], isBottom: true };
  readonly start: Situation;
  /** Steps taken since the beginning: readings looked at. */
  steps = 0;
  private readonly program: Program;
  private readonly known = new Map<string, Situation>();
  private readonly knownStacks = new Map<string, Stack>();
  private readings = 0;
  private stacks = 1;

  constructor(program: Program) {
    this.program = program;
    this.start = this.situation([plain(program.starts[0], this.bottom)]);
  }

  /** Memory of the program and of what is remembered, roughly. */
  get bytes(): number {
    return 300 * this.program.states.length + 1000 * this.known.size + 100 * this.readings;
  }

  /** What follows after `value`, or null. @throws OnebitError `over-budget` where the text can be read in too many ways at once */
  step(from: Situation, value: number): Situation | null {
    const known = from.next?.get(value);
    if (known !== undefined) return known;
    const next = this.follow(from, value, this.known);
    // Making the situation may have forgotten all others.
    from.next ??= new Transitions();
    from.next.set(value, next);
    return next;
  }

  /** As `step`, remembered in `known` only: for what is looked at once, and need not outlive that. */
  follow(from: Situation, value: number, known: Map<string, Situation>): Situation | null {
    let reached: Reading[] | undefined;
    const readings = from.readings.length > FEW_READINGS ? this.readingsAt(from, value) : from.readings;
    this.steps += readings.length;
    for (const reading of readings) {
      if (reading.followed >= 0) {
        const standing = this.program.followed[reading.followed].step(reading.standing, value);
        if (standing === undefined) continue;
        reached ??= [];
        reached.push({ state: -1, followed: reading.followed, standing, stack: reading.stack });
        continue;
      }
      const { bytes } = this.program.states[reading.state];
      for (let i = 0; i < bytes.length; i += 3) {
        if (value < bytes[i] || value > bytes[i + 1]) continue;
        reached ??= [];
        reached.push(plain(bytes[i + 2], reading.stack));
      }
    }
    if (!reached) return null;
    return (reached.length === 1 && this.plainSituation(reached[0], known)) || this.situation(reached, known);
  }

  /** As `situation` for one reading from which nothing is reached without a byte, as most are; undefined for others. */
  private plainSituation(reading: Reading, known: Map<string, Situation>): Situation | undefined {
    const { program } = this;
    this.steps++;
    if (reading.followed >= 0) {
      const language = program.followed[reading.followed];
      if (language.mayEnd(reading.standing)) return undefined;
      return this.intern([[followedKey(reading, language), reading]], false, known);
    }
    const { free, calls, followed, rule } = program.states[reading.state];
    if (free.length + calls.length + followed.length > 0 || reading.state === program.ends[rule]) return undefined;
    return this.intern([[String(reading.stack.id * program.states.length + reading.state), reading]], false, known);
  }

  /** Those readings that may go on with `value`. */
  private readingsAt(from: Situation, value: number): readonly Reading[] {
    if (!from.byByte) {
      from.byByte = new Map();
      this.steps += 2 * from.readings.length;
      for (const reading of from.readings) {
        const { bytes } = reading.followed < 0 ? this.program.states[reading.state] : { bytes: ANY_BYTE };
        if (bytes.length === 3 && bytes[1] - bytes[0] >= MANY_BYTES) {
          add(from.byByte, WIDE, reading);
          continue;
        }
        for (let i = 0; i < bytes.length; i += 3)
          for (let at = bytes[i]; at <= bytes[i + 1]; at++) add(from.byByte, at, reading);
      }
    }
    const [wide, narrow] = [from.byByte.get(WIDE), from.byByte.get(value)];
    return wide && narrow ? [...wide, ...narrow] : (wide ?? narrow ?? []);
  }

  followedAt(reading: Reading): Followed | undefined {
    return reading.followed < 0 ? undefined : this.program.followed[reading.followed];
  }

  /** What names a reading without its stack. */
  localKey(reading: Reading): string | number {
    const language = this.followedAt(reading);
    if (!language) return reading.state;
    return `${reading.followed}:${language.key(reading.standing)}`;
  }

  /** A situation of exactly this reading, with nothing below it. It must be one of a situation. */
  only(reading: Reading): Situation {
    return { readings: [{ ...reading, stack: this.bottom }], ended: false, next: undefined, mask: undefined };
  }

  /** A situation of some of the readings of one. */
  together(readings: readonly Reading[]): Situation {
    return { readings, ended: false, next: undefined, mask: undefined };
  }

  /** The situation right after the rule on top of `stack` has ended. */
  afterTop(stack: Stack): Situation {
    return this.situation(stack.frames.map(({ after, below }) => plain(after, below)));
  }

  /** Follows what needs no byte. Rules are entered in an order in which none calls an earlier one first, so that all callers of one are known. */
  private situation(from: Reading[], known = this.known): Situation {
    const { states, levels, followed, isTail } = this.program;
    const found = new Set<string | number>();
    const readings: [string, Reading][] = [];
    let ended = false;
    const rules: Map<number, Callers>[] = [];
    const languages = new Map<number, Callers>();
    let work = from.reverse();
    const leave = (stack: Stack) => {
      ended ||= stack.isBottom;
      for (const { after, below } of stack.frames) work.push(plain(after, below));
    };
    const enter = (callers: Map<number, Callers>, number: number, after: number, stack: Stack) => {
      let own = callers.get(number);
      if (!own) {
        own = { frames: new Map(), isBottom: false };
        callers.set(number, own);
      }
      if (!isTail[after]) own.frames.set(stack.id * states.length + after, { after, below: stack });
      else {
        own.isBottom ||= stack.isBottom;
        for (const frame of stack.frames) own.frames.set(frame.below.id * states.length + frame.after, frame);
      }
    };
    const follow = () => {
      for (let at = work.pop(); at; at = work.pop()) {
        if (found.size > MOST_WAYS) throw tooManyWays();
        this.steps++;
        const { stack } = at;
        if (at.followed >= 0) {
          const key = followedKey(at, followed[at.followed]);
          if (found.has(key)) continue;
          found.add(key);
          readings.push([key, at]);
          if (followed[at.followed].mayEnd(at.standing)) leave(stack);
          continue;
        }
        const number = stack.id * states.length + at.state;
        if (found.has(number)) continue;
        found.add(number);
        const state = states[at.state];
        if (state.bytes.length > 0) readings.push([String(number), at]);
        for (const target of state.free) work.push(plain(target, stack));
        for (const { rule, after } of state.calls) {
          rules[levels[rule]] ??= new Map();
          enter(rules[levels[rule]], rule, after, stack);
        }
        for (const { language, after } of state.followed) enter(languages, language, after, stack);
        if (at.state === this.program.ends[state.rule]) leave(stack);
      }
    };
    follow();
    for (let level = 0; level < rules.length; level++) {
      for (const [rule, callers] of rules[level] ?? []) {
        work = [plain(this.program.starts[rule], this.stackOf(callers))];
        follow();
      }
    }
    for (const [language, callers] of languages) {
      const standing = followed[language].start;
      work = [{ state: -1, followed: language, standing, stack: this.stackOf(callers) }];
      follow();
    }
    if (readings.length > 1) readings.sort((a, b) => (a[0] < b[0] ? -1 : 1));
    return this.intern(readings, ended, known);
  }

  private intern(readings: [string, Reading][], ended: boolean, known: Map<string, Situation>): Situation {
    const parts = readings.length === 1 ? readings[0][0] : readings.map((one) => one[0]).join(' ');
    const key = ended ? `${parts}.` : parts;
    let situation = known.get(key);
    if (situation) return situation;
    situation = { readings: readings.map((one) => one[1]), ended, next: undefined, mask: undefined };
    if (known !== this.known) {
      known.set(key, situation);
      return situation;
    }
    this.readings += readings.length;
    if (this.known.size >= MOST_SITUATIONS || this.readings > MOST_READINGS) this.forget(readings.length);
    this.known.set(key, situation);
    return situation;
  }

  /** Those who hold a situation can go on with it: ids of stacks are never used again. */
  private forget(readings: number): void {
    for (const situation of this.known.values()) {
      situation.next = undefined;
      situation.byByte = undefined;
    }
    this.known.clear();
    this.knownStacks.clear();
    this.readings = readings;
  }

  private stackOf({ frames, isBottom }: Callers): Stack {
    if (isBottom && frames.size === 0) return this.bottom;
    const key = `${[...frames.keys()].sort((a, b) => a - b).join(' ')}${isBottom ? '.' : ''}`;
    let stack = this.knownStacks.get(key);
    if (!stack) {
      stack = { id: this.stacks++, frames: [...frames.values()], isBottom };
      this.knownStacks.set(key, stack);
    }
    return stack;
  }
}

function followedKey({ followed, standing, stack }: Reading, language: Followed): string {
  return `${followed}:${language.key(standing)}:${stack.id}`;
}

function add(lists: Map<number, Reading[]>, byte: number, reading: Reading): void {
  const list = lists.get(byte);
  if (!list) lists.set(byte, [reading]);
  else if (list[list.length - 1] !== reading) list.push(reading);
}

function plain(state: number, stack: Stack): Reading {
  return { state, followed: -1, standing: 0, stack };
}

function tooManyWays(): OnebitError {
  return new OnebitError(
    'over-budget',
    `generate: a text must be readable in at most ${MOST_WAYS} ways of its form at once, got more. Use fewer alternatives that begin alike.`,
  );
}
