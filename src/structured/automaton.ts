// Owns deterministic automata over bytes, for what trees of languages cannot say: both of two languages, or one without another.
// Source: Hopcroft, Motwani and Ullman, Introduction to Automata Theory, chapters 2 to 4.
import { OnebitError } from '../errors.ts';
import type { Automaton, Node } from './language.ts';
import { buildStates, type State } from './program.ts';
import type { Meter, Work } from './work.ts';

/** Most states; everyday patterns have fewer than 100. Some patterns of 30 characters would need millions. */
const MOST_STATES = 20_000;
/** Rounds in which states that are alike are told from others. */
const MOST_ROUNDS = 32;
/** Memory of a state without its edges. */
const BYTES_PER_STATE = 200;

/** The automaton of a language without calls and followed languages. @throws OnebitError `unsupported` when it would be too large */
export function* automatonOf(language: Node, meter: Meter): Work<Automaton> {
  const { states, starts, ends } = yield* buildStates(language, meter);
  const table = new Table();
  let held = 0;
  /** What `from` reaches freely, of which only states with bytes and the end matter. */
  const close = (from: Iterable<number>) => {
    const reached = new Set(from);
    for (const at of reached) for (const to of states[at].free) reached.add(to);
    const kept: number[] = [];
    for (const at of reached) if (states[at].bytes.length > 0 || at === ends[0]) kept.push(at);
    return { set: kept.sort((a, b) => a - b), cost: reached.size + kept.length };
  };
  const stateOf = (set: number[]) => table.stateOf(set.join(','), set.includes(ends[0]));
  const sets: number[][] = [close([starts[0]]).set];
  stateOf(sets[0]);
  for (let from = 0; from < sets.length; from++) {
    for (const { low, high, targets } of moves(states, sets[from])) {
      const { set, cost } = close(targets);
      if (meter.spend(3 * cost + targets.length)) yield;
      const to = stateOf(set);
      if (to === sets.length) {
        sets.push(set);
        meter.hold(set.length * 16 + 200);
        held += set.length * 16 + 200;
      }
      table.add(from, low, high, to);
    }
    meter.hold(BYTES_PER_STATE + 8 * table.edges[from].length);
  }
  meter.hold(-held);
  return table;
}

/**
 * The automaton with one state in place of several from which the same is accepted, where few rounds find them: behind one of `alpha|beta|rc` anything is
 * accepted, whatever of another is begun. Long chains, where little is alike, need as many rounds as they are long, and stay as they are.
 */
export function* merged(automaton: Automaton, meter: Meter): Work<Automaton> {
  const { edges, accepts } = automaton;
  let kinds = Int32Array.from(accepts, (accepted) => (accepted === accepts[0] ? 0 : 1));
  let count = kinds.includes(1) ? 2 : 1;
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const names = new Map<string, number>();
    const next = new Int32Array(edges.length);
    for (let state = 0; state < edges.length; state++) {
      const own = edgesTo(edges[state], kinds);
      if (meter.spend(own.length)) yield;
      const name = `${kinds[state]}:${own.join(',')}`;
      next[state] = names.get(name) ?? names.size;
      names.set(name, next[state]);
    }
    if (names.size === count) return count === edges.length ? automaton : oneOfEach(automaton, kinds, count);
    count = names.size;
    kinds = next;
  }
  return automaton;
}

/** The first state of each kind; the start is of kind 0. */
function oneOfEach({ edges, accepts }: Automaton, kinds: Int32Array, count: number): Automaton {
  const firsts = new Int32Array(count).fill(-1);
  for (const [state, kind] of kinds.entries()) if (firsts[kind] < 0) firsts[kind] = state;
  return {
    edges: Array.from(firsts, (state) => edgesTo(edges[state], kinds)),
    accepts: Array.from(firsts, (state) => accepts[state]),
  };
}

