// Owns the filters of single values: `value | name(arguments)`. Those of lists lie in list-filters.ts. Must not know syntax.
import { atPath, attributeOf, pairsOf } from './attributes.ts';
import { formatPercent } from './format.ts';
import { isSpace } from './lexer.ts';
import { LIST_FILTERS } from './list-filters.ts';
import { negate, whole } from './operators.ts';
import { print, printJson, printQuoted } from './print.ts';
import { capitalize, center, join, replace, strip } from './text-methods.ts';
import {
  type Arguments,
  bind,
  countOf,
  elementsOf,
  Float,
  isNumber,
  isTrue,
  isWhole,
  kindOf,
  lengthOf,
  numberOf,
  Once,
  textOf,
  tuple,
  type Value,
} from './values.ts';
import { TemplateError, type Work } from './work.ts';

/** Filters with the names of their arguments after the value. */
const FILTERS: Record<
  string,
  readonly [names: readonly string[], filter: (value: Value, args: readonly Value[], work: Work) => Value]
> = {
  ...LIST_FILTERS,
  abs: [[], (value) => (isNumber(value) && numberOf(value) < 0 ? negate(value) : value)],
  attr: [['name'], (value, [name], work) => attributeOf(value, textOf(name, 'attr'), work)],
  capitalize: [[], (value, _, work) => capitalize(shown(value, work))],
  center: [['width'], (value, [width = 80], work) => center(shown(value, work), [width], work)],
  count: [[], length],
  d: [['default_value', 'boolean'], byDefault],
  default: [['default_value', 'boolean'], byDefault],
  e: [[], escaped],
  escape: [[], escaped],
  float: [['default'], (value, [otherwise = new Float(0)]) => toFloat(value) ?? otherwise],
  forceescape: [[], escaped],
  indent: [['width', 'first', 'blank'], indent],
  int: [
    ['default', 'base'],
    (value, [otherwise = 0, base]) => toWhole(value, base === undefined ? 10 : countOf(base, 'base')) ?? otherwise,
  ],
  items: [[], (value, _, work) => new Once(value instanceof Map ? pairsOf(value, work) : elementsOf(undefined, work))],
  length: [[], length],
  list: [[], (value, _, work) => [...elementsOf(value, work)]],
  map: [['...'], map],
  lower: [[], (value, _, work) => shown(value, work).toLowerCase()],
  pprint: [[], (value, _, work) => printQuoted(value, work)],
  replace: [
    ['old', 'new', 'count'],
    (value, [from, to, count], work) => replace(shown(value, work), shown(from, work), shown(to, work), count, work),
  ],
  reverse: [[], reverse],
  round: [['precision', 'method'], round],
  safe: [[], (value) => value],
  string: [[], shown],
  striptags: [[], stripTags],
  title: [[], titled],
  tojson: [['ensure_ascii', 'indent', 'separators', 'sort_keys'], toJson],
  trim: [['chars'], (value, [characters], work) => strip(shown(value, work), characters)],
  truncate: [['length', 'killwords', 'end', 'leeway'], truncate],
  upper: [[], (value, _, work) => shown(value, work).toUpperCase()],
  urlencode: [
    [],
    (value, _, work) =>
      encodeURIComponent(shown(value, work).replace(/\p{Surrogate}/gu, '\ufffd')).replace(/[!'()*]|%2F/g, (c) =>
        c === '%2F' ? '/' : `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
      ),
  ],
  wordcount: [[], countWords],
};

/** `value | name(args)`. @throws TemplateError where there is no such filter, or it refuses the value */
export function applyFilter(name: string, value: Value, args: Arguments, work: Work): Value {
  work.step();
  if (name === 'format') {
    const given = args.named.size > 0 ? new Map(args.named) : tuple(args.list);
    return formatPercent(shown(value, work), given, work);
  }
  if (!Object.hasOwn(FILTERS, name)) throw new TemplateError(`there is no filter '${name}'`);
  const [names, filter] = FILTERS[name];
  // `map('name', ...)` and its kin hand arguments on
  if (names[0] === '...') return filter(value, [args as unknown as Value], work);
  return filter(value, bind(name, names, args), work);
}

/** The text of a value, about to be gone through. */
function shown(value: Value, args: readonly Value[] | Work, work?: Work): string {
  const account = work ?? (args as Work);
  const text = print(value, account);
  account.make(text.length);
  return text;
}

function titled(value: Value, _: readonly Value[], work: Work): string {
  const text = shown(value, work);
  work.step(text.length);
  return text.replace(/[^-\s({[<]+/g, capitalize);
}

function countWords(value: Value, _: readonly Value[], work: Work): number {
  let count = 0;
  for (const _ of shown(value, work).matchAll(/[\p{L}\p{N}_]+/gu)) {
    work.step(2);
    count++;
  }
  return count;
}

function byDefault(value: Value, [otherwise = '', boolean]: readonly Value[]): Value {
  return value === undefined || (isTrue(boolean) && !isTrue(value)) ? otherwise : value;
}

function length(value: Value, _: readonly Value[], work: Work): Value {
  if (typeof value === 'string') return lengthOf(value, work);
  if (value === undefined) return 0;
  if (value instanceof Map) return value.size;
  if (Array.isArray(value)) return value.length;
  throw new TemplateError(`a ${kindOf(value)} has no length`);
}

function reverse(value: Value, _: readonly Value[], work: Work): Value {
  if (typeof value === 'string') return Array.from(elementsOf(value, work)).reverse().join('');
  const list = elementsOf(value, work);
  work.step(list.length);
  return new Once([...list].reverse());
}

function map(value: Value, [given]: readonly Value[], work: Work): Value {
  const { list, named } = given as unknown as Arguments;
  const elements = elementsOf(value, work);
  if (list.length === 0 && named.has('attribute')) {
    const field = (element: Value) => {
      work.step();
      return atPath(element, named.get('attribute'), work) ?? named.get('default');
    };
    return new Once(elements.map(field));
  }
  const name = textOf(list[0], 'the filter that map applies');
  return new Once(elements.map((element) => applyFilter(name, element, { list: list.slice(1), named }, work)));
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#39;' };

function escaped(value: Value, _: readonly Value[], work: Work): string {
  const text = shown(value, work);
  work.make(text.length * 5);
  work.step(text.length);
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]);
}

function indent(value: Value, [width = 4, first, blank]: readonly Value[], work: Work): string {
  const text = shown(value, work);
  const lines = text.split('\n');
  const spaces = typeof width === 'string' ? width : countOf(width, 'indent');
  const size = typeof spaces === 'string' ? spaces.length : Math.max(0, spaces);
  work.make(text.length + lines.length * size);
  const margin = typeof spaces === 'string' ? spaces : ' '.repeat(size);
  return lines
    .map((line, i) => ((i === 0 ? isTrue(first) : line !== '' || isTrue(blank)) ? margin + line : line))
    .join('\n');
}

function toJson(value: Value, [ascii, indent, separators, sorted]: readonly Value[], work: Work): string {
  let margin: string | undefined;
  if (typeof indent === 'string') margin = indent;
  else if (indent !== undefined && indent !== null) {
    const size = Math.max(0, countOf(indent, 'indent'));
    work.make(size);
    margin = ' '.repeat(size);
  }
  const pair = Array.isArray(separators) && separators.length === 2 ? separators : undefined;
  return printJson(
    value,
    {
      indent: margin,
      ascii: isTrue(ascii),
      separators: pair && [textOf(pair[0], 'separators'), textOf(pair[1], 'separators')],
      sorted: isTrue(sorted),
    },
    work,
  );
}

function round(value: Value, [precision = 0, method = 'common']: readonly Value[]): Value {
  if (!isNumber(value)) throw new TemplateError(`a ${kindOf(value)} cannot be rounded`);
  const [number, factor] = [numberOf(value), 10 ** countOf(precision, 'precision')];
  if (method === 'ceil') return new Float(Math.ceil(number * factor) / factor);
  if (method === 'floor') return new Float(Math.floor(number * factor) / factor);
  const [scaled, below] = [number * factor, Math.floor(number * factor)];
  // Python rounds halves to even numbers
  const nearest = scaled - below === 0.5 ? below + (below & 1) : Math.round(scaled);
  const rounded = new Float(nearest / factor);
  return isWhole(value) && method === 'common' && factor >= 1
    ? Number.isSafeInteger(rounded.value)
      ? Number(value)
      : value
    : rounded;
}

function toFloat(value: Value): Float | undefined {
  if (isNumber(value)) return new Float(numberOf(value));
  if (typeof value !== 'string' || !/^\s*[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:e[-+]?\d+)?\s*$/i.test(value))
    return undefined;
  return new Float(Number(value.replaceAll('_', '')));
}

function toWhole(value: Value, base: number): Value {
  if (isWhole(value)) return typeof value === 'boolean' ? Number(value) : value;
  if (typeof value === 'string' && base !== 10) {
    const number = Number.parseInt(value.trim().replace(/^0[xob]/i, ''), base);
    return Number.isNaN(number) ? undefined : number;
  }
  if (typeof value === 'string' && value.length < 1000 && /^\s*[-+]?\d+\s*$/.test(value))
    return whole(BigInt(value.trim().replace('+', '')));
  const number = toFloat(value)?.value;
  return number === undefined || !Number.isFinite(number) ? undefined : whole(BigInt(Math.trunc(number)));
}

function stripTags(value: Value, _: readonly Value[], work: Work): string {
  let text = shown(value, work);
  for (const [open, close] of [
    ['<!--', '-->'],
    ['<', '>'],
  ]) {
    const kept: string[] = [];
    let from = 0;
    for (let at = text.indexOf(open); at >= 0; at = text.indexOf(open, from)) {
      const end = text.indexOf(close, at);
      if (end < 0) break;
      work.step();
      kept.push(text.slice(from, at));
      from = end + close.length;
    }
    text = join([...kept, text.slice(from)], '', work);
  }
  return text.split(/\s+/).filter(Boolean).join(' ');
}

function truncate(value: Value, [length = 255, cut, end = '...', leeway = 5]: readonly Value[], work: Work): string {
  const characters = elementsOf(shown(value, work), work);
  const [most, tail] = [countOf(length, 'length'), textOf(end, 'end')];
  if (characters.length <= most + countOf(leeway, 'leeway')) return characters.join('');
  const kept = characters.slice(0, Math.max(0, most - tail.length)).join('');
  if (isTrue(cut)) return kept + tail;
  let space = kept.length;
  while (space > 0 && !isSpace(kept.charCodeAt(space - 1))) space--;
  return (space > 0 ? kept.slice(0, space - 1) : kept) + tail;
}
