// Owns remembering which pages hold which beginnings of text, so that a request need not evaluate again what another has: trees of pages, KV_PAGE
// tokens a node, the least recently used given back first. Must not know requests. Idea: RadixAttention (arXiv 2312.07104), by pages.
//
// Every owner has a tree of its own: nobody finds what another owner's sequences left. The memory is common, so that an owner who is busy can take it
// from another, but only from one who has more of it: who keeps to an equal share sees nothing of what others do.
//
// A sequence that holds a page of the tree holds all pages on the way to it as well (`keep` exchanges equal pages for the tree's), so a page that
// only the tree holds never has children that others hold.
import { KV_PAGE } from '../kernels/backend.ts';
import type { KvPages, KvSequence } from './kv-cache.ts';

/** Fewer shared tokens of a page that is not shared whole are not worth copying it. */
const LEAST_PART = 2;

/** What is known of one owner's texts. */
interface Tree {
  readonly owner: string;
  readonly children: Map<string, Node>;
  /** All nodes, the least recently used first; parents come after their children. */
  readonly nodes: Set<Node>;
}

interface Node {
  readonly tree: Tree;
  readonly parent: Node | undefined;
  readonly key: string;
  /** Up to KV_PAGE tokens; only full nodes have children. */
  readonly tokens: readonly number[];
  readonly page: number;
  readonly children: Map<string, Node>;
}

/** What is known of a text: the pages of its first `length` tokens, the last perhaps only in part. */
export interface KnownPrefix {
  readonly pages: readonly number[];
  readonly length: number;
}

export class PrefixCache {
  private readonly pages: KvPages;
  /** By owner; a tree without nodes is not kept. */
  private readonly trees = new Map<string, Tree>();
  private readonly byPage = new Map<number, Node>();

  constructor(pages: KvPages) {
    this.pages = pages;
  }

  /** Pages that nobody but a tree holds: as many as `evict` can give back. */
  get evictable(): number {
    let count = 0;
    for (const node of this.byPage.values()) if (this.pages.holders(node.page) === 1) count++;
    return count;
  }

  /** The longest beginning of the first `limit` of `tokens` that is known of `owner`'s texts. */
  find(owner: string, tokens: ArrayLike<number>, limit = tokens.length): KnownPrefix {
    const tree = this.trees.get(owner);
    if (!tree) return { pages: [], length: 0 };
    const pages: number[] = [];
    let { children } = tree;
    let last: Node | undefined;
    let length = 0;
    while (length + KV_PAGE <= limit) {
      const next = children.get(keyOf(tokens, length, length + KV_PAGE));
      if (!next) break;
      pages.push(next.page);
      length += KV_PAGE;
      last = next;
      children = next.children;
    }
    let best: Node | undefined;
    let most = LEAST_PART - 1;
    for (const node of children.values()) {
      let same = 0;
      while (same < node.tokens.length && length + same < limit && node.tokens[same] === tokens[length + same]) same++;
      if (same > most) {
        most = same;
        best = node;
      }
    }
    if (best) {
      pages.push(best.page);
      length += most;
    }
    this.touch(best ?? last);
    return { pages, length };
  }

  /**
   * Remembers the first `length` tokens of `sequence` (a last page that is not full as well) for its owner. Pages known already take the place of its
   * own.
   */
  keep(sequence: KvSequence, length: number): void {
    const { tokens } = sequence;
    if (length <= 0) return;
    const table = sequence.pageTable();
    const tree = this.treeOf(sequence.owner);
    let parent: Node | undefined;
    let { children } = tree;
    for (let at = 0; at < length; at += KV_PAGE) {
      const end = Math.min(at + KV_PAGE, length);
      const key = keyOf(tokens, at, end);
      const index = at / KV_PAGE;
      let node = children.get(key);
      if (node) {
        if (node.page !== table[index]) sequence.exchange(index, node.page);
      } else {
        if (end - at < KV_PAGE && [...children.keys()].some((other) => other.startsWith(key))) break;
        for (const other of [...children.values()]) {
          if (other.tokens.length < end - at && key.startsWith(other.key)) this.remove(other);
        }
        node = { tree, parent, key, tokens: tokens.slice(at, end), page: table[index], children: new Map() };
        this.pages.hold(node.page);
        children.set(key, node);
        tree.nodes.add(node);
        this.trees.set(tree.owner, tree); // it may have lost its last node above, and its place with it
        this.byPage.set(node.page, node);
      }
      parent = node;
      children = node.children;
    }
    this.touch(parent);
  }

  /**
   * Gives back a page for `owner`, the one that was not used for longest of whoever has most; of the owner itself where that has as many. False when
   * all are in use.
   */
  evict(owner: string): boolean {
    let victim: Node | undefined;
    for (const tree of this.trees.values()) {
      const most = victim?.tree.nodes.size ?? 0;
      if (tree.nodes.size < most || (tree.nodes.size === most && tree.owner !== owner)) continue;
      for (const node of tree.nodes) {
        if (this.pages.holders(node.page) > 1) continue;
        victim = node;
        break;
      }
    }
    if (victim) this.remove(victim);
    return victim !== undefined;
  }

  /** Forgets `page` and everything behind it; false when it is not known. */
  forget(page: number): boolean {
    const node = this.byPage.get(page);
    if (node) this.remove(node);
    return node !== undefined;
  }

  private remove(node: Node): void {
    for (const child of node.children.values()) this.remove(child);
    const { tree, parent } = node;
    (parent ?? tree).children.delete(node.key);
    tree.nodes.delete(node);
    if (tree.nodes.size === 0) this.trees.delete(tree.owner);
    this.byPage.delete(node.page);
    this.pages.give(node.page);
  }

  /** Makes `node` and all before it the most recently used. */
  private touch(node: Node | undefined): void {
    for (let at = node; at; at = at.parent) {
      at.tree.nodes.delete(at);
      at.tree.nodes.add(at);
    }
  }

  private treeOf(owner: string): Tree {
    let tree = this.trees.get(owner);
    if (!tree) {
      tree = { owner, children: new Map(), nodes: new Set() };
      this.trees.set(owner, tree);
    }
    return tree;
  }
}

/** A string of the tokens from `from` to `to`: two code units each, so that prefixes of keys are keys of prefixes. */
function keyOf(tokens: ArrayLike<number>, from: number, to: number): string {
  const units: number[] = [];
  for (let i = from; i < to; i++) units.push(tokens[i] >>> 16, tokens[i] & 0xffff);
  return String.fromCharCode(...units);
}
