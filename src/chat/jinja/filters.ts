// Owns the filters of single values: `value | name(arguments)`. Those of lists lie in list-filters.ts. Must not know syntax.
import { atPath, methodOf, pairsOf } from './attributes.ts';
import { formatPercent } from './format.ts';
import { isSpace } from './lexer.ts';
import { LIST_FILTERS } from './list-filters.ts';
import { markup, negate, whole } from './operators.ts';
import { print, printJson, printQuoted, STEPS_PER_LONG_NUMBER } from './print.ts';
import { capitalize, center, join, replace, splitLines, strip } from './text-methods.ts';
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
  Markup,
  numberOf,
  Once,
  plain,
  scanTexts,
  textOf,
  tuple,
  type Value,
} from './values.ts';
import { TemplateError, type Work } from './work.ts';
import { wrapLine } from './wrap.ts';

/** Filters with the names of their arguments after the value. */
const FILTERS: Record<
  string,
  readonly [names: readonly string[], filter: (value: Value, args: readonly Value[], work: Work) => Value]
> = {
  ...LIST_FILTERS,
  abs: [[], (value) => (isNumber(value) && numberOf(value) < 0 ? negate(value) : value)],
  attr: [['name'], (value, [name], work) => methodOf(value, textOf(name, 'attr'), work)],
  capitalize: [[], (value, _, work) => capitalize(studied(value, work))],
  center: [['width'], (value, [width = 80], work) => center(shown(value, work), [width], work)],
  count: [[], length],
  d: [['default_value', 'boolean'], byDefault],
  default: [['default_value', 'boolean'], byDefault],
  e: [[], (value, _, work) => markup(value, work)],
  escape: [[], (value, _, work) => markup(value, work)],
  filesizeformat: [['binary'], fileSize],
  float: [['default'], (value, [otherwise = new Float(0)], work) => toFloat(value, work) ?? otherwise],
  forceescape: [[], (value, _, work) => markup(plain(value), work)],
  indent: [['width', 'first', 'blank'], indent],
  int: [
    ['default', 'base'],
    (value, [otherwise = 0, base], work) =>
      toWhole(value, base === undefined ? 10 : countOf(base, 'base'), work) ?? otherwise,
  ],
  items: [[], (value, _, work) => new Once(value instanceof Map ? pairsOf(value, work) : elementsOf(undefined, work))],
  length: [[], length],
  list: [[], listed],
  map: [['...'], map],
  lower: [[], (value, _, work) => studied(value, work).toLowerCase()],
  pprint: [[], (value, _, work) => printQuoted(value, work)],
  replace: [
    ['old', 'new', 'count'],
    (value, [from, to, count], work) => replace(shown(value, work), shown(from, work), shown(to, work), count, work),
  ],
  reverse: [[], reverse],
  round: [['precision', 'method'], round],
  safe: [[], (value, _, work) => (value instanceof Markup ? value : new Markup(print(value, work)))],
  string: [[], shown],
  striptags: [[], stripTags],
  title: [[], titled],
  tojson: [['ensure_ascii', 'indent', 'separators', 'sort_keys'], toJson],
  trim: [['chars'], (value, [characters], work) => strip(shown(value, work), characters, work)],
  truncate: [['length', 'killwords', 'end', 'leeway'], truncate],
  upper: [[], (value, _, work) => studied(value, work).toUpperCase()],
  urlencode: [[], urlEncode],
  wordcount: [[], countWords],
  xmlattr: [['autospace'], attributes],
  wordwrap: [['width', 'break_long_words', 'wrapstring', 'break_on_hyphens'], wordWrap],
};

/** Filters of Jinja2 that are left out, and why. */
const REFUSED: Record<string, string> = {
  random: 'a prompt must be the same each time it is made',
  urlize: 'it writes HTML, and a prompt is text',
};

/** Filters for which HTML is more than its text. */
const KEEP_MARKUP = new Set(['safe', 'e', 'escape', 'default', 'd']);

/** Whether there is a filter of this name. */
export function isFilter(name: Value, work: Work): boolean {
  scanTexts([name], work);
  return typeof name === 'string' && (name === 'format' || Object.hasOwn(FILTERS, name));
}

