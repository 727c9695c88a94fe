// Owns the network that reads fields: what is seen of each token in, a score for every tag of it out, and learning from one text at a time.
//
//   own    = bag(the token, its pieces, its neighbours) + trunk · sense of the token
//   left   = decay · left of the token before + bag(that token)         a quarter of the numbers each for four decays: how far back is looked
//   right  = the same from the other end
//   hidden = ReLU((own + left + right) / rms)                           256 numbers
//   scores = (head0 + head1) · hidden + bias
//
// All matrices are of 1-bit weights, latent float32 while training, gradients straight through the signs; Adagrad with one number per row. The chain
// (chain.ts) makes the tags coherent and gives the gradient. Must not know texts or files.
import { Random } from '../../core/random.ts';
import { at, KernelMemory } from '../support/kernels.ts';
import { asStored } from '../support/network.ts';
import { TRUNK_WIDTH } from '../support/trunk.ts';
import { addFollowChances, Chain, tagChances } from './chain.ts';
import { MAX_FEATURES, type Seen, type SeenText } from './features.ts';

export interface FieldShape {
  /** Rows of the vocabulary. */
  readonly vocabulary: number;
  /** Tags: one, and two a label. */
  readonly tags: number;
}

/** How a network learns. */
export interface FieldRecipe {
  /** Step, before it falls linearly to 0. */
  readonly rate: number;
  /** Share of the features that are left out at random. */
  readonly featureDropout: number;
  /** Share of hidden numbers left out. */
  readonly hiddenDropout: number;
  /** False: full precision, to measure what 1 bit costs. */
  readonly binary: boolean;
}

/** A text to learn: what is seen of it, the sense of its words (TRUNK_WIDTH numbers each) and the tags of its tokens. */
export interface FieldExample {
  readonly seen: SeenText;
  readonly senses: readonly Float32Array[];
  readonly tags: Uint16Array;
}

/** Length of the hidden vector. */
export const FIELD_WIDTH = 256;
const HEADS = 2;
/** Longer texts are read in pieces of so many tokens. */
export const PIECE = 128;
const DECAYS = [0, 0.6, 0.85, 1];
const QUARTER = FIELD_WIDTH / DECAYS.length;
const INITIAL_DEVIATION = 0.02;
const SQUARES_START = 1e-8;
const RMS_EPSILON = 1e-5;
const SENSE_GAIN = 1;
const BIAS_RATE = 0.3;
const CHAIN_RATE = 0.3;

/** Names and sizes of the tensors of a network, with the input dimension first. */
export function fieldTensors({ vocabulary, tags }: FieldShape) {
  return [
    ['bag', [FIELD_WIDTH, vocabulary]],
    ['trunk', [TRUNK_WIDTH, FIELD_WIDTH]],
    ['head', [FIELD_WIDTH, tags * HEADS]],
    ['bias', [tags]],
    ['chain', [tags, tags + 1]],
  ] as const;
}

export type FieldWeights = Readonly<Record<'bag' | 'trunk' | 'head' | 'bias' | 'chain', Float32Array>>;

/** A network with its memory; not to be used by two callers at once, which no synchronous method can. */
export class FieldNetwork {
  readonly shape: FieldShape;
  readonly weights: FieldWeights;
  readonly chain: Chain;
  private readonly memory: KernelMemory;
  private readonly ids: Uint32Array;
  private readonly counts: Float32Array;
  private readonly sense: Float32Array;
  /** [PIECE, FIELD_WIDTH] */
  private readonly hidden: Float32Array;
  private readonly contexts: Float32Array;
  private readonly scores: Float32Array;
  private readonly inverse = new Float32Array(PIECE);
  /** What training sees of the two dense matrices in a text: their stored form, made once a text. */
  private readonly seen: Pick<FieldWeights, 'trunk' | 'head'>;
  private readonly learning?: Learning;

