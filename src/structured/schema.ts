// Owns compiling a JSON schema into a language: which types, which alternatives, which given values. Parts of schemas that hold together are
// carried as lists, so that `allOf`, references and neighbours of `anyOf` need no merged schemas.

import { OnebitError } from '../errors.ts';
import { automatonOf } from './automaton.ts';
import { formats } from './formats.ts';
import { literal } from './json-text.ts';
import { canonical, isScalar, typeOf } from './json-values.ts';
import { type Automaton, call, choice, type Node, never, oneOf, type Rule, textsOf, words } from './language.ts';
import { numbersWithin } from './numbers.ts';
import { searchInJson } from './pattern.ts';
import { References } from './references.ts';
import { type Flat, givenValues } from './schema-alternatives.ts';
import { type ArrayInside, arrayLanguage, type Items } from './schema-arrays.ts';
import { Flattener } from './schema-flatten.ts';
import { literalSchema } from './schema-negation.ts';
import { isWithin, numberRange } from './schema-numbers.ts';
import { type Inside, objectLanguage } from './schema-objects.ts';
import {
  type Atom,
  KEYWORDS_OF,
  lacking,
  made,
  malformed,
  type Part,
  refuse,
  type SchemaObject,
} from './schema-parts.ts';
import { checkSchemaSize } from './schema-size.ts';
import { isString, stringAutomaton, stringCharacters, stringLanguage } from './schema-strings.ts';
import { ONE_SPELLING } from './unique-strings.ts';
import type { Meter, Work } from './work.ts';

/** Most different combinations of schemas; each becomes a rule. */
const MOST_RULES = 20_000;
const BYTES_PER_PART = 250;
const TYPES = ['object', 'array', 'string', 'number', 'boolean', 'null'];

/** Compiles `schema`, or the part of it that `parts` name. What the rules are, JSON Schema 2020-12 says; what is left out is refused by name. */
export function schemaLanguage(
  schema: unknown,
  meter: Meter,
  parts: readonly Part[] = [{ schema, at: '', name: '#' }],
): Work<Node> {
  checkSchemaSize(schema);
  return new Compiler(schema, meter).language(parts);
}

/** What a value may be, as far as types and given values say. */
interface Meant {
  readonly types: ReadonlySet<string>;
  readonly integer: boolean;
  readonly values: readonly unknown[] | undefined;
}

class Compiler implements Inside, ArrayInside {
  readonly meter: Meter;
  private readonly references: References;
  private readonly flattener: Flattener;
  private readonly rules = new Map<string, Rule>();
  private readonly numbers = new Map<string, number>();
  private readonly waiting: { rule: Rule; flat: Flat }[] = [];

  constructor(root: unknown, meter: Meter) {
    this.meter = meter;
    this.references = new References(root);
    this.flattener = new Flattener(root, this.references, meter);
  }

  *language(parts: readonly Part[]): Work<Node> {
    try {
      return yield* this.compiled(parts);
    } catch (error) {
      const { overlapping } = this.flattener;
      const isTooMuch = error instanceof OnebitError && error.code === 'over-budget';
      throw isTooMuch && overlapping !== undefined ? entangled(overlapping, error) : error;
    }
  }

  private *compiled(parts: readonly Part[]): Work<Node> {
    yield* this.references.read(this.meter);
    const language = this.value(parts);
    for (let next = this.waiting.pop(); next; next = this.waiting.pop()) {
      next.rule.node = yield* this.describe(next.flat);
      this.meter.hold(-bytesOf(next.flat));
      if (this.meter.spend(50)) yield;
    }
    return language;
  }

  value(parts: readonly Part[]): Node {
    const flat = this.flattener.flatten(parts);
    if (!flat) return never;
    const numbers = [...flat.atoms, ...flat.choices].map(({ name }) => this.numberOf(name));
    const key = numbers.sort((a, b) => a - b).join(' ');
    let rule = this.rules.get(key);
    if (!rule) {
      if (this.rules.size >= MOST_RULES) throw this.tooMany(parts[0]?.at ?? '');
      this.meter.hold(300 + 4 * key.length + bytesOf(flat));
      rule = { node: never };
      this.rules.set(key, rule);
      this.waiting.push({ rule, flat });
    }
    return call(rule);
  }

