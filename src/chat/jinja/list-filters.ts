// Owns the filters of lists. Filters that Jinja computes while they are gone through give a `Once`, which is true even if nothing is in it.
import { atPath, pairsOf } from './attributes.ts';
import { operate } from './operators.ts';
import { print } from './print.ts';
import { passes } from './tests.ts';
import { join } from './text-methods.ts';
import {
  type Arguments,
  compare,
  countOf,
  elementsOf,
  isEqual,
  isNumber,
  isTrue,
  numberOf,
  Once,
  textOf,
  tuple,
  type Value,
} from './values.ts';
import { TemplateError, type Work } from './work.ts';

type Filter = (value: Value, args: readonly Value[], work: Work) => Value;

/** Filters with the names of their arguments; '...' for those that take theirs as they are. */
export const LIST_FILTERS: Record<string, readonly [readonly string[], Filter]> = {
  batch: [['linecount', 'fill_with'], batch],
  dictsort: [['case_sensitive', 'by', 'reverse'], sortFields],
  first: [[], (value, _, work) => elementsOf(value, work)[0]],
  groupby: [['attribute', 'default', 'case_sensitive'], groupBy],
  join: [['d', 'attribute'], joinElements],
  last: [[], (value, _, work) => elementsOf(value, work).at(-1)],
  max: [['case_sensitive', 'attribute'], (value, args, work) => extreme(value, args, work, 1)],
  min: [['case_sensitive', 'attribute'], (value, args, work) => extreme(value, args, work, -1)],
  reject: [['...'], (value, args, work) => select(value, args, work, false)],
  rejectattr: [['...'], (value, args, work) => selectAttribute(value, args, work, false)],
  select: [['...'], (value, args, work) => select(value, args, work, true)],
  selectattr: [['...'], (value, args, work) => selectAttribute(value, args, work, true)],
  slice: [['slices', 'fill_with'], slices],
  sort: [['reverse', 'case_sensitive', 'attribute'], sort],
  sum: [['attribute', 'start'], sum],
  unique: [['case_sensitive', 'attribute'], unique],
};

function asArguments([args]: readonly Value[]): Arguments {
  return args as unknown as Arguments;
}

function select(value: Value, given: readonly Value[], work: Work, wanted: boolean): Value {
  const [test, ...args] = asArguments(given).list;
  const kept = (isTrue(value) ? elementsOf(value, work) : []).filter((element) => {
    work.step();
    return wanted === (test === undefined ? isTrue(element) : passes(textOf(test, 'a test'), element, args, work));
  });
  return new Once(kept);
}

function selectAttribute(value: Value, given: readonly Value[], work: Work, wanted: boolean): Value {
  const [attribute, test, ...args] = asArguments(given).list;
  const kept = (isTrue(value) ? elementsOf(value, work) : []).filter((element) => {
    work.step();
    const field = atPath(element, attribute, work);
    return wanted === (test === undefined ? isTrue(field) : passes(textOf(test, 'a test'), field, args, work));
  });
  return new Once(kept);
}

/** What elements are compared by: a field of theirs, texts without their case. */
function keyBy(attribute: Value, caseSensitive: Value, work: Work): (element: Value) => Value {
  const paths = typeof attribute === 'string' ? attribute.split(',') : [attribute];
  const one = (element: Value, path: Value) => {
    work.step(3);
    const field = path === undefined || path === null ? element : atPath(element, path, work);
    if (typeof field !== 'string') return field;
    work.scan(field.length);
    return isTrue(caseSensitive) ? field : field.toLowerCase();
  };
  return paths.length === 1
    ? (element) => one(element, paths[0])
    : (element) => paths.map((path) => one(element, path));
}

function sorted(list: readonly Value[], key: (element: Value) => Value, work: Work, sign = 1): Value[] {
  const keyed = list.map((element) => ({ element, key: key(element) }));
  return keyed.sort((a, b) => sign * compare(a.key, b.key, work)).map(({ element }) => element);
}