  /** @param seed initial weights, and memory to learn; without it weights are zero, to be filled in */
  constructor(shape: FieldShape, seed?: number) {
    const { vocabulary, tags } = shape;
    this.shape = shape;
    const tensors = fieldTensors(shape);
    const weights = tensors.reduce((sum, [, [columns, rows = 1]]) => sum + columns * rows, 0);
    const learning =
      seed === undefined
        ? 0
        : vocabulary + FIELD_WIDTH * (2 * PIECE + 4 + TRUNK_WIDTH + HEADS * tags) + tags * (2 * HEADS + 2);
    const working = 2 * PIECE * FIELD_WIDTH + HEADS * tags + 2 * MAX_FEATURES + TRUNK_WIDTH;
    this.memory = new KernelMemory(weights + working + learning, 24);
    const floats = (count: number) => this.memory.floats(count);
    this.weights = Object.fromEntries(
      tensors.map(([name, [columns, rows = 1]]) => [name, floats(columns * rows)]),
    ) as unknown as FieldWeights;
    this.chain = new Chain(tags, this.weights.chain);
    this.ids = this.memory.integers(MAX_FEATURES);
    this.counts = floats(MAX_FEATURES);
    this.sense = floats(TRUNK_WIDTH);
    this.hidden = floats(PIECE * FIELD_WIDTH);
    this.contexts = floats(PIECE * FIELD_WIDTH);
    this.scores = floats(HEADS * tags);
    this.seen = this.weights;
    if (seed === undefined) return;
    this.seen = { trunk: floats(this.weights.trunk.length), head: floats(this.weights.head.length) };
    const random = new Random(seed);
    for (const matrix of [this.weights.bag, this.weights.trunk, this.weights.head]) {
      for (let i = 0; i < matrix.length; i++) matrix[i] = INITIAL_DEVIATION * random.normal();
    }
    this.learning = {
      random,
      squares: {
        bag: floats(vocabulary).fill(SQUARES_START),
        trunk: floats(FIELD_WIDTH).fill(SQUARES_START),
        head: floats(HEADS * tags).fill(SQUARES_START),
        bias: floats(tags).fill(SQUARES_START),
        chain: new Float32Array(this.weights.chain.length).fill(SQUARES_START),
      },
      scoreGradient: floats(HEADS * tags),
      activeGradient: floats(FIELD_WIDTH),
      active: floats(PIECE * FIELD_WIDTH),
      hiddenGradient: floats(PIECE * FIELD_WIDTH),
      follow: new Float32Array(this.weights.chain.length),
      steps: 0,
    };
  }

  /** Scores of all tags, [tokens, tags], a new array; at most PIECE tokens. */
  emissions({ own, toLater, toEarlier }: SeenText, senses: readonly Float32Array[]): Float32Array {
    const tokens = own.length;
    this.readHidden(own, toLater, toEarlier, senses, false);
    const { hidden } = this;
    for (let i = 0; i < tokens * FIELD_WIDTH; i++) hidden[i] = Math.max(0, hidden[i]);
    return this.score(hidden, tokens);
  }

  /** One text, at most PIECE tokens. @param share of the recipe's rate */
  learn({ seen, senses, tags }: FieldExample, share: number, recipe: FieldRecipe): void {
    const { learning, chain, hidden } = this;
    if (!learning) throw new Error('a network without a seed does not learn');
    const { random, active } = learning;
    const tokens = tags.length;
    this.see(recipe.binary);
    const kept = (list: readonly Seen[]) => list.map((one) => thinned(one, recipe.featureDropout, random));
    const [own, toLater, toEarlier] = [kept(seen.own), kept(seen.toLater), kept(seen.toEarlier)];
    this.readHidden(own, toLater, toEarlier, senses, recipe.binary);
    const scale = 1 / (1 - recipe.hiddenDropout);
    for (let i = 0; i < tokens * FIELD_WIDTH; i++) {
      active[i] = hidden[i] > 0 && random.uniform() >= recipe.hiddenDropout ? scale * hidden[i] : 0;
    }
    const gradient = this.score(active, tokens);
    const chances = chain.chances(gradient, tokens);
    tagChances(chances, gradient);
    learning.follow.fill(0);
    addFollowChances(chances, learning.follow);
    let before = this.shape.tags;
    for (const [t, tag] of tags.entries()) {
      gradient[t * this.shape.tags + tag] -= 1;
      learning.follow[before * this.shape.tags + tag] -= 1;
      before = tag;
    }
    const rate = share * recipe.rate;
    this.headBackward(gradient, tokens, scale, rate, recipe.binary);
    this.bodyBackward(own, toLater, toEarlier, senses, rate, recipe.binary);
    step(this.weights.chain, learning.squares.chain, learning.follow, CHAIN_RATE * rate);
    if (++learning.steps % 16 === 0) chain.refresh();
  }

