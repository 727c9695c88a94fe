// Owns how a phrase network learns: batches of examples, AdamW over all weights, straight through the signs. Must not know texts or files.
import { power } from '../../core/elementary.ts';
import { Random } from '../../core/random.ts';
import { MAX_WORDS, type WordEvidence } from './evidence.ts';
import { at } from './kernels.ts';
import { asStored, softmax } from './network.ts';
import {
  HIDDEN,
  PhraseNetwork,
  type PhraseShape,
  type PhraseWeights,
  phraseNumbers,
  phraseWeights,
  WORD_WIDTH,
} from './phrase-network.ts';

/** How a phrase network learns. */
export interface PhraseRecipe {
  /** False: full precision, to measure what 1 bit costs. */
  readonly binary: boolean;
  /** Step of AdamW, before it falls linearly to 0. */
  readonly rate: number;
  /** What a step takes off the weights, times the rate. */
  readonly decay: number;
  /** Share of words not seen at all. */
  readonly wordDropout: number;
  /** Share of the numbers of words' vectors left out. */
  readonly vectorDropout: number;
  /** Share of hidden numbers left out. */
  readonly hiddenDropout: number;
  /** Share of the target that is spread over all classes. */
  readonly smoothing: number;
  /** Examples of a step. */
  readonly batch: number;
}

const INITIAL = { bag: 0.02, trunk: 1 / 16, head: 0.03 };

/** A network and what is needed to train it. */
export class PhraseTraining {
  readonly network: PhraseNetwork;
  private readonly recipe: PhraseRecipe;
  private readonly random: Random;
  private readonly gradient: Float32Array;
  private readonly means: Float32Array;
  private readonly squares: Float32Array;
  private readonly seen: PhraseWeights;
  private readonly into: PhraseWeights;
  /** Vectors of the batch's different words, and their gradients. */
  private readonly vectors: Float32Array;
  private readonly vectorGradients: Float32Array;
  private readonly wordGradient: Float32Array;
  private readonly scoreGradient: Float32Array;
  private readonly hiddenGradient: Float32Array;
  /** The gradient of each head, which is that of their sum. */
  private readonly headGradient: Float32Array;
  private readonly hiddenMask = new Float32Array(HIDDEN);
  private readonly vectorMask = new Float32Array(MAX_WORDS * WORD_WIDTH);
  private steps = 0;

  constructor(shape: PhraseShape, recipe: PhraseRecipe, seed: number) {
    const numbers = phraseNumbers(shape);
    const most = recipe.batch * MAX_WORDS * WORD_WIDTH;
    const bag = shape.vocabulary * WORD_WIDTH;
    this.recipe = recipe;
    this.random = new Random(seed + 0.5);
    const network = new PhraseNetwork(
      shape,
      4 * numbers - bag + 2 * most + (MAX_WORDS + 4) * WORD_WIDTH + HIDDEN + shape.classes * (HIDDEN + 1),
    );
    this.network = network;
    const floats = (count: number) => network.memory.floats(count);
    this.gradient = floats(numbers);
    this.means = floats(numbers);
    this.squares = floats(numbers);
    this.into = phraseWeights(shape, this.gradient);
    // Rows of the bag are seen one by one; the rest as a whole, once a batch.
    this.seen = recipe.binary
      ? { ...phraseWeights({ ...shape, vocabulary: 0 }, floats(numbers - bag)), bag: network.weights.bag }
      : network.weights;
    this.vectors = floats(most);
    this.vectorGradients = floats(most);
    this.wordGradient = floats(network.words.length);
    this.scoreGradient = floats(shape.classes);
    this.hiddenGradient = floats(HIDDEN);
    this.headGradient = floats(shape.classes * HIDDEN);
    this.initialise(new Random(seed));
  }

  private initialise(random: Random): void {
    const { bag, trunk, filters1, filters2, filters3, head } = this.network.weights;
    const fill = (matrix: Float32Array, deviation: number) => {
      for (let i = 0; i < matrix.length; i++) matrix[i] = deviation * random.normal();
    };
    fill(bag, INITIAL.bag);
    fill(trunk, INITIAL.trunk);
    for (const [i, filters] of [filters1, filters2, filters3].entries())
      fill(filters, 1 / Math.sqrt((i + 1) * WORD_WIDTH));
    fill(head, INITIAL.head);
  }

