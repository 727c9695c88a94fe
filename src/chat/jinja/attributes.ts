// Owns `a.b`, `a[b]` and `a[b:c]`, with the methods of lists and dictionaries. What changes a value is not there: templates run as in a sandbox.
import { textMethod } from './text-methods.ts';
import {
  type Arguments,
  bind,
  Callable,
  countOf,
  type Dictionary,
  elementsOf,
  Float,
  isEqual,
  isLoop,
  isWhole,
  keyOf,
  keyValue,
  kindOf,
  Markup,
  Namespace,
  plain,
  Tuple,
  tuple,
  type Value,
} from './values.ts';
import { TemplateError, type Work } from './work.ts';

/** `value.name`: as in Jinja a method comes before a key of that name. */
export function attributeOf(value: Value, name: string, work: Work): Value {
  return methodOf(value, name, work) ?? keyed(value, name, work);
}

/** `value[key]`: a key comes before a method of that name. */
export function itemOf(value: Value, key: Value, work: Work): Value {
  if (value instanceof Markup) return itemOf(value.text, key, work);
  if (isWhole(key) && (typeof value === 'string' || Array.isArray(value))) return elementAt(value, Number(key), work);
  const item = keyed(value, key, work);
  return item === undefined && typeof key === 'string' ? methodOf(value, key, work) : item;
}

function keyed(value: Value, key: Value, work: Work): Value {
  if (key instanceof Markup) return keyed(value, key.text, work);
  if (value instanceof Map) return isKey(key) ? (value as Dictionary).get(keyOf(key, work)) : undefined;
  if (value instanceof Namespace)
    return typeof key === 'string' ? value.values.get(keyOf(key, work) as string) : undefined;
  if (value === undefined || value === null) return undefined;
  if (value instanceof Tuple && (key === 'grouper' || key === 'list'))
    return (value as { grouper?: Value; list?: Value })[key];
  return isLoop(value) && typeof key === 'string' ? value.attribute(key) : undefined;
}

function isKey(key: Value): boolean {
  return key === null || key instanceof Float || (key !== undefined && typeof key !== 'object');
}

function elementAt(value: string | readonly Value[], index: number, work: Work): Value {
  if (typeof value !== 'string') return value.at(index);
  work.scan(value.length);
  return /[\ud800-\udbff]/.test(value) ? elementsOf(value, work).at(index) : value.at(index);
}

/** The method of that name, or undefined where `value` has none. */
export function methodOf(value: Value, name: string, work: Work): Value {
  const method = findMethod(value, name, work);
  return method && new Callable(name, method);
}

function findMethod(value: Value, name: string, work: Work): Callable['call'] | undefined {
  work.scan(name.length);
  if (value instanceof Markup) return textMethod(value.text, name);
  if (typeof value === 'string') return textMethod(value, name);
  if (Array.isArray(value)) {
    return Object.hasOwn(LIST_METHODS, name) ? (args) => LIST_METHODS[name](value, args, work) : undefined;
  }
  if (value instanceof Map && Object.hasOwn(DICTIONARY_METHODS, name)) {
    return (args, work) => DICTIONARY_METHODS[name](value as Dictionary, args, work);
  }
  return undefined;
}

const LIST_METHODS: Record<string, (list: readonly Value[], args: Arguments, work: Work) => Value> = {
  count: (list, { list: [element] }, work) => list.filter((other) => isEqual(element, other, work)).length,
  index: (list, { list: [element] }, work) => {
    const at = list.findIndex((other) => isEqual(element, other, work));
    if (at < 0) throw new TemplateError('the element that is looked for is not there');
    return at;
  },
  copy: (list) => list,
};

const refuse = (): Value => {
  throw new TemplateError('templates cannot change what they are given');
};
const DICTIONARY_METHODS: Record<string, (map: Dictionary, args: Arguments, work: Work) => Value> = {
  get: (map, args, work) => {
    const [given, otherwise = null] = bind('get', ['key', 'default'], args);
    const key = keyOf(given, work);
    return map.has(key) ? map.get(key) : otherwise;
  },
  items: (map, _, work) => pairsOf(map, work),
  keys: (map, _, work) => elementsOf(map, work),
  values: (map, _, work) => {
    work.step(map.size);
    return [...map.values()];
  },
  copy: (map) => map,
  clear: refuse,
  pop: refuse,
  popitem: refuse,
  setdefault: refuse,
  update: refuse,
};

/** The fields of a dictionary as pairs. */
export function pairsOf(map: Dictionary, work: Work): Value[] {
  work.step(3 * map.size);
  return Array.from(map, ([key, value]) => tuple([keyValue(key), value]));
}

/** `value[start:stop:step]` of a text or list. */
export function sliceOf(value: Value, bounds: readonly Value[], work: Work): Value {
  if (value instanceof Markup) return sliceOf(value.text, bounds, work);
  const [start, stop, step = 1] = bounds.map((at) =>
    at === undefined || at === null ? undefined : countOf(at, 'a place'),
  );
  if (step === 0) throw new TemplateError('the step of a slice must not be 0');
  if (typeof value === 'string') {
    work.make(value.length);
    if (step === 1 && !/[\ud800-\udbff]/.test(value)) return value.slice(start, stop);
    return pick(elementsOf(value, work), start, stop, step, work).join('');
  }
  if (value === undefined) throw new TemplateError('undefined has no elements');
  if (!Array.isArray(value)) throw new TemplateError(`a ${kindOf(value)} has no slices`);
  const picked = pick(value, start, stop, step, work);
  return value instanceof Tuple ? tuple(picked) : picked;
}

function pick(
  list: readonly Value[],
  start: number | undefined,
  stop: number | undefined,
  step: number,
  work: Work,
): Value[] {
  const { length } = list;
  const [least, most] = step > 0 ? [0, length] : [-1, length - 1];
  const place = (at: number) => Math.min(Math.max(at < 0 ? at + length : at, least), most);
  const from = start === undefined ? (step > 0 ? 0 : length - 1) : place(start);
  const to = stop === undefined ? (step > 0 ? length : -1) : place(stop);
  const count = Math.max(0, Math.ceil((to - from) / step));
  work.step(count);
  return Array.from({ length: count }, (_, i) => list[from + i * step]);
}

/** A value at a dotted path, as filters such as `map(attribute='a.b')` take it. */
export function atPath(value: Value, path: Value, work: Work): Value {
  const text = plain(path);
  if (typeof text !== 'string') return itemOf(value, path, work);
  work.make(text.length);
  let found = value;
  for (const part of text.split('.')) {
    work.step();
    if (found === undefined) return undefined;
    found = itemOf(found, /^\d+$/.test(part) ? Number(part) : part, work);
  }
  return found;
}
