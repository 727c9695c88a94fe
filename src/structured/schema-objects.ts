// Owns the languages of objects that several schemas describe together. How to compile what is inside is told by the caller.
import { accepts, automatonOf, both, isEmpty, without } from './automaton.ts';
import { counted } from './counted.ts';
import { pair, stringOf, white } from './json-text.ts';
import {
  type Automaton,
  choice,
  followed,
  type GraphEdge,
  type Node,
  never,
  nothing,
  oneOf,
  sequence,
  words,
} from './language.ts';
import { searchInJson } from './pattern.ts';
import {
  type Atom,
  countOf,
  type Inner,
  mapOf,
  namesOf,
  type Part,
  partUnder,
  refuse,
  type Some,
} from './schema-parts.ts';
import { patternAutomaton } from './schema-strings.ts';
import type { Meter, Work } from './work.ts';

/** Places where an object can stand: properties times how many are counted. */
const MOST_PLACES = 100_000;
const MOST_NAME_PATTERNS = 100;
/** What the language of one takes. */
const BYTES_PER_PROPERTY = 1400;
/** Ways to satisfy opposites of `additionalProperties`. */
const MOST_WAYS = 1000;

/** What is inside of objects. */
export interface Inside {
  readonly meter: Meter;
  /** The language of values that satisfy all parts. */
  value(parts: readonly Part[]): Node;
  /** Strings that satisfy all parts, as characters without quotes; undefined where any will do. */
  names(parts: readonly Part[]): Work<Automaton | undefined>;
}

interface NamePattern {
  readonly atom: Atom;
  readonly part: Part;
  readonly automaton: Automaton;
}

/** Names that the same patterns match. */
interface NameClass {
  readonly matched: readonly NamePattern[];
  readonly key: Node;
}

interface Property {
  readonly name: string;
  /** Undefined where it cannot be there. */
  readonly parts: readonly Part[] | undefined;
  readonly required: boolean;
}

/** At least one property with a name that is none of these, like none of `unlike`, like `like`, satisfies the part. */
interface Wanted {
  readonly part: Part;
  readonly names: readonly string[];
  readonly unlike: readonly Automaton[];
  readonly like: Automaton | undefined;
}

/**
 * Objects, with the properties in the order of the schema, then others where they are allowed. Where `properties` or `patternProperties` are
 * given and nothing is said of others, there are none.
 */
export function* objectLanguage(atoms: readonly Atom[], inside: Inside): Work<Node> {
  return yield* new ObjectCompiler(atoms, inside).language(atoms.filter(({ schema }) => schema['-some'] !== undefined));
}

class ObjectCompiler {
  private readonly atoms: readonly Atom[];
  private readonly inside: Inside;
  private readonly required: ReadonlySet<string>;
  private readonly absent: ReadonlySet<string>;
  private readonly declared: readonly string[];
  private readonly open: boolean;

  constructor(atoms: readonly Atom[], inside: Inside) {
    this.atoms = atoms;
    this.inside = inside;
    this.required = new Set(atoms.flatMap(({ schema, at }) => namesOf(schema.required, `${at}/required`)));
    this.absent = new Set(atoms.flatMap(({ schema }) => (schema['-absent'] as string[]) ?? []));
    const declared = new Set([...atoms.flatMap((atom) => Object.keys(mapOf(atom, 'properties'))), ...this.required]);
    this.declared = [...declared];
    const own = atoms.filter(({ made }) => !made);
    const says = ({ schema }: Atom) =>
      Object.keys(mapOf({ schema, at: '' }, 'properties')).length > 0 ||
      schema.properties !== undefined ||
      schema.patternProperties !== undefined ||
      namesOf(schema.required, '').length > 0;
    this.open =
      !own.some(says) ||
      own.some(
        ({ schema }) => schema.additionalProperties !== undefined || (schema.unevaluatedProperties ?? false) !== false,
      );
  }

