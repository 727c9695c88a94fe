// Owns deterministic automata over bytes, for what trees of languages cannot say: both of two languages, or one without another.
// Source: Hopcroft, Motwani and Ullman, Introduction to Automata Theory, chapters 2 to 4.
import { OnebitError } from '../errors.ts';
import { jsonCharacters } from './json-character.ts';
import type { Automaton, Node, Range } from './language.ts';
import { buildStates, type State } from './program.ts';

/** Most states; everyday patterns have fewer than 100. Some patterns of 30 characters would need millions. */
const MOST_STATES = 6000;
/** Most states visited while making one, counting repeated visits: about a second. */
const MOST_WORK = 4_000_000;

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
      table.add(from, low, high, to);
    }
  }
  return table;
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
  return !automaton.accepts.includes(true);
}

/** Whether `text` is accepted, in UTF-8. */
export function accepts(automaton: Automaton, text: string): boolean {
  let state = 0;
  for (const value of new TextEncoder().encode(text)) {
    const edges = automaton.edges[state];
    let i = 0;
    while (i < edges.length && value > edges[i + 1]) i += 3;
    if (i === edges.length || value < edges[i]) return false;
    state = edges[i + 2];
  }
  return automaton.accepts[state];
}

/**
 * Texts of `automaton`, which are characters of JSON strings, with `min` to `max` characters (may be Infinity).
 * @throws OnebitError `unsupported` when it would be too large
 */
export function ofLength(automaton: Automaton, min: number, max: number): Automaton {
  const table = new Table();
  const situations: { pair: number; count: number }[] = [];
  /** A state and how far a character is: counting aside, where they lead is the same. */
  const pairs: { state: number; inCharacter: number; moves: number[] }[] = [];
  const pairOf = new Map<number, number>();
  const counts = Number.isFinite(max) ? max + 1 : min + 1;
  const stateOf = (pair: number, count: number) => {
    const { state, inCharacter } = pairs[pair];
    const number = table.stateOf(pair * counts + count, automaton.accepts[state] && inCharacter === 0 && count >= min);
    if (number === situations.length) situations.push({ pair, count });
    return number;
  };
  const pairNumber = (state: number, inCharacter: number) => {
    const name = state * jsonCharacters.states + inCharacter;
    let number = pairOf.get(name);
    if (number === undefined) {
      number = pairs.length;
      pairOf.set(name, number);
      pairs.push({ state, inCharacter, moves: overlay(automaton.edges[state], jsonCharacters.edges[inCharacter]) });
    }
    return number;
  };
  stateOf(pairNumber(0, 0), 0);
  for (let from = 0; from < situations.length; from++) {
    const { pair, count } = situations[from];
    const { inCharacter, moves } = pairs[pair];
    if (inCharacter === 0 && count >= max) continue;
    for (let i = 0; i < moves.length; i += 4) {
      const within = moves[i + 3];
      if (within < 0) continue;
      const counted = within > 0 ? count : max === Number.POSITIVE_INFINITY ? Math.min(count + 1, min) : count + 1;
      table.add(from, moves[i], moves[i + 1], stateOf(pairNumber(moves[i + 2], within), counted));
    }
  }
  return table;
}

function combine(a: Automaton, b: Automaton, wanted: boolean): Automaton {
  const table = new Table();
  const pairs: [number, number][] = [];
  const stateOf = (x: number, y: number) => {
    const accepted = a.accepts[x] && (y >= 0 && b.accepts[y]) === wanted;
    const number = table.stateOf(x * (b.accepts.length + 1) + y + 1, accepted);
    if (number === pairs.length) pairs.push([x, y]);
    return number;
  };
  stateOf(0, 0);
  for (let from = 0; from < pairs.length; from++) {
    const [x, y] = pairs[from];
    const moves = overlay(a.edges[x], y < 0 ? [] : b.edges[y]);
    for (let i = 0; i < moves.length; i += 4) {
      if (wanted && moves[i + 3] < 0) continue;
      table.add(from, moves[i], moves[i + 1], stateOf(moves[i + 2], moves[i + 3]));
    }
  }
  return table;
}

/** Where `a` leads, in quadruples: from byte, to byte, target in `a`, target in `b` or −1. Both are triples in the order of their bytes. */
function overlay(a: readonly number[], b: readonly number[]): number[] {
  const moves: number[] = [];
  let j = 0;
  for (let i = 0; i < a.length; i += 3) {
    const end = a[i + 1];
    for (let low = a[i]; low <= end; ) {
      while (j < b.length && b[j + 1] < low) j += 3;
      const inside = j < b.length && b[j] <= low;
      const high = Math.min(end, inside ? b[j + 1] : j < b.length ? b[j] - 1 : 255);
      moves.push(low, high, a[i + 2], inside ? b[j + 2] : -1);
      low = high + 1;
    }
  }
  return moves;
}

/** An automaton being made: states by name. */
class Table implements Automaton {
  readonly edges: number[][] = [];
  readonly accepts: boolean[] = [];
  private readonly names = new Map<string | number, number>();

  stateOf(name: string | number, accepts: boolean): number {
    const known = this.names.get(name);
    if (known !== undefined) return known;
    const state = this.edges.length;
    if (state >= MOST_STATES) throw tooLarge();
    this.names.set(name, state);
    this.edges.push([]);
    this.accepts.push(accepts);
    return state;
  }

  /** Edges of a state come in the order of their bytes. */
  add(from: number, low: number, high: number, to: number): void {
    const list = this.edges[from];
    const last = list.length - 3;
    if (last >= 0 && list[last + 2] === to && list[last + 1] === low - 1) list[last + 1] = high;
    else list.push(low, high, to);
  }
}

/** Ranges of bytes that no edge tells apart. */
function columnsOf(states: readonly State[]): Range[] {
  const begins = new Uint8Array(257);
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