  private tooMany(at: string): OnebitError {
    const error = refuse(at, `more than ${MOST_RULES} different schemas`);
    const { overlapping } = this.flattener;
    return overlapping === undefined ? error : entangled(overlapping, error);
  }

  private numberOf(name: string): number {
    let number = this.numbers.get(name);
    if (number === undefined) {
      number = this.numbers.size;
      this.numbers.set(name, number);
      this.meter.hold(100 + 2 * name.length);
    }
    return number;
  }

  *items(parts: readonly Part[]): Work<Items | undefined> {
    const flat = this.flattener.flatten(parts);
    if (!flat || flat.choices.length > 0) return undefined;
    const { types, integer, values } = yield* this.typesAndValues(flat.atoms, TYPES);
    if (values?.every(isScalar)) {
      const nodes: Node[] = [];
      for (const value of values) nodes.push(yield* this.given([value], flat.atoms, types, integer));
      return { values: nodes };
    }
    if (values) return undefined;
    if (types.size === 1 && types.has('boolean')) return { values: [words('true'), words('false')] };
    if (types.size !== 1 || !types.has('string')) return undefined;
    const isAny = !flat.atoms.some(({ schema }) =>
      ['pattern', 'format', '-patterns', '-formats', '-values'].some((key) => schema[key] !== undefined),
    );
    const spelling: Atom = { schema: { pattern: ONE_SPELLING }, at: '', name: 'spelling' };
    const strings = yield* stringCharacters([...flat.atoms, spelling], this.meter);
    return strings && { strings, isAny };
  }

  *names(parts: readonly Part[]): Work<Automaton | undefined> {
    const flat = this.flattener.flatten(parts);
    if (!flat) return yield* automatonOf(never, this.meter);
    const [first, ...others] = flat.choices;
    if (first) {
      const items: Node[] = [];
      for (const alternative of first.alternatives!) {
        const automaton = yield* this.names([...flat.atoms, ...others, ...alternative]);
        items.push(textsOf(automaton ?? (yield* searchInJson('', this.meter))));
      }
      return yield* automatonOf(choice(...items), this.meter);
    }
    const { types, values } = yield* this.typesAndValues(flat.atoms, ['string']);
    if (!types.has('string')) return yield* automatonOf(never, this.meter);
    if (!values) return yield* stringAutomaton(flat.atoms, this.meter);
    const texts: string[] = [];
    for (const text of values) {
      if (typeof text !== 'string' || !(yield* isString(text, flat.atoms, this.meter))) continue;
      texts.push(JSON.stringify(text).slice(1, -1));
    }
    return yield* automatonOf(oneOf(texts), this.meter);
  }

  /** Alternatives first, then given values, then types. */
  private *describe({ atoms, choices }: Flat): Work<Node> {
    const { types, integer, values } = yield* this.typesAndValues(atoms, TYPES);
    if (types.size === 0) return never;
    const [first, ...others] = choices;
    if (first) {
      const rules = new Set<Rule>();
      for (const alternative of first.alternatives!) {
        const node = this.value([...atoms, ...others, ...alternative]);
        if (node.kind === 'call') rules.add(node.rule);
        if (this.meter.spend(20)) yield;
      }
      return choice(...[...rules].map(call));
    }
    return yield* values ? this.given(values, atoms, types, integer) : this.ofTypes(atoms, types, integer);
  }

  private *ofTypes(atoms: readonly Atom[], types: ReadonlySet<string>, integer: boolean): Work<Node> {
    const excluded = new Set(atoms.flatMap(({ schema }) => (schema['-values'] as unknown[]) ?? []));
    const items: Node[] = [];
    if (types.has('object')) items.push(yield* objectLanguage(atoms, this));
    if (types.has('array')) items.push(yield* arrayLanguage(atoms, this));
    if (types.has('string')) items.push(yield* stringLanguage(atoms, this.meter));
    if (types.has('number')) items.push(numbersWithin(numberRange(atoms, integer)));
    if (types.has('boolean')) {
      items.push(words(...[true, false].filter((value) => !excluded.has(value)).map(String)));
    }
    if (types.has('null') && !excluded.has(null)) items.push(words('null'));
    return choice(...items);
  }

