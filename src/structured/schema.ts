// Owns compiling a JSON schema into a language: which types, which alternatives, which given values. Parts of schemas that hold together are
// carried as lists, so that `allOf`, references and neighbours of `anyOf` need no merged schemas.

import { automatonOf } from './automaton.ts';
import { recognizer } from './grammar.ts';
import { literal } from './json-text.ts';
import { type Automaton, call, choice, type Node, never, type Rule, words } from './language.ts';
import { areDisjoint, givenValues, isScalar } from './schema-alternatives.ts';
import { arrayLanguage, type Inside, objectLanguage } from './schema-containers.ts';
import {
  type Atom,
  atomsOf,
  KEYWORDS_OF,
  lacking,
  malformed,
  type Part,
  partUnder,
  refuse,
  schemaList,
} from './schema-parts.ts';
import { numberLanguage, stringAutomaton, stringLanguage } from './schema-scalars.ts';

/** Most different combinations of schemas; each becomes a rule. */
const MOST_RULES = 5000;
const TYPES = ['object', 'array', 'string', 'number', 'boolean', 'null'];

/** Compiles `schema`, or the part of it that `parts` name. What the rules are, JSON Schema 2020-12 says; what is left out is refused by name. */
export function schemaLanguage(schema: unknown, parts: readonly Part[] = [{ schema, at: '', name: '#' }]): Node {
  return new Compiler(schema).language(parts);
}

class Compiler implements Inside {
  private readonly root: unknown;
  private readonly rules = new Map<string, Rule>();
  private readonly waiting: { rule: Rule; parts: readonly Part[] }[] = [];

  constructor(root: unknown) {
    this.root = root;
  }

  language(parts: readonly Part[]): Node {
    const language = this.value(parts);
    for (let next = this.waiting.pop(); next; next = this.waiting.pop()) next.rule.node = this.describe(next.parts);
    return language;
  }

  value(parts: readonly Part[]): Node {
    const key = [...new Set(parts.map(({ name }) => name))].sort().join('\n');
    let rule = this.rules.get(key);
    if (!rule) {
      if (this.rules.size >= MOST_RULES) throw refuse(parts[0]?.at ?? '', `more than ${MOST_RULES} different schemas`);
      rule = { node: never };
      this.rules.set(key, rule);
      this.waiting.push({ rule, parts });
    }
    return call(rule);
  }

  names(parts: readonly Part[]): Automaton | undefined {
    const atoms = atomsOf(parts, this.root);
    if (!atoms) return automatonOf(never);
    const { types, values } = this.typesAndValues(atoms);
    for (const { schema, at } of atoms) {
      if (schema.anyOf !== undefined || schema.oneOf !== undefined) throw refuse(at, 'anyOf in propertyNames');
    }
    if (!types.has('string')) return automatonOf(never);
    if (!values) return stringAutomaton(atoms);
    const texts = values.filter((value) => typeof value === 'string').map((text) => JSON.stringify(text).slice(1, -1));
    return automatonOf(words(...texts));
  }

  /** Alternatives first, then given values, then types. */
  private describe(parts: readonly Part[]): Node {
    const atoms = atomsOf(parts, this.root);
    if (!atoms) return never;
    for (const keyword of ['anyOf', 'oneOf']) {
      const atom = atoms.find(({ schema }) => schema[keyword] !== undefined);
      if (!atom) continue;
      const at = `${atom.at}/${keyword}`;
      const branches = schemaList(atom.schema[keyword], at).map((schema, i) => partUnder(atom, schema, keyword, i));
      if (keyword === 'oneOf') areDisjoint(branches, at, (part) => atomsOf([part], this.root));
      const rest = atoms.flatMap((other) => (other === atom ? (lacking(atom, keyword) ?? []) : other));
      return choice(...branches.map((branch) => this.value([...rest, branch])));
    }
    const { types, integer, values } = this.typesAndValues(atoms);
    return values ? this.given(values, atoms, types, integer) : this.ofTypes(atoms, types, integer);
  }

  private ofTypes(atoms: readonly Atom[], types: ReadonlySet<string>, integer: boolean): Node {
    const items: Node[] = [];
    if (types.has('object')) items.push(objectLanguage(atoms, this));
    if (types.has('array')) items.push(arrayLanguage(atoms, this));
    if (types.has('string')) items.push(stringLanguage(atoms));
    if (types.has('number')) items.push(numberLanguage(atoms, integer));
    if (types.has('boolean')) items.push(words('true', 'false'));
    if (types.has('null')) items.push(words('null'));
    return choice(...items);
  }

  /** Those of `values` that the other keywords allow. */
  private given(
    values: readonly unknown[],
    atoms: readonly Atom[],
    types: ReadonlySet<string>,
    integer: boolean,
  ): Node {
    const typed = values.filter(
      (value) => types.has(typeOf(value)) && !(integer && typeof value === 'number' && !Number.isInteger(value)),
    );
    const isBound = (keywords: readonly string[]) =>
      atoms.find(({ schema }) => keywords.some((keyword) => schema[keyword] !== undefined));
    const scalars = typed.filter(isScalar);
    const nodes: Node[] = [];
    for (const type of ['object', 'array']) {
      const found = typed.filter((value) => typeOf(value) === type);
      const bound = found.length > 0 ? isBound(KEYWORDS_OF[type]) : undefined;
      if (bound) throw refuse(bound.at, `enum or const of ${type}s beside keywords for ${type}s`);
      nodes.push(...found.map(literal));
    }
    const bound = isBound([...KEYWORDS_OF.number, ...KEYWORDS_OF.string]);
    const isAllowed =
      bound && scalars.length > 0
        ? recognizer(this.ofTypes(atoms, new Set(['string', 'number', 'boolean', 'null']), false))
        : () => true;
    return choice(words(...scalars.map((value) => JSON.stringify(value)).filter(isAllowed)), ...nodes);
  }

  private typesAndValues(atoms: readonly Atom[]) {
    let types = new Set(TYPES);
    let integer = false;
    let said = false;
    for (const { schema, at } of atoms) {
      if (schema.type === undefined) continue;
      said = true;
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
    const values =
      lists.length === 0
        ? undefined
        : lists.reduce((a, b) => a.filter((value) => b.some((other) => isSame(value, other))));
    if (!said && !values) {
      // Whoever writes `properties` means an object.
      const meant = Object.entries(KEYWORDS_OF).filter(([, keywords]) =>
        atoms.some(({ schema }) => keywords.some((keyword) => schema[keyword] !== undefined)),
      );
      if (meant.length > 0) types = new Set(meant.map(([type]) => type));
    }
    return { types, integer, values };
  }
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

function isSame(a: unknown, b: unknown): boolean {
  return a === b || canonical(a) === canonical(b);
}

/** JSON with sorted keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
