// Owns reading regular expressions as JavaScript and JSON Schema write them (flag u). Knows no bytes. Source: ECMA-262 section 22.2.
import { OnebitError } from '../errors.ts';
import { type CharacterSet, characterSet, complement, LAST_CODE_POINT } from './code-points.ts';
import type { Range } from './language.ts';
import type { Meter, Work } from './work.ts';

export type Pattern =
  | { readonly kind: 'set'; readonly set: CharacterSet }
  | { readonly kind: 'sequence'; readonly items: readonly Pattern[] }
  | { readonly kind: 'choice'; readonly items: readonly Pattern[] }
  | { readonly kind: 'repeat'; readonly item: Pattern; readonly min: number; readonly max: number }
  | { readonly kind: 'begin' }
  | { readonly kind: 'end' }
  | { readonly kind: 'ahead'; readonly item: Pattern; readonly negative: boolean };

/** Bounds the time to read one; the longest of everyday schemas have some 300 characters. */
const LONGEST_PATTERN = 4096;
const DEEPEST_GROUP = 64;
const MOST_REPEATS = 5000;
const MOST_PROPERTIES_OF_ONE = 20;
/** Of characters in all classes; \p{L} has some 650. */
const MOST_RANGES = 30_000;

const DIGITS = characterSet([[0x30, 0x39]]);
const WORD = characterSet([
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
]);
const SPACE = characterSet([
  ...([
    [9, 13],
    [32, 32],
    [0xa0, 0xa0],
    [0x1680, 0x1680],
    [0x2000, 0x200a],
    [0x2028, 0x2029],
  ] as Range[]),
  ...([
    [0x202f, 0x202f],
    [0x205f, 0x205f],
    [0x3000, 0x3000],
    [0xfeff, 0xfeff],
  ] as Range[]),
]);
const NOT_LINE_END = complement(
  characterSet([
    [10, 10],
    [13, 13],
    [0x2028, 0x2029],
  ]),
);
const CLASSES: Readonly<Record<string, CharacterSet>> = {
  d: DIGITS,
  D: complement(DIGITS),
  w: WORD,
  W: complement(WORD),
  s: SPACE,
  S: complement(SPACE),
};
const CONTROL_ESCAPES: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13 };

/**
 * Reads `source`.
 * @throws OnebitError `bad-argument` where it is no regular expression, `unsupported` with the name of what cannot be done
 */
export function* parsePattern(source: string, meter: Meter): Work<Pattern> {
  if (source.length > LONGEST_PATTERN) {
    throw new OnebitError(
      'unsupported',
      `pattern: must have at most ${LONGEST_PATTERN} characters, got ${source.length}. Use a shorter one.`,
    );
  }
  meter.spend(source.length);
  const names = new Set([...source.matchAll(/\\[pP](\{[\w=]{1,60}\})/g)].map(([, name]) => name));
  if (names.size > MOST_PROPERTIES_OF_ONE) {
    throw new OnebitError(
      'unsupported',
      `pattern: must have at most ${MOST_PROPERTIES_OF_ONE} different \\p{…}, got ${names.size}. Use fewer.`,
    );
  }
  for (const name of names) yield* learnProperty(name, meter);
  return new Parser(source).parse();
}

class Parser {
  private readonly characters: readonly string[];
  private readonly source: string;
  private at = 0;
  private depth = 0;
  /** Classes by how they are written. */
  private readonly classes = new Map<string, CharacterSet>();
  private ranges = 0;

  constructor(source: string) {
    this.source = source;
    this.characters = Array.from(source);
  }

  parse(): Pattern {
    const pattern = this.choice();
    if (this.at < this.characters.length) throw this.bad('every ) must close a group');
    return pattern;
  }

  private choice(): Pattern {
    if (++this.depth > DEEPEST_GROUP) throw this.unsupported(`groups more than ${DEEPEST_GROUP} deep`);
    const items = [this.sequence()];
    while (this.take('|')) items.push(this.sequence());
    this.depth--;
    return items.length === 1 ? items[0] : { kind: 'choice', items };
  }

  private sequence(): Pattern {
    const items: Pattern[] = [];
    while (this.at < this.characters.length && this.peek() !== '|' && this.peek() !== ')') items.push(this.term());
    return items.length === 1 ? items[0] : { kind: 'sequence', items };
  }

