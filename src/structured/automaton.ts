// Owns deterministic automata over bytes, for what trees of languages cannot say: both of two languages, or one without another.
// Source: Hopcroft, Motwani and Ullman, Introduction to Automata Theory, chapters 2 to 4.
import { OnebitError } from '../errors.ts';
import { jsonCharacters } from './json-character.ts';
import { type GraphEdge, type Node, nothing, type Range } from './language.ts';
import { buildStates, type State } from './program.ts';

/** Most states, a kilobyte each; everyday patterns have fewer than 100. Some patterns of 30 characters would need millions. */
const MOST_STATES = 6000;
/** Most states visited while making one, counting repeated visits: about a second. */
const MOST_WORK = 4_000_000;

/** `next[state × 256 + byte]` is −1 where the byte cannot come; state 0 is the start. */
export interface Automaton {
  readonly next: Int32Array;
  readonly accepts: Uint8Array;
}

/** The automaton of a language without calls and strings. @throws OnebitError `unsupported` when it would be too large */
export function automatonOf(language: Node): Automaton {
  const { states, starts, ends } = buildStates(language);
  const columns = columnsOf(states);
  const table = new Table();
  let work = 0;
  const close = (from: Iterable<number>) => {
    const reached = new Set(from);
    for (const at of reached) for (const to of states[at].free) reached.add(to);
    work += reached.size;
    if (work > MOST_WORK) throw tooLarge();
    return [...reached].sort((a, b) => a - b);
  };
  const sets: number[][] = [close([starts[0]])];
  table.stateOf(sets[0].join(','), sets[0].includes(ends[0]));
  for (let from = 0; from < sets.length; from++) {
    for (const [low, high] of columns) {
      const targets: number[] = [];
      for (const at of sets[from]) {
        const { bytes } = states[at];
        for (let i = 0; i < bytes.length; i += 3)
          if (low >= bytes[i] && low <= bytes[i + 1]) targets.push(bytes[i + 2]);
        work += bytes.length / 3;
      }
      if (targets.length === 0) continue;
      const set = close(targets);
      const to = table.stateOf(set.join(','), set.includes(ends[0]));
      if (to === sets.length) sets.push(set);
      table.fill(from, low, high, to);
    }
  }
  return table.automaton();
}

/** Texts of both. @throws OnebitError `unsupported` when it would be too large */
export function both(a: Automaton, b: Automaton): Automaton {
  return combine(a, b, true);
}

/** Texts of `a` that are not of `b`. @throws OnebitError `unsupported` when it would be too large */
export function without(a: Automaton, b: Automaton): Automaton {
  return combine(a, b, false);
}

/** Whether no text is accepted. */
export function isEmpty(automaton: Automaton): boolean {
  return !automaton.accepts.includes(1);
}

/** The automaton as a part of a language. */
export function languageOf({ next, accepts }: Automaton): Node {
  const end = accepts.length;
  const edges: GraphEdge[] = [];
  for (let from = 0; from < accepts.length; from++) {
    const row = next.subarray(from * 256, from * 256 + 256);
    const targets = new Map<number, Range[]>();
    for (let low = 0; low < 256; ) {
      let high = low;
      while (high < 255 && row[high + 1] === row[low]) high++;
      if (row[low] >= 0) {
        const ranges = targets.get(row[low]) ?? [];
        ranges.push([low, high]);
        targets.set(row[low], ranges);
      }
      low = high + 1;
    }
    for (const [to, ranges] of targets) edges.push([from, { kind: 'byte', ranges }, to]);
    if (accepts[from]) edges.push([from, nothing, end]);
  }
  return { kind: 'graph', end, edges };
}

/**
 * Texts of `automaton`, which are characters of JSON strings, with `min` to `max` characters (may be Infinity).
 * @throws OnebitError `unsupported` when it would be too large
 */
