// Owns turning a language into numbered states with edges over bytes, and removing what can never be completed. Source: Thompson (1968).
import { OnebitError } from '../errors.ts';
import type { Automaton, Followed, Node, Rule } from './language.ts';
import { WordList } from './word-list.ts';
import type { Meter, Work } from './work.ts';

/** Most states of a program: some 300 bytes each; everyday schemas have hundreds. Bounds hostile schemas. */
const MOST_STATES = 200_000;
const BYTES_PER_STATE = 300;
const BYTES_PER_EDGE = 24;
const HELD_AT_ONCE = 1 << 16;
/** More bytes than this in a list of words are followed without states. */
const MANY_WORD_BYTES = 20_000;

/** A call: what begins, and where to go on after it. */
export interface CallEdge {
  readonly rule: number;
  readonly after: number;
}

/** A text of a followed language. */
export interface FollowedEdge {
  readonly language: number;
  readonly after: number;
}

export interface State {
  /** Flat triples: from byte, to byte, target. */
  readonly bytes: number[];
  readonly free: number[];
  readonly calls: CallEdge[];
  readonly followed: FollowedEdge[];
  /** The rule to which the state belongs. */
  readonly rule: number;
}

/** States of all rules in one list; rule 0 is the whole. */
export interface States {
  readonly states: readonly State[];
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly followed: readonly Followed[];
}

export interface Program extends States {
  /** By rule: it calls only rules of higher levels before its first byte. */
  readonly levels: readonly number[];
  /** By state: whether nothing follows in its rule. */
  readonly isTail: Uint8Array;
}

/**
 * The program of `root`. Every state of it can be completed.
 * @throws OnebitError `bad-argument` when no text satisfies it, `unsupported` when it is too large or a rule begins with itself
 */
export function* buildProgram(root: Node, meter: Meter): Work<Program> {
  const program = yield* buildStates(root, meter);
  if (meter.spend(program.states.length * 4)) yield;
  yield* prune(program, meter);
  if (meter.spend(program.states.length)) yield;
  const levels = levelsOf(program);
  if (meter.spend(program.states.length)) yield;
  return { ...program, levels, isTail: tailsOf(program) };
}

/** The program of `root` as it comes, with what can never be completed. @throws OnebitError `unsupported` when it is too large */
export function buildStates(root: Node, meter: Meter): Work<States> {
  return new Builder(meter).build(root);
}

class Builder {
  private readonly states: State[] = [];
  private readonly starts: number[] = [];
  private readonly ends: number[] = [];
  private readonly rules = new Map<Rule, number>();
  private readonly waiting: Rule[] = [];
  private readonly languages = new Map<Followed, number>();
  private readonly meter: Meter;
  private rule = 0;
  /** Bytes that are used and not yet held. */
  private bytes = 0;

  constructor(meter: Meter) {
    this.meter = meter;
  }

  *build(root: Node): Work<States> {
    this.ruleOf({ node: root });
    for (let next = this.waiting.pop(); next; next = this.waiting.pop()) {
      this.rule = this.rules.get(next)!;
      const [start, end] = [this.state(), this.state()];
      this.starts[this.rule] = start;
      this.ends[this.rule] = end;
      yield* this.add(next.node, start, end);
    }
    this.meter.hold(this.bytes);
    const { states, starts, ends } = this;
    return { states, starts, ends, followed: [...this.languages.keys()] };
  }

  private ruleOf(rule: Rule): number {
    let number = this.rules.get(rule);
    if (number === undefined) {
      number = this.rules.size;
      this.rules.set(rule, number);
      this.waiting.push(rule);
    }
    return number;
  }

  private state(): number {
    if (this.states.length >= MOST_STATES) {
      throw new OnebitError(
        'unsupported',
        `compile: the form must need at most ${MOST_STATES} states, got more. Use smaller bounds, or fewer alternatives.`,
      );
    }
    this.hold(BYTES_PER_STATE);
    this.states.push({ bytes: [], free: [], calls: [], followed: [], rule: this.rule });
    return this.states.length - 1;
  }

  /** Holds memory while the states are made, not after it. */
  private hold(bytes: number): void {
    this.bytes += bytes;
    if (this.bytes < HELD_AT_ONCE) return;
    this.meter.hold(this.bytes);
    this.bytes = 0;
  }

