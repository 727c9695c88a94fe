// Owns what callers of a trainer see: batches, results, saved state, exported tensors. Must not know kernels or how anything is computed.
import type { WritableTensor, WritableValue } from '../gguf/write.ts';
import type { AdapterMatrix } from '../hf/adapter.ts';
import type { Continuation } from './engine-run.ts';
import type { AdapterPlan } from './parameters.ts';
import type { Recipe } from './recipe.ts';
import type { ModelShape } from './shape.ts';

/** Sequences that one forward and backward pass handles together. Rows are sequences × length, a sequence's tokens contiguous. */
export interface Batch {
  readonly sequences: number;
  /** Tokens of each sequence, at most the shape's `contextLength`. */
  readonly length: number;
  /** [rows] token ids. */
  readonly tokens: Int32Array;
  /** [rows] the token to predict at each position. Where the weight is 0 it is not looked at, but must be a token id. */
  readonly targets: Int32Array;
  /** [rows] weight of each position's loss, 0 leaves it out. Default: all 1. */
  readonly weights?: Float32Array;
  /** What a teacher predicts at each position, for distillation. */
  readonly teacher?: TeacherTargets;
}

/** Probabilities that a teacher gives to `k` tokens at each position. They count as they are: those of a position should sum to 1. */
export interface TeacherTargets {
  readonly k: number;
  /** [rows, k] token ids, without repeats in a row. */
  readonly tokens: Int32Array;
  /** [rows, k]. */
  readonly probabilities: Float32Array;
  /** Share of the loss that follows the teacher, 0 to 1; the rest follows `targets`. */
  readonly share: number;
}

export interface StepResult {
  /** Cross entropy of the targets before the update, in nats per token: the weighted mean over the positions of all batches. */
  readonly loss: number;
  /** Length of the gradient over all tensors, before clipping. */
  readonly gradientNorm: number;
  /** Positions that counted (weight above 0). */
  readonly tokens: number;
  /** Number of this update, from 0. */
  readonly step: number;
  /** Factor on the learning rates that this update used. */
  readonly learningRateFactor: number;
  /** Whether the forward pass used quantised weights. */
  readonly quantized: boolean;
}

export interface StepOptions {
  /** Share of the run that is done, 0 to 1; decides learning rate and precision. Default: updates done / `recipe.steps`. Give it when time bounds the run. */
  readonly progress?: number;
  readonly signal?: AbortSignal;
}

export interface EvaluationResult {
  /** Sum of weight × cross entropy over the positions, in nats. */
  readonly lossSum: number;
  /** Sum of the weights. */
  readonly weightSum: number;
  /** [rows] cross entropy of each position in nats, 0 where its weight is 0. */
  readonly losses: Float32Array;
}

export interface EvaluateOptions {
  /** `exported` (default): exactly the weights that the file would hold. `current`: those that training steps use now. */
  readonly weights?: 'exported' | 'current';
  readonly signal?: AbortSignal;
}

/** Everything that training depends on, bit for bit. Arrays are copies. */
export interface TrainerState {
  readonly shape: ModelShape;
  readonly recipe: Recipe;
  /** Updates done. */
  readonly step: number;
  /** By name: `<tensor>` latent weights, `<tensor>/momentum`, `<tensor>/second` optimiser state. */
  readonly arrays: ReadonlyMap<string, Float32Array>;
}

/** What `writeGguf` needs for the model; the caller adds `general.name` and the tokenizer's metadata. */
export interface ExportedModel {
  /** `general.architecture`, and the architecture's keys. */
  readonly metadata: Map<string, WritableValue>;
  readonly tensors: WritableTensor[];
  /** What was trained beside the weights, which are those that the run began with; absent where the weights were trained. */
  readonly adapter?: readonly AdapterMatrix[];
}

export interface TrainerOptions {
  /** Threads that compute. Default: as many as the backend finds good. */
  readonly threads?: number;
  /** Seed of the initial weights. */
  readonly seed: number;
  /** Products with quantised weights in float32 instead of 8-bit tables: slower, for comparing with other programs. */
  readonly exact?: boolean;
  /** Train low-rank factors beside the weights, which stay as `initFrom` gives them. */
  readonly adapter?: AdapterPlan;
}

/**
 * Trains one model. Calls are awaited one at a time.
 * Made by `createTrainer(shape, recipe, options)` of trainer.ts.
 */
export interface Trainer {
  readonly shape: ModelShape;
  readonly recipe: Recipe;
  /** Updates done. */
  readonly stepsDone: number;
  /**
   * One update from the gradient over all `batches` together (several: gradient accumulation). Throws `bad-argument` for tokens outside the
   * vocabulary; the signal's reason when aborted, then nothing has changed.
   * A loss or gradient that is not finite is reported in the result, and the update is left out.
   */
  step(batches: Batch | readonly Batch[], options?: StepOptions): Promise<StepResult>;
  /** Loss of a batch, nothing changes. */
  evaluate(batch: Batch, options?: EvaluateOptions): Promise<EvaluationResult>;
  /** Logits [rows, vocabulary] of a batch's tokens. */
  logits(batch: Pick<Batch, 'sequences' | 'length' | 'tokens'>, options?: EvaluateOptions): Promise<Float32Array>;
  /** The likeliest tokens after `tokens`, as the file's model would write them. */
  goOn(tokens: Int32Array, how: Continuation, signal?: AbortSignal): Promise<number[]>;
  /** A copy of the whole state. */
  save(): Promise<TrainerState>;
  /** Goes on from a saved state of the same shape; the run continues bit for bit. Throws `bad-argument` when it does not fit. */
  restore(state: TrainerState): void;
  /** Starts from given weights, row-major by tensor name; optimiser state is cleared. Throws `bad-argument` when one is missing or has a wrong size. */
  initFrom(weights: ReadonlyMap<string, Float32Array>): Promise<void>;
  /** The model as its file holds it. */
  exportModel(): Promise<ExportedModel>;
  /** Bytes in use. */
  memoryBytes(): number;
  /** Stops threads, returns memory. */
  dispose(): Promise<void>;
}