  private term(): Pattern {
    const atom = this.atom();
    const counts = this.quantifier();
    if (!counts) return atom;
    if (atom.kind === 'begin' || atom.kind === 'end' || atom.kind === 'ahead')
      throw this.bad('only characters and groups can repeat');
    const [min, max] = counts;
    if (min > max) throw this.bad('the numbers of {} must be in order');
    if (Math.max(min, max === Number.POSITIVE_INFINITY ? 0 : max) > MOST_REPEATS) {
      throw this.unsupported(`more than ${MOST_REPEATS} repeats`);
    }
    return { kind: 'repeat', item: atom, min, max };
  }

  /** Lazy ones accept the same texts. */
  private quantifier(): [number, number] | undefined {
    let counts: [number, number] | undefined;
    if (this.take('*')) counts = [0, Number.POSITIVE_INFINITY];
    else if (this.take('+')) counts = [1, Number.POSITIVE_INFINITY];
    else if (this.take('?')) counts = [0, 1];
    else if (this.peek() === '{') {
      const match = /^\{(\d+)(,(\d*))?\}/.exec(this.rest(24));
      if (!match) throw this.bad('{ must begin a count such as {2} or {1,5}');
      this.at += match[0].length;
      const min = Number(match[1]);
      counts = [min, match[2] === undefined ? min : match[3] === '' ? Number.POSITIVE_INFINITY : Number(match[3])];
    }
    if (counts) this.take('?');
    return counts;
  }

  private atom(): Pattern {
    const character = this.characters[this.at++];
    switch (character) {
      case '^':
        return { kind: 'begin' };
      case '$':
        return { kind: 'end' };
      case '.':
        return { kind: 'set', set: NOT_LINE_END };
      case '(':
        return this.group();
      case '[':
        return { kind: 'set', set: this.characterClass() };
      case '\\':
        return { kind: 'set', set: this.escape(false) };
      case '*':
      case '+':
      case '?':
        throw this.bad(`${character} must follow what it repeats`);
      case '{':
        throw this.bad('{ alone must be written \\{');
      default:
        return { kind: 'set', set: single(character) };
    }
  }

  private group(): Pattern {
    let ahead: boolean | undefined;
    if (this.take('?')) {
      if (this.take('=')) ahead = false;
      else if (this.take('!')) ahead = true;
      else if (this.take('<')) {
        if (this.peek() === '=' || this.peek() === '!') throw this.unsupported('looking behind, (?<= or (?<!');
        while (this.at < this.characters.length && !this.take('>')) this.at++;
      } else if (!this.take(':')) throw this.unsupported(`the group (?${this.peek() ?? ''}`);
    }
    const item = this.choice();
    if (!this.take(')')) throw this.bad('every ( must be closed');
    return ahead === undefined ? item : { kind: 'ahead', item, negative: ahead };
  }

  private characterClass(): CharacterSet {
    const start = this.at;
    const negative = this.take('^');
    const ranges: Range[] = [];
    while (!this.take(']')) {
      if (this.at >= this.characters.length) throw this.bad('every [ must be closed');
      const from = this.classMember();
      const isRange =
        this.peek() === '-' && this.characters[this.at + 1] !== ']' && this.at + 1 < this.characters.length;
      if (!isRange) {
        ranges.push(...from);
        continue;
      }
      this.at++;
      const to = this.classMember();
      const [low, high] = [codeOf(from), codeOf(to)];
      if (low === undefined || high === undefined || low > high)
        throw this.bad('a range of characters must have two ends in order');
      ranges.push([low, high]);
    }
    this.ranges += ranges.length;
    if (this.ranges > MOST_RANGES) throw this.unsupported(`classes of more than ${MOST_RANGES} ranges together`);
    const source = this.characters.slice(start, this.at).join('');
    let set = this.classes.get(source);
    if (!set) {
      set = characterSet(ranges);
      if (negative) set = complement(set);
      this.classes.set(source, set);
    }
    return set;
  }

  private classMember(): CharacterSet {
    const character = this.characters[this.at++];
    return character === '\\' ? this.escape(true) : single(character);
  }