  private *add(node: Node, from: number, to: number): Work<void> {
    if (this.meter.spend(4)) yield;
    const state = this.states[from];
    switch (node.kind) {
      case 'byte':
        this.hold(BYTES_PER_EDGE * node.ranges.length);
        for (const [low, high] of node.ranges) state.bytes.push(low, high, to);
        break;
      case 'words':
        yield* this.addWords(node.words, from, to);
        break;
      case 'sequence': {
        let at = from;
        for (const [i, item] of node.items.entries()) {
          const next = i === node.items.length - 1 ? to : this.state();
          yield* this.add(item, at, next);
          at = next;
        }
        if (node.items.length === 0) state.free.push(to);
        break;
      }
      case 'choice':
        for (const item of node.items) yield* this.add(item, from, to);
        break;
      case 'repeat':
        yield* this.addRepeat(node.item, node.min, node.max, from, to);
        break;
      case 'graph': {
        const places = new Map([[0, this.state()]]);
        state.free.push(places.get(0)!);
        const stateOf = (place: number) => {
          if (!places.has(place)) places.set(place, this.state());
          return places.get(place)!;
        };
        for (const [source, inner, target] of node.edges) yield* this.add(inner, stateOf(source), stateOf(target));
        this.states[stateOf(node.end)].free.push(to);
        break;
      }
      case 'automaton':
        yield* this.addAutomaton(node.automaton, from, to);
        break;
      case 'call':
        state.calls.push({ rule: this.ruleOf(node.rule), after: to });
        break;
      case 'followed':
        this.addFollowed(node.language, from, to);
    }
  }

  private addFollowed(language: Followed, from: number, to: number): void {
    let number = this.languages.get(language);
    if (number === undefined) {
      number = this.languages.size;
      this.languages.set(language, number);
    }
    this.states[from].followed.push({ language: number, after: to });
  }

  /** As a tree of shared beginnings: thousands of alternatives stay one state at a time. */
  private *addWords(list: readonly string[], from: number, to: number): Work<void> {
    if (list.length > 1 && list.reduce((sum, word) => sum + word.length, 0) > MANY_WORD_BYTES) {
      if (list.includes('')) this.states[from].free.push(to);
      this.addFollowed(new WordList(list.filter((word) => word !== '')), from, to);
      return;
    }
    const known = new Map<number, number>();
    for (const word of new Set(list)) {
      let at = from;
      for (let i = 0; i < word.length; i++) {
        if (this.meter.spend(4)) yield;
        const unit = word.charCodeAt(i);
        let next = known.get(at * 256 + unit);
        if (next === undefined) {
          next = this.state();
          known.set(at * 256 + unit, next);
          this.states[at].bytes.push(unit, unit, next);
        }
        at = next;
      }
      this.states[at].free.push(to);
    }
  }

  private *addAutomaton({ edges, accepts }: Automaton, from: number, to: number): Work<void> {
    const first = this.states.length;
    for (let i = 0; i < accepts.length; i++) {
      if (this.meter.spend(4)) yield;
      this.state();
    }
    this.states[from].free.push(first);
    for (let i = 0; i < accepts.length; i++) {
      const { bytes, free } = this.states[first + i];
      const list = edges[i];
      this.hold(8 * list.length);
      if (this.meter.spend(list.length)) yield;
      for (let e = 0; e < list.length; e += 3) bytes.push(list[e], list[e + 1], first + list[e + 2]);
      if (accepts[i]) free.push(to);
    }
  }

  private *addRepeat(item: Node, min: number, max: number, from: number, to: number): Work<void> {
    let at = from;
    for (let i = 0; i < min; i++) {
      const next = this.state();
      yield* this.add(item, at, next);
      at = next;
    }
    if (max === Number.POSITIVE_INFINITY) {
      const loop = this.state();
      this.states[at].free.push(loop);
      yield* this.add(item, loop, loop);
      this.states[loop].free.push(to);
      return;
    }
    for (let i = min; i < max; i++) {
      const next = this.state();
      this.states[at].free.push(to);
      yield* this.add(item, at, next);
      at = next;
    }
    this.states[at].free.push(to);
  }
}

/** Removes edges to states from which their rule cannot be completed. */
function* prune({ states, starts, ends }: States, meter: Meter): Work<void> {
  const completes = new Uint8Array(states.length);
  const incoming: number[][] = states.map(() => []);
  const callers: number[][] = starts.map(() => []);
  for (const [from, state] of states.entries()) {
    if (meter.spend(2)) yield;
    for (let i = 0; i < state.bytes.length; i += 3) incoming[state.bytes[i + 2]].push(from);
    for (const to of state.free) incoming[to].push(from);
    for (const { after } of state.followed) incoming[after].push(from);
    for (const { rule, after } of state.calls) {
      callers[rule].push(from);
      incoming[after].push(from);
    }
  }
  const reaches = (from: number) => {
    const { bytes, free, followed, calls } = states[from];
    if (free.some((to) => completes[to]) || followed.some(({ after }) => completes[after])) return true;
    if (calls.some(({ rule, after }) => completes[starts[rule]] && completes[after])) return true;
    for (let i = 2; i < bytes.length; i += 3) if (completes[bytes[i]]) return true;
    return false;
  };
  const work = [...ends];
  for (const end of ends) completes[end] = 1;
  for (let at = work.pop(); at !== undefined; at = work.pop()) {
    if (meter.spend(1)) yield;
    const visit = (from: number) => {
      if (completes[from] || !reaches(from)) return;
      completes[from] = 1;
      work.push(from);
    };
    for (const from of incoming[at]) visit(from);
    if (at === starts[states[at].rule]) for (const from of callers[states[at].rule]) visit(from);
  }
  if (!completes[starts[0]]) {
    throw new OnebitError(
      'bad-argument',
      'compile: some text must satisfy the form, got one that none satisfies. Look for bounds that exclude each other.',
    );
  }
  if (!completes.includes(0)) return;
  for (const { bytes, free, calls, followed } of states) {
    if (meter.spend(1)) yield;
    const kept: number[] = [];
    for (let i = 0; i < bytes.length; i += 3)
      if (completes[bytes[i + 2]]) kept.push(bytes[i], bytes[i + 1], bytes[i + 2]);
    replace(bytes, kept);
    replace(
      free,
      free.filter((to) => completes[to]),
    );
    replace(
      followed,
      followed.filter(({ after }) => completes[after]),
    );
    replace(
      calls,
      calls.filter(({ rule, after }) => completes[starts[rule]] && completes[after]),
    );
  }
}

