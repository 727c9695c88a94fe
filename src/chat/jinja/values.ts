// Owns the values that templates compute with, as Python has them: what is true, equal, smaller, in what, and how JavaScript's values become them.
// Must not know syntax.
import { indexOf } from './search.ts';
import { TemplateError, type Work } from './work.ts';

/** Whole numbers are `number` while they are safe, else `bigint`; other numbers are `Float`, because 1.0 prints otherwise than 1. */
export type Value =
  | undefined
  | null
  | boolean
  | number
  | bigint
  | string
  | Markup
  | Float
  | readonly Value[]
  | Dictionary
  | Namespace
  | Once
  | Callable
  | LoopValue;
export type Key = string | number | bigint | boolean | null;
export type Dictionary = Map<Key, Value>;

export class Float {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** A text that counts as HTML: what is added to it is escaped. */
export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** `value` as all but `+` and `~` take it. */
export function plain(value: Value): Exclude<Value, Markup> {
  return value instanceof Markup ? value.text : value;
}

/** A list that cannot change, which only printing tells from others. */
export class Tuple extends Array<Value> {
  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }
}

export function tuple(items: readonly Value[]): Tuple {
  return Tuple.from(items) as Tuple;
}

/** What `{% set ns.name = ... %}` changes. */
export class Namespace {
  readonly values: Map<string, Value>;
  constructor(values: Map<string, Value>) {
    this.values = values;
  }
}

/** What filters such as `map` give: it is gone through once, is always true and has no length. */
export class Once {
  private items: readonly Value[];
  constructor(items: readonly Value[]) {
    this.items = items;
  }
  take(): readonly Value[] {
    const { items } = this;
    this.items = [];
    return items;
  }
}

export interface Arguments {
  readonly list: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
}

/** A function, a macro, or a method bound to its object. */
export class Callable {
  readonly name: string;
  readonly call: (args: Arguments, work: Work) => Value;
  constructor(name: string, call: (args: Arguments, work: Work) => Value) {
    this.name = name;
    this.call = call;
  }
}

/** `loop` inside `{% for %}`. */
export interface LoopValue {
  readonly isLoop: true;
  readonly attribute: (name: string) => Value;
  /** Goes through other elements in the same way. */
  readonly call: (value: Value) => Value;
}

export function isLoop(value: Value): value is LoopValue {
  return typeof value === 'object' && value !== null && 'isLoop' in value;
}

/** `args` in the order of `names`; what is not given is undefined. @throws TemplateError for one too many, or unknown */
export function bind(what: string, names: readonly string[], { list, named }: Arguments): Value[] {
  if (list.length > names.length) {
    throw new TemplateError(`${what} takes at most ${names.length} arguments, got ${list.length}`);
  }
  const bound: Value[] = names.map((name, i) => (i < list.length ? list[i] : named.get(name)));
  for (const name of named.keys()) {
    if (!names.includes(name)) throw new TemplateError(`${what} has no argument '${name}'`);
  }
  return bound;
}

export function isNumber(value: Value): value is number | bigint | Float | boolean {
  return isWhole(value) || value instanceof Float;
}

/** A whole number; as in Python, true and false are. */
export function isWhole(value: Value): value is number | bigint | boolean {
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean';
}

export function numberOf(value: number | bigint | Float | boolean): number {
  return value instanceof Float ? value.value : Number(value);
}

/** A whole number from `value`, safe to count with. */
export function countOf(value: Value, what: string): number {
  if (isWhole(value) && Number.isSafeInteger(Number(value))) return Number(value);
  throw new TemplateError(`${what} must be a whole number, got ${kindOf(value)}`);
}

export function textOf(value: Value, what: string): string {
  if (typeof value === 'string') return value;
  if (value instanceof Markup) return value.text;
  throw new TemplateError(`${what} must be a text, got ${kindOf(value)}`);
}

/** What Python calls the type. */
export function kindOf(value: Value): string {
  if (value === undefined) return 'undefined';
  if (value === null) return 'None';
  if (typeof value === 'string' || value instanceof Markup) return 'str';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'number' || typeof value === 'bigint') return 'int';
  if (value instanceof Float) return 'float';
  if (value instanceof Tuple) return 'tuple';
  if (Array.isArray(value)) return 'list';
  if (value instanceof Map) return 'dict';
  if (value instanceof Namespace) return 'namespace';
  if (value instanceof Once) return 'generator';
  return value instanceof Callable ? 'function' : 'loop';
}

export function isTrue(value: Value): boolean {
  if (value instanceof Markup) return value.text !== '';
  if (value === undefined || value === null || value === '' || value === false) return false;
  if (isNumber(value)) return numberOf(value) !== 0;
  if (Array.isArray(value)) return value.length > 0;
  return value instanceof Map ? value.size > 0 : true;
}

