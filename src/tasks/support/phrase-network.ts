// Owns a network that sees a text as a sequence: a vector for each word, filters over one, two and three neighbouring words, and of each filter its
// strongest answer. It errs elsewhere than a network that sums evidence, so that both together err less.
//
//   word[p] = bag(rows of the word and its pieces) + trunk · sense of the word      128 numbers
//   hidden  = ReLU(max over p of filters[n] · (word[p], … word[p + n - 1]) + threshold)   n of 1, 2, 3; 256 filters each
//   scores  = (head0 + head1 + head2 + head3) · hidden + bias
//
// All matrices are of 1-bit weights. There are four heads because one sign a number and class is too coarse for the last layer.
// Source of the shape: Kim 2014 (arXiv:1408.5882). How it learns: phrase-training.ts. Must not know texts or files.
import { type Evidence, MAX_WORD_EVIDENCE, MAX_WORDS, type WordEvidence } from './evidence.ts';
import { at, KernelMemory } from './kernels.ts';
import { TRUNK_WIDTH } from './trunk.ts';

export interface PhraseShape {
  /** Rows of the vocabulary. */
  readonly vocabulary: number;
  /** Scores that come out. */
  readonly classes: number;
}

/** Length of a word's vector. */
export const WORD_WIDTH = 128;
/** How many neighbouring words the filters see: some one, some two, some three. */
const LENGTHS = [1, 2, 3] as const;
const LONGEST = 3;
/** Filters of each length. */
export const FILTERS = 256;
export const HIDDEN = FILTERS * LENGTHS.length;
const HEADS = 4;

/** Weights, row-major, in the order of memory: matrices of groups of 128 first. */
export interface PhraseWeights {
  /** [vocabulary, WORD_WIDTH] */
  readonly bag: Float32Array;
  /** [WORD_WIDTH, TRUNK_WIDTH] */
  readonly trunk: Float32Array;
  /** [FILTERS, WORD_WIDTH] */
  readonly filters1: Float32Array;
  /** [FILTERS, 2 * WORD_WIDTH] */
  readonly filters2: Float32Array;
  /** [FILTERS, 3 * WORD_WIDTH] */
  readonly filters3: Float32Array;
  /** [HEADS, classes, HIDDEN] */
  readonly head: Float32Array;
  /** [HIDDEN] */
  readonly thresholds: Float32Array;
  /** [classes] */
  readonly bias: Float32Array;
}

/** Sizes of the weights, with the input dimension first, as files and memory hold them. */
export function phraseTensors({ vocabulary, classes }: PhraseShape) {
  return [
    ['bag', [WORD_WIDTH, vocabulary]],
    ['trunk', [TRUNK_WIDTH, WORD_WIDTH]],
    ['filters1', [WORD_WIDTH, FILTERS]],
    ['filters2', [2 * WORD_WIDTH, FILTERS]],
    ['filters3', [3 * WORD_WIDTH, FILTERS]],
    ['head', [HIDDEN, classes * HEADS]],
    ['thresholds', [HIDDEN]],
    ['bias', [classes]],
  ] as const;
}

/** Numbers of all weights together; the last vector is filled up to a multiple of four. */
export function phraseNumbers(shape: PhraseShape): number {
  const sizes = phraseTensors(shape).map(([, sizes]) => sizes.reduce<number>((product, size) => product * size, 1));
  return Math.ceil(sizes.reduce((sum, size) => sum + size, 0) / 4) * 4;
}

/** Views of the weights in `all`, which has `phraseNumbers` numbers. */
export function phraseWeights(shape: PhraseShape, all: Float32Array): PhraseWeights {
  let at = 0;
  const views = phraseTensors(shape).map(([name, sizes]) => {
    const from = at;
    at += sizes.reduce<number>((product, size) => product * size, 1);
    return [name, all.subarray(from, at)] as const;
  });
  return Object.fromEntries(views) as unknown as PhraseWeights;
}

/** The words before and after a text: filters of two and three words reach over its edges, where they see zeros. */
const MARGIN = (LONGEST - 1) * WORD_WIDTH;

/** A network with its memory; not to be used by two callers at once, which no synchronous method can. */
export class PhraseNetwork {
  readonly shape: PhraseShape;
  readonly weights: PhraseWeights;
  /** All weights in one array. */
  readonly all: Float32Array;
  readonly memory: KernelMemory;
  /** The words' vectors between two margins of zeros. */
  readonly words: Float32Array;
  /** What each filter answers at most, more than its threshold; then what the head sees of it: nothing where that is negative. */
  readonly hidden: Float32Array;
  /** Where each filter answers most, from the margin on. */
  readonly places: Uint32Array;
  /** The sum of the heads, [classes, HIDDEN]. */
  readonly head: Float32Array;
  private readonly ids: Uint32Array;
  private readonly counts: Float32Array;
  private readonly sense: Float32Array;
  private readonly scores: Float32Array;