/** `value | name(args)`. @throws TemplateError where there is no such filter, or it refuses the value */
export function applyFilter(name: string, value: Value, args: Arguments, work: Work): Value {
  work.scan(name.length);
  scanTexts(args.list, work);
  scanTexts(args.named.values(), work);
  if (name === 'format') {
    const given = args.named.size > 0 ? new Map(args.named) : tuple(args.list);
    return formatPercent(shown(value, work), given, work);
  }
  if (Object.hasOwn(REFUSED, name)) throw new TemplateError(`filter '${name}' is left out: ${REFUSED[name]}`);
  if (!Object.hasOwn(FILTERS, name)) throw new TemplateError(`there is no filter '${name}'`);
  const [names, filter] = FILTERS[name];
  // `map('name', ...)` and its kin hand arguments on
  if (names[0] === '...') return filter(value, [args as unknown as Value], work);
  return filter(KEEP_MARKUP.has(name) ? value : plain(value), bind(name, names, args), work);
}

function listed(value: Value, _: readonly Value[], work: Work): Value {
  const elements = elementsOf(value, work);
  work.step(elements.length);
  return [...elements];
}

/** The text of a value, about to be gone through. */
function shown(value: Value, args: readonly Value[] | Work, work?: Work): string {
  const account = work ?? (args as Work);
  const text = print(value, account);
  account.make(text.length);
  return text;
}

/** The same, by what Unicode says of its characters. */
function studied(value: Value, work: Work): string {
  const text = shown(value, work);
  work.study(text.length);
  return text;
}

