// Owns the methods of texts, as Python's `str` has them. Must not know syntax.
import { formatFields } from './format.ts';
import { isSpace, stripEnd, stripStart } from './lexer.ts';
import { indexOf, lastIndexOf } from './search.ts';
import {
  type Arguments,
  bind,
  countOf,
  elementsOf,
  HIGH_SURROGATE,
  lengthOf,
  scanTexts,
  textOf,
  tuple,
  type Value,
} from './values.ts';
import { TemplateError, type Work } from './work.ts';

type Method = (text: string, args: readonly Value[], work: Work) => Value;

/** Methods with the names of their arguments; a place past 0 and before the end counts characters as Python does. */
const METHODS: Record<string, readonly [names: readonly string[], method: Method]> = {
  upper: [[], studied((text) => text.toUpperCase())],
  lower: [[], studied((text) => text.toLowerCase())],
  casefold: [[], studied((text, _, work) => caseFolded(text, work))],
  swapcase: [[], (text, _, work) => swapCase(text, work)],
  title: [[], (text, _, work) => titled(text, work)],
  capitalize: [[], studied(capitalize)],
  strip: [['chars'], (text, [characters], work) => strip(text, characters, work)],
  lstrip: [['chars'], (text, [characters], work) => stripStart(text, stripper(text, characters, work))],
  rstrip: [['chars'], (text, [characters], work) => stripEnd(text, stripper(text, characters, work))],
  split: [['sep', 'maxsplit'], (text, [by, most], work) => split(text, by, most, work)],
  rsplit: [['sep', 'maxsplit'], (text, [by, most], work) => splitFromEnd(text, by, most, work)],
  splitlines: [['keepends'], splitLines],
  partition: [['sep'], (text, [by], work) => partition(text, textOf(by, 'partition'), 'start', work)],
  rpartition: [['sep'], (text, [by], work) => partition(text, textOf(by, 'rpartition'), 'end', work)],
  join: [
    ['iterable'],
    (text, [parts], work) => {
      const elements = elementsOf(parts, work);
      work.step(elements.length);
      return join(
        elements.map((part) => textOf(part, 'what is joined')),
        text,
        work,
      );
    },
  ],
  replace: [
    ['old', 'new', 'count'],
    (text, [from, to, count], work) => replace(text, textOf(from, 'replace'), textOf(to, 'replace'), count, work),
  ],
  startswith: [
    ['prefix', 'start', 'end'],
    (text, [parts, from, to], work) => edge(parts, part(text, from, to, work), 'startsWith', work),
  ],
  endswith: [
    ['suffix', 'start', 'end'],
    (text, [parts, from, to], work) => edge(parts, part(text, from, to, work), 'endsWith', work),
  ],
  removeprefix: [
    ['prefix'],
    (text, [start]) => (text.startsWith(textOf(start, 'prefix')) ? text.slice((start as string).length) : text),
  ],
  removesuffix: [
    ['suffix'],
    (text, [end]) =>
      end !== '' && text.endsWith(textOf(end, 'suffix')) ? text.slice(0, -(end as string).length) : text,
  ],
  find: [['sub', 'start', 'end'], (text, args, work) => find(text, args, 'start', work)],
  rfind: [['sub', 'start', 'end'], (text, args, work) => find(text, args, 'end', work)],
  index: [['sub', 'start', 'end'], (text, args, work) => found(find(text, args, 'start', work))],
  rindex: [['sub', 'start', 'end'], (text, args, work) => found(find(text, args, 'end', work))],
  count: [
    ['sub', 'start', 'end'],
    (text, [sub, from, to], work) => occurrences(part(text, from, to, work), textOf(sub, 'count'), work),
  ],
  center: [['width', 'fillchar'], (text, args, work) => center(text, args, work)],
  ljust: [['width', 'fillchar'], (text, args, work) => text + filling(text, args, work)],
  rjust: [['width', 'fillchar'], (text, args, work) => filling(text, args, work) + text],
  zfill: [
    ['width'],
    (text, [width], work) => text.replace(/^[-+]?/, (sign) => sign + filling(text, [width, '0'], work)),
  ],
  expandtabs: [
    ['tabsize'],
    (text, [size], work) => expandTabs(text, size === undefined ? 8 : countOf(size, 'tabsize'), work),
  ],
  isdigit: [[], studied((text) => /^[\p{Nd}\p{No}]+$/u.test(text))],
  isdecimal: [[], studied((text) => /^\p{Nd}+$/u.test(text))],
  isnumeric: [[], studied((text) => /^\p{N}+$/u.test(text))],
  isalpha: [[], studied((text) => /^\p{L}+$/u.test(text))],
  isalnum: [[], studied((text) => /^[\p{L}\p{N}]+$/u.test(text))],
  isascii: [[], (text) => !/[^\0-\x7f]/.test(text)],
  isspace: [[], studied((text) => text !== '' && stripStart(text) === '')],
  isidentifier: [[], studied((text) => /^[\p{ID_Start}_]\p{ID_Continue}*$/u.test(text))],
  islower: [[], (text, _, work) => isInCase('lower', text, work)],
  isupper: [[], (text, _, work) => isInCase('upper', text, work)],
  istitle: [[], (text, _, work) => /\p{L}/u.test(text) && text === titled(text, work)],
};

