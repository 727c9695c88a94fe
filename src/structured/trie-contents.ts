// Owns what lies below each node of a tree of tokens: which tokens, which characters, how many. With it whole branches are judged at once.
import { jsonCharacters } from './json-character.ts';
import type { TokenTrie } from './token-trie.ts';

/** What lies below the nodes of a tree. */
export interface TrieContents {
  /** The tokens in the order of their nodes, those of one node together. */
  readonly order: Int32Array;
  /** By node: where in `order` its tokens begin; those of the nodes below follow. One entry more than there are nodes. */
  readonly first: Int32Array;
  /**
   * By node: WORDS words with the characters that come below it, see `CONTROL`. At the first byte of a character of several: those after this
   * character.
   */
  readonly characters: Int32Array;
  /** By node: the most characters of a text below it, one that is only begun among them; too many rather than too few. */
  readonly longest: Uint16Array;
  /** Tokens that are parts of JSON strings, by how many characters they need, one that is only begun among them. */
  readonly byNeed: Int32Array;
  /** By number of characters: where in `byNeed` the tokens begin that need as many. What is beyond its end is the end of `byNeed`. */
  readonly firstNeed: Int32Array;
}

/** Deeper than the longest token. */
export const DEEPEST = 260;
/** Words of a set of characters. */
export const WORDS = 4;
/** Bits of the first word: control characters, bytes that make no character, then characters beyond ASCII by `SPELLINGS`. The others have one for each of U+0020 to U+007F. */
const [CONTROL, PART] = [1, 2];
export const FIRST_SPELLING = 2;

const LATER = [0x80, 0xbf] as const;
/**
 * Bytes of characters of more than one, first and later ones. In groups such that what patterns often leave out, as white space, takes few characters with
 * it. Source: RFC 3629, section 4.
 */
export const SPELLINGS: readonly (readonly (readonly [number, number])[])[] = [
  [[0xc2, 0xc2], LATER],
  [[0xc3, 0xc3], LATER],
  [[0xc4, 0xcf], LATER],
  [[0xd0, 0xd1], LATER],
  [[0xd2, 0xdf], LATER],
  [[0xe0, 0xe0], [0xa0, 0xbf], LATER],
  [[0xe1, 0xe1], LATER, LATER],
  [[0xe2, 0xe2], LATER, LATER],
  [[0xe3, 0xe3], LATER, LATER],
  [[0xe4, 0xe9], LATER, LATER],
  [[0xea, 0xec], LATER, LATER],
  [[0xed, 0xed], [0x80, 0x9f], LATER],
  [[0xee, 0xee], LATER, LATER],
  [[0xef, 0xef], LATER, LATER],
  [[0xf0, 0xf0], [0x90, 0xbf], LATER, LATER],
  [[0xf1, 0xf3], LATER, LATER, LATER],
  [[0xf4, 0xf4], [0x80, 0x8f], LATER, LATER],
];

/** By byte: the group of the character that begins with it, −1 where none of several bytes does. */
export const GROUP = Int8Array.from({ length: 256 }, (_, value) =>
  SPELLINGS.findIndex(([[low, high]]) => value >= low && value <= high),
);

const known = new WeakMap<TokenTrie, TrieContents>();

/** What lies below the nodes of `trie`, computed once. */
export function contentsOf(trie: TokenTrie): TrieContents {
  let contents = known.get(trie);
  if (!contents) {
    contents = { ...tokensOf(trie), ...charactersOf(trie), ...needsOf(trie) };
    known.set(trie, contents);
  }
  return contents;
}

function tokensOf({ nodes, token, twin }: TokenTrie) {
  const order: number[] = [];
  const first = new Int32Array(nodes + 1);
  for (let node = 0; node < nodes; node++) {
    first[node] = order.length;
    for (let id = token[node]; id >= 0; id = twin[id]) order.push(id);
  }
  first[nodes] = order.length;
  return { order: Int32Array.from(order), first };
}

function charactersOf({ nodes, byte, end }: TokenTrie) {
  const characters = new Int32Array(nodes * WORDS);
  const longest = new Uint16Array(nodes);
  const include = (node: number, below: number, more: number) => {
    for (let word = 0; word < WORDS; word++) characters[node * WORDS + word] |= characters[below * WORDS + word];
    longest[node] = Math.max(longest[node], longest[below] + more);
  };
  /** Adds what follows a character to the node of its first byte: `rest` makes it whole after `at`. */
  const follow = (node: number, at: number, rest: readonly (readonly [number, number])[]) => {
    if (rest.length === 0) {
      include(node, at, 1);
      return;
    }
    const [[low, high], ...more] = rest;
    for (let child = at + 1; child < end[at]; child = end[child]) {
      if (byte[child] >= low && byte[child] <= high) follow(node, child, more);
      else {
        characters[node * WORDS] |= PART;
        include(node, child, 1);
      }
    }
  };
  // What lies below a node has higher numbers.
  for (let node = nodes - 1; node >= 0; node--) {
    const own = node > 0 ? GROUP[byte[node]] : -1;
    if (own >= 0) {
      longest[node] = 1;
      follow(node, node, SPELLINGS[own].slice(1));
      continue;
    }
    for (let child = node + 1; child < end[node]; child = end[child]) {
      const value = byte[child];
      const group = GROUP[value];
      if (value < 0x80) characters[node * WORDS + (value >> 5)] |= value < 0x20 ? CONTROL : 1 << (value & 31);
      else characters[node * WORDS] |= group < 0 ? PART : 1 << (FIRST_SPELLING + group);
      include(node, child, group < 0 ? 1 : 0);
    }
  }
  return { characters, longest };
}

function needsOf({ nodes, byte, depth, end, token, twin, vocabularySize }: TokenTrie) {
  const { next } = jsonCharacters;
  const lists: number[][] = [];
  const states = new Int32Array(DEEPEST);
  const counts = new Int32Array(DEEPEST);
  for (let node = 1; node < nodes; ) {
    const level = depth[node];
    const state = next[states[level - 1] * 256 + byte[node]];
    if (state < 0) {
      node = end[node];
      continue;
    }
    states[level] = state;
    counts[level] = counts[level - 1] + (state === 0 ? 1 : 0);
    const need = counts[level] + (state === 0 ? 0 : 1);
    for (let id = token[node]; id >= 0; id = twin[id]) {
      while (lists.length <= need) lists.push([]);
      lists[need].push(id);
    }
    node++;
  }
  const firstNeed = new Int32Array(lists.length + 1);
  const byNeed = new Int32Array(vocabularySize);
  for (const [need, list] of lists.entries()) {
    byNeed.set(list, firstNeed[need]);
    firstNeed[need + 1] = firstNeed[need] + list.length;
  }
  return { byNeed: byNeed.slice(0, firstNeed[lists.length]), firstNeed };
}
