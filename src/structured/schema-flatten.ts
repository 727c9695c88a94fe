// Owns taking parts apart until only keywords about one value are left, and alternatives: references, allOf, opposites, conditions.
import { isOldDraft, type References } from './references.ts';
import { areDisjoint, type Flat, tagOf } from './schema-alternatives.ts';
import { alternativesOfNot } from './schema-negation.ts';
import {
  type Atom,
  besides,
  isObject,
  made,
  malformed,
  mapOf,
  nameOf,
  namesOf,
  opposite,
  ownKeywords,
  type Part,
  refuse,
  type SchemaObject,
  schemaList,
} from './schema-parts.ts';
import type { Meter } from './work.ts';

/** Schemas that hold together. */
const MOST_PARTS = 1000;
/** `oneOf` in `oneOf` for the same value. */
const DEEPEST = 100;

export class Flattener {
  private readonly references: References;
  private readonly meter: Meter;
  /** Whether the draft ignores what stands beside `$ref`. */
  private readonly isOld: boolean;
  private readonly known = new Map<string, Flat | undefined>();
  private readonly exclusive = new Map<string, Part[][]>();
  private depth = 0;
  /** Where the first `oneOf` stands whose alternatives can hold at the same time: keeping them apart can take very much. */
  overlapping: string | undefined;

  constructor(root: unknown, references: References, meter: Meter) {
    this.references = references;
    this.meter = meter;
    this.isOld = isObject(root) && isOldDraft(root.$schema);
  }

  /** Follows all parts; undefined where it is plain that no value satisfies them. */
  flatten(parts: readonly Part[]): Flat | undefined {
    const atoms = new Map<string, Atom>();
    const choices = new Map<string, Part>();
    const names = new Set<string>();
    const seen = new Set<string>();
    const work = [...parts].reverse();
    for (let part = work.pop(); part; part = work.pop()) {
      this.meter.spend(40 + part.name.length / 32);
      if (part.alternatives) {
        if (part.alternatives.length === 0) return undefined;
        if (part.alternatives.length === 1) work.push(...[...part.alternatives[0]].reverse());
        else choices.set(part.name, part);
        continue;
      }
      if (part.isAtom) {
        atoms.set(part.name, part as Atom);
        continue;
      }
      const key = part.within ? `${part.name}@${part.within.join('@')}` : part.name;
      if (seen.has(key)) continue;
      seen.add(key);
      names.add(part.name);
      if (seen.size > MOST_PARTS) throw refuse(part.at, `more than ${MOST_PARTS} schemas that hold together`);
      if (names.has(part.not ? part.name.slice(1) : `!${part.name}`)) return undefined;
      const { schema } = part;
      if (schema === !part.not) continue;
      if (schema === Boolean(part.not)) return undefined;
      if (!isObject(schema)) throw malformed(part.at, 'a schema: an object, true or false', schema);
      const found = part.not
        ? [{ ...part, alternatives: alternativesOfNot(part, schema, this.references, this.isOld) }]
        : this.take(part, schema, key, atoms);
      work.push(...found.reverse());
    }
    return { atoms: [...atoms.values()], choices: [...choices.values()] };
  }

  private one(part: Part): Flat | undefined {
    if (!this.known.has(part.name)) this.known.set(part.name, this.flatten([part]));
    return this.known.get(part.name);
  }

  /** Takes the keywords of a part's own; returns the others as parts. */
  private take(given: Part, whole: SchemaObject, key: string, atoms: Map<string, Atom>): Part[] {
    const schema = this.isOld && '$ref' in whole ? { $ref: whole.$ref } : whole;
    const isOwner = 'unevaluatedProperties' in schema || 'unevaluatedItems' in schema;
    const part = isOwner ? { ...given, within: [...(given.within ?? []), given.name] } : given;
    const own = ownKeywords(part, schema);
    if (own) {
      const name = part.within || part.made ? key : nameOf(own, key);
      atoms.set(name, { ...part, schema: own, name, isAtom: true });
    }
    const found: Part[] = [];
    const all = (keyword: string) =>
      schemaList(schema[keyword], `${part.at}/${keyword}`).map((inner, i) => besides(part, inner, keyword, i));
    const choose = (keyword: string, alternatives: readonly (readonly Part[])[]) =>
      found.push({ schema: true, at: `${part.at}/${keyword}`, name: `${key}/${keyword}?`, alternatives });
    if ('$ref' in schema) {
      const target = this.references.resolve(schema.$ref, part);
      found.push(part.within ? { ...target, within: part.within } : target);
    }
    if ('allOf' in schema) found.push(...all('allOf'));
    if ('not' in schema) found.push(opposite(besides(part, schema.not, 'not')));
    if ('anyOf' in schema)
      choose(
        'anyOf',
        all('anyOf').map((branch) => [branch]),
      );
    if ('oneOf' in schema) choose('oneOf', this.exactlyOne(all('oneOf'), key));
    if ('if' in schema && ('then' in schema || 'else' in schema)) {
      const condition = besides(part, schema.if, 'if');
      choose('if', [
        [condition, besides(part, schema.then ?? true, 'then')],
        [opposite(condition), besides(part, schema.else ?? true, 'else')],
      ]);
    }
    for (const keyword of ['dependencies', 'dependentRequired', 'dependentSchemas']) {
      for (const [name, inner] of Object.entries(mapOf({ schema, at: part.at }, keyword))) {
        const at = `${keyword}/${name}`;
        const then = this.dependent(part, inner, keyword, name);
        choose(at, [
          [made(part, `without ${name}`, { '-absent': [name] })],
          [made(part, `with ${name}`, { type: 'object', required: [name] }), then],
        ]);
      }
    }
    return found;
  }

  private dependent(part: Part, inner: unknown, keyword: string, name: string): Part {
    if (typeof inner === 'string') return made(part, `${keyword} ${name}`, { required: [inner] });
    if (!Array.isArray(inner)) return besides(part, inner, keyword, name);
    const required = namesOf(inner, `${part.at}/${keyword}`);
    return made(part, `${keyword} ${name}`, { required });
  }

  /** Each alternative without those others that could hold at the same time. */
  private exactlyOne(branches: readonly Part[], key: string): Part[][] {
    const known = this.exclusive.get(key);
    if (known) return known;
    if (++this.depth > DEEPEST) throw refuse(branches[0].at, `oneOf in itself or more than ${DEEPEST} deep`);
    const flat = branches.map((branch) => this.one(branch));
    const tag = tagOf(flat, (part) => this.one(part));
    if (tag !== undefined) {
      this.depth--;
      const tagged = branches.map((branch) => [branch, made(branch, `tag ${tag}`, { required: [tag] })]);
      this.exclusive.set(key, tagged);
      return tagged;
    }
    const found: Part[][] = [];
    for (const [i, branch] of branches.entries()) {
      const others = branches.filter((_, k) => {
        this.meter.spend(10);
        return k !== i && !areDisjoint(flat[i], flat[k], (part) => this.one(part));
      });
      if (others.length > 0) this.overlapping ??= branch.at.replace(/\/\d+$/, '');
      found.push([branch, ...others.map(opposite)]);
    }
    this.depth--;
    this.exclusive.set(key, found);
    return found;
  }
}
