// Owns which characters may follow one another for ever from a place of a table: whatever is written with them, the string goes on. With it whole
// branches of a tree of tokens are taken at once. Knows no tokens.
import type { CharacterTable } from './characters.ts';
import { FIRST_SPELLING, SPELLINGS, WORDS } from './trie-contents.ts';

/** More places than these are not looked at together. */
const MOST_PLACES = 32;

export interface Safe {
  /** A set of `WORDS` words as in `TrieContents.characters`. */
  readonly characters: Int32Array;
  /** Where texts of these characters lead, the place itself among them: always between two characters. */
  readonly places: readonly number[];
}

/** What may follow at a place: the characters that do not end the string, and where they lead. */
interface Moves {
  readonly alive: Int32Array;
  readonly leads: ReadonlyMap<number, Int32Array>;
}

interface Known {
  readonly moves: Moves[];
  readonly safe: Safe[];
}

const tables = new WeakMap<CharacterTable, Known>();

/** The safe characters of a place, computed once. Fewer rather than too many. */
export function safeFrom(table: CharacterTable, place: number): Safe {
  let known = tables.get(table);
  if (!known) {
    known = { moves: [], safe: [] };
    tables.set(table, known);
  }
  known.safe[place] ??= safe(place, (at) => (known.moves[at] ??= movesOf(table, at)));
  return known.safe[place];
}

/** Takes away what ends the string somewhere, until nothing does; or keeps to the place alone where that leaves more. */
function safe(place: number, movesAt: (place: number) => Moves): Safe {
  const staying = { characters: movesAt(place).leads.get(place) ?? new Int32Array(WORDS), places: [place] };
  for (let characters = movesAt(place).alive; ; ) {
    const left = characters.slice();
    const reached = new Set([place]);
    for (const at of reached) {
      const { alive, leads } = movesAt(at);
      for (let word = 0; word < WORDS; word++) left[word] &= alive[word];
      for (const [to, by] of leads) if (meets(by, characters)) reached.add(to);
      if (reached.size > MOST_PLACES) return staying;
    }
    if (left.every((word, i) => word === characters[i]))
      return size(characters) >= size(staying.characters) ? { characters, places: [...reached] } : staying;
    characters = left;
  }
}

function movesOf(table: CharacterTable, place: number): Moves {
  const alive = new Int32Array(WORDS);
  const leads = new Map<number, Int32Array>();
  const add = (word: number, bit: number, places: Iterable<number>) => {
    alive[word] |= bit;
    for (const to of places) {
      let characters = leads.get(to);
      if (!characters) {
        characters = new Int32Array(WORDS);
        leads.set(to, characters);
      }
      characters[word] |= bit;
    }
  };
  const own = table.row(place);
  for (let value = 0x20; value < 0x80; value++)
    if (own[value] >= 0 && own[value] & 1) add(value >> 5, 1 << (value & 31), [own[value] >> 1]);
  for (const [group, spelling] of SPELLINGS.entries()) {
    const ends = new Set<number>();
    if (spelled(table, place, spelling, ends)) add(0, 1 << (FIRST_SPELLING + group), ends);
  }
  return { alive, leads };
}

/** Whether every character of a spelling may come; where they lead goes into `ends`. */
function spelled(
  table: CharacterTable,
  place: number,
  [[low, high], ...rest]: readonly (readonly [number, number])[],
  ends: Set<number>,
): boolean {
  const row = table.row(place);
  for (let value = low; value <= high; value++) {
    const move = row[value];
    // Most bytes of a range lead to the same place.
    if (value > low && move === row[value - 1]) continue;
    if (move < 0 || (move & 1) !== (rest.length === 0 ? 1 : 0)) return false;
    if (rest.length === 0) ends.add(move >> 1);
    else if (!spelled(table, move >> 1, rest, ends)) return false;
  }
  return true;
}

function meets(a: Int32Array, b: Int32Array): boolean {
  for (let word = 0; word < WORDS; word++) if (a[word] & b[word]) return true;
  return false;
}

function size(characters: Int32Array): number {
  let bits = 0;
  for (let word of characters) for (; word !== 0; word &= word - 1) bits++;
  return bits;
}