  *language(some: readonly Atom[]): Work<Node> {
    const { atoms, inside, declared, required, absent } = this;
    if ([...required].some((name) => absent.has(name))) return never;
    const patterns: NamePattern[] = [];
    for (const atom of atoms) {
      for (const [source, schema] of Object.entries(mapOf(atom, 'patternProperties'))) {
        const part = partUnder(atom, schema, 'patternProperties', source);
        patterns.push({ atom, part, automaton: yield* patternAutomaton(source, part.at, inside.meter) });
        if (patterns.length > MOST_NAME_PATTERNS)
          throw refuse(part.at, `more than ${MOST_NAME_PATTERNS} patternProperties`);
      }
    }
    const nameParts = atoms.filter(({ schema }) => schema.propertyNames !== undefined);
    const names =
      nameParts.length === 0
        ? undefined
        : yield* inside.names(nameParts.map((atom) => partUnder(atom, atom.schema.propertyNames, 'propertyNames')));
    const properties: Property[] = [];
    for (const name of declared) {
      if (absent.has(name)) continue;
      const written = JSON.stringify(name).slice(1, -1);
      if (inside.meter.spend(1 + written.length * (patterns.length + 1))) yield;
      const matched = patterns.filter(({ automaton }) => accepts(automaton, written));
      const parts = names && !accepts(names, written) ? undefined : this.partsFor(name, matched);
      properties.push({ name, parts, required: required.has(name) });
    }
    const classes = yield* this.classes(patterns, names);
    const others = classes.map(({ key, matched }) => pair(key, inside.value(this.partsFor(undefined, matched))));
    const other: Node | undefined = others.length > 0 ? choice(...others) : undefined;
    const wanted: Wanted[] = [];
    for (const atom of some) wanted.push(yield* this.wanted(atom));
    const ways: Node[] = [];
    yield* this.choose(properties, wanted, ways, { patterns, names, other });
    return choice(...ways);
  }

  private *wanted(atom: Atom): Work<Wanted> {
    const { names, patterns, pattern } = atom.schema['-some'] as Some;
    const { meter } = this.inside;
    const unlike: Automaton[] = [];
    for (const source of patterns) unlike.push(yield* patternAutomaton(source, atom.at, meter));
    const like = pattern === undefined ? undefined : yield* patternAutomaton(pattern, atom.at, meter);
    return { part: (atom.schema['-someValue'] as Inner).part, names, unlike, like };
  }

  /** One property at least must be as each of `wanted` says: one of those declared, or, for one of them, another. */
  private *choose(
    properties: readonly Property[],
    wanted: readonly Wanted[],
    ways: Node[],
    around: { patterns: readonly NamePattern[]; names: Automaton | undefined; other: Node | undefined },
    special?: Wanted,
  ): Work<void> {
    const { meter } = this.inside;
    const [first, ...rest] = wanted;
    if (!first) {
      if (ways.length > MOST_WAYS) throw refuse(this.atoms[0].at, 'an object with so many opposites');
      const last = special && (yield* this.specialOthers(special, around));
      if (!special || last) ways.push(yield* this.graph(properties, around.other, last));
      return;
    }
    for (const property of properties) {
      const written = JSON.stringify(property.name).slice(1, -1);
      if (meter.spend(20 + 10 * properties.length)) yield;
      const isMeant =
        property.parts &&
        !first.names.includes(property.name) &&
        !first.unlike.some((one) => accepts(one, written)) &&
        (!first.like || accepts(first.like, written));
      if (!isMeant) continue;
      const changed = { ...property, parts: [...property.parts!, first.part], required: true };
      const next = properties.map((one) => (one === property ? changed : one));
      yield* this.choose(next, rest, ways, around, special);
    }
    if (!special) yield* this.choose(properties, rest, ways, around, first);
  }

