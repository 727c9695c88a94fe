// Owns what tokens do inside of a JSON string: which stay in it, where the closing quote comes. Once a table and vocabulary, for all grammars: counting
// only takes tokens away again. Branches of the tree in which nothing can end the string are taken whole.
import { anyCharacters, type Characters, type CharacterTable } from './characters.ts';
import { isWithin, SafeCharacters } from './safe-characters.ts';
import type { TokenTrie } from './token-trie.ts';
import { contentsOf, DEEPEST, GROUP, type TrieContents, WORDS } from './trie-contents.ts';

const QUOTE = 0x22;
/** Walks kept for each table, and masks for lengths, those asked for last: 20 KB each. */
const MOST_WALKS = 64;

/** What tokens do that begin at a place, apart from bounds of length. */
interface Walk {
  /** Tokens that stay inside of the string. */
  readonly mask: Uint32Array;
  /** Nodes at which the closing quote has just come, in order, and after how many characters. */
  readonly closed: Int32Array;
  readonly closedAfter: Int32Array;
}

/** What is known of a table and vocabulary. */
interface Known {
  readonly walks: Map<number, Walk>;
  /** By place and `lengthKey`: the tokens that stay inside. */
  readonly bounded: Map<string, Uint32Array>;
}

const vocabularies = new WeakMap<TokenTrie, WeakMap<CharacterTable, Known>>();

/** Adds the tokens that stay inside of the string or close it. Returns the nodes to go on from after the quote. */
export function addString(
  trie: TokenTrie,
  language: Characters,
  place: number,
  count: number,
  mask: Uint32Array,
): number[] {
  const { token, twin, end } = trie;
  const known = knownOf(trie, language.table);
  const walk = kept(known.walks, place, () => walkFrom(trie, language.table, place));
  const allowed =
    language.room(count) >= contentsOf(trie).longest[0]
      ? walk.mask
      : kept(known.bounded, `${place} ${language.lengthKey(count)}`, () => within(trie, language, walk, place, count));
  for (let word = 0; word < mask.length; word++) mask[word] |= allowed[word];
  const exits: number[] = [];
  const { closed, closedAfter } = walk;
  for (let i = 0; i < closed.length; i++) {
    const node = closed[i];
    if (!language.mayClose(count + closedAfter[i])) continue;
    for (let id = token[node]; id >= 0; id = twin[id]) mask[id >>> 5] |= 1 << (id & 31);
    if (end[node] > node + 1) exits.push(node);
  }
  return exits;
}

/** Makes what most forms need of a vocabulary: what tokens do in a string of any characters. The first time takes some 0.1 s. */
export function prepareStrings(trie: TokenTrie): void {
  const { walks } = knownOf(trie, anyCharacters);
  for (const place of anyCharacters.places.keys()) kept(walks, place, () => walkFrom(trie, anyCharacters, place));
}

function knownOf(trie: TokenTrie, table: CharacterTable): Known {
  let tables = vocabularies.get(trie);
  if (!tables) {
    tables = new WeakMap();
    vocabularies.set(trie, tables);
  }
  let known = tables.get(table);
  if (!known) {
    known = { walks: new Map(), bounded: new Map() };
    tables.set(table, known);
  }
  return known;
}

function kept<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    if (map.size >= MOST_WALKS) map.delete(map.keys().next().value!);
    map.set(key, value);
  }
  return value;
}

function walkFrom(trie: TokenTrie, table: CharacterTable, place: number): Walk {
  const { nodes, byte, depth, end, vocabularySize } = trie;
  const { order, first } = contentsOf(trie);
  const branches = new Branches(trie, table);
  const mask = new Uint32Array(Math.ceil(vocabularySize / 32));
  const closed: number[] = [];
  const closedAfter: number[] = [];
  const places = new Int32Array(DEEPEST);
  const counts = new Int32Array(DEEPEST);
  const rows: Int32Array[] = new Array(DEEPEST);
  places[0] = place;
  rows[0] = table.row(place);
  for (let node = 1; node < nodes; ) {
    const above = depth[node] - 1;
    const after = end[node];
    const move = rows[above][byte[node]];
    if (move < 0) {
      if (byte[node] === QUOTE && table.ends[places[above]]) {
        closed.push(node);
        closedAfter.push(counts[above]);
      }
      node = after;
      continue;
    }
    const next = move >> 1;
    const isWhole = after === node + 1 || branches.isWhole(node, places[above], next);
    const to = first[isWhole ? after : node + 1];
    for (let i = first[node]; i < to; i++) mask[order[i] >>> 5] |= 1 << (order[i] & 31);
    if (isWhole) {
      node = after;
      continue;
    }
    places[above + 1] = next;
    counts[above + 1] = counts[above] + (move & 1);
    rows[above + 1] = next === places[above] ? rows[above] : table.row(next);
    node++;
  }
  return { mask, closed: Int32Array.from(closed), closedAfter: Int32Array.from(closedAfter) };
}

