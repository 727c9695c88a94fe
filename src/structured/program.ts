// Owns turning a language into numbered states with edges over bytes, and removing what can never be completed. Source: Thompson (1968).
import { OnebitError } from '../errors.ts';
import type { Automaton, Node, Rule } from './language.ts';

/** Most states of a program: some 100 bytes each; everyday schemas have hundreds. Bounds hostile schemas. */
const MOST_STATES = 100_000;

/** A call: what begins, and where to go on after it. */
export interface CallEdge {
  readonly start: number;
  readonly rule: number;
  readonly after: number;
}

/** The characters of a JSON string and its closing quote. */
export interface StringEdge {
  readonly min: number;
  readonly max: number;
  readonly after: number;
}

export interface State {
  /** Flat triples: from byte, to byte, target. */
  readonly bytes: number[];
  readonly free: number[];
  readonly calls: CallEdge[];
  readonly strings: StringEdge[];
  /** The rule to which the state belongs. */
  readonly rule: number;
}

/** States of all rules in one list; rule 0 is the whole. */
export interface Program {
  readonly states: readonly State[];
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}

/**
 * The program of `root`. Every state of it can be completed.
 * @throws OnebitError `bad-argument` when no text satisfies it, `unsupported` when it is too large or a rule begins with itself
 */
export function buildProgram(root: Node): Program {
  const program = buildStates(root);
  prune(program);
  refuseLeftRecursion(program);
  return program;
}

/** The program of `root` as it comes, with what can never be completed. @throws OnebitError `unsupported` when it is too large */
export function buildStates(root: Node): Program {
  return new Builder().build(root);
}

class Builder {
  private readonly states: State[] = [];
  private readonly starts: number[] = [];
  private readonly ends: number[] = [];
  private readonly rules = new Map<Rule, number>();
  private readonly waiting: Rule[] = [];
  private rule = 0;

  build(root: Node): Program {
    this.ruleOf({ node: root });
    for (let next = this.waiting.pop(); next; next = this.waiting.pop()) {
      this.rule = this.rules.get(next)!;
      const [start, end] = [this.state(), this.state()];
      this.starts[this.rule] = start;
      this.ends[this.rule] = end;
      this.add(next.node, start, end);
    }
    const { states, starts, ends } = this;
    for (const { calls } of states) {
      for (const [i, { rule, after }] of calls.entries()) calls[i] = { start: starts[rule], rule, after };
    }
    return { states, starts, ends };
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
    this.states.push({ bytes: [], free: [], calls: [], strings: [], rule: this.rule });
    return this.states.length - 1;
  }

  private add(node: Node, from: number, to: number): void {
    const state = this.states[from];
    switch (node.kind) {
      case 'byte':
        for (const [low, high] of node.ranges) state.bytes.push(low, high, to);
        break;
      case 'words':
        this.addWords(node.words, from, to);
        break;
      case 'sequence': {
        let at = from;
        for (const [i, item] of node.items.entries()) {
          const next = i === node.items.length - 1 ? to : this.state();
          this.add(item, at, next);
          at = next;
        }
        if (node.items.length === 0) state.free.push(to);
        break;
      }
      case 'choice':
        for (const item of node.items) this.add(item, from, to);
        break;
      case 'repeat':
        this.addRepeat(node.item, node.min, node.max, from, to);
        break;
      case 'graph': {
        const places = new Map([[0, this.state()]]);
        state.free.push(places.get(0)!);
        const stateOf = (place: number) => {
          if (!places.has(place)) places.set(place, this.state());
          return places.get(place)!;
        };
        for (const [source, inner, target] of node.edges) this.add(inner, stateOf(source), stateOf(target));
        this.states[stateOf(node.end)].free.push(to);
        break;
      }
      case 'automaton':
        this.addAutomaton(node.automaton, from, to);
        break;
      case 'call':
        state.calls.push({ start: -1, rule: this.ruleOf(node.rule), after: to });
        break;
      case 'string':
        state.strings.push({ min: node.min, max: node.max, after: to });
    }
  }

  /** As a tree of shared beginnings: thousands of alternatives stay one state at a time. */
  private addWords(list: readonly string[], from: number, to: number): void {
    const byPrefix = new Map<string, number>([['', from]]);
    for (const word of new Set(list)) {
      if (word === '') this.states[from].free.push(to);
      let at = from;
      for (let i = 1; i <= word.length; i++) {
        const unit = word.charCodeAt(i - 1);
        const prefix = word.slice(0, i);
        let next = byPrefix.get(prefix);
        if (next === undefined) {
          next = this.state();
          byPrefix.set(prefix, next);
          this.states[at].bytes.push(unit, unit, next);
        }
        if (i === word.length) this.states[next].free.push(to);
        at = next;
      }
    }
  }

  private addAutomaton({ edges, accepts }: Automaton, from: number, to: number): void {
    const first = this.states.length;
    for (let i = 0; i < accepts.length; i++) this.state();
    this.states[from].free.push(first);
    for (let i = 0; i < accepts.length; i++) {
      const { bytes, free } = this.states[first + i];
      const list = edges[i];
      for (let e = 0; e < list.length; e += 3) bytes.push(list[e], list[e + 1], first + list[e + 2]);
      if (accepts[i]) free.push(to);
    }
  }