  /** Pairs whose names are not declared and are as `wanted` says. */
  private *specialOthers(
    { names: except, unlike, like, part }: Wanted,
    { patterns, names }: { patterns: readonly NamePattern[]; names: Automaton | undefined },
  ): Work<Node | undefined> {
    const { meter } = this.inside;
    let allowed = names;
    if (like) allowed = allowed ? yield* both(allowed, like, meter) : like;
    if (except.length + unlike.length > 0) {
      allowed ??= yield* searchInJson('', meter);
      for (const one of unlike) allowed = yield* without(allowed, one, meter);
      if (except.length > 0) {
        const taken = oneOf(except.map((name) => JSON.stringify(name).slice(1, -1)));
        allowed = yield* without(allowed, yield* automatonOf(taken, meter), meter);
      }
    }
    const classes = yield* this.classes(patterns, allowed);
    if (classes.length === 0) return undefined;
    return choice(
      ...classes.map(({ key, matched }) => pair(key, this.inside.value([...this.partsFor(undefined, matched), part]))),
    );
  }

  /** What all atoms say of a property that `matched` patterns match. */
  private partsFor(name: string | undefined, matched: readonly NamePattern[]): Part[] {
    const parts: Part[] = [];
    const saying = new Set<Atom>();
    for (const atom of this.atoms) {
      const own = mapOf(atom, 'properties');
      const said = matched.filter((pattern) => pattern.atom === atom).map(({ part }) => part);
      if (name !== undefined && Object.hasOwn(own, name)) said.push(partUnder(atom, own[name], 'properties', name));
      const rest = atom.schema.additionalProperties;
      if (said.length === 0 && rest !== undefined) said.push(partUnder(atom, rest, 'additionalProperties'));
      if (said.length > 0 && !atom.made) saying.add(atom);
      parts.push(...said);
    }
    for (const atom of this.atoms) {
      const { unevaluatedProperties: rest } = atom.schema;
      if (rest === undefined) continue;
      const owner = atom.within!.at(-1)!;
      const isSaid = this.atoms.some(
        (other) =>
          other.within?.includes(owner) &&
          (saying.has(other) || (other !== atom && other.schema.unevaluatedProperties !== undefined)),
      );
      if (!isSaid) parts.push(partUnder(atom, rest, 'unevaluatedProperties'));
    }
    return parts;
  }

  /** Names that are not declared, apart by the patterns that match them. Those that nothing allows are left out. */
  private *classes(patterns: readonly NamePattern[], names: Automaton | undefined): Work<NameClass[]> {
    const { meter } = this.inside;
    const allowed = (matched: readonly NamePattern[]) =>
      (this.open || matched.length > 0) &&
      !this.partsFor(undefined, matched).some(({ schema, not }) => schema === Boolean(not));
    const taken = [...new Set([...this.declared, ...this.absent])];
    if (patterns.length === 0) {
      if (!allowed([])) return [];
      if (taken.length === 0 && !names) return [{ matched: [], key: stringOf(0, Number.POSITIVE_INFINITY) }];
    }
    let rest = names ?? (yield* searchInJson('', meter));
    if (taken.length > 0) {
      const list = oneOf(taken.map((name) => JSON.stringify(name).slice(1, -1)));
      rest = yield* without(rest, yield* automatonOf(list, meter), meter);
    }
    let classes: { matched: NamePattern[]; automaton: Automaton }[] = [{ matched: [], automaton: rest }];
    for (const pattern of patterns) {
      const split: typeof classes = [];
      for (const { matched, automaton } of classes) {
        split.push({ matched: [...matched, pattern], automaton: yield* both(automaton, pattern.automaton, meter) });
        split.push({ matched, automaton: yield* without(automaton, pattern.automaton, meter) });
      }
      classes = split.filter(({ automaton }) => !isEmpty(automaton));
      if (classes.length > MOST_NAME_PATTERNS)
        throw refuse(pattern.part.at, 'patternProperties of so many combinations');
    }
    const found: NameClass[] = [];
    for (const { matched, automaton } of classes) {
      if (isEmpty(automaton) || !allowed(matched)) continue;
      const key = yield* counted(automaton, 0, Number.POSITIVE_INFINITY, meter);
      if (key) found.push({ matched, key: sequence(words('"'), followed(key)) });
    }
    return found;
  }