/** The tokens of a walk that bounds of length allow: only branches with texts longer than there is room are looked into. */
function within(trie: TokenTrie, language: Characters, walk: Walk, place: number, count: number): Uint32Array {
  const { nodes, byte, depth, end } = trie;
  const { order, first, longest } = contentsOf(trie);
  const { table } = language;
  const branches = new Branches(trie, table);
  const mask = walk.mask.slice();
  const room = language.room(count);
  const rooms = new Rooms(language, count);
  // Between characters, what any token needs is known.
  const most = table.places[place].isBoundary ? language.most(count) : Number.POSITIVE_INFINITY;
  removeLonger(trie, most, mask);
  const places = new Int32Array(DEEPEST);
  const counts = new Int32Array(DEEPEST);
  const rows: Int32Array[] = new Array(DEEPEST);
  places[0] = place;
  rows[0] = table.row(place);
  for (let node = 1; node < nodes; ) {
    const above = depth[node] - 1;
    const move = rows[above][byte[node]];
    const so = counts[above] + (move & 1);
    if (move < 0 || so + longest[node] <= room || so > most) {
      node = end[node];
      continue;
    }
    const next = move >> 1;
    if (so > room && !rooms.isPossible(next, so)) {
      const to = first[end[node]];
      for (let i = first[node]; i < to; i++) mask[order[i] >>> 5] &= ~(1 << (order[i] & 31));
      node = end[node];
      continue;
    }
    const safe = end[node] === node + 1 ? next : branches.safePlace(node, places[above], next);
    if (end[node] === node + 1 || (safe >= 0 && Math.min(so + longest[node], most) <= rooms.of(safe))) {
      node = end[node];
      continue;
    }
    places[above + 1] = next;
    counts[above + 1] = so;
    rows[above + 1] = table.row(next);
    node++;
  }
  return mask;
}

/** Removes the tokens that need more than `most` characters, from between two characters on. */
function removeLonger(trie: TokenTrie, most: number, mask: Uint32Array): void {
  const { byNeed, firstNeed } = contentsOf(trie);
  if (most + 1 >= firstNeed.length) return;
  for (let i = firstNeed[most + 1]; i < byNeed.length; i++) mask[byNeed[i] >>> 5] &= ~(1 << (byNeed[i] & 31));
}

/** What is known at once of all that lies below a node. */
class Branches {
  private readonly byte: Uint8Array;
  private readonly contents: TrieContents;
  private readonly safe: SafeCharacters;

  constructor(trie: TokenTrie, table: CharacterTable) {
    this.byte = trie.byte;
    this.contents = contentsOf(trie);
    this.safe = SafeCharacters.of(table);
  }

  /** Whether no text below a node ends the string. The node's byte leads from place `from` to `next`. */
  isWhole(node: number, from: number, next: number): boolean {
    const { characters, longest } = this.contents;
    const place = this.behind(node, from, next);
    if (place < 0) return false;
    const safe = this.safe.from(place);
    if (isWithin(characters, node * WORDS, safe.characters)) return true;
    const more = longest[node] - (GROUP[this.byte[node]] < 0 ? 0 : 1);
    return more <= safe.burstLength && isWithin(characters, node * WORDS, safe.burst);
  }

  /** The place whose safe characters hold all below a node, its own character among them where that is only begun; −1 where there is none. */
  safePlace(node: number, from: number, next: number): number {
    const place = this.behind(node, from, next);
    if (place < 0) return -1;
    return isWithin(this.contents.characters, node * WORDS, this.safe.from(place).characters) ? place : -1;
  }

  /** The place behind the character that the node's byte ends or begins; −1 where that is not one place. */
  private behind(node: number, from: number, next: number): number {
    const group = GROUP[this.byte[node]];
    return group < 0 ? next : this.safe.after(from, group);
  }
}

/** What `within` asks of a language again and again, after `count` characters. */
class Rooms {
  private readonly language: Characters;
  private readonly count: number;
  /** By place, then by number of further characters: 1 where the string can still end, 2 where it cannot. */
  private readonly possible: Uint8Array[] = [];
  private readonly rooms: number[] = [];

  constructor(language: Characters, count: number) {
    this.language = language;
    this.count = count;
  }

  isPossible(place: number, more: number): boolean {
    this.possible[place] ??= new Uint8Array(DEEPEST);
    const known = this.possible[place];
    known[more] ||= this.language.isPossible(place, this.count + more) ? 1 : 2;
    return known[more] === 1;
  }

  /** How many further characters in all leave the string an end, wherever the safe characters of `place` lead. */
  of(place: number): number {
    let room = this.rooms[place];
    if (room === undefined) {
      const { places } = SafeCharacters.of(this.language.table).from(place);
      room = -1;
      while (room + 1 < DEEPEST && places.every((at) => this.isPossible(at, room + 1))) room++;
      this.rooms[place] = room;
    }
    return room;
  }
}
