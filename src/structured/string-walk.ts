// Owns what tokens do inside of a JSON string: which stay in it, where the closing quote comes. Once a table and vocabulary, for all grammars: counting
// only takes tokens away again. Branches of the tree whose characters all leave the text where it stands are taken whole.
import type { Characters, CharacterTable } from './characters.ts';
import type { TokenTrie } from './token-trie.ts';
import { charactersThatStay, contentsOf, WORDS } from './trie-contents.ts';

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
const staying = new WeakMap<CharacterTable, Int32Array[]>();

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

/** By place: see `charactersThatStay`. */
function stays(table: CharacterTable, place: number): Int32Array {
  let sets = staying.get(table);
  if (!sets) {
    sets = [];
    staying.set(table, sets);
  }
  sets[place] ??= charactersThatStay(place, (at) => table.row(at));
  return sets[place];
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
  let stay: Int32Array = new Int32Array(WORDS);
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
      stay = stays(table, next);
    }
    const at = node * WORDS;
    const isWhole =
      after === node + 1 ||
      ((characters[at] & ~stay[0]) |
        (characters[at + 1] & ~stay[1]) |
        (characters[at + 2] & ~stay[2]) |
        (characters[at + 3] & ~stay[3])) ===
        0;
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
  const mask = walk.mask.slice();
  const room = language.room(count);
  const possible = new Map<number, boolean>();
  const isPossible = (next: number, characters: number) => {
    if (characters <= room) return true;
    const key = next * 1024 + characters;
    let answer = possible.get(key);
    if (answer === undefined) {
      answer = language.isPossible(next, count + characters);
      possible.set(key, answer);
    }
    return answer;
  };
  const counts = new Int32Array(DEEPEST);
  const rows: Int32Array[] = new Array(DEEPEST);
  rows[0] = table.row(place);
  for (let node = 1; node < nodes; ) {
    const above = depth[node] - 1;
    const move = rows[above][byte[node]];
    const characters = counts[above] + (move & 1);
    if (move < 0 || characters + longest[node] <= room) {
      node = end[node];
      continue;
    }
    if (!isPossible(move >> 1, characters)) {
      const to = first[end[node]];
      for (let i = first[node]; i < to; i++) mask[order[i] >>> 5] &= ~(1 << (order[i] & 31));
      node = end[node];
      continue;
    }
    counts[above + 1] = characters;
    rows[above + 1] = table.row(move >> 1);
    node++;
  }
  return mask;
}
