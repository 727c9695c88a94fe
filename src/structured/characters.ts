// Owns tables of JSON string characters: where a string can stand between its quotes, byte by byte, without counting. Shared by all languages that
// differ only in how many characters they want, so that what tokens do is computed once a table and vocabulary.
import { overlay } from './automaton.ts';
import { jsonCharacters } from './json-character.ts';
import type { Automaton, Followed, Standing } from './language.ts';
import type { Meter, Work } from './work.ts';

/** A place in a string: what may follow, and whether the string may end there. */
export interface Place {
  /** In quadruples: from byte, to byte, next place, and 1 where the byte completes a character. */
  readonly moves: readonly number[];
  readonly ends: boolean;
  /** Whether it lies between two characters. */
  readonly isBoundary: boolean;
}

/** Places by number; 0 is where the string begins. */
export class CharacterTable {
  readonly places: readonly Place[];
  /** By place: 1 where the string may end. */
  readonly ends: Uint8Array;
  private readonly rows: Int32Array[] = [];

  constructor(places: readonly Place[]) {
    this.places = places;
    this.ends = Uint8Array.from(places, ({ ends }) => (ends ? 1 : 0));
  }

  /** By byte: the next place times two, plus one where the byte completes a character; −1 where it cannot come. */
  row(place: number): Int32Array {
    let row = this.rows[place];
    if (row) return row;
    row = new Int32Array(256).fill(-1);
    const { moves } = this.places[place];
    for (let i = 0; i < moves.length; i += 4) row.fill(moves[i + 2] * 2 + moves[i + 3], moves[i], moves[i + 1] + 1);
    this.rows[place] = row;
    return row;
  }
}

/** The rest of a JSON string after its opening quote, by a table and a count. */
export interface Characters extends Followed {
  readonly table: CharacterTable;
  /** Undefined after the closing quote. */
  at(standing: Standing): { readonly place: number; readonly count: number } | undefined;
  /** Whether the string can end from `place` after `count` characters. */
  isPossible(place: number, count: number): boolean;
  /**
   * After `count` characters and so many more, whatever they are, the string can still end. Fewer rather than too many; below 0 where that is not
   * known, Infinity where lengths do not matter any more.
   */
  room(count: number): number;
  /** The most characters that can still come after `count`; may be Infinity. */
  most(count: number): number;
  /** Languages of one table allow the same after counts with equal keys, as far as the string is not closed. */
  lengthKey(count: number): string;
  /** Whether it may be closed after `count` characters, where the place ends it. */
  mayClose(count: number): boolean;
}

export function isCharacters(language: Followed | undefined): language is Characters {
  return language !== undefined && 'table' in language;
}

/** Any string in any spelling. */
export const anyCharacters = new CharacterTable(
  jsonCharacters.edges.map((edges, state) => {
    const moves: number[] = [];
    for (let i = 0; i < edges.length; i += 3)
      moves.push(edges[i], edges[i + 1], edges[i + 2], edges[i + 2] === 0 ? 1 : 0);
    return { moves, ends: state === 0, isBoundary: state === 0 };
  }),
);

const tables = new WeakMap<Automaton, CharacterTable>();

/** The table of the characters that an automaton accepts; without places from which no string ends. Its place 0 stays in any case. */
export function* tableOf(automaton: Automaton, meter: Meter): Work<CharacterTable> {
  const known = tables.get(automaton);
  if (known) return known;
  const { edges, accepts } = automaton;
  const numbers = new Map<number, number>();
  const found: [number, number][] = [];
  const placeOf = (state: number, inCharacter: number) => {
    const name = state * jsonCharacters.states + inCharacter;
    let number = numbers.get(name);
    if (number === undefined) {
      number = found.length;
      numbers.set(name, number);
      found.push([state, inCharacter]);
    }
    return number;
  };
  placeOf(0, 0);
  const places: Place[] = [];
  for (let at = 0; at < found.length; at++) {
    const [state, inCharacter] = found[at];
    const both = overlay(edges[state], jsonCharacters.edges[inCharacter]);
    if (meter.spend(both.length)) yield;
    const moves: number[] = [];
    for (let i = 0; i < both.length; i += 4) {
      if (both[i + 3] < 0) continue;
      moves.push(both[i], both[i + 1], placeOf(both[i + 2], both[i + 3]), both[i + 3] === 0 ? 1 : 0);
    }
    places.push({ moves, ends: inCharacter === 0 && accepts[state], isBoundary: inCharacter === 0 });
  }
  meter.hold(places.length * 200);
  const table = new CharacterTable(withoutDead(places));
  tables.set(automaton, table);
  return table;
}

function withoutDead(places: readonly Place[]): Place[] {
  const before: number[][] = places.map(() => []);
  for (const [from, { moves }] of places.entries())
    for (let i = 2; i < moves.length; i += 4) before[moves[i]].push(from);
  const lives = new Uint8Array(places.length);
  const work: number[] = [];
  const visit = (place: number) => {
    if (lives[place]) return;
    lives[place] = 1;
    work.push(place);
  };
  for (const [place, { ends }] of places.entries()) if (ends) visit(place);
  for (let at = work.pop(); at !== undefined; at = work.pop()) before[at].forEach(visit);
  if (!lives.includes(0)) return [...places];
  return places.map((place) => {
    const moves: number[] = [];
    for (let i = 0; i < place.moves.length; i += 4)
      if (lives[place.moves[i + 2]]) moves.push(...place.moves.slice(i, i + 4));
    return { moves, ends: place.ends, isBoundary: place.isBoundary };
  });
}
