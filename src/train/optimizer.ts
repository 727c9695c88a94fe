// Owns updating weights from gradients: the length of the whole gradient, AdamW, Muon. Must not know the graph or data.
// Source of Muon: Keller Jordan, "Muon: an optimizer for hidden layers in neural networks", 2024; momentum, then the nearest orthogonal matrix by
// Newton–Schulz iterations.
import { SUM_CHUNK, type TrainingBackend, type TrainingTensor } from '../kernels/training.ts';
import type { Parameter, Parameters } from './parameters.ts';
import type { Recipe } from './recipe.ts';

/** Coefficients of x ↦ ax + bx³ + cx⁵ on singular values: steep at zero, near 1 after a few rounds. Source: as above. */
const NEWTON_SCHULZ = { a: 3.4445, b: -4.775, c: 2.0315 };
/** Three rounds train binary weights as well as the usual five: shared/design experiments, repeated in docs/experiments.md. */
const ROUNDS = 3;

interface MuonScratch {
  readonly update: TrainingTensor;
  readonly other: TrainingTensor;
  readonly square: TrainingTensor;
  readonly polynomial: TrainingTensor;
  readonly sums: TrainingTensor;
}

export class Optimizer {
  readonly #backend: TrainingBackend;
  readonly #parameters: Parameters;
  readonly #recipe: Recipe;
  readonly #squares: TrainingTensor;
  readonly #muon: MuonScratch | undefined;

  constructor(parameters: Parameters, recipe: Recipe, backend: TrainingBackend) {
    this.#backend = backend;
    this.#parameters = parameters;
    this.#recipe = recipe;
    this.#squares = backend.tensor(parameters.trained.reduce((sum, { latent }) => sum + sumsOf(latent), 0));
    const matrices = parameters.trained.filter(usesMuon);
    if (recipe.optimizer === 'muon' && matrices.length > 0) {
      const largest = Math.max(...matrices.map(({ latent }) => latent.length));
      const side = Math.max(...matrices.map(({ rows, cols }) => Math.min(rows, cols)));
      this.#muon = {
        update: backend.tensor(largest),
        other: backend.tensor(largest),
        square: backend.tensor(side * side),
        polynomial: backend.tensor(side * side),
        sums: backend.tensor(Math.ceil(largest / SUM_CHUNK)),
      };
    }
  }

  /** Length of the gradient over all parameters. */
  async gradientNorm(signal?: AbortSignal): Promise<number> {
    let at = 0;
    for (const { gradient } of this.#parameters.trained) {
      const sums = this.#backend.slice(this.#squares, at, sumsOf(gradient));
      this.#backend.sumsOfSquares(sums, gradient);
      at += sums.length;
    }
    let total = 0;
    for (const sum of await this.#backend.read(this.#squares, 0, at, signal)) total += sum;
    return Math.sqrt(total);
  }

  /** Dispatches update number `step` (from 0) with the learning rates times `factor` and the gradient times `gradientScale`. */
  update(step: number, factor: number, gradientScale: number): void {
    const { learningRate, adamLearningRate, weightDecay } = this.#recipe;
    for (const parameter of this.#parameters.trained) {
      const isMatrix = usesMuon(parameter);
      if (isMatrix && this.#muon) this.#muonStep(parameter, this.#muon, factor * learningRate, gradientScale);
      else {
        const rate = factor * (isMatrix ? learningRate : adamLearningRate);
        this.#adamStep(parameter, step, rate, isMatrix ? weightDecay : 0, gradientScale);
      }
    }
  }

  #adamStep(
    parameter: Parameter,
    step: number,
    learningRate: number,
    weightDecay: number,
    gradientScale: number,
  ): void {
    const { beta1, beta2, epsilon } = this.#recipe;
    const { latent, gradient, momentum, second } = parameter;
    const settings = { learningRate, beta1, beta2, epsilon, weightDecay, step: step + 1, gradientScale };
    this.#backend.adam(latent, gradient, momentum, second!, settings);
  }

  #muonStep(parameter: Parameter, scratch: MuonScratch, rate: number, gradientScale: number): void {
    const backend = this.#backend;
    const { rows, cols, latent, gradient, momentum } = parameter;
    const length = rows * cols;
    let x = backend.slice(scratch.update, 0, length);
    let next = backend.slice(scratch.other, 0, length);
    backend.nesterov(x, momentum, gradient, this.#recipe.momentum, gradientScale);
    const sums = backend.slice(scratch.sums, 0, sumsOf(x));
    backend.sumsOfSquares(sums, x);
    backend.normalize(x, x, sums, 1e-7);
    for (let round = 0; round < ROUNDS; round++) {
      this.#newtonSchulz(next, x, rows, cols, scratch);
      [x, next] = [next, x];
    }
    backend.addScaled(latent, x, -rate * Math.sqrt(Math.max(1, rows / cols)));
  }

  /** out = a·x + b·(x·xᵀ)·x + c·(x·xᵀ)²·x, from the smaller of x·xᵀ and xᵀ·x. */
  #newtonSchulz(out: TrainingTensor, x: TrainingTensor, rows: number, cols: number, scratch: MuonScratch): void {
    const backend = this.#backend;
    const parameters = this.#parameters;
    const { a, b, c } = NEWTON_SCHULZ;
    const wide = rows <= cols;
    const side = wide ? rows : cols;
    const square = backend.slice(scratch.square, 0, side * side);
    const polynomial = backend.slice(scratch.polynomial, 0, side * side);
    parameters.product(square, x, x, { layout: wide ? 'nt' : 'tn', m: side, n: side, k: wide ? cols : rows });
    const squared = { layout: 'nn', m: side, n: side, k: side, alpha: c, beta: b } as const;
    parameters.product(polynomial, square, square, squared, square);
    const shape = { layout: 'nn', m: rows, n: cols, k: side, beta: a } as const;
    if (wide) parameters.product(out, polynomial, x, shape, x);
    else parameters.product(out, x, polynomial, shape, x);
  }
}

function usesMuon({ role }: Parameter): boolean {
  return role === 'matrix';
}

function sumsOf(x: TrainingTensor): number {
  return Math.ceil(x.length / SUM_CHUNK);
}