  private see(binary: boolean): void {
    for (const name of ['trunk', 'head'] as const) {
      const [from, to] = [this.weights[name], this.seen[name]];
      if (binary) this.memory.kernels.seenWeights(at(from), at(to), from.length / 128);
      else to.set(from);
    }
  }

  /** The network when training is over: its weights are what files hold of them, without the memory for learning. */
  finish(binary: boolean): FieldNetwork {
    if (binary) asStored([this.weights.bag, this.weights.trunk, this.weights.head]);
    const network = new FieldNetwork(this.shape);
    for (const [name, values] of Object.entries(this.weights)) network.weights[name as keyof FieldWeights].set(values);
    network.chain.refresh();
    return network;
  }

  private take({ ids, weights }: Seen): number {
    const count = Math.min(ids.length, MAX_FEATURES);
    this.ids.set(count < ids.length ? ids.subarray(0, count) : ids);
    this.counts.set(count < ids.length ? weights.subarray(0, count) : weights);
    return count;
  }

  private bag(seen: Seen, out: number, binary: boolean): void {
    const count = this.take(seen);
    const { kernels } = this.memory;
    kernels.bagForward(at(this.ids), at(this.counts), count, at(this.weights.bag), FIELD_WIDTH, out, Number(binary));
  }

  private readHidden(
    own: readonly Seen[],
    toLater: readonly Seen[],
    toEarlier: readonly Seen[],
    senses: readonly Float32Array[],
    binary: boolean,
  ): void {
    const { hidden, contexts, seen, sense } = this;
    const { kernels } = this.memory;
    const tokens = own.length;
    for (let t = 0; t < tokens; t++) {
      const out = at(hidden) + 4 * t * FIELD_WIDTH;
      for (let i = 0; i < TRUNK_WIDTH; i++) sense[i] = SENSE_GAIN * senses[t][i];
      kernels.denseForward(at(seen.trunk), at(sense), out, FIELD_WIDTH, TRUNK_WIDTH, 0);
      this.bag(own[t], out, binary);
    }
    for (const [list, isForward] of [
      [toLater, true],
      [toEarlier, false],
    ] as const) {
      contexts.fill(0, 0, tokens * FIELD_WIDTH);
      for (let t = 0; t < tokens; t++) this.bag(list[t], at(contexts) + 4 * t * FIELD_WIDTH, binary);
      spread(contexts, hidden, tokens, isForward);
    }
    for (let t = 0; t < tokens; t++) {
      const row = hidden.subarray(t * FIELD_WIDTH, (t + 1) * FIELD_WIDTH);
      let squares = 0;
      for (const x of row) squares += x * x;
      this.inverse[t] = 1 / Math.sqrt(squares / FIELD_WIDTH + RMS_EPSILON);
      for (let i = 0; i < FIELD_WIDTH; i++) row[i] *= this.inverse[t];
    }
  }

  private score(active: Float32Array, tokens: number): Float32Array {
    const { tags } = this.shape;
    const { scores, weights, seen } = this;
    const out = new Float32Array(tokens * tags);
    for (let t = 0; t < tokens; t++) {
      const from = at(active) + 4 * t * FIELD_WIDTH;
      this.memory.kernels.denseForward(at(seen.head), from, at(scores), HEADS * tags, FIELD_WIDTH, 0);
      for (let i = 0; i < tags; i++) {
        let sum = weights.bias[i];
        for (let head = 0; head < HEADS; head++) sum += scores[head * tags + i];
        out[t * tags + i] = sum;
      }
    }
    return out;
  }

  /** From the gradient of scores to that of hidden numbers before they were divided; the head and its bias learn. */
  private headBackward(gradient: Float32Array, tokens: number, scale: number, rate: number, binary: boolean): void {
    const { weights, hidden } = this;
    const { tags } = this.shape;
    const { squares, scoreGradient, activeGradient, active, hiddenGradient } = this.learning!;
    for (let t = 0; t < tokens; t++) {
      const of = gradient.subarray(t * tags, (t + 1) * tags);
      for (let head = 0; head < HEADS; head++) scoreGradient.set(of, head * tags);
      step(weights.bias, squares.bias, of, BIAS_RATE * rate);
      activeGradient.fill(0);
      const from = 4 * t * FIELD_WIDTH;
      this.memory.kernels.denseUpdate(
        at(weights.head),
        at(squares.head),
        at(active) + from,
        at(scoreGradient),
        at(activeGradient),
        HEADS * tags,
        FIELD_WIDTH,
        rate,
        Number(binary),
      );
      const base = t * FIELD_WIDTH;
      let along = 0;
      for (let i = 0; i < FIELD_WIDTH; i++) {
        activeGradient[i] = active[base + i] > 0 ? activeGradient[i] * scale : 0;
        along += activeGradient[i] * hidden[base + i];
      }
      along /= FIELD_WIDTH;
      for (let i = 0; i < FIELD_WIDTH; i++) {
        hiddenGradient[base + i] = (activeGradient[i] - hidden[base + i] * along) * this.inverse[t];
      }
    }
  }

