// Owns making a byte-level BPE vocabulary from text. Knows nothing of models; train-metadata.ts writes what comes out into a GGUF.
// Source: Sennrich et al. 2016 (pair counts), GPT-2 (bytes as the alphabet). Words are cut by the same code that encodes, so ids agree.
import { OnebitError } from '../errors.ts';
import { textOfBytes } from './byte-level.ts';
import { preTokenizers } from './pre-tokenizer.ts';

/** What to make. */
export interface TokenizerTrainingOptions {
  /** Token ids in all: 256 bytes, merges, special tokens. Fewer come out when the text has too few different words. */
  readonly size: number;
  /** Control tokens; they get the last ids, in this order. */
  readonly special: readonly string[];
  /** Pairs seen less often are not merged: a token must pay for its bytes in the file. Default 2. */
  readonly minCount?: number;
  /** Stops the training; it throws the signal's reason. */
  readonly signal?: AbortSignal;
}

/** A vocabulary as `tokenizer.ggml.*` spells it. */
export interface TrainedVocabulary {
  /** [size] texts: bytes, then one for each merge, then the special tokens. */
  readonly tokens: readonly string[];
  /** Two token texts apart by a space, in order of rank. */
  readonly merges: readonly string[];
  readonly special: readonly string[];
}

/** How `tokenizer.ggml.pre` names the cut that the training uses. */
export const TRAINED_PRE = 'qwen2';
/** Longer words (tables, base64) would cost much and teach nothing that occurs twice. */
const LONGEST_WORD = 64;
const MOST_TOKENS = 1 << 17;

/**
 * Trains a vocabulary on texts: the most frequent pair of neighbouring tokens is merged until `size` is reached; of equally frequent pairs the one
 * with the lower ids goes first, so the same texts give the same vocabulary.
 * @throws OnebitError `bad-argument` for a size that does not hold 256 bytes and the special tokens
 */
export function trainVocabulary(texts: Iterable<string>, options: TokenizerTrainingOptions): TrainedVocabulary {
  const { size, special, signal } = options;
  const least = 256 + special.length;
  if (!Number.isInteger(size) || size < least || size > MOST_TOKENS) {
    throw new OnebitError(
      'bad-argument',
      `train tokenizer: size must be a whole number from ${least} (256 bytes and ${special.length} special tokens) to ${MOST_TOKENS}, got ${size}.`,
    );
  }
  const merger = new PairCounter(countWords(texts, signal));
  const tokens: string[] = [];
  for (let byte = 0; byte < 256; byte++) tokens.push(textOfBytes(Uint8Array.of(byte)));
  const ids = new Map(tokens.map((text, id) => [text, id]));
  const merges = new Set<string>();
  for (let round = 0; tokens.length < size - special.length; round++) {
    if (round % 64 === 0) signal?.throwIfAborted();
    const pair = merger.next(options.minCount ?? 2);
    if (!pair) break;
    const text = tokens[pair.left] + tokens[pair.right];
    // A second way to a text (a+bc after ab+c) costs a merge but no token.
    let id = ids.get(text);
    if (id === undefined) {
      id = tokens.length;
      ids.set(text, id);
      tokens.push(text);
    }
    merges.add(`${tokens[pair.left]} ${tokens[pair.right]}`);
    merger.merge(pair, id);
  }
  tokens.push(...special);
  return { tokens, merges: [...merges], special };
}

interface Word {
  /** Token ids; rewritten in place as pairs merge. */
  symbols: Int32Array;
  length: number;
  readonly count: number;
}

/** Every different word of the texts with how often it occurs, in order of first occurrence. */
function countWords(texts: Iterable<string>, signal?: AbortSignal): Word[] {
  const counts = new Map<string, number>();
  const { split } = preTokenizers.get(TRAINED_PRE)!;
  for (const text of texts) {
    signal?.throwIfAborted();
    split(text, 0, text.length, (start, end) => {
      if (end - start < 2 || end - start > LONGEST_WORD) return;
      const word = text.slice(start, end);
      counts.set(word, (counts.get(word) ?? 0) + 1);
    });
  }
  const encoder = new TextEncoder();
  const words: Word[] = [];
  for (const [text, count] of counts) {
    const symbols = Int32Array.from(encoder.encode(text));
    if (symbols.length > 1) words.push({ symbols, length: symbols.length, count });
  }
  return words;
}

