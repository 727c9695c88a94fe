// Owns what tokens do inside of a JSON string: where they lead, how many characters each brings, where the closing quote comes. Once a table and
// vocabulary, for all grammars. Most of what tokens do at one place they do at others too: a table has a hub, the place where the most bytes stay,
// and other places are walked only where they differ from it. Equal hubs of different tables are walked once.
import type { Characters, CharacterTable } from './characters.ts';
import type { TokenTrie } from './token-trie.ts';

const QUOTE = 0x22;
/** Walks kept for each table, and hubs for each vocabulary, those asked for last: 20 KB each, 1 MB with counts. */
const MOST_WALKS = 64;
const MOST_HUBS = 256;
/** Larger hubs are not compared with those of other tables. */
const LARGEST_HUB = 60;
/** Deeper than the longest token. */
const DEEPEST = 260;

/** What is known of a vocabulary. */
interface Known {
  readonly tables: WeakMap<CharacterTable, TableWalks>;
  readonly hubs: Map<string, Walk>;
}

interface TableWalks {
  readonly hub: Hub;
  readonly walks: Map<number, Walk>;
  readonly counts: Map<number, Counts>;
}

/** What tokens do that begin at a place, apart from counting. */
interface Walk {
  /** Tokens that stay inside of the string. */
  readonly mask: Uint32Array;
  /** Nodes at which the closing quote has just come, in order. */
  readonly closed: Int32Array;
}

interface Hub {
  readonly place: number;
  /** Equal names are equal languages; undefined where that is not looked at. */
  readonly name: string | undefined;
}

const vocabularies = new WeakMap<TokenTrie, Known>();

/** Adds the tokens that stay inside of the string or close it. Returns the nodes to go on from after the quote. */
export function addString(
  trie: TokenTrie,
  language: Characters,
  place: number,
  count: number,
  mask: Uint32Array,
): number[] {
  const { table } = language;
  const walk = walkOf(trie, table, place);
  if (language.isFree(count)) {
    for (let word = 0; word < mask.length; word++) mask[word] |= walk.mask[word];
    return close(trie, walk, undefined, language, count, mask);
  }
  const { counts } = knownOf(trie, table);
  let counted = counts.get(place);
  if (!counted) {
    counted = new Counts(trie, table, place);
    keep(counts, place, counted, MOST_WALKS);
  }
  counted.add(language, count, mask);
  return close(trie, walk, counted, language, count, mask);
}

/** Adds the tokens that end with the closing quote; returns the nodes where they go on. */
function close(
  { token, twin, end }: TokenTrie,
  { closed }: Walk,
  counts: Counts | undefined,
  language: Characters,
  count: number,
  mask: Uint32Array,
): number[] {
  const exits: number[] = [];
  for (let i = 0; i < closed.length; i++) {
    // Where counts are far from the upper bound, only the lower one matters, which `isFree` has looked at.
    if (counts && !language.mayClose(count + counts.closedAfter[i])) continue;
    const node = closed[i];
    for (let id = token[node]; id >= 0; id = twin[id]) mask[id >>> 5] |= 1 << (id & 31);
    if (end[node] > node + 1) exits.push(node);
  }
  return exits;
}

function keep<K, V>(map: Map<K, V>, key: K, value: V, most: number): void {
  if (map.size >= most) map.delete(map.keys().next().value!);
  map.set(key, value);
}

function knownOf(trie: TokenTrie, table: CharacterTable): TableWalks {
  let known = vocabularies.get(trie);
  if (!known) {
    known = { tables: new WeakMap(), hubs: new Map() };
    vocabularies.set(trie, known);
  }
  let own = known.tables.get(table);
  if (!own) {
    own = { hub: hubOf(table), walks: new Map(), counts: new Map() };
    known.tables.set(table, own);
  }
  return own;
}

function walkOf(trie: TokenTrie, table: CharacterTable, place: number): Walk {
  const { hub, walks } = knownOf(trie, table);
  let walk = walks.get(place);
  if (walk) return walk;
  const { hubs } = vocabularies.get(trie)!;
  let base = walks.get(hub.place) ?? (hub.name === undefined ? undefined : hubs.get(hub.name));
  if (!base) {
    base = walkAll(trie, table, hub.place, undefined, undefined);
    if (hub.name !== undefined) keep(hubs, hub.name, base, MOST_HUBS);
  }
  walk = place === hub.place ? base : walkAll(trie, table, place, base, hub.place);
  keep(walks, place, walk, MOST_WALKS);
  return walk;
}

