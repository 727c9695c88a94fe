// Owns the trained tensors in a backend's memory: latent weights, gradients, optimiser state, and the rounded copy that the forward pass uses.
// Must not know the graph or data. Bytes a number: 16 for matrices under Muon, 20 under Adam.

import type { Random } from '../core/random.ts';
import { OnebitError } from '../errors.ts';
import type { ProductShape, Rounding, SignMatrix, TrainingBackend, TrainingTensor } from '../kernels/training.ts';
import type { Recipe } from './recipe.ts';
import { isVector, type ModelShape, type ShapeTensor, shapeTensors, type WeightKind } from './shape.ts';

export interface Parameter extends ShapeTensor {
  /** float32 weights that updates change. */
  readonly latent: TrainingTensor;
  readonly gradient: TrainingTensor;
  readonly momentum: TrainingTensor;
  /** Second moments; absent under Muon. */
  readonly second?: TrainingTensor;
  /** What the latent weights become; norms and biases have none. */
  readonly rounded?: TrainingTensor;
  /** `rounded` for products by look-up; only where training uses those. */
  readonly signs?: SignMatrix;
}

/** How weights of each kind are rounded for the file. */
export const roundings: Readonly<Record<WeightKind, Rounding>> = {
  binary: 'binary',
  ternary: 'ternary',
  float: 'half',
};

export class Parameters {
  /** In the order of the file. */
  readonly all: readonly Parameter[];
  readonly exact: boolean;
  readonly #byName: ReadonlyMap<string, Parameter>;
  readonly #backend: TrainingBackend;
  readonly #rounding: Rounding;
  #weights: 'latent' | 'rounded' = 'latent';
  #fast = false;

  /** @param exact whether products are float32 throughout, so that nothing is packed for look-ups. */
  constructor(shape: ModelShape, recipe: Recipe, backend: TrainingBackend, exact: boolean) {
    this.exact = exact;
    const lookUp = shape.weights === 'binary' && !exact;
    this.#backend = backend;
    this.#rounding = roundings[shape.weights];
    this.all = shapeTensors(shape).map((tensor) => {
      const length = tensor.rows * tensor.cols;
      const usesMuon = tensor.role === 'matrix' && recipe.optimizer === 'muon';
      return {
        ...tensor,
        latent: backend.tensor(length),
        gradient: backend.tensor(length),
        momentum: backend.tensor(length),
        second: usesMuon ? undefined : backend.tensor(length),
        rounded: isVector(tensor) ? undefined : backend.tensor(length),
        signs: lookUp && isUsedInProducts(tensor, shape) ? backend.signMatrix(tensor.rows, tensor.cols) : undefined,
      };
    });
    this.#byName = new Map(this.all.map((parameter) => [parameter.name, parameter]));
  }

  /** The weight called `name`, without '.weight', or its bias. */
  get(name: string, part: 'weight' | 'bias' = 'weight'): Parameter {
    const parameter = this.#byName.get(`${name}.${part}`);
    if (!parameter) throw new OnebitError('bad-argument', `training: no tensor '${name}.${part}' in this model.`);
    return parameter;
  }

  /** Sets initial weights: norms 1, output and down projections and biases 0, the rest normal with the given deviation. */
  initialize(random: Random, deviation: number): void {
    for (const { name, role, rows, cols, latent } of this.all) {
      const values = new Float32Array(rows * cols);
      if (role === 'norm') values.fill(1);
      else if (role !== 'bias' && !/attn_output|ffn_down/.test(name)) {
        for (let i = 0; i < values.length; i++) values[i] = deviation * random.normal();
      }
      this.#backend.write(latent, values);
    }
  }

  /**
   * Chooses what products use until the next call: the weights as they are now, latent or rounded; `fast` allows rounded factors and look-ups
   * (unless all is exact), which only updates use.
   */
  prepare(weights: 'latent' | 'rounded', fast = false): void {
    this.#weights = weights;
    this.#fast = fast && !this.exact;
    if (weights === 'latent') return;
    for (const { rounded, latent, signs } of this.all) {
      if (!rounded) continue;
      this.#backend.round(rounded, latent, this.#rounding);
      if (signs && this.#fast) this.#backend.packSigns(signs, rounded);
    }
  }

  /** The weights as float32. */
  value(parameter: Parameter): TrainingTensor {
    return (this.#weights === 'rounded' && parameter.rounded) || parameter.latent;
  }

  /** The weights for products by look-up, where those are to be used. */
  signs(parameter: Parameter): SignMatrix | undefined {
    return this.#fast && this.#weights === 'rounded' ? parameter.signs : undefined;
  }

  /** out = alpha · a·b + beta · base, of rounded factors where these are allowed. */
  product(out: TrainingTensor, a: TrainingTensor, b: TrainingTensor, shape: ProductShape, base?: TrainingTensor): void {
    if (this.#fast) this.#backend.roundedProduct(out, a, b, shape, base);
    else this.#backend.product(out, a, b, shape, base);
  }

  clearGradients(): void {
    for (const { gradient } of this.all) this.#backend.zero(gradient);
  }

  /** Every array that training depends on, by the names that `TrainerState` uses. */
  state(): Map<string, TrainingTensor> {
    const state = new Map<string, TrainingTensor>();
    for (const { name, latent, momentum, second } of this.all) {
      state.set(name, latent);
      state.set(`${name}/momentum`, momentum);
      if (second) state.set(`${name}/second`, second);
    }
    return state;
  }
}

function isUsedInProducts({ role }: ShapeTensor, { tiedHead }: ModelShape): boolean {
  return role === 'matrix' || role === 'head' || (role === 'embedding' && tiedHead);
}