function sort(value: Value, [reverse, caseSensitive, attribute]: readonly Value[], work: Work): Value {
  return sorted(elementsOf(value, work), keyBy(attribute, caseSensitive, work), work, isTrue(reverse) ? -1 : 1);
}

function sortFields(value: Value, [caseSensitive, by = 'key', reverse]: readonly Value[], work: Work): Value {
  if (!(value instanceof Map)) throw new TemplateError('only a dictionary has fields to sort');
  const key = keyBy(by === 'value' ? 1 : 0, caseSensitive, work);
  return sorted(pairsOf(value, work), key, work, isTrue(reverse) ? -1 : 1);
}

function extreme(value: Value, [caseSensitive, attribute]: readonly Value[], work: Work, sign: number): Value {
  const [list, key] = [elementsOf(value, work), keyBy(attribute, caseSensitive, work)];
  return list.reduce((best, element) => (sign * compare(key(element), key(best), work) > 0 ? element : best), list[0]);
}

function groupBy(value: Value, [attribute, otherwise, caseSensitive]: readonly Value[], work: Work): Value {
  const by = keyBy(attribute, caseSensitive, work);
  const key = (element: Value) => by(element) ?? otherwise;
  const groups: { key: Value; name: Value; list: Value[] }[] = [];
  for (const element of sorted(elementsOf(value, work), key, work)) {
    const last = groups.at(-1);
    if (last && isEqual(last.key, key(element), work)) last.list.push(element);
    else groups.push({ key: key(element), name: atPath(element, attribute, work) ?? otherwise, list: [element] });
  }
  return groups.map(({ name, list }) => Object.assign(tuple([name, list]), { grouper: name, list }));
}

function unique(value: Value, [caseSensitive, attribute]: readonly Value[], work: Work): Value {
  const key = keyBy(attribute, caseSensitive, work);
  const seen = new Set<Value>();
  const others: Value[] = [];
  const kept = elementsOf(value, work).filter((element) => {
    const own = key(element);
    if (own === null || typeof own === 'string') return !seen.has(own) && seen.add(own);
    if (own !== undefined && isNumber(own)) return !seen.has(numberOf(own)) && seen.add(numberOf(own));
    return !others.some((other) => isEqual(own, other, work)) && others.push(own);
  });
  return new Once(kept);
}

function joinElements(value: Value, [between = '', attribute]: readonly Value[], work: Work): string {
  const elements = elementsOf(value, work);
  work.step(elements.length);
  const parts = elements.map((element) =>
    print(attribute === undefined ? element : atPath(element, attribute, work), work),
  );
  return join(parts, print(between, work), work);
}

function sum(value: Value, [attribute, start = 0]: readonly Value[], work: Work): Value {
  const field = (element: Value) => (attribute === undefined ? element : atPath(element, attribute, work));
  return elementsOf(value, work).reduce((total, element) => operate('+', total, field(element), work), start);
}

function batch(value: Value, [size, filler]: readonly Value[], work: Work): Value {
  const [list, count] = [elementsOf(value, work), Math.max(1, countOf(size, 'batch'))];
  const rows: Value[][] = [];
  for (let at = 0; at < list.length; at += count) rows.push(list.slice(at, at + count));
  work.step(list.length + (filler === undefined ? 0 : count));
  if (filler !== undefined) while ((rows.at(-1)?.length ?? count) < count) rows.at(-1)!.push(filler);
  return new Once(rows);
}

function slices(value: Value, [count, filler]: readonly Value[], work: Work): Value {
  const [list, columns] = [elementsOf(value, work), countOf(count, 'slice')];
  if (columns < 1) throw new TemplateError('slice needs at least one slice');
  work.step(list.length + columns);
  const [least, longer] = [Math.floor(list.length / columns), list.length % columns];
  const start = (column: number) => column * least + Math.min(column, longer);
  const rows = Array.from({ length: columns }, (_, column) => {
    const row = list.slice(start(column), start(column + 1));
    return filler !== undefined && column >= longer ? [...row, filler] : row;
  });
  return new Once(rows);
}
