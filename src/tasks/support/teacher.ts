// Owns the teacher: a linear support vector machine in full precision over the same evidence, one against the rest. How far a text is on the side of
// each intent says more than its label does; networks that learn these distances generalise better (docs/support.md has figures).
// Dual coordinate descent on the squared hinge loss; all intents at once. Source: Hsieh et al. 2008. Must not know networks.
import { nextTurn } from '../../core/event-loop.ts';
import { Random } from '../../core/random.ts';
import { type Evidence, MAX_EVIDENCE } from './evidence.ts';
import { KernelMemory } from './kernels.ts';
import { softmax } from './network.ts';
import { TRUNK_WIDTH } from './trunk.ts';

/** What the loss costs against the weights' squares. */
const COST = 0.5;
const EPOCHS = 12;
/** Distances times this are scores of a softmax. */
const SHARPNESS = 5;
/** Share of a target that follows the teacher; the rest is the label. */
const TEACHER_SHARE = 0.75;
const EXAMPLES_A_TURN = 128;

/** What the examples' targets become: for each a probability of every class. */
export async function teacherTargets(
  examples: readonly { readonly evidence: Evidence; readonly target: number }[],
  shape: { readonly vocabulary: number; readonly classes: number },
  seed: number,
  signal?: AbortSignal,
): Promise<Float32Array[]> {
  const { classes } = shape;
  const rows = examples.map(({ evidence, target }) => ({ evidence, sides: { [target]: true } }));
  const machine = await learnMachine(rows, shape, seed, signal);
  return examples.map(({ evidence, target }) => {
    const chances = machine.distances(evidence).slice(0, classes);
    softmax(chances, 1 / SHARPNESS);
    for (let c = 0; c < classes; c++) chances[c] *= TEACHER_SHARE;
    chances[target] += 1 - TEACHER_SHARE;
    return chances;
  });
}

/** A machine that has learnt on which side of each class examples are. */
export async function learnMachine(
  examples: readonly { readonly evidence: Evidence; readonly sides: { readonly [c: number]: boolean } }[],
  shape: { readonly vocabulary: number; readonly classes: number },
  seed: number,
  signal?: AbortSignal,
): Promise<LinearMachine> {
  const machine = new LinearMachine(shape);
  const duals = examples.map(() => new Float32Array(shape.classes));
  const order = Uint32Array.from(examples, (_, i) => i);
  const random = new Random(seed);
  let done = 0;
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    random.shuffle(order);
    for (const index of order) {
      machine.learn(examples[index].evidence, examples[index].sides, duals[index]);
      if (++done % EXAMPLES_A_TURN === 0) {
        await nextTurn();
        signal?.throwIfAborted();
      }
    }
  }
  return machine;
}

/** Weights [vocabulary + sense + 1, classes padded to a multiple of 128]. */
export class LinearMachine {
  private readonly memory: KernelMemory;
  private readonly weights: Float32Array;
  private readonly ids: Uint32Array;
  private readonly counts: Float32Array;
  private readonly scores: Float32Array;
  private readonly step: Float32Array;
  private readonly width: number;
  private readonly vocabulary: number;
  private readonly classes: number;
  private used = 0;

  constructor({ vocabulary, classes }: { readonly vocabulary: number; readonly classes: number }) {
    const rows = vocabulary + TRUNK_WIDTH + 1;
    this.vocabulary = vocabulary;
    this.classes = classes;
    this.width = Math.ceil(classes / 128) * 128;
    const most = MAX_EVIDENCE + TRUNK_WIDTH + 1;
    this.memory = new KernelMemory((rows + 2) * this.width + 2 * most, 5);
    this.weights = this.memory.floats(rows * this.width);
    this.ids = this.memory.integers(most);
    this.counts = this.memory.floats(most);
    this.scores = this.memory.floats(this.width);
    this.step = this.memory.floats(this.width);
  }

  /** How far the text is on the side of each class; a view, valid until the next call. */
  distances(evidence: Evidence): Float32Array {
    this.take(evidence);
    this.scores.fill(0);
    const [ids, counts, table] = [this.ids.byteOffset, this.counts.byteOffset, this.weights.byteOffset];
    this.memory.kernels.bagForward(ids, counts, this.used, table, this.width, this.scores.byteOffset, 0);
    return this.scores;
  }

  /** Solves the problem of one example's dual variables, one a class, exactly. */
  learn(evidence: Evidence, sides: { readonly [c: number]: boolean }, duals: Float32Array): void {
    const { step } = this;
    const scores = this.distances(evidence);
    let square = 0;
    for (let i = 0; i < this.used; i++) square += this.counts[i] * this.counts[i];
    const diagonal = 1 / (2 * COST);
    for (let c = 0; c < this.classes; c++) {
      const side = sides[c] ? 1 : -1;
      const slope = side * scores[c] - 1 + diagonal * duals[c];
      const next = Math.max(0, duals[c] - slope / (square + diagonal));
      step[c] = side * (next - duals[c]);
      duals[c] = next;
    }
    const [ids, counts, table] = [this.ids.byteOffset, this.counts.byteOffset, this.weights.byteOffset];
    this.memory.kernels.bagAdd(ids, counts, this.used, table, this.width, step.byteOffset);
  }

  /** What a row of the vocabulary counts for a class; behind them the sense and the constant. */
  weightOf(row: number, c: number): number {
    return this.weights[row * this.width + c];
  }

  /** The evidence, the sense and a constant as rows of the weights. */
  private take({ ids, weights, sense }: Evidence): void {
    this.ids.set(ids);
    this.counts.set(weights);
    for (let i = 0; i < TRUNK_WIDTH; i++) {
      this.ids[ids.length + i] = this.vocabulary + i;
      this.counts[ids.length + i] = sense[i];
    }
    this.used = ids.length + TRUNK_WIDTH + 1;
    this.ids[this.used - 1] = this.vocabulary + TRUNK_WIDTH;
    this.counts[this.used - 1] = 1;
  }
}