  /**
   * The braces, the properties in order, then others, then `last` where it is given. Places say how many properties are written, no more than
   * matter. Names of others can come twice, so together they count as one towards `minProperties`.
   */
  private *graph(properties: readonly Property[], other: Node | undefined, last: Node | undefined): Work<Node> {
    const { min, max } = this.bounds(properties, Boolean(other ?? last));
    if (min > max) return never;
    const cap = max === Number.POSITIVE_INFINITY ? Math.max(1, min) : max;
    const edges: GraphEdge[] = [];
    const comma = sequence(words(','), white);
    let places = 1;
    const begin = places++;
    const end = places++;
    edges.push([0, sequence(words('{'), white), begin]);
    let at = new Map([[0, begin]]);
    for (const { name, parts, required } of properties) {
      if (this.inside.meter.spend(20 + at.size)) yield;
      this.inside.meter.hold(BYTES_PER_PROPERTY);
      const node = parts ? pair(words(JSON.stringify(name)), this.inside.value(parts)) : never;
      const next = new Map<number, number>();
      const items = new Map<number, number>();
      for (const [count, place] of at) {
        if (!required) edges.push([place, nothing, placeIn(next, count)]);
        if (count + 1 > max) continue;
        edges.push([place, count === 0 ? nothing : comma, placeIn(items, Math.min(count + 1, cap))]);
      }
      for (const [count, item] of items) edges.push([item, node, placeIn(next, count)]);
      at = next;
      if (places > MOST_PLACES) {
        throw refuse(this.atoms[0].at, 'minProperties or maxProperties of an object with so many properties');
      }
    }
    if (!last) for (const [count, place] of at) if (count >= min) edges.push([place, nothing, end]);
    if (!other && !last) return finish();
    // From here on others: the counts go on towards `max` only.
    const tail = new Map<number, number>();
    const items = new Map<number, number>();
    const lasts: [number, number][] = [];
    const write = (count: number, place: number) => {
      const isNew = !items.has(Math.min(count + 1, cap));
      const first = count === 0 ? nothing : comma;
      if (other) edges.push([place, first, placeIn(items, Math.min(count + 1, cap))]);
      if (last) lasts.push([place, count]);
      return isNew && Boolean(other);
    };
    const work: number[] = [];
    for (const [count, place] of at) {
      if (count + 1 < min || count + 1 > max) continue;
      if (write(count, place)) work.push(Math.min(count + 1, cap));
    }
    for (let count = work.pop(); count !== undefined; count = work.pop()) {
      const place = placeIn(tail, count);
      edges.push([items.get(count)!, other!, place]);
      if (!last) edges.push([place, nothing, end]);
      if (count + 1 <= max && write(count, place)) work.push(Math.min(count + 1, cap));
    }
    if (last) {
      const item = places++;
      for (const [place, count] of lasts) edges.push([place, count === 0 ? nothing : comma, item]);
      edges.push([item, last, end]);
    }
    return finish();

    function placeIn(map: Map<number, number>, count: number): number {
      let place = map.get(count);
      if (place === undefined) {
        place = places++;
        map.set(count, place);
      }
      return place;
    }
    function finish(): Node {
      const closing = places++;
      edges.push([end, sequence(white, words('}')), closing]);
      return { kind: 'graph', end: closing, edges };
    }
  }

  private bounds(properties: readonly Property[], open: boolean) {
    let min = 0;
    let max = Number.POSITIVE_INFINITY;
    for (const atom of this.atoms) {
      min = Math.max(min, countOf(atom, 'minProperties') ?? 0);
      max = Math.min(max, countOf(atom, 'maxProperties') ?? Number.POSITIVE_INFINITY);
      if (min > properties.length + 1 && open) {
        throw refuse(`${atom.at}/minProperties`, 'minProperties above 1 and the number of described properties');
      }
    }
    const needed = properties.filter(({ required }) => required).length;
    if (min <= needed) min = 0;
    // More than anybody writes need not be counted.
    if (max >= properties.length && (!open || max > 5000)) max = Number.POSITIVE_INFINITY;
    return { min, max };
  }
}