function replace<T>(list: T[], kept: readonly T[]): void {
  list.length = 0;
  for (const item of kept) list.push(item);
}

/** States after which nothing comes in their rule: a call before one needs no way back. */
function tailsOf({ states, starts, ends }: States): Uint8Array {
  const isTail = new Uint8Array(states.length);
  for (const rule of starts.keys()) isTail[ends[rule]] = 1;
  const isPlain = ({ bytes, calls, followed }: State) => bytes.length + calls.length + followed.length === 0;
  // Free edges mostly lead to later states; what is missed only costs a frame.
  for (let pass = 0; pass < 4; pass++) {
    for (let at = states.length - 1; at >= 0; at--) {
      const state = states[at];
      if (isPlain(state) && state.free.length > 0 && state.free.every((to) => isTail[to])) isTail[at] = 1;
    }
  }
  return isTail;
}

/** Levels of rules; makes free ways past rules that may be empty. A rule that can begin with itself before any byte would be entered for ever. */
function levelsOf({ states, starts, ends }: States): number[] {
  const empty = emptyRules(states, starts, ends);
  if (empty.size > 0) {
    for (const { calls, free } of states) for (const { rule, after } of calls) if (empty.has(rule)) free.push(after);
  }
  const levels: number[] = new Array(starts.length).fill(-1);
  const open = new Uint8Array(starts.length);
  const order: number[] = [];
  const firstCalls: number[][] = [];
  const callsOf = (rule: number) => (firstCalls[rule] ??= callsBeforeBytes(states, starts[rule]));
  const path: { rule: number; at: number }[] = [];
  for (const root of starts.keys()) {
    if (open[root] === 0) {
      open[root] = 1;
      path.push({ rule: root, at: 0 });
    }
    while (path.length > 0) {
      const top = path[path.length - 1];
      const next = callsOf(top.rule)[top.at++];
      if (next === undefined) {
        open[top.rule] = 2;
        order.push(top.rule);
        path.pop();
      } else if (open[next] === 1) {
        throw new OnebitError(
          'unsupported',
          'compile: a definition must not begin with itself, got one that does. Let it stand inside an array or object.',
        );
      } else if (open[next] === 0) {
        open[next] = 1;
        path.push({ rule: next, at: 0 });
      }
    }
  }
  for (const rule of order.reverse()) {
    levels[rule] = Math.max(levels[rule], 0);
    for (const next of callsOf(rule)) levels[next] = Math.max(levels[next], levels[rule] + 1);
  }
  return levels;
}

function callsBeforeBytes(states: readonly State[], start: number): number[] {
  const found = new Set<number>();
  const reached = new Set([start]);
  for (const at of reached) {
    for (const to of states[at].free) reached.add(to);
    for (const { rule } of states[at].calls) found.add(rule);
  }
  return [...found];
}

/** Rules whose text may be empty. */
function emptyRules(states: readonly State[], starts: readonly number[], ends: readonly number[]): Set<number> {
  const empty = new Set<number>();
  const waiting = new Map<number, number[]>();
  const work = [...starts.keys()];
  for (let rule = work.pop(); rule !== undefined; rule = work.pop()) {
    if (empty.has(rule)) continue;
    const reached = new Set([starts[rule]]);
    for (const at of reached) {
      for (const to of states[at].free) reached.add(to);
      for (const call of states[at].calls) {
        if (empty.has(call.rule)) reached.add(call.after);
        else if (waiting.has(call.rule)) waiting.get(call.rule)!.push(rule);
        else waiting.set(call.rule, [rule]);
      }
    }
    if (!reached.has(ends[rule])) continue;
    empty.add(rule);
    for (const caller of waiting.get(rule) ?? []) work.push(caller);
    waiting.delete(rule);
  }
  return empty;
}