  private bodyBackward(
    own: readonly Seen[],
    toLater: readonly Seen[],
    toEarlier: readonly Seen[],
    senses: readonly Float32Array[],
    rate: number,
    binary: boolean,
  ): void {
    const { weights, sense, contexts } = this;
    const { kernels } = this.memory;
    const { squares, hiddenGradient } = this.learning!;
    const update = (seen: Seen, gradient: number) => {
      const count = this.take(seen);
      kernels.bagUpdate(
        at(this.ids),
        at(this.counts),
        count,
        at(weights.bag),
        at(squares.bag),
        FIELD_WIDTH,
        gradient,
        rate,
      );
    };
    const tokens = own.length;
    for (const [list, isForward] of [
      [toLater, true],
      [toEarlier, false],
    ] as const) {
      // What a token gave to those after it comes back from them.
      contexts.fill(0, 0, tokens * FIELD_WIDTH);
      spread(hiddenGradient, contexts, tokens, !isForward);
      for (let t = 0; t < tokens; t++) update(list[t], at(contexts) + 4 * t * FIELD_WIDTH);
    }
    for (let t = 0; t < tokens; t++) {
      const gradient = at(hiddenGradient) + 4 * t * FIELD_WIDTH;
      update(own[t], gradient);
      for (let i = 0; i < TRUNK_WIDTH; i++) sense[i] = SENSE_GAIN * senses[t][i];
      kernels.denseUpdate(
        at(weights.trunk),
        at(squares.trunk),
        at(sense),
        gradient,
        0,
        FIELD_WIDTH,
        TRUNK_WIDTH,
        rate,
        Number(binary),
      );
    }
  }
}

interface Learning {
  readonly random: Random;
  readonly squares: Readonly<Record<keyof FieldWeights, Float32Array>>;
  readonly scoreGradient: Float32Array;
  readonly activeGradient: Float32Array;
  readonly active: Float32Array;
  readonly hiddenGradient: Float32Array;
  readonly follow: Float32Array;
  steps: number;
}

/** Adds to each token's numbers in `to` those of the tokens before it (or after it) in `from`, the farther the less. */
function spread(from: Float32Array, to: Float32Array, tokens: number, isForward: boolean): void {
  const carried = new Float32Array(FIELD_WIDTH);
  for (let n = 0; n < tokens; n++) {
    const base = (isForward ? n : tokens - 1 - n) * FIELD_WIDTH;
    for (const [quarter, decay] of DECAYS.entries()) {
      for (let i = quarter * QUARTER; i < (quarter + 1) * QUARTER; i++) {
        to[base + i] += carried[i];
        carried[i] = decay * carried[i] + from[base + i];
      }
    }
  }
}

/** A step of Adagrad, number by number. */
function step(weights: Float32Array, squares: Float32Array, gradient: Float32Array, rate: number): void {
  for (let i = 0; i < gradient.length; i++) {
    const g = gradient[i];
    if (g === 0) continue;
    squares[i] += g * g;
    weights[i] -= (rate * g) / Math.sqrt(squares[i]);
  }
}

/** A random part of the features, which count so much more. */
function thinned({ ids, weights }: Seen, dropout: number, random: Random): Seen {
  const scale = 1 / Math.sqrt(1 - dropout);
  const kept = new Uint32Array(ids.length);
  const counts = new Float32Array(ids.length);
  let used = 0;
  for (let i = 0; i < ids.length; i++) {
    if (random.uniform() < dropout) continue;
    kept[used] = ids[i];
    counts[used++] = weights[i] * scale;
  }
  return { ids: kept.subarray(0, used), weights: counts.subarray(0, used) };
}