/** Edges with kinds of states for states, those beside each other that lead to one kind as one. */
function edgesTo(edges: readonly number[], kinds: Int32Array): number[] {
  const own: number[] = [];
  for (let i = 0; i < edges.length; i += 3) {
    const kind = kinds[edges[i + 2]];
    const last = own.length - 3;
    if (last >= 0 && own[last + 2] === kind && own[last + 1] === edges[i] - 1) own[last + 1] = edges[i + 1];
    else own.push(edges[i], edges[i + 1], kind);
  }
  return own;
}

/** Where a set of states leads, by ranges of bytes in order. */
function moves(states: readonly State[], set: readonly number[]) {
  const edges: number[] = [];
  const begins = new Uint8Array(257);
  for (const at of set) {
    const { bytes } = states[at];
    for (let i = 0; i < bytes.length; i += 3) {
      edges.push(bytes[i], bytes[i + 1], bytes[i + 2]);
      begins[bytes[i]] = 1;
      begins[bytes[i + 1] + 1] = 1;
    }
  }
  const found: { low: number; high: number; targets: number[] }[] = [];
  for (let low = 0; low < 256; ) {
    let high = low;
    while (high < 255 && !begins[high + 1]) high++;
    const targets: number[] = [];
    for (let i = 0; i < edges.length; i += 3) if (low >= edges[i] && low <= edges[i + 1]) targets.push(edges[i + 2]);
    if (targets.length > 0) found.push({ low, high, targets });
    low = high + 1;
  }
  return found;
}

/** Texts of both. @throws OnebitError `unsupported` when it would be too large */
export function both(a: Automaton, b: Automaton, meter: Meter): Work<Automaton> {
  return combine(a, b, true, meter);
}

/** Texts of `a` that are not of `b`. @throws OnebitError `unsupported` when it would be too large */
export function without(a: Automaton, b: Automaton, meter: Meter): Work<Automaton> {
  return combine(a, b, false, meter);
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

function* combine(a: Automaton, b: Automaton, wanted: boolean, meter: Meter): Work<Automaton> {
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
    if (meter.spend(moves.length)) yield;
    meter.hold(BYTES_PER_STATE + 8 * moves.length);
    for (let i = 0; i < moves.length; i += 4) {
      if (wanted && moves[i + 3] < 0) continue;
      table.add(from, moves[i], moves[i + 1], stateOf(moves[i + 2], moves[i + 3]));
    }
  }
  return trimmed(table);
}

/** The automaton without states from which nothing is accepted; the start stays. */
function trimmed({ edges, accepts }: Automaton): Automaton {
  const incoming: number[][] = edges.map(() => []);
  for (const [from, list] of edges.entries()) for (let i = 2; i < list.length; i += 3) incoming[list[i]].push(from);
  const number = new Int32Array(edges.length).fill(-1);
  const work: number[] = [];
  const keep = (state: number) => {
    if (number[state] >= 0) return;
    number[state] = 1;
    work.push(state);
  };
  for (const [state, accepted] of accepts.entries()) if (accepted) keep(state);
  for (let at = work.pop(); at !== undefined; at = work.pop()) incoming[at].forEach(keep);
  number[0] = 1;
  let states = 0;
  for (let state = 0; state < edges.length; state++) if (number[state] >= 0) number[state] = states++;
  if (states === edges.length) return { edges, accepts };
  const kept: number[][] = [];
  for (const [state, list] of edges.entries()) {
    if (number[state] < 0) continue;
    const own: number[] = [];
    for (let i = 0; i < list.length; i += 3)
      if (number[list[i + 2]] >= 0) own.push(list[i], list[i + 1], number[list[i + 2]]);
    kept.push(own);
  }
  return { edges: kept, accepts: accepts.filter((_, state) => number[state] >= 0) };
}

/** Where `a` leads, in quadruples: from byte, to byte, target in `a`, target in `b` or −1. Both are triples in the order of their bytes. */
export function overlay(a: readonly number[], b: readonly number[]): number[] {
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

function tooLarge(): OnebitError {
  return new OnebitError(
    'unsupported',
    `compile: patterns and bounds of one text must need at most ${MOST_STATES} states together, got more. Use smaller repeat counts or lengths, or a simpler pattern.`,
  );
}
