// Owns the output head and the loss, a few rows at a time, so that logits of a large vocabulary never exist for a whole batch.
// Must not know layers or optimisers.
import type { TrainingBackend, TrainingTensor } from '../kernels/training.ts';
import { linear, linearBackward } from './linear.ts';
import type { Parameter, Parameters } from './parameters.ts';
import type { Batch } from './trainer-types.ts';

/** Logits that exist at a time, about: 32 MB. */
const CHUNK_LOGITS = 1 << 23;

/** The head for batches of up to `rows` rows. */
export class Head {
  readonly #backend: TrainingBackend;
  readonly #parameters: Parameters;
  readonly #weight: Parameter;
  readonly #rows: number;
  readonly #chunk: number;
  readonly #logits: TrainingTensor;
  readonly #losses: TrainingTensor;
  readonly #targets: TrainingTensor;
  readonly #weights: TrainingTensor;

  constructor(weight: Parameter, parameters: Parameters, backend: TrainingBackend, rows: number) {
    this.#backend = backend;
    this.#parameters = parameters;
    this.#weight = weight;
    this.#rows = rows;
    this.#chunk = Math.min(rows, Math.max(64, Math.floor(CHUNK_LOGITS / weight.rows)));
    this.#logits = backend.tensor(this.#chunk * weight.rows);
    this.#losses = backend.tensor(rows);
    this.#targets = backend.tensor(rows);
    this.#weights = backend.tensor(rows);
  }

  /**
   * Dispatches the loss of `normed` [rows, width]; with `gradients`, also dNormed and the head's gradient, of the loss times `factor`.
   * `losses` reads the result.
   */
  loss(
    normed: TrainingTensor,
    batch: Batch,
    weights: Float32Array,
    gradients?: { dNormed: TrainingTensor; factor: number },
  ): void {
    const backend = this.#backend;
    const { rows: vocabulary, cols: width } = this.#weight;
    backend.write(this.#targets, batch.targets);
    backend.write(this.#weights, weights);
    const share = gradients && batch.teacher ? batch.teacher.share : 0;
    for (const { first, rows } of this.#chunks()) {
      const part = (x: TrainingTensor, cols: number) => backend.slice(x, first * cols, rows * cols);
      const x = part(normed, width);
      linear(backend, this.#parameters, [this.#logits], x, [this.#weight], rows);
      backend.crossEntropy(
        part(this.#losses, 1),
        this.#logits,
        part(this.#targets, 1),
        part(this.#weights, 1),
        rows,
        vocabulary,
        gradients?.factor ?? 0,
        1 - share,
      );
      if (!gradients) continue;
      if (share > 0) this.#teach(batch, first, rows, gradients.factor * share);
      const dX = part(gradients.dNormed, width);
      linearBackward(backend, this.#parameters, dX, this.#logits, x, this.#weight, rows, false);
    }
  }

  /** Waits for the losses [rows] dispatched last. */
  losses(signal?: AbortSignal): Promise<Float32Array> {
    return this.#backend.read(this.#losses, 0, this.#rows, signal);
  }

  /** Logits [rows, vocabulary] of `normed`. */
  async logits(normed: TrainingTensor, signal?: AbortSignal): Promise<Float32Array> {
    const { rows: vocabulary, cols: width } = this.#weight;
    const all = new Float32Array(this.#rows * vocabulary);
    for (const { first, rows } of this.#chunks()) {
      const x = this.#backend.slice(normed, first * width, rows * width);
      linear(this.#backend, this.#parameters, [this.#logits], x, [this.#weight], rows);
      all.set(await this.#backend.read(this.#logits, 0, rows * vocabulary, signal), first * vocabulary);
    }
    return all;
  }

  /** Gives back all memory. */
  free(): void {
    for (const tensor of [this.#logits, this.#losses, this.#targets, this.#weights]) this.#backend.free(tensor);
  }

  #teach(batch: Batch, first: number, rows: number, factor: number): void {
    const backend = this.#backend;
    const { k, tokens, probabilities } = batch.teacher!;
    const ids = backend.tensor(rows * k);
    const values = backend.tensor(rows * k);
    backend.write(ids, tokens.subarray(first * k, (first + rows) * k));
    backend.write(values, probabilities.subarray(first * k, (first + rows) * k));
    const weights = backend.slice(this.#weights, first, rows);
    backend.subtractTeacher(this.#logits, ids, values, weights, rows, this.#weight.rows, k, factor);
    backend.free(ids);
    backend.free(values);
  }

  *#chunks(): Generator<{ first: number; rows: number }> {
    for (let first = 0; first < this.#rows; first += this.#chunk) {
      yield { first, rows: Math.min(this.#chunk, this.#rows - first) };
    }
  }
}