  /** Those of `values` that the other keywords allow. */
  private *given(
    values: readonly unknown[],
    atoms: readonly Atom[],
    types: ReadonlySet<string>,
    integer: boolean,
  ): Work<Node> {
    const excluded = new Set(atoms.flatMap(({ schema }) => (schema['-values'] as unknown[]) ?? []));
    const isBound = (type: string) =>
      atoms.some(({ schema }) =>
        Object.keys(schema).some((key) => key.startsWith('-') || KEYWORDS_OF[type].includes(key)),
      );
    const numbers = isBound('number') || integer ? numberRange(atoms, integer) : undefined;
    const strings = isBound('string');
    const rest = atoms.flatMap((atom) => lacking(atom, 'enum', 'const') ?? []);
    const scalars: string[] = [];
    const nodes: Node[] = [];
    for (const value of values) {
      if (this.meter.spend(4)) yield;
      const type = typeOf(value);
      if (!types.has(type)) continue;
      if (!isScalar(value)) {
        const at = atoms[0] ?? { schema: {}, at: '', name: '#' };
        nodes.push(
          isBound(type) ? this.value([...rest, made(at, canonical(value), literalSchema(value))]) : literal(value),
        );
        continue;
      }
      if (excluded.has(value)) continue;
      if (typeof value === 'number' && numbers && !isWithin(value, numbers)) continue;
      if (typeof value === 'string' && strings && !(yield* isString(value, atoms, this.meter))) continue;
      scalars.push(JSON.stringify(value));
    }
    return choice(oneOf(scalars), ...nodes);
  }

  /** @param meant the types that are looked for where nothing says which */
  private *typesAndValues(atoms: readonly Atom[], meant: readonly string[]): Work<Meant> {
    let types = new Set(TYPES);
    let integer = false;
    let said = false;
    for (const { schema, at, made: isMade } of atoms) {
      if (schema.type === undefined) continue;
      said ||= !isMade;
      const names = Array.isArray(schema.type) ? schema.type : [schema.type];
      for (const name of names) {
        if (name !== 'integer' && !TYPES.includes(name))
          throw malformed(`${at}/type`, `one of ${TYPES.join(', ')}, integer`, schema.type);
      }
      integer ||= names.includes('integer') && !names.includes('number');
      const own = new Set<string>(names.map((name) => (name === 'integer' ? 'number' : name)));
      if (schema.nullable === true) own.add('null');
      types = new Set([...types].filter((type) => own.has(type)));
    }
    const lists = atoms.flatMap(givenValues);
    let values: readonly unknown[] | undefined = lists[0];
    if (values) {
      const seen = new Map<string, unknown>();
      for (const value of values) {
        if (this.meter.spend(10)) yield;
        seen.set(canonical(value), value);
      }
      for (const list of lists.slice(1)) {
        const other = new Set<string>();
        for (const value of list) {
          if (this.meter.spend(10)) yield;
          other.add(canonical(value));
        }
        for (const key of seen.keys()) if (!other.has(key)) seen.delete(key);
      }
      values = [...seen.values()];
    }
    if (!said && !values && meant.length > 1) {
      // Whoever writes `properties` means an object.
      const says = (schema: SchemaObject, keyword: string) =>
        keyword === 'format' ? formats.has(String(schema.format)) : schema[keyword] !== undefined;
      const found = Object.entries(KEYWORDS_OF).filter(([, keywords]) =>
        atoms.some(({ schema, made: isMade }) => !isMade && keywords.some((keyword) => says(schema, keyword))),
      );
      if (found.length > 0) {
        const own = new Set(found.map(([type]) => type));
        types = new Set([...types].filter((type) => own.has(type)));
      }
    }
    return { types, integer, values };
  }
}

/** What parts take while they wait to be described. */
function bytesOf({ atoms, choices }: Flat): number {
  return BYTES_PER_PART * (atoms.length + choices.length);
}

function entangled(at: string, cause: OnebitError): OnebitError {
  return new OnebitError(
    cause.code,
    `compileSchema: the alternatives of a oneOf must plainly exclude each other, or be few, got some at ${at} that can hold at the same time, and keeping them apart takes too much. Use anyOf, or let each alternative require a property with a const of its own.`,
    { cause },
  );
}