  private escape(inClass: boolean): CharacterSet {
    const letter = this.characters[this.at++];
    if (letter === undefined) throw this.bad('\\ must be followed by something');
    if (Object.hasOwn(CLASSES, letter)) return CLASSES[letter];
    if (Object.hasOwn(CONTROL_ESCAPES, letter)) return single(CONTROL_ESCAPES[letter]);
    if (letter === 'b' && inClass) return single(8);
    if (letter === 'b' || letter === 'B') throw this.unsupported(`word boundaries, \\${letter}`);
    if (letter === '0' && !/\d/.test(this.peek() ?? '')) return single(0);
    if (/\d/.test(letter) || letter === 'k') throw this.unsupported(`references back, \\${letter}`);
    if (letter === 'x') return single(this.hex(/^[0-9a-f]{2}/i));
    if (letter === 'u') return single(this.unicode());
    if (letter === 'c') return single(this.control());
    if (letter === 'p' || letter === 'P') return this.property(letter);
    if (/[a-z]/i.test(letter)) throw this.bad(`\\${letter} means nothing`);
    return single(letter);
  }

  private control(): number {
    const letter = this.characters[this.at++] ?? '';
    if (!/^[a-z]$/i.test(letter)) throw this.bad('\\c must be followed by a letter');
    return letter.charCodeAt(0) % 32;
  }

  private hex(form: RegExp): number {
    const match = form.exec(this.rest(12));
    if (!match) throw this.bad('hexadecimal digits must follow \\x and \\u');
    this.at += match[0].length;
    return Number.parseInt(match[0].replace(/[{}]/g, ''), 16);
  }

  private unicode(): number {
    const code = this.hex(/^([0-9a-f]{4}|\{[0-9a-f]{1,6}\})/i);
    if (code > LAST_CODE_POINT) throw this.bad('a character must be at most \\u{10FFFF}');
    const low = /^\\u(d[c-f][0-9a-f]{2})/i.exec(this.rest(6));
    if (code < 0xd800 || code > 0xdbff || !low) return code;
    this.at += 6;
    return 0x10000 + ((code - 0xd800) << 10) + Number.parseInt(low[1], 16) - 0xdc00;
  }

  private property(letter: string): CharacterSet {
    const match = /^\{[\w=]{1,60}\}/.exec(this.rest(64));
    if (!match) throw this.bad(`\\${letter} must be followed by a property in {}`);
    this.at += match[0].length;
    const set = properties.get(match[0]);
    if (!set) throw this.bad(`\\p${match[0]} must be a property that Unicode has`);
    return letter === 'p' ? set : complementOf(set);
  }

  private peek(): string | undefined {
    return this.characters[this.at];
  }

  private take(character: string): boolean {
    if (this.characters[this.at] !== character) return false;
    this.at++;
    return true;
  }

  private rest(length: number): string {
    return this.characters.slice(this.at, this.at + length).join('');
  }

  private bad(requirement: string): OnebitError {
    return new OnebitError('bad-argument', `pattern: ${requirement}, got ${this.quoted()} (at ${this.at}).`);
  }

  private unsupported(feature: string): OnebitError {
    return new OnebitError(
      'unsupported',
      `pattern: ${feature} is not supported, got ${this.quoted()}. Write it differently.`,
    );
  }

  private quoted(): string {
    return JSON.stringify(this.source.length > 100 ? `${this.source.slice(0, 100)}…` : this.source);
  }
}

const complements = new WeakMap<CharacterSet, CharacterSet>();

/** The same object for the same set, so that it is spelt once. */
function complementOf(set: CharacterSet): CharacterSet {
  const known = complements.get(set) ?? complement(set);
  complements.set(set, known);
  return known;
}

function single(character: string | number): CharacterSet {
  const code = typeof character === 'string' ? character.codePointAt(0)! : character;
  return [[code, code]];
}

function codeOf(set: CharacterSet): number | undefined {
  return set.length === 1 && set[0][0] === set[0][1] ? set[0][0] : undefined;
}

const properties = new Map<string, CharacterSet>();
/** There are some 400 properties of up to 1,400 ranges. */
const MOST_PROPERTIES = 50;

/** Asks JavaScript's own tables (some 50 ms a property, remembered). */
function* learnProperty(name: string, meter: Meter): Work<void> {
  if (properties.has(name)) return;
  let test: RegExp;
  try {
    test = new RegExp(`^\\p${name}$`, 'u');
  } catch {
    return;
  }
  const ranges: [number, number][] = [];
  for (let code = 0; code <= LAST_CODE_POINT; code++) {
    if (code % 4096 === 0 && meter.spend(4096)) yield;
    if (!test.test(String.fromCodePoint(code))) continue;
    const last = ranges[ranges.length - 1];
    if (last && last[1] === code - 1) last[1] = code;
    else ranges.push([code, code]);
  }
  if (properties.size >= MOST_PROPERTIES) properties.clear();
  properties.set(name, ranges);
}