function titled(value: Value, _: readonly Value[], work: Work): string {
  const text = shown(value, work);
  work.step(text.length);
  return text.replace(/[^-\s({[<]+/g, capitalize);
}

function countWords(value: Value, _: readonly Value[], work: Work): number {
  let count = 0;
  for (const _ of studied(value, work).matchAll(/[\p{L}\p{N}_]+/gu)) {
    work.step(2);
    count++;
  }
  return count;
}

function wordWrap(
  value: Value,
  [width = 79, cutsWords = true, between, cutsAtHyphens = true]: readonly Value[],
  work: Work,
): string {
  const wrapping = {
    width: countOf(width, 'width'),
    cutsWords: isTrue(cutsWords),
    cutsAtHyphens: isTrue(cutsAtHyphens),
  };
  const mark = between === undefined || between === null ? '\n' : textOf(between, 'wrapstring');
  const lines = splitLines(shown(value, work), [], work).map((line) =>
    join(wrapLine(line, wrapping, work), mark, work),
  );
  return join(lines, mark, work);
}

/** What encodeURIComponent leaves as it is, and Python does not. */
const IN_URLS: Record<string, string> = { '!': '%21', "'": '%27', '(': '%28', ')': '%29', '*': '%2A' };

function urlEncode(value: Value, _: readonly Value[], work: Work): string {
  const encode = (part: Value) => {
    const text = shown(part, work);
    work.step(text.length);
    const encoded = encodeURIComponent(text.replace(/\p{Surrogate}/gu, '\ufffd'));
    work.make(encoded.length);
    return encoded.replace(/[!'()*]/g, (character) => IN_URLS[character]);
  };
  if (typeof value === 'string' || !(value instanceof Map || Array.isArray(value)))
    return encode(value).replaceAll('%2F', '/');
  const pairs = value instanceof Map ? pairsOf(value, work) : value;
  const inQuery = (part: Value) => encode(part).replaceAll('%20', '+');
  return join(
    pairs.map((pair) => {
      const [key, field] = elementsOf(pair, work);
      return `${inQuery(key)}=${inQuery(field)}`;
    }),
    '&',
    work,
  );
}

function attributes(value: Value, [autospace = true]: readonly Value[], work: Work): string {
  if (!(value instanceof Map)) throw new TemplateError(`a ${kindOf(value)} has no attributes to write`);
  const written: string[] = [];
  for (const pair of pairsOf(value, work)) {
    const [key, field] = elementsOf(pair, work);
    if (field === null || field === undefined) continue;
    const name = print(key, work);
    work.step(name.length);
    if (/[\s/>=]/.test(name)) throw new TemplateError('a name of an attribute must have no white space, /, > or =');
    written.push(`${markup(name, work).text}="${markup(field, work).text}"`);
  }
  const text = join(written, ' ', work);
  return isTrue(autospace) && text !== '' ? ` ${text}` : text;
}

function fileSize(value: Value, [binary]: readonly Value[], work: Work): string {
  const bytes = toFloat(value, work)?.value;
  if (bytes === undefined) throw new TemplateError(`a ${kindOf(value)} is no size`);
  const base = isTrue(binary) ? 1024 : 1000;
  if (bytes === 1) return '1 Byte';
  if (bytes < base) return `${Math.trunc(bytes)} Bytes`;
  const power = Math.min(8, [1, 2, 3, 4, 5, 6, 7, 8].find((power) => bytes < base ** (power + 1)) ?? 8);
  const unit = isTrue(binary) ? `${'KMGTPEZY'[power - 1]}iB` : `${'kMGTPEZY'[power - 1]}B`;
  return `${(bytes / base ** power).toFixed(1)} ${unit}`;
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
  const elements = isTrue(value) ? elementsOf(value, work) : [];
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

function indent(value: Value, [width = 4, first, blank]: readonly Value[], work: Work): string {
  const text = shown(value, work);
  const lines = text.split('\n');
  work.step(lines.length);
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

function round(value: Value, [precision = 0, method = 'common']: readonly Value[], work: Work): Value {
  work.step(STEPS_PER_ROUNDING);
  if (!isNumber(value)) throw new TemplateError(`a ${kindOf(value)} cannot be rounded`);
  const [number, places] = [numberOf(value), countOf(precision, 'precision')];
  const factor = 10 ** places;
  if (method === 'ceil') return new Float(Math.ceil(number * factor) / factor);
  if (method === 'floor') return new Float(Math.floor(number * factor) / factor);
  if (isWhole(value) && places >= 0) return typeof value === 'boolean' ? Number(value) : value;
  const rounded = roundHalfEven(number, places);
  return isWhole(value) ? whole(BigInt(rounded)) : new Float(rounded);
}

const STEPS_PER_ROUNDING = 30;
/** Decimals written out to find exact halves, which Python rounds to even digits. */
const DECIMALS = 50;

function roundHalfEven(number: number, places: number): number {
  if (places > DECIMALS || !(Math.abs(number) < 1e21)) return number;
  const factor = 10 ** places;
  const below = Math.floor(number * factor);
  const isHalf =
    places < 0 ? number * factor - below === 0.5 : /^50*$/.test(number.toFixed(places + DECIMALS).slice(-DECIMALS));
  if (isHalf) return (below + (below & 1)) / factor;
  return places < 0 ? Math.round(number * factor) / factor : Number(number.toFixed(places));
}

/** Characters of a text that is read as a number. */
const LONGEST_NUMBER = 1000;

function toFloat(value: Value, work: Work): Float | undefined {
  scanTexts([value], work);
  if (isNumber(value)) return new Float(numberOf(value));
  if (
    typeof value !== 'string' ||
    value.length > LONGEST_NUMBER ||
    !/^\s*[-+]?(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?\s*$/i.test(value)
  )
    return undefined;
  return new Float(Number(value.replaceAll('_', '')));
}

function toWhole(value: Value, base: number, work: Work): Value {
  scanTexts([value], work);
  if (isWhole(value)) return typeof value === 'boolean' ? Number(value) : value;
  if (typeof value === 'string' && base !== 10) {
    const number = Number.parseInt(value.trim().replace(/^0[xob]/i, ''), base);
    return Number.isNaN(number) ? undefined : number;
  }
  if (typeof value === 'string' && value.length < LONGEST_NUMBER && /^\s*[-+]?\d+\s*$/.test(value))
    return longWhole(value, work);
  const number = toFloat(value, work)?.value;
  return number === undefined || !Number.isFinite(number) ? undefined : whole(BigInt(Math.trunc(number)));
}

function longWhole(text: string, work: Work): Value {
  if (text.length > 15) work.step(STEPS_PER_LONG_NUMBER);
  return whole(BigInt(text.trim().replace('+', '')));
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
  work.step(text.length >> 1);
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