/** `method`, where it looks up what each character is. */
function studied(method: Method): Method {
  return (text, args, work) => {
    work.study(text.length);
    return method(text, args, work);
  };
}

/** As Unicode has it for comparing; `work` pays for the second change. */
function caseFolded(text: string, work: Work): string {
  const upper = text.toUpperCase();
  work.study(upper.length);
  return upper.toLowerCase();
}

/** Whether `text` has letters, all of them in that case. */
export function isInCase(wanted: 'lower' | 'upper', text: string, work: Work): boolean {
  work.study(2 * text.length);
  const [lower, upper] = [text.toLowerCase(), text.toUpperCase()];
  return wanted === 'lower' ? text === lower && text !== upper : text === upper && text !== lower;
}

/** The method `name` of `text`, or undefined where texts have none of that name. */
export function textMethod(text: string, name: string): ((args: Arguments, work: Work) => Value) | undefined {
  if (name === 'format') return (args, work) => formatFields(text, args, work);
  if (!Object.hasOwn(METHODS, name)) return undefined;
  const [names, method] = METHODS[name];
  return (args, work) => {
    work.make(text.length);
    const bound = bind(name, names, args);
    scanTexts(bound, work);
    return method(text, bound, work);
  };
}

function titled(text: string, work: Work): string {
  work.step(text.length);
  return text.replace(/\p{L}+/gu, capitalize);
}

function swapCase(text: string, work: Work): string {
  work.step(text.length);
  return text.replace(/\p{L}/gu, (letter) => {
    const upper = letter.toUpperCase();
    return letter === upper ? letter.toLowerCase() : upper;
  });
}

export function capitalize(text: string): string {
  const [first = ''] = text;
  return first.toUpperCase() + text.slice(first.length).toLowerCase();
}

/** Without white space at both ends, or without the characters of `characters`. */
export function strip(text: string, characters: Value, work: Work): string {
  const strips = stripper(text, characters, work);
  return stripStart(stripEnd(text, strips), strips);
}

/** Whether a character is stripped, for looking at any of `stripped`. */
function stripper(stripped: string, characters: Value, work: Work): (code: number) => boolean {
  work.scan(stripped.length);
  if (characters === undefined || characters === null) return isSpace;
  const text = textOf(characters, 'strip');
  work.step(text.length);
  const set = new Set(Array.from({ length: text.length }, (_, i) => text.charCodeAt(i)));
  return (code) => set.has(code);
}

/** Splits at `by`, or at white space, from the start; at most `most` times. */
export function split(text: string, by: Value, most: Value, work: Work): string[] {
  const limit = most === undefined ? -1 : countOf(most, 'maxsplit');
  const times = limit < 0 ? Number.POSITIVE_INFINITY : limit;
  const atSpaces = by === undefined || by === null;
  const whole = atSpaces ? stripStart(text) : text;
  const parts: string[] = [];
  let at = 0;
  while (parts.length < times) {
    work.step();
    const [end, next] = nextSplit(whole, by, at, work);
    if (end < 0) break;
    parts.push(whole.slice(at, end));
    at = next;
  }
  if (!atSpaces || at < whole.length) parts.push(whole.slice(at));
  return parts;
}

/** Where the next separator begins and ends. */
function nextSplit(text: string, by: Value, from: number, work: Work): [number, number] {
  if (by !== undefined && by !== null) {
    if (by === '') throw new TemplateError('a text cannot be split at nothing');
    const at = indexOf(text, textOf(by, 'split'), from, work);
    return [at, at + (by as string).length];
  }
  let at = from;
  while (at < text.length && !isSpace(text.charCodeAt(at))) at++;
  if (at >= text.length) return [-1, -1];
  let next = at;
  while (isSpace(text.charCodeAt(next))) next++;
  return [at, next];
}

function splitFromEnd(text: string, by: Value, most: Value, work: Work): string[] {
  const reverse = (value: string) => Array.from(value).reverse().join('');
  work.step(text.length);
  const parts = split(reverse(text), typeof by === 'string' ? reverse(by) : by, most, work);
  return parts.map(reverse).reverse();
}

/** The lines of a text, at all ends of lines that Python knows. */
export function splitLines(text: string, [keep]: readonly Value[], work: Work): string[] {
  const lines: string[] = [];
  work.scan(text.length);
  for (let start = 0, at = 0; start < text.length; start = at) {
    work.step();
    while (at < text.length && !LINE_ENDS.has(text.charCodeAt(at))) at++;
    const end = at;
    at += text[at] === '\r' && text[at + 1] === '\n' ? 2 : 1;
    lines.push(text.slice(start, keep ? at : end));
  }
  return lines;
}
/** As Python has them. */
const LINE_ENDS: ReadonlySet<number> = new Set(
  Array.from('\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029', (end) => end.charCodeAt(0)),
);

