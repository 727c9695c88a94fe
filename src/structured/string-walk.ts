// Owns what tokens do inside of a JSON string: which stay in it, where the closing quote comes. Once a table and vocabulary, for all grammars: counting
// only takes tokens away again. Branches of the tree in which nothing can end the string are taken whole.
import type { Characters, CharacterTable } from './characters.ts';
import { safeFrom } from './safe-characters.ts';
import type { TokenTrie } from './token-trie.ts';
import { contentsOf, WORDS } from './trie-contents.ts';

const QUOTE = 0x22;
/** Walks kept for each table, and masks for lengths, those asked for last: 20 KB each. */
const MOST_WALKS = 64;
/** Deeper than the longest token. */
const DEEPEST = 260;

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
  for (const [i, node] of walk.closed.entries()) {
    if (!language.mayClose(count + walk.closedAfter[i])) continue;
    for (let id = token[node]; id >= 0; id = twin[id]) mask[id >>> 5] |= 1 << (id & 31);
    if (end[node] > node + 1) exits.push(node);
  }
  return exits;
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
  const { order, first, characters } = contentsOf(trie);
  const mask = new Uint32Array(Math.ceil(vocabularySize / 32));
  const closed: number[] = [];
  const closedAfter: number[] = [];
  const places = new Int32Array(DEEPEST);
  const counts = new Int32Array(DEEPEST);
  const rows: Int32Array[] = new Array(DEEPEST);
  places[0] = place;
  rows[0] = table.row(place);
  let known = -1;
  let safe: Int32Array = new Int32Array(WORDS);
  for (let node = 1; node < nodes; ) {
    const above = depth[node] - 1;
    const after = end[node];
    const move = rows[above][byte[node]];
    if (move < 0) {
      if (byte[node] === QUOTE && table.places[places[above]].ends) {
        closed.push(node);
        closedAfter.push(counts[above]);
      }
      node = after;
      continue;
    }
    const next = move >> 1;
    if (next !== known && after > node + 1) {
      known = next;
      safe = safeFrom(table, next).characters;
    }
    const isWhole = after === node + 1 || isWithin(characters, node, safe);
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

/** Whether all characters below a node are of a set. */
function isWithin(characters: Int32Array, node: number, set: Int32Array): boolean {
  const at = node * WORDS;
  return (
    ((characters[at] & ~set[0]) |
      (characters[at + 1] & ~set[1]) |
      (characters[at + 2] & ~set[2]) |
      (characters[at + 3] & ~set[3])) ===
    0
  );
}

/** The tokens of a walk that bounds of length allow: only branches with texts longer than there is room are looked into. */
function within(trie: TokenTrie, language: Characters, walk: Walk, place: number, count: number): Uint32Array {
  const { nodes, byte, depth, end } = trie;
  const { order, first, longest, characters } = contentsOf(trie);
  const { table } = language;
  const mask = walk.mask.slice();
  const room = language.room(count);
  const rooms = new Rooms(language, count);
  const counts = new Int32Array(DEEPEST);
  const rows: Int32Array[] = new Array(DEEPEST);
  rows[0] = table.row(place);
  for (let node = 1; node < nodes; ) {
    const above = depth[node] - 1;
    const move = rows[above][byte[node]];
    const so = counts[above] + (move & 1);
    if (move < 0 || so + longest[node] <= room) {
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
    const isWhole =
      end[node] === node + 1 ||
      (so + longest[node] <= rooms.of(next) && isWithin(characters, node, safeFrom(table, next).characters));
    if (isWhole) {
      node = end[node];
      continue;
    }
    counts[above + 1] = so;
    rows[above + 1] = table.row(next);
    node++;
  }
  return mask;
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
      const { places } = safeFrom(this.language.table, place);
      room = -1;
      while (room + 1 < DEEPEST && places.every((at) => this.isPossible(at, room + 1))) room++;
      this.rooms[place] = room;
    }
    return room;
  }
}