interface Pair {
  readonly left: number;
  readonly right: number;
  count: number;
  /** Words that had the pair when it was counted; some may have lost it. */
  readonly words: Set<number>;
}

/** Counts of neighbouring symbols, kept true by touching only the words that a merge changes. */
class PairCounter {
  readonly #words: Word[];
  readonly #pairs = new Map<number, Pair>();
  readonly #heap: { pair: Pair; count: number }[] = [];
  readonly #touched = new Set<Pair>();

  constructor(words: Word[]) {
    this.#words = words;
    for (const [index, word] of words.entries()) this.#count(word, index, 1);
    this.#flush();
  }

  /** Takes the most frequent pair, or nothing where none is as frequent as `minCount`. */
  next(minCount: number): Pair | undefined {
    for (;;) {
      const top = popHeap(this.#heap);
      if (!top || top.count < minCount) return undefined;
      if (top.pair.count === top.count) return top.pair;
      // Lowered since it was pushed; raised counts are pushed anew by #flush.
      if (top.pair.count > 0 && top.pair.count < top.count) {
        pushHeap(this.#heap, { pair: top.pair, count: top.pair.count });
      }
    }
  }

  /** Replaces the pair by `token` everywhere. */
  merge(pair: Pair, token: number): void {
    for (const index of pair.words) {
      const word = this.#words[index];
      this.#count(word, index, -1);
      let kept = 0;
      for (let i = 0; i < word.length; i++) {
        const both = i + 1 < word.length && word.symbols[i] === pair.left && word.symbols[i + 1] === pair.right;
        word.symbols[kept++] = both ? token : word.symbols[i];
        if (both) i++;
      }
      word.length = kept;
      this.#count(word, index, 1);
    }
    this.#pairs.delete(keyOf(pair.left, pair.right));
    pair.count = 0;
    this.#flush();
  }

  #count(word: Word, index: number, sign: 1 | -1): void {
    for (let i = 0; i + 1 < word.length; i++) {
      const left = word.symbols[i];
      const right = word.symbols[i + 1];
      const key = keyOf(left, right);
      let pair = this.#pairs.get(key);
      if (!pair) {
        pair = { left, right, count: 0, words: new Set() };
        this.#pairs.set(key, pair);
      }
      pair.count += sign * word.count;
      if (sign > 0) {
        pair.words.add(index);
        this.#touched.add(pair);
      }
    }
  }

  /** Files every pair whose count may have grown. */
  #flush(): void {
    for (const pair of this.#touched) if (pair.count > 0) pushHeap(this.#heap, { pair, count: pair.count });
    this.#touched.clear();
  }
}

function keyOf(left: number, right: number): number {
  return left * MOST_TOKENS + right;
}

type Entry = { readonly pair: Pair; readonly count: number };

/** Whether `a` is to be merged before `b`. */
function before(a: Entry, b: Entry): boolean {
  if (a.count !== b.count) return a.count > b.count;
  return a.pair.left !== b.pair.left ? a.pair.left < b.pair.left : a.pair.right < b.pair.right;
}

function pushHeap(heap: Entry[], entry: Entry): void {
  let at = heap.length;
  heap.push(entry);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!before(entry, heap[parent])) break;
    heap[at] = heap[parent];
    at = parent;
  }
  heap[at] = entry;
}

function popHeap(heap: Entry[]): Entry | undefined {
  const top = heap[0];
  const last = heap.pop();
  if (!last || heap.length === 0) return top;
  let at = 0;
  for (let child = 1; child < heap.length; child = 2 * at + 1) {
    if (child + 1 < heap.length && before(heap[child + 1], heap[child])) child++;
    if (!before(heap[child], last)) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = last;
  return top;
}