  private addRepeat(item: Node, min: number, max: number, from: number, to: number): void {
    let at = from;
    for (let i = 0; i < min; i++) {
      const next = this.state();
      this.add(item, at, next);
      at = next;
    }
    if (max === Number.POSITIVE_INFINITY) {
      const loop = this.state();
      this.states[at].free.push(loop);
      this.add(item, loop, loop);
      this.states[loop].free.push(to);
      return;
    }
    for (let i = min; i < max; i++) {
      const next = this.state();
      this.states[at].free.push(to);
      this.add(item, at, next);
      at = next;
    }
    this.states[at].free.push(to);
  }
}

/** Removes edges to states from which their rule cannot be completed. */
function prune({ states, starts, ends }: Program): void {
  const completes = new Uint8Array(states.length);
  const incoming: number[][] = states.map(() => []);
  const callers: number[][] = starts.map(() => []);
  for (const [from, state] of states.entries()) {
    for (let i = 0; i < state.bytes.length; i += 3) incoming[state.bytes[i + 2]].push(from);
    for (const to of state.free) incoming[to].push(from);
    for (const { after } of state.strings) incoming[after].push(from);
    for (const { rule } of state.calls) callers[rule].push(from);
  }
  for (const [from, state] of states.entries()) for (const { after } of state.calls) incoming[after].push(from);
  const reaches = (from: number) => {
    const { bytes, free, strings, calls } = states[from];
    if (free.some((to) => completes[to]) || strings.some(({ after }) => completes[after])) return true;
    if (calls.some(({ start, after }) => completes[start] && completes[after])) return true;
    for (let i = 2; i < bytes.length; i += 3) if (completes[bytes[i]]) return true;
    return false;
  };
  const work = [...ends];
  for (const end of ends) completes[end] = 1;
  for (let at = work.pop(); at !== undefined; at = work.pop()) {
    const { rule } = states[at];
    const before = at === starts[rule] ? [...incoming[at], ...callers[rule]] : incoming[at];
    for (const from of before) {
      if (completes[from] || !reaches(from)) continue;
      completes[from] = 1;
      work.push(from);
    }
  }
  if (!completes[starts[0]]) {
    throw new OnebitError(
      'bad-argument',
      'compile: some text must satisfy the form, got one that none satisfies. Look for bounds that exclude each other.',
    );
  }
  if (!completes.includes(0)) return;
  for (const { bytes, free, calls, strings } of states) {
    const kept: number[] = [];
    for (let i = 0; i < bytes.length; i += 3)
      if (completes[bytes[i + 2]]) kept.push(bytes[i], bytes[i + 1], bytes[i + 2]);
    replace(bytes, kept);
    replace(
      free,
      free.filter((to) => completes[to]),
    );
    replace(
      strings,
      strings.filter(({ after }) => completes[after]),
    );
    replace(
      calls,
      calls.filter(({ start, after }) => completes[start] && completes[after]),
    );
  }
}

function replace<T>(list: T[], kept: readonly T[]): void {
  list.length = 0;
  for (const item of kept) list.push(item);
}

/** A rule that can begin with itself before any byte would be entered for ever. */
function refuseLeftRecursion({ states, starts, ends }: Program): void {
  const empty = emptyRules(states, starts, ends);
  const open = new Int8Array(starts.length);
  const firstCalls = (rule: number) => {
    const found = new Set<number>();
    for (const at of freelyReached(states, starts[rule], empty))
      for (const edge of states[at].calls) found.add(edge.rule);
    return [...found];
  };
  const path: { rule: number; rest: number[] }[] = [{ rule: 0, rest: firstCalls(0) }];
  open[0] = 1;
  while (path.length > 0) {
    const top = path[path.length - 1];
    const next = top.rest.pop();
    if (next === undefined) {
      open[top.rule] = 2;
      path.pop();
    } else if (open[next] === 1) {
      throw new OnebitError(
        'unsupported',
        'compile: a definition must not begin with itself, got one that does. Let it stand inside an array or object.',
      );
    } else if (open[next] === 0) {
      open[next] = 1;
      path.push({ rule: next, rest: firstCalls(next) });
    }
  }
}

function emptyRules(states: readonly State[], starts: readonly number[], ends: readonly number[]): Set<number> {
  const empty = new Set<number>();
  for (let before = -1; before !== empty.size; ) {
    before = empty.size;
    for (const rule of starts.keys()) {
      if (!empty.has(rule) && freelyReached(states, starts[rule], empty).has(ends[rule])) empty.add(rule);
    }
  }
  return empty;
}

/** States reached from `start` without a byte, over rules that may be empty. */
function freelyReached(states: readonly State[], start: number, empty: ReadonlySet<number>): Set<number> {
  const reached = new Set([start]);
  for (const at of reached) {
    for (const to of states[at].free) reached.add(to);
    for (const { rule, after } of states[at].calls) if (empty.has(rule)) reached.add(after);
  }
  return reached;
}