export function ofLength(automaton: Automaton, min: number, max: number): Automaton {
  const table = new Table();
  const situations: [state: number, inCharacter: number, count: number][] = [];
  const stateOf = (state: number, inCharacter: number, count: number) => {
    const accepts = automaton.accepts[state] === 1 && inCharacter === 0 && count >= min;
    const counts = Number.isFinite(max) ? max + 1 : min + 1;
    const number = table.stateOf((state * jsonCharacters.states + inCharacter) * counts + count, accepts);
    if (number === situations.length) situations.push([state, inCharacter, count]);
    return number;
  };
  stateOf(0, 0, 0);
  for (let from = 0; from < situations.length; from++) {
    const [state, inCharacter, count] = situations[from];
    if (inCharacter === 0 && count >= max) continue;
    let before = { to: -1, within: -1, number: -1 };
    for (let value = 0; value < 256; value++) {
      const to = automaton.next[state * 256 + value];
      const within = jsonCharacters.next[inCharacter * 256 + value];
      if (to < 0 || within < 0) continue;
      const counted = within > 0 ? count : max === Number.POSITIVE_INFINITY ? Math.min(count + 1, min) : count + 1;
      if (to !== before.to || within !== before.within) before = { to, within, number: stateOf(to, within, counted) };
      table.set(from, value, before.number);
    }
  }
  return table.automaton();
}

function combine(a: Automaton, b: Automaton, wanted: boolean): Automaton {
  const table = new Table();
  const pairs: [number, number][] = [[0, 0]];
  const accepted = (x: number, y: number) => a.accepts[x] === 1 && (y >= 0 && b.accepts[y] === 1) === wanted;
  const name = (x: number, y: number) => x * (b.accepts.length + 1) + y + 1;
  table.stateOf(name(0, 0), accepted(0, 0));
  for (let from = 0; from < pairs.length; from++) {
    const [x, y] = pairs[from];
    let before = -1;
    let beforeX = -1;
    let beforeY = -1;
    for (let value = 0; value < 256; value++) {
      const toX = a.next[x * 256 + value];
      const toY = y < 0 ? -1 : b.next[y * 256 + value];
      if (toX < 0 || (wanted && toY < 0)) continue;
      if (toX !== beforeX || toY !== beforeY || before < 0) {
        before = table.stateOf(name(toX, toY), accepted(toX, toY));
        beforeX = toX;
        beforeY = toY;
        if (before === pairs.length) pairs.push([toX, toY]);
      }
      table.set(from, value, before);
    }
  }
  return table.automaton();
}

/** States by name, with their rows. */
class Table {
  private readonly names = new Map<string | number, number>();
  private readonly accepted: number[] = [];
  private rows = new Int32Array(16 * 256).fill(-1);

  stateOf(name: string | number, accepts: boolean): number {
    const known = this.names.get(name);
    if (known !== undefined) return known;
    const state = this.accepted.length;
    if (state >= MOST_STATES) throw tooLarge();
    if ((state + 1) * 256 > this.rows.length) {
      const rows = new Int32Array(this.rows.length * 2).fill(-1);
      rows.set(this.rows);
      this.rows = rows;
    }
    this.names.set(name, state);
    this.accepted.push(accepts ? 1 : 0);
    return state;
  }

  fill(from: number, low: number, high: number, to: number): void {
    this.rows.fill(to, from * 256 + low, from * 256 + high + 1);
  }

  set(from: number, value: number, to: number): void {
    this.rows[from * 256 + value] = to;
  }

  automaton(): Automaton {
    return { next: this.rows.slice(0, this.accepted.length * 256), accepts: Uint8Array.from(this.accepted) };
  }
}

/** Ranges of bytes that no edge tells apart. */
function columnsOf(states: readonly State[]): Range[] {
  const begins = new Uint8Array(257);
  begins[0] = 1;
  for (const { bytes } of states) {
    for (let i = 0; i < bytes.length; i += 3) {
      begins[bytes[i]] = 1;
      begins[bytes[i + 1] + 1] = 1;
    }
  }
  const columns: Range[] = [];
  for (let low = 0; low < 256; ) {
    let high = low;
    while (high < 255 && !begins[high + 1]) high++;
    columns.push([low, high]);
    low = high + 1;
  }
  return columns;
}

function tooLarge(): OnebitError {
  return new OnebitError(
    'unsupported',
    `compile: patterns and bounds of one text must need at most ${MOST_STATES} states together, got more. Use smaller repeat counts or lengths, or a simpler pattern.`,
  );
}
