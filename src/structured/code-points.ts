// Owns sets of characters, and their bytes: UTF-8 as it stands, or as written inside of a JSON string.
// Sources: RFC 3629, RFC 8259 section 7.
import { automatonOf } from './automaton.ts';
import { byte, choice, type Node, type Range, sequence, textsOf, words } from './language.ts';
import { finish, Meter } from './work.ts';

/** Sorted ranges of code points that do not touch. */
export type CharacterSet = readonly Range[];

export const LAST_CODE_POINT = 0x10ffff;
/** More ranges than this are worth an automaton, which shares first bytes. */
const MANY_RANGES = 6;

/** Sorts and joins. */
export function characterSet(ranges: readonly Range[]): CharacterSet {
  const sorted = ranges.filter(([low, high]) => low <= high).sort((a, b) => a[0] - b[0]);
  const joined: [number, number][] = [];
  for (const [low, high] of sorted) {
    const last = joined[joined.length - 1];
    if (last && low <= last[1] + 1) last[1] = Math.max(last[1], high);
    else joined.push([low, high]);
  }
  return joined;
}

export function complement(set: CharacterSet): CharacterSet {
  const rest: Range[] = [];
  let from = 0;
  for (const [low, high] of set) {
    if (low > from) rest.push([from, low - 1]);
    from = high + 1;
  }
  if (from <= LAST_CODE_POINT) rest.push([from, LAST_CODE_POINT]);
  return rest;
}

const plainLanguages = new WeakMap<CharacterSet, Node>();
const jsonLanguages = new WeakMap<CharacterSet, Node>();

/** One character of `set` in UTF-8. Surrogates have no bytes and are left out. */
export function inUtf8(set: CharacterSet): Node {
  return remembered(plainLanguages, set, () => choice(...set.flatMap(([low, high]) => utf8Range(low, high))));
}

/** One character of `set` as `JSON.stringify` writes it inside of a string: the only spelling, but for the case of hexadecimal digits. */
export function inJson(set: CharacterSet): Node {
  return remembered(jsonLanguages, set, () => {
    const items: Node[] = [];
    for (const [low, high] of set) {
      for (let code = low; code <= Math.min(high, 0x1f); code++) items.push(escaped(code));
      for (const code of [0x22, 0x5c]) if (low <= code && code <= high) items.push(escaped(code));
      for (const [from, to] of [
        [0x20, 0x21],
        [0x23, 0x5b],
        [0x5d, LAST_CODE_POINT],
      ]) {
        items.push(...utf8Range(Math.max(low, from), Math.min(high, to)));
      }
    }
    return choice(...items);
  });
}

function remembered(known: WeakMap<CharacterSet, Node>, set: CharacterSet, make: () => Node): Node {
  let language = known.get(set);
  if (!language) {
    language = make();
    if (set.length > MANY_RANGES) language = textsOf(finish(automatonOf(language, new Meter())));
    known.set(set, language);
  }
  return language;
}

function escaped(code: number): Node {
  const text = JSON.stringify(String.fromCharCode(code)).slice(1, -1);
  return text.length > 2 ? words(text, text.slice(0, 2) + text.slice(2).toUpperCase()) : words(text);
}

/** The sequences of byte ranges for code points `low` to `high`. */
function utf8Range(low: number, high: number): Node[] {
  const nodes: Node[] = [];
  const add = (from: number, to: number, length: number) => {
    if (from <= to) nodes.push(...split(encode(from, length), encode(to, length)));
  };
  add(low, Math.min(high, 0x7f), 1);
  add(Math.max(low, 0x80), Math.min(high, 0x7ff), 2);
  add(Math.max(low, 0x800), Math.min(high, 0xd7ff), 3);
  add(Math.max(low, 0xe000), Math.min(high, 0xffff), 3);
  add(Math.max(low, 0x10000), high, 4);
  return nodes;
}

function encode(code: number, length: number): number[] {
  if (length === 1) return [code];
  const bytes: number[] = [];
  for (let i = 1; i < length; i++, code >>= 6) bytes.unshift(0x80 | (code & 0x3f));
  return [((0xf00 >> length) & 0xff) | code, ...bytes];
}

/** All byte strings from `low` to `high`, of one length, whose later bytes are 0x80 to 0xbf. */
function split(low: readonly number[], high: readonly number[]): Node[] {
  const [first, ...lowRest] = low;
  const [last, ...highRest] = high;
  if (low.length === 1) return [byte([first, last])];
  const least = lowRest.map(() => 0x80);
  const most = lowRest.map(() => 0xbf);
  if (first === last) return split(lowRest, highRest).map((rest) => sequence(byte([first, first]), rest));
  const nodes: Node[] = [];
  let from = first;
  let to = last;
  if (lowRest.some((value) => value !== 0x80)) {
    nodes.push(...split(lowRest, most).map((rest) => sequence(byte([first, first]), rest)));
    from++;
  }
  if (highRest.some((value) => value !== 0xbf)) {
    nodes.push(...split(least, highRest).map((rest) => sequence(byte([last, last]), rest)));
    to--;
  }
  if (from <= to) nodes.push(sequence(byte([from, to]), ...least.map(() => byte([0x80, 0xbf]))));
  return nodes;
}