/** The elements of `value`: characters, keys. @throws TemplateError where it has none */
export function elementsOf(value: Value, work: Work): readonly Value[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value;
  if (value instanceof Once) return value.take();
  if (value instanceof Markup) return elementsOf(value.text, work);
  if (typeof value === 'string') {
    work.step(value.length);
    return Array.from(value);
  }
  if (value instanceof Map) {
    work.step(value.size);
    return Array.from(value.keys(), keyValue);
  }
  throw new TemplateError(`${kindOf(value)} has no elements`);
}

/** Characters of a text as Python counts them. */
export function lengthOf(text: string, work: Work): number {
  work.scan(text.length);
  if (!HIGH_SURROGATE.test(text)) return text.length;
  let length = text.length;
  for (let i = 1; i < text.length; i++) {
    if ((text.charCodeAt(i) & 0xfc00) === 0xdc00 && (text.charCodeAt(i - 1) & 0xfc00) === 0xd800) length--;
  }
  return length;
}
export const HIGH_SURROGATE = /[\ud800-\udbff]/;

/** Is about to look through those of `values` that are texts. A text that was joined of others is copied where it is looked through. */
export function scanTexts(values: Iterable<Value>, work: Work): void {
  for (const value of values) {
    if (typeof value === 'string') work.scan(value.length);
    else if (value instanceof Markup) work.scan(value.text.length);
  }
}

/** A value as the key of a dictionary. @throws TemplateError where it cannot be one */
export function keyOf(value: Value, work: Work): Key {
  scanTexts([value], work);
  if (value instanceof Float) return value.value;
  if (value instanceof Markup) return value.text;
  // Of whole numbers with more bits V8 hashes the lowest only, so that many keys could be made to take quadratic time
  if (value === null || typeof value === 'string' || (isWhole(value) && typeof value !== 'bigint')) return value;
  throw new TemplateError(`a ${kindOf(value)} cannot be a key`);
}

/** A key as a value: a number with a fraction is a `Float` there. */
export function keyValue(key: Key): Value {
  return typeof key === 'number' && !Number.isSafeInteger(key) ? new Float(key) : key;
}

export function isEqual(a: Value, b: Value, work: Work, depth = 0): boolean {
  work.enter(depth);
  if (a instanceof Markup || b instanceof Markup) return isEqual(plain(a), plain(b), work, depth);
  if (typeof a === 'string' && typeof b === 'string') {
    if (a.length === b.length) work.scan(a.length);
    return a === b;
  }
  if (a === b) return true;
  if (isNumber(a) && isNumber(b)) return numberOf(a) === numberOf(b);
  if (Array.isArray(a) && Array.isArray(b)) {
    if (a.length !== b.length || a instanceof Tuple !== b instanceof Tuple) return false;
    return a.every((element, i) => isEqual(element, b[i], work, depth + 1));
  }
  if (a instanceof Map && b instanceof Map) {
    if (a.size !== b.size) return false;
    for (const [key, value] of a) if (!b.has(key) || !isEqual(value, b.get(key), work, depth + 1)) return false;
    return true;
  }
  return false;
}

/** Below 0 where `a` comes first. @throws TemplateError where the two have no order */
export function compare(a: Value, b: Value, work: Work, depth = 0): number {
  work.enter(depth);
  if (a instanceof Markup || b instanceof Markup) return compare(plain(a), plain(b), work, depth);
  if (isNumber(a) && isNumber(b)) return numberOf(a) - numberOf(b);
  if (typeof a === 'string' && typeof b === 'string') {
    work.scan(Math.max(a.length, b.length));
    return a < b ? -1 : a > b ? 1 : 0;
  }
  if (Array.isArray(a) && Array.isArray(b)) {
    for (let i = 0; i < Math.min(a.length, b.length); i++) {
      if (!isEqual(a[i], b[i], work, depth + 1)) return compare(a[i], b[i], work, depth + 1);
    }
    return a.length - b.length;
  }
  throw new TemplateError(`${kindOf(a)} and ${kindOf(b)} have no order`);
}

export function isIn(element: Value, container: Value, work: Work): boolean {
  if (container instanceof Markup) return isIn(element, container.text, work);
  if (typeof container === 'string') {
    work.scan(container.length);
    return indexOf(container, textOf(element, 'what is looked for in a text'), 0, work) >= 0;
  }
  if (container instanceof Map) return container.has(keyOf(element, work));
  return elementsOf(container, work).some((other) => isEqual(element, other, work));
}

function isFloat(value: object): boolean {
  return value instanceof Float;
}

/** JavaScript's values, as JSON has them, as the template's; the limits of `work` widen by what it is given. */
export function fromJson(value: unknown, work: Work, depth = 0): Value {
  work.grant(typeof value === 'string' ? 8 + value.length : 8);
  work.enter(depth);
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : new Float(value);
  if (typeof value !== 'object' || value === null || isFloat(value)) return value as Value;
  if (Array.isArray(value)) return value.map((element) => fromJson(element, work, depth + 1));
  const fields: Iterable<[unknown, unknown]> = value instanceof Map ? value : Object.entries(value);
  return new Map(
    Array.from(fields, ([key, field]) => [fromJson(key, work, depth + 1) as string, fromJson(field, work, depth + 1)]),
  );
}
