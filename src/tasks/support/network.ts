// Owns one network: evidence in, one score an intent out, and learning from one example at a time.
//
//   hidden = bag(vocabulary rows) + sense · trunkᵀ     both of 1-bit weights, one fp16 scale per 128
//   z      = ReLU(hidden / rms(hidden))
//   scores = z · headᵀ + bias                          1-bit weights
//
// Latent weights are float32 while training; with `binary` the forward pass sees them as Q1_0 will store them, and gradients go straight through.
// Adagrad with one number per row. Must not know texts or files.
import { exp } from '../../core/elementary.ts';
import { Random } from '../../core/random.ts';
import type { FormatOf } from '../../quant/format.ts';
import { q1_0 } from '../../quant/q1-0.ts';
import { type Evidence, MAX_EVIDENCE } from './evidence.ts';
import { at, KernelMemory } from './kernels.ts';
import { TRUNK_WIDTH } from './trunk.ts';

export interface NetworkShape {
  /** Rows of the vocabulary. */
  readonly vocabulary: number;
  /** Length of the hidden vector, a multiple of 128. */
  readonly width: number;
  /** Scores that come out. */
  readonly classes: number;
}

/** How a network learns. */
export interface LearningRecipe {
  /** False: full precision, to measure what 1 bit costs. */
  readonly binary: boolean;
  /** Step of the embedding and trunk, before it falls linearly to 0. */
  readonly rate: number;
  /** Share of the evidence that is left out of an example at random. */
  readonly evidenceDropout: number;
  /** Share of hidden numbers left out. */
  readonly hiddenDropout: number;
  /** Share of the target that is spread over all classes. */
  readonly smoothing: number;
}

/** The weights of a network, row-major: [vocabulary, width], [width, TRUNK_WIDTH], [classes, width], [classes]. Views of the network's memory. */
export interface NetworkWeights {
  readonly bag: Float32Array;
  readonly trunk: Float32Array;
  readonly head: Float32Array;
  readonly bias: Float32Array;
}

const RMS_EPSILON = 1e-5;
const SQUARES_START = 1e-8;
const INITIAL_DEVIATION = 0.02;
/** The sense has length 1, as each view of the evidence; its products are made this much larger. */
const SENSE_GAIN = 1.5;
/** Biases move slower than weights. */
const BIAS_RATE = 0.3;

/** A network with its memory; not to be used by two callers at once, which no synchronous method can. */
export class Network {
  readonly shape: NetworkShape;
  readonly weights: NetworkWeights;
  private readonly memory: KernelMemory;
  private readonly squares: { bag: Float32Array; trunk: Float32Array; head: Float32Array; bias: Float32Array };
  private readonly ids: Uint32Array;
  private readonly counts: Float32Array;
  private readonly sense: Float32Array;
  private readonly hidden: Float32Array;
  private readonly active: Float32Array;
  private readonly hiddenGradient: Float32Array;
  private readonly activeGradient: Float32Array;
  private readonly scores: Float32Array;
  private readonly scoreGradient: Float32Array;
  private readonly mask: Float32Array;
  private inverse = 1;
  private used = 0;

  /** @param seed initial weights; without it they are zero, to be filled in */
  constructor(shape: NetworkShape, seed?: number) {
    const { vocabulary, width, classes } = shape;
    this.shape = shape;
    const weights = vocabulary * width + width * TRUNK_WIDTH + classes * width + classes;
    const working = vocabulary + width + 2 * classes + 2 * MAX_EVIDENCE + TRUNK_WIDTH + 4 * width + 2 * classes;
    this.memory = new KernelMemory(weights + working, 20);
    const floats = (count: number) => this.memory.floats(count);
    this.weights = {
      bag: floats(vocabulary * width),
      trunk: floats(width * TRUNK_WIDTH),
      head: floats(classes * width),
      bias: floats(classes),
    };
    this.squares = { bag: floats(vocabulary), trunk: floats(width), head: floats(classes), bias: floats(classes) };
    this.ids = this.memory.integers(MAX_EVIDENCE);
    this.counts = floats(MAX_EVIDENCE);
    this.sense = floats(TRUNK_WIDTH);
    this.hidden = floats(width);
    this.active = floats(width);
    this.hiddenGradient = floats(width);
    this.activeGradient = floats(width);
    this.scores = floats(classes);
    this.scoreGradient = floats(classes);
    this.mask = new Float32Array(width);
    if (seed !== undefined) this.initialise(seed);
  }

  private initialise(seed: number): void {
    const random = new Random(seed);
    const { bag, trunk, head } = this.weights;
    for (const matrix of [bag, trunk, head]) {
      for (let i = 0; i < matrix.length; i++) matrix[i] = INITIAL_DEVIATION * random.normal();
    }
    for (const squares of Object.values(this.squares)) squares.fill(SQUARES_START);
  }

  /** Scores of all classes (a view, valid until the next call). `binary` as in training; weights from a file are ±d already and take false. */
  scoresOf(evidence: Evidence, binary = false): Float32Array {
    this.take(evidence);
    this.forward(binary);
    const { hidden, active } = this;
    for (let i = 0; i < hidden.length; i++) active[i] = Math.max(0, hidden[i]);
    this.headForward(binary);
    return this.scores;
  }

