// Owns the tokens of a vocabulary as a tree of their bytes, built once a vocabulary. Knows no grammar.
import { OnebitError } from '../errors.ts';
import { stringOfUnits } from '../tokenizer/text-bytes.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';

/** Nodes in depth-first order, children by their byte; node 0 is the root, at depth 0. The nodes below node i are i + 1 to end[i] − 1. */
export interface TokenTrie {
  readonly nodes: number;
  readonly byte: Uint8Array;
  readonly depth: Uint16Array;
  readonly end: Int32Array;
  /** The first token that ends at the node, or −1. */
  readonly token: Int32Array;
  /** By token: the next one with the same bytes, or −1. */
  readonly twin: Int32Array;
  readonly vocabularySize: number;
  /** Tokens that end generation; they are not in the tree, and no other control token is. */
  readonly endTokens: readonly number[];
}

/** Longest token taken into the tree, in bytes; the longest of Qwen's has 128. */
const LONGEST_TOKEN = 256;
const tries = new WeakMap<Tokenizer, TokenTrie>();

/** The tree of `tokenizer`, built at the first call (some 0.3 s for 151,669 tokens). @throws OnebitError `unsupported` where a byte has no token */
export function trieOf(tokenizer: Tokenizer): TokenTrie {
  let trie = tries.get(tokenizer);
  if (!trie) {
    trie = buildTrie(tokenizer);
    tries.set(tokenizer, trie);
  }
  return trie;
}

function buildTrie(tokenizer: Tokenizer): TokenTrie {
  const { vocabularySize, endOfGeneration } = tokenizer;
  const twin = new Int32Array(vocabularySize).fill(-1);
  const byText = new Map<string, number>();
  for (let token = vocabularySize - 1; token >= 0; token--) {
    if (endOfGeneration.has(token) || tokenizer.isSpecial(token)) continue;
    const bytes = tokenizer.bytesOf(token);
    if (bytes.length === 0 || bytes.length > LONGEST_TOKEN) continue;
    const text = stringOfUnits(bytes);
    twin[token] = byText.get(text) ?? -1;
    byText.set(text, token);
  }
  for (let value = 0; value < 0xf5; value++) {
    if (value === 0xc0 || value === 0xc1 || byText.has(String.fromCharCode(value))) continue;
    throw new OnebitError(
      'unsupported',
      `compile: the vocabulary must have a token for each byte of UTF-8, got none for ${value}. Use a model with byte tokens.`,
    );
  }
  const texts = [...byText.keys()].sort();
  const layout = new Layout(texts.reduce((sum, text) => sum + text.length, 1));
  for (const text of texts) layout.add(text, byText.get(text)!);
  return { ...layout.finish(), twin, vocabularySize, endTokens: [...endOfGeneration] };
}

/** Takes sorted texts and lays the tree out. */
class Layout {
  private readonly byte: Uint8Array;
  private readonly depth: Uint16Array;
  private readonly end: Int32Array;
  private readonly token: Int32Array;
  private nodes = 1;
  /** Nodes from the root to the last text's end. */
  private readonly path = [0];
  private last = '';

  constructor(most: number) {
    this.byte = new Uint8Array(most);
    this.depth = new Uint16Array(most);
    this.end = new Int32Array(most);
    this.token = new Int32Array(most).fill(-1);
  }

  add(text: string, token: number): void {
    let common = 0;
    while (common < this.last.length && text[common] === this.last[common]) common++;
    this.closeFrom(common + 1);
    for (let i = common; i < text.length; i++) {
      const node = this.nodes++;
      this.byte[node] = text.charCodeAt(i);
      this.depth[node] = i + 1;
      this.path.push(node);
    }
    this.token[this.path[text.length]] = token;
    this.last = text;
  }

  finish() {
    this.closeFrom(0);
    const { nodes } = this;
    return {
      nodes,
      byte: this.byte.slice(0, nodes),
      depth: this.depth.slice(0, nodes),
      end: this.end.slice(0, nodes),
      token: this.token.slice(0, nodes),
    };
  }

  private closeFrom(depth: number): void {
    for (const node of this.path.splice(depth)) this.end[node] = this.nodes;
  }
}