function partition(text: string, by: string, side: 'start' | 'end', work: Work): Value {
  const at = side === 'start' ? indexOf(text, by, 0, work) : lastIndexOf(text, by, work);
  if (at < 0) return tuple(side === 'start' ? [text, '', ''] : ['', '', text]);
  return tuple([text.slice(0, at), by, text.slice(at + by.length)]);
}

/** `parts` joined by `between`. */
export function join(parts: readonly string[], between: string, work: Work): string {
  let length = between.length * Math.max(0, parts.length - 1);
  for (const part of parts) length += part.length;
  work.make(length);
  return parts.join(between);
}

/** How often `part` occurs in `text`, without overlaps. */
function occurrences(text: string, part: string, work: Work): number {
  return part === '' ? lengthOf(text, work) + 1 : placesOf(text, part, work).length;
}

/** Where `part` begins in `text`, without overlaps. */
function placesOf(text: string, part: string, work: Work): number[] {
  const places: number[] = [];
  for (let at = indexOf(text, part, 0, work); at >= 0; at = indexOf(text, part, at + part.length, work))
    places.push(at);
  return places;
}

/** Replaces the first `count` occurrences, or all. */
export function replace(text: string, from: string, to: string, count: Value, work: Work): string {
  const limit = count === undefined || count === null ? -1 : countOf(count, 'count');
  const places = from === '' ? beforeEach(text, work) : placesOf(text, from, work);
  if (limit >= 0) places.length = Math.min(places.length, limit);
  work.make(text.length + places.length * (to.length - from.length));
  if (places.length === 0) return text;
  work.step(places.length);
  const pieces: string[] = [];
  let at = 0;
  for (const place of places) {
    pieces.push(text.slice(at, place), to);
    at = place + from.length;
  }
  pieces.push(text.slice(at));
  return pieces.join('');
}

/** The places of `text` before each character, and its end. */
function beforeEach(text: string, work: Work): number[] {
  work.step(text.length);
  const places: number[] = [];
  let at = 0;
  for (const character of text) {
    places.push(at);
    at += character.length;
  }
  places.push(at);
  return places;
}

function edge(parts: Value, text: string, method: 'startsWith' | 'endsWith', work: Work): boolean {
  const given = Array.isArray(parts) ? parts : [parts];
  return given.some((part) => {
    const edge = textOf(part, method);
    work.scan(edge.length);
    return text[method](edge);
  });
}

/** `text[from:to]`, as Python counts characters. */
export function part(text: string, from: Value, to: Value, work: Work): string {
  const [start, end] = [from, to].map((at) => (at === undefined || at === null ? undefined : countOf(at, 'a place')));
  if (start === undefined && end === undefined) return text;
  work.scan(text.length);
  if (!HIGH_SURROGATE.test(text)) return text.slice(start, end);
  work.step(text.length);
  return Array.from(text).slice(start, end).join('');
}

function find(text: string, [sub, from, to]: readonly Value[], side: 'start' | 'end', work: Work): number {
  const [within, sought] = [part(text, from, to, work), textOf(sub, 'what is looked for')];
  const at = side === 'start' ? indexOf(within, sought, 0, work) : lastIndexOf(within, sought, work);
  if (at < 0) return -1;
  const start = from === undefined || from === null ? 0 : countOf(from, 'a place');
  const before = start < 0 ? Math.max(0, lengthOf(text, work) + start) : start;
  return before + lengthOf(within.slice(0, at), work);
}

function found(at: number): number {
  if (at < 0) throw new TemplateError('the text that is looked for is not there');
  return at;
}

function filling(text: string, [width, filler = ' ']: readonly Value[], work: Work): string {
  const missing = Math.max(0, countOf(width, 'a width') - lengthOf(text, work));
  const character = textOf(filler, 'fillchar');
  if (Array.from(character.slice(0, 3)).length !== 1) throw new TemplateError('fillchar must be one character');
  work.make(missing * character.length);
  return character.repeat(missing);
}

/** As Python does: of an odd rest the left gets more where the width is odd. */
export function center(text: string, [width, filler = ' ']: readonly Value[], work: Work): string {
  const fill = filling(text, [width, filler], work);
  const left = (fill.length >> 1) + (fill.length & countOf(width, 'a width') & 1);
  return fill.slice(0, left) + text + fill.slice(left);
}

function expandTabs(text: string, size: number, work: Work): string {
  let [expanded, column] = ['', 0];
  for (const character of text) {
    const piece = character === '\t' ? ' '.repeat(size > 0 ? checked(size - (column % size), work) : 0) : character;
    work.fits(expanded.length + piece.length);
    expanded += piece;
    column = character === '\n' || character === '\r' ? 0 : column + piece.length;
  }
  return expanded;
}

function checked(length: number, work: Work): number {
  work.make(length);
  return length;
}