  /**
   * Learns one example: a step of `share` (1 at the start, 0 at the end) times the recipe's rate.
   * @param target the class, or a probability for each class
   */
  learn(
    evidence: Evidence,
    target: number | Float32Array,
    share: number,
    recipe: LearningRecipe,
    random: Random,
  ): void {
    const { binary, rate, smoothing } = recipe;
    this.take(evidence, recipe.evidenceDropout, random);
    this.forward(binary);
    this.dropHidden(recipe.hiddenDropout, random);
    this.headForward(binary);
    softmax(this.scores);
    const { scores, scoreGradient } = this;
    const { classes } = this.shape;
    for (let c = 0; c < classes; c++) {
      const wanted = typeof target === 'number' ? Number(c === target) : target[c];
      scoreGradient[c] = scores[c] - (1 - smoothing) * wanted - smoothing / classes;
    }
    this.backward(share * rate, binary);
  }

  /** Puts the evidence, or a random part of it, where the kernels find it. */
  private take(evidence: Evidence, dropout = 0, random?: Random): void {
    const keptScale = 1 / Math.sqrt(1 - dropout);
    this.used = 0;
    for (let i = 0; i < evidence.ids.length; i++) {
      if (random && random.uniform() < dropout) continue;
      this.ids[this.used] = evidence.ids[i];
      this.counts[this.used++] = evidence.weights[i] * keptScale;
    }
    for (let i = 0; i < TRUNK_WIDTH; i++) this.sense[i] = SENSE_GAIN * evidence.sense[i];
  }

  /** hidden = (bag + trunk) / rms. */
  private forward(binary: boolean): void {
    const { kernels } = this.memory;
    const { weights, hidden, ids, counts, sense } = this;
    const { width } = this.shape;
    kernels.denseForward(at(weights.trunk), at(sense), at(hidden), width, TRUNK_WIDTH, Number(binary));
    kernels.bagForward(at(ids), at(counts), this.used, at(weights.bag), width, at(hidden), Number(binary));
    let squares = 0;
    for (let i = 0; i < width; i++) squares += hidden[i] * hidden[i];
    this.inverse = 1 / Math.sqrt(squares / width + RMS_EPSILON);
    for (let i = 0; i < width; i++) hidden[i] *= this.inverse;
  }

  /** active = ReLU(hidden) with some left out; mask is its derivative. */
  private dropHidden(dropout: number, random: Random): void {
    const { hidden, active, mask } = this;
    const scale = 1 / (1 - dropout);
    for (let i = 0; i < hidden.length; i++) {
      mask[i] = hidden[i] > 0 && random.uniform() >= dropout ? scale : 0;
      active[i] = hidden[i] * mask[i];
    }
  }

  private headForward(binary: boolean): void {
    const { weights, active, scores } = this;
    const { width, classes } = this.shape;
    this.memory.kernels.denseForward(at(weights.head), at(active), at(scores), classes, width, Number(binary));
    for (let c = 0; c < classes; c++) scores[c] += weights.bias[c];
  }

  private backward(rate: number, binary: boolean): void {
    const { kernels } = this.memory;
    const { weights, squares, hidden, active, scoreGradient, activeGradient, hiddenGradient, mask } = this;
    const { width, classes } = this.shape;
    for (let c = 0; c < classes; c++) {
      const gradient = scoreGradient[c];
      squares.bias[c] += gradient * gradient;
      weights.bias[c] -= (BIAS_RATE * rate * gradient) / Math.sqrt(squares.bias[c]);
    }
    activeGradient.fill(0);
    const seen = Number(binary);
    const [gradientIn, gradientOut] = [at(scoreGradient), at(activeGradient)];
    kernels.denseUpdate(
      at(weights.head),
      at(squares.head),
      at(active),
      gradientIn,
      gradientOut,
      classes,
      width,
      rate,
      seen,
    );
    let along = 0;
    for (let i = 0; i < width; i++) {
      activeGradient[i] *= mask[i];
      along += activeGradient[i] * hidden[i];
    }
    along /= width;
    for (let i = 0; i < width; i++) hiddenGradient[i] = (activeGradient[i] - hidden[i] * along) * this.inverse;
    const [ids, counts, hiddenIn] = [at(this.ids), at(this.counts), at(hiddenGradient)];
    kernels.bagUpdate(ids, counts, this.used, at(weights.bag), at(squares.bag), width, hiddenIn, rate);
    const [trunk, sense] = [at(weights.trunk), at(this.sense)];
    kernels.denseUpdate(trunk, at(squares.trunk), sense, hiddenIn, 0, width, TRUNK_WIDTH, rate, seen);
  }
}

/** Replaces latent weights by what a format stores of them. */
export function asStored(matrices: readonly Float32Array[], format: FormatOf<string> = q1_0): void {
  for (const matrix of matrices) {
    const bytes = new Uint8Array((matrix.length / format.blockSize) * format.blockBytes);
    format.encode(matrix, bytes);
    format.decode(bytes, matrix);
  }
}

/** Turns scores into probabilities in place; `temperature` above 1 makes them more alike. */
export function softmax(scores: Float32Array, temperature = 1): void {
  let largest = Number.NEGATIVE_INFINITY;
  for (const score of scores) if (score > largest) largest = score;
  let sum = 0;
  for (let i = 0; i < scores.length; i++) {
    scores[i] = exp((scores[i] - largest) / temperature);
    sum += scores[i];
  }
  for (let i = 0; i < scores.length; i++) scores[i] /= sum;
}
