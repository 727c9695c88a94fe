// Owns which characters may follow one another from a place of a table, for ever or up to a number of them: whatever is written with them, the string
// goes on. With it whole branches of a tree of tokens are taken at once. Knows no tokens.
import type { CharacterTable } from './characters.ts';
import { FIRST_SPELLING, SPELLINGS, WORDS } from './trie-contents.ts';

/** More places than these are not looked at together. */
const MOST_PLACES = 32;
/** Longer bursts are not looked for. */
const LONGEST_BURST = 32;
/** So often characters are left out of a burst. */
const MOST_BURSTS = 3;

export interface Safe {
  /** A set of `WORDS` words as in `TrieContents.characters`. */
  readonly characters: Int32Array;
  /** Where texts of these characters lead, the place itself among them: always between two characters. */
  readonly places: Int32Array;
  /** As `characters`, for texts of up to `burstLength` characters. */
  readonly burst: Int32Array;
  readonly burstLength: number;
}

/** What may follow at a place: the characters that do not end the string, and where they lead. */
interface Moves {
  readonly alive: Int32Array;
  readonly leads: ReadonlyMap<number, Int32Array>;
  /** By group of `SPELLINGS`: where all its characters lead; −1 where they lead to several places, or some end the string. */
  readonly byGroup: Int32Array;
}

const NONE = new Int32Array(WORDS);

const tables = new WeakMap<CharacterTable, SafeCharacters>();

/** The safe characters of all places of a table, each computed once. */
export class SafeCharacters {
  private readonly spellings: Spellings;
  private readonly moves: Moves[] = [];
  private readonly safe: Safe[] = [];

  private constructor(table: CharacterTable) {
    this.spellings = new Spellings(table);
  }

  static of(table: CharacterTable): SafeCharacters {
    let known = tables.get(table);
    if (!known) {
      known = new SafeCharacters(table);
      tables.set(table, known);
    }
    return known;
  }

  /** The safe characters of a place. Fewer rather than too many. */
  from(place: number): Safe {
    this.safe[place] ??= safe(place, (at) => this.movesAt(at));
    return this.safe[place];
  }

  /** Where all characters of a group of `SPELLINGS` lead; −1 where that is not one place. */
  after(place: number, group: number): number {
    return this.movesAt(place).byGroup[group];
  }

  private movesAt(place: number): Moves {
    this.moves[place] ??= movesOf(this.spellings, place);
    return this.moves[place];
  }
}

function safe(place: number, movesAt: (place: number) => Moves): Safe {
  const { characters, places } = lasting(place, movesAt);
  const { burst, burstLength } = burstFrom(place, movesAt);
  return { characters, places: Int32Array.from(places), burst, burstLength };
}

/**
 * What may follow at first, and up to how many characters of it. Where few characters stand in the way of longer texts, as a hyphen after another one,
 * they are left out.
 */
function burstFrom(place: number, movesAt: (place: number) => Moves) {
  let burst = movesAt(place).alive;
  let best = { burst, burstLength: 0 };
  for (let tries = 0; tries < MOST_BURSTS; tries++) {
    const { length, left } = burstOf(place, burst, movesAt);
    if (length > best.burstLength) best = { burst, burstLength: length };
    if (length === LONGEST_BURST || 2 * size(left) < size(burst)) break;
    burst = left;
  }
  return best;
}

/** How many characters of a set may follow, and which of it may follow one more time. */
function burstOf(place: number, burst: Int32Array, movesAt: (place: number) => Moves) {
  let places = [place];
  for (let length = 1; ; length++) {
    const reached = new Set<number>();
    for (const at of places) for (const [to, by] of movesAt(at).leads) if (meets(by, burst)) reached.add(to);
    places = [...reached];
    // What follows at so many places would take long to find, and helps nothing.
    if (places.length > MOST_PLACES) return { length, left: NONE };
    const left = burst.slice();
    for (const at of places) for (let word = 0; word < WORDS; word++) left[word] &= movesAt(at).alive[word];
    if (!isWithin(burst, 0, left) || length === LONGEST_BURST) return { length, left };
  }
}

/** Whether all characters of the set at `at` are of another. */
export function isWithin(characters: Int32Array, at: number, set: Int32Array): boolean {
  return (
    ((characters[at] & ~set[0]) |
      (characters[at + 1] & ~set[1]) |
      (characters[at + 2] & ~set[2]) |
      (characters[at + 3] & ~set[3])) ===
    0
  );
}

/** Takes away what ends the string somewhere, until nothing does; or keeps to the place alone where that leaves more. */
function lasting(place: number, movesAt: (place: number) => Moves) {
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

function movesOf(spellings: Spellings, place: number): Moves {
  const alive = new Int32Array(WORDS);
  const leads = new Map<number, Int32Array>();
  const byGroup = new Int32Array(SPELLINGS.length).fill(-1);
  // Characters beside each other mostly lead to the same place.
  let last = -1;
  let characters: Int32Array = alive;
  const add = (word: number, bit: number, to: number) => {
    if (to !== last) {
      last = to;
      characters = leads.get(to) ?? new Int32Array(WORDS);
      leads.set(to, characters);
    }
    alive[word] |= bit;
    characters[word] |= bit;
  };
  const own = spellings.table.row(place);
  for (let value = 0x20; value < 0x80; value++)
    if (own[value] >= 0 && own[value] & 1) add(value >> 5, 1 << (value & 31), own[value] >> 1);
  for (const group of SPELLINGS.keys()) {
    const ends = spellings.ends(place, group, 0);
    for (const to of ends) add(0, 1 << (FIRST_SPELLING + group), to);
    if (ends.length === 1) byGroup[group] = ends[0];
  }
  return { alive, leads, byGroup };
}

const NOWHERE: readonly number[] = [];
/** Longer than any spelling. */
const SPELLED = 4;

/** Where all characters of a group of `SPELLINGS` lead. Places in the middle of a character are shared by many places before it, and read once. */
class Spellings {
  readonly table: CharacterTable;
  private readonly known = new Map<number, readonly number[]>();

  constructor(table: CharacterTable) {
    this.table = table;
  }

  /** Where they lead, `at` bytes of them being read already; none where some character may not come. */
  ends(place: number, group: number, at: number): readonly number[] {
    const key = (place * SPELLINGS.length + group) * SPELLED + at;
    let ends = this.known.get(key);
    if (!ends) {
      ends = this.read(place, group, at);
      if (at > 0) this.known.set(key, ends);
    }
    return ends;
  }

  private read(place: number, group: number, at: number): readonly number[] {
    const spelling = SPELLINGS[group];
    const [low, high] = spelling[at];
    const isLast = at === spelling.length - 1;
    const row = this.table.row(place);
    const found = new Set<number>();
    for (let value = low; value <= high; value++) {
      const move = row[value];
      // Most bytes of a range lead to the same place.
      if (value > low && move === row[value - 1]) continue;
      if (move < 0 || (move & 1) !== (isLast ? 1 : 0)) return NOWHERE;
      if (isLast) {
        found.add(move >> 1);
        continue;
      }
      const ends = this.ends(move >> 1, group, at + 1);
      if (ends.length === 0) return NOWHERE;
      for (const to of ends) found.add(to);
    }
    return [...found];
  }
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