  /**
   * One step from a batch of texts, at most as many as the recipe says.
   * @param targets of each text the class, or a probability for each class
   * @param share of the recipe's rate
   */
  learn(texts: readonly (readonly WordEvidence[])[], targets: readonly (number | Float32Array)[], share: number): void {
    const { network, seen, vectors, vectorGradients, recipe } = this;
    this.see();
    const placeOf = new Map<WordEvidence, number>();
    for (const words of texts) {
      for (const word of words) if (!placeOf.has(word)) placeOf.set(word, placeOf.size);
    }
    for (const [word, place] of placeOf) network.wordVector(word, seen, vectorOf(vectors, place), recipe.binary);
    vectorGradients.fill(0, 0, placeOf.size * WORD_WIDTH);
    for (const [i, words] of texts.entries()) this.learnOne(words, targets[i], placeOf, texts.length);
    for (const [word, place] of placeOf) network.wordBackward(word, vectorOf(vectorGradients, place), this.into);
    this.spreadHeadGradient();
    this.steps++;
    network.memory.kernels.adamStep(
      at(network.all),
      at(this.gradient),
      at(this.means),
      at(this.squares),
      network.all.length,
      share * recipe.rate,
      recipe.decay,
      1 / (1 - power(0.9, this.steps)),
      1 / (1 - power(0.999, this.steps)),
    );
  }

  private learnOne(
    words: readonly WordEvidence[],
    target: number | Float32Array,
    placeOf: ReadonlyMap<WordEvidence, number>,
    batch: number,
  ): void {
    const { network, recipe, random, seen, into, vectorMask, wordGradient, hiddenGradient } = this;
    const count = words.length;
    const kept = 1 / (1 - recipe.vectorDropout);
    for (const [p, word] of words.entries()) {
      const vector = network.vectorAt(p);
      vector.set(vectorOf(this.vectors, placeOf.get(word) ?? 0));
      const dropped = random.uniform() < recipe.wordDropout;
      for (let i = 0; i < WORD_WIDTH; i++) {
        const mask = dropped || random.uniform() < recipe.vectorDropout ? 0 : kept;
        vectorMask[p * WORD_WIDTH + i] = mask;
        vector[i] *= mask;
      }
    }
    network.slide(count, seen);
    const scale = 1 / (1 - recipe.hiddenDropout);
    const { hidden } = network;
    for (let i = 0; i < HIDDEN; i++) {
      this.hiddenMask[i] = hidden[i] > 0 && random.uniform() >= recipe.hiddenDropout ? scale : 0;
      hidden[i] *= this.hiddenMask[i];
    }
    this.scoreBackward(network.headForward(seen), target, batch);
    for (let i = 0; i < HIDDEN; i++) hiddenGradient[i] *= this.hiddenMask[i];
    wordGradient.fill(0);
    network.slideBackward(hiddenGradient, seen, into, wordGradient);
    for (const [p, word] of words.entries()) {
      const to = vectorOf(this.vectorGradients, placeOf.get(word) ?? 0);
      const from = network.vectorAt(p).byteOffset - network.words.byteOffset;
      for (let i = 0; i < WORD_WIDTH; i++) to[i] += wordGradient[from / 4 + i] * vectorMask[p * WORD_WIDTH + i];
    }
  }

  private scoreBackward(scores: Float32Array, target: number | Float32Array, batch: number): void {
    const { network, into, scoreGradient, hiddenGradient, recipe } = this;
    const { classes } = network.shape;
    softmax(scores);
    for (let c = 0; c < classes; c++) {
      const wanted = typeof target === 'number' ? Number(c === target) : target[c];
      scoreGradient[c] = (scores[c] - (1 - recipe.smoothing) * wanted - recipe.smoothing / classes) / batch;
      into.bias[c] += scoreGradient[c];
    }
    hiddenGradient.fill(0);
    network.memory.kernels.slideBackward(
      at(network.head),
      at(this.headGradient),
      at(network.hidden),
      at(hiddenGradient),
      at(scoreGradient),
      0,
      classes,
      HIDDEN,
      0,
    );
  }

  private spreadHeadGradient(): void {
    const { into, headGradient } = this;
    for (let to = 0; to < into.head.length; to += headGradient.length) into.head.set(headGradient, to);
    headGradient.fill(0);
  }

  /** Dense weights as they are seen in this batch. */
  private see(): void {
    const { network, seen } = this;
    const { trunk, thresholds, bias } = network.weights;
    if (this.recipe.binary) {
      const groups = (thresholds.byteOffset - trunk.byteOffset) / 512;
      network.memory.kernels.seenWeights(at(trunk), at(seen.trunk), groups);
      seen.thresholds.set(thresholds);
      seen.bias.set(bias);
    }
    network.sumHeads(seen);
  }

  /** The network when training is over: its weights are what files hold of them. */
  finish(): PhraseNetwork {
    const { thresholds } = this.network.weights;
    if (this.recipe.binary) {
      asStored([this.network.all.subarray(0, (thresholds.byteOffset - this.network.all.byteOffset) / 4)]);
    }
    // Without what only training needs.
    const network = new PhraseNetwork(this.network.shape);
    network.all.set(this.network.all);
    network.sumHeads(network.weights);
    return network;
  }
}

function vectorOf(vectors: Float32Array, place: number): Float32Array {
  return vectors.subarray(place * WORD_WIDTH, (place + 1) * WORD_WIDTH);
}