/** Walks from `place`; only where it differs from `base`, the walk from `hub`, where these are given. */
function walkAll(
  { nodes, byte, depth, end, token, twin, vocabularySize }: TokenTrie,
  table: CharacterTable,
  place: number,
  base: Walk | undefined,
  hub: number | undefined,
): Walk {
  const mask = base ? base.mask.slice() : new Uint32Array(Math.ceil(vocabularySize / 32));
  const closed: number[] = [];
  const places = new Int32Array(DEEPEST);
  const rows: Int32Array[] = new Array(DEEPEST);
  const hubPlaces = new Int32Array(DEEPEST).fill(-1);
  const hubRows: (Int32Array | undefined)[] = new Array(DEEPEST);
  places[0] = place;
  rows[0] = table.row(place);
  hubPlaces[0] = hub ?? -1;
  hubRows[0] = hub === undefined ? undefined : table.row(hub);
  let nextClosed = 0;
  for (let node = 1; node < nodes; ) {
    const above = depth[node] - 1;
    const value = byte[node];
    const move = rows[above][value];
    const hubMove = hubRows[above]?.[value] ?? -1;
    if (move < 0) {
      if (value === QUOTE && table.places[places[above]].ends) closed.push(node);
      if (hubMove >= 0) {
        for (let at = node; at < end[node]; at++)
          for (let id = token[at]; id >= 0; id = twin[id]) mask[id >>> 5] &= ~(1 << (id & 31));
      }
      node = end[node];
      continue;
    }
    const next = move >> 1;
    if (hubMove >> 1 === next) {
      // From here on the same as from the hub.
      const list = base!.closed;
      if (nextClosed < list.length && list[nextClosed] < node) nextClosed = firstFrom(list, node, nextClosed);
      while (nextClosed < list.length && list[nextClosed] < end[node]) closed.push(list[nextClosed++]);
      node = end[node];
      continue;
    }
    for (let id = token[node]; id >= 0; id = twin[id]) mask[id >>> 5] |= 1 << (id & 31);
    const level = above + 1;
    places[level] = next;
    rows[level] = next === places[above] ? rows[above] : table.row(next);
    hubPlaces[level] = hubMove >> 1;
    hubRows[level] = hubMove < 0 ? undefined : table.row(hubMove >> 1);
    node++;
  }
  return { mask, closed: Int32Array.from(closed) };
}

/** The first index from `from` on whose entry is at least `node`. */
function firstFrom(list: Int32Array, node: number, from: number): number {
  let [low, high] = [from, list.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (list[middle] < node) low = middle + 1;
    else high = middle;
  }
  return low;
}

function hubOf(table: CharacterTable): Hub {
  let [place, most] = [0, -1];
  for (const [number, { moves, isBoundary }] of table.places.entries()) {
    if (!isBoundary) continue;
    let stay = 0;
    for (let i = 0; i < moves.length; i += 4) if (moves[i + 2] === number) stay += moves[i + 1] - moves[i] + 1;
    if (stay > most) [place, most] = [number, stay];
  }
  const numbers = new Map([[place, 0]]);
  for (const at of numbers.keys()) {
    const { moves } = table.places[at];
    for (let i = 2; i < moves.length; i += 4) if (!numbers.has(moves[i])) numbers.set(moves[i], numbers.size);
    if (numbers.size > LARGEST_HUB) return { place, name: undefined };
  }
  const name = [...numbers.keys()].map((at) => {
    const { moves, ends } = table.places[at];
    return `${moves.map((value, i) => (i % 4 === 2 ? numbers.get(value) : value)).join(',')}${ends ? '.' : ''}`;
  });
  return { place, name: name.join(';') };
}

/** As a walk, with the number of characters. */
class Counts {
  /** By closing: after how many characters. */
  readonly closedAfter: Int32Array;
  /** Tokens that stay inside, and by token a group: where they lead, after how many characters. */
  private readonly inside: Int32Array;
  private readonly group: Int32Array;
  private readonly groups: readonly { readonly place: number; readonly characters: number }[];

  constructor(trie: TokenTrie, table: CharacterTable, place: number) {
    const { byte, depth, end, token, twin } = trie;
    const inside = new Int32Array(trie.vocabularySize);
    const group = new Int32Array(trie.vocabularySize);
    let found = 0;
    const groups: { place: number; characters: number }[] = [];
    const groupOf = new Map<number, number>();
    const closed: number[] = [];
    const places = new Int32Array(DEEPEST);
    const counts = new Int32Array(DEEPEST);
    const rows: Int32Array[] = new Array(DEEPEST);
    places[0] = place;
    rows[0] = table.row(place);
    let lastKey = -1;
    let number = 0;
    for (let node = 1; node < trie.nodes; ) {
      const above = depth[node] - 1;
      const move = rows[above][byte[node]];
      if (move < 0) {
        if (byte[node] === QUOTE && table.places[places[above]].ends) closed.push(counts[above]);
        node = end[node];
        continue;
      }
      const next = move >> 1;
      const count = counts[above] + (move & 1);
      places[above + 1] = next;
      counts[above + 1] = count;
      rows[above + 1] = next === places[above] ? rows[above] : table.row(next);
      if (token[node] >= 0) {
        const key = next * 512 + count;
        if (key !== lastKey) {
          lastKey = key;
          number = groupOf.get(key) ?? groups.length;
          if (number === groups.length) {
            groupOf.set(key, number);
            groups.push({ place: next, characters: count });
          }
        }
        for (let id = token[node]; id >= 0; id = twin[id]) {
          inside[found] = id;
          group[found++] = number;
        }
      }
      node++;
    }
    this.inside = inside.slice(0, found);
    this.group = group.slice(0, found);
    this.groups = groups;
    this.closedAfter = Int32Array.from(closed);
  }

  add(language: Characters, count: number, mask: Uint32Array): void {
    const allowed = Uint8Array.from(this.groups, ({ place, characters }) =>
      language.isPossible(place, count + characters) ? 1 : 0,
    );
    if (!allowed.includes(1)) return;
    const { inside, group } = this;
    for (let i = 0; i < inside.length; i++) if (allowed[group[i]]) mask[inside[i] >>> 5] |= 1 << (inside[i] & 31);
  }
}