  /** Weights are zero. @param spare 32-bit numbers of memory for others, in up to 16 arrays */
  constructor(shape: PhraseShape, spare = 0) {
    const numbers = phraseNumbers(shape);
    const words = MAX_WORDS * WORD_WIDTH + 2 * MARGIN;
    const working = words + (2 + shape.classes) * HIDDEN + 2 * MAX_WORD_EVIDENCE + TRUNK_WIDTH + shape.classes;
    this.shape = shape;
    this.memory = new KernelMemory(numbers + working + spare, 32);
    this.all = this.memory.floats(numbers);
    this.weights = phraseWeights(shape, this.all);
    this.words = this.memory.floats(words);
    this.hidden = this.memory.floats(HIDDEN);
    this.places = this.memory.integers(HIDDEN);
    this.head = this.memory.floats(shape.classes * HIDDEN);
    this.ids = this.memory.integers(MAX_WORD_EVIDENCE);
    this.counts = this.memory.floats(MAX_WORD_EVIDENCE);
    this.sense = this.memory.floats(TRUNK_WIDTH);
    this.scores = this.memory.floats(shape.classes);
  }

  /** Scores of all classes (a view, valid until the next call). */
  scoresOf({ words }: Evidence): Float32Array {
    const count = Math.min(words.length, MAX_WORDS);
    for (let p = 0; p < count; p++) this.wordVector(words[p], this.weights, this.vectorAt(p), false);
    this.slide(count, this.weights);
    for (let i = 0; i < HIDDEN; i++) this.hidden[i] = Math.max(0, this.hidden[i]);
    return this.headForward(this.weights);
  }

  /** To be called when the heads, as they are seen, have changed. */
  sumHeads(seen: PhraseWeights): void {
    this.head.set(seen.head.subarray(0, this.head.length));
    for (let from = this.head.length; from < seen.head.length; from += this.head.length) {
      for (let i = 0; i < this.head.length; i++) this.head[i] += seen.head[from + i];
    }
  }

  /** The place of a word's vector. */
  vectorAt(place: number): Float32Array {
    return this.words.subarray(MARGIN + place * WORD_WIDTH, MARGIN + (place + 1) * WORD_WIDTH);
  }

  /** @param seen dense weights as they are seen; rows of the bag are of the network's own, seen as 1-bit with `binary` */
  wordVector(word: WordEvidence, seen: PhraseWeights, out: Float32Array, binary: boolean): void {
    const { kernels } = this.memory;
    this.takeWord(word);
    kernels.denseForward(at(seen.trunk), at(this.sense), at(out), WORD_WIDTH, TRUNK_WIDTH, 0);
    const [ids, counts, bag] = [at(this.ids), at(this.counts), at(this.weights.bag)];
    kernels.bagForward(ids, counts, word.ids.length, bag, WORD_WIDTH, at(out), Number(binary));
  }

  /** Adds what a word's vector should change, to the gradients of the bag and the trunk. */
  wordBackward(word: WordEvidence, gradient: Float32Array, into: PhraseWeights): void {
    const { kernels } = this.memory;
    this.takeWord(word);
    kernels.bagAdd(at(this.ids), at(this.counts), word.ids.length, at(into.bag), WORD_WIDTH, at(gradient));
    kernels.slideBackward(0, at(into.trunk), at(this.sense), 0, at(gradient), 0, WORD_WIDTH, TRUNK_WIDTH, 0);
  }

  private takeWord({ ids, weights, sense }: WordEvidence): void {
    this.ids.set(ids);
    this.counts.set(weights);
    this.sense.set(sense);
  }

  /** hidden and places of the first `count` words' vectors. */
  slide(count: number, seen: PhraseWeights): void {
    const { words, hidden, places } = this;
    words.fill(0, 0, MARGIN);
    words.fill(0, MARGIN + count * WORD_WIDTH, MARGIN + count * WORD_WIDTH + MARGIN);
    for (const n of LENGTHS) {
      const [from, to] = [at(words) + 4 * firstOf(n), 4 * FILTERS * (n - 1)];
      const windows = Math.max(1, count + n - 1);
      this.memory.kernels.slideForward(
        at(filtersOf(seen, n)),
        from,
        at(hidden) + to,
        at(places) + to,
        FILTERS,
        n * WORD_WIDTH,
        WORD_WIDTH,
        windows,
      );
    }
    for (let i = 0; i < HIDDEN; i++) hidden[i] += seen.thresholds[i];
  }

  /** Adds what the hidden numbers should change, to the gradients of filters and of the words' vectors. */
  slideBackward(gradient: Float32Array, seen: PhraseWeights, into: PhraseWeights, wordGradient: Float32Array): void {
    for (const n of LENGTHS) {
      const [from, of] = [4 * firstOf(n), 4 * FILTERS * (n - 1)];
      this.memory.kernels.slideBackward(
        at(filtersOf(seen, n)),
        at(filtersOf(into, n)),
        at(this.words) + from,
        at(wordGradient) + from,
        at(gradient) + of,
        at(this.places) + of,
        FILTERS,
        n * WORD_WIDTH,
        WORD_WIDTH,
      );
    }
    for (let i = 0; i < HIDDEN; i++) into.thresholds[i] += gradient[i];
  }

  headForward({ bias }: PhraseWeights): Float32Array {
    const { scores, hidden, head } = this;
    this.memory.kernels.denseForward(at(head), at(hidden), at(scores), scores.length, HIDDEN, 0);
    for (let c = 0; c < scores.length; c++) scores[c] += bias[c];
    return scores;
  }
}

/** Where the windows of a length begin, in numbers from the start of `words`. */
function firstOf(length: number): number {
  return MARGIN - (length - 1) * WORD_WIDTH;
}

function filtersOf({ filters1, filters2, filters3 }: PhraseWeights, length: 1 | 2 | 3): Float32Array {
  return length === 1 ? filters1 : length === 2 ? filters2 : filters3;
}
