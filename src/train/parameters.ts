// Owns the trained tensors in a backend's memory: latent weights, gradients, optimiser state, and the rounded copy that the forward pass uses.
// Must not know the graph or data. Bytes a number: 16 for matrices under Muon, 20 under Adam.

import type { Random } from '../core/random.ts';
import { OnebitError } from '../errors.ts';
import type { ProductShape, Rounding, SignMatrix, TrainingBackend, TrainingTensor } from '../kernels/training.ts';
import type { Recipe } from './recipe.ts';
import { isVector, type ModelShape, type ShapeTensor, shapeTensors, type WeightKind } from './shape.ts';

export interface Parameter extends ShapeTensor {
  /** float32 weights that updates change; of frozen ones the rounded weights themselves, and of packed ones nothing. */
  readonly latent: TrainingTensor;
  /** Of frozen ones something to write into that nobody reads, and only for vectors. */
  readonly gradient: TrainingTensor;
  readonly momentum: TrainingTensor;
  /** Trained beside the weights, which stay as they are. */
  readonly adapter?: AdapterParameters;
  /** Second moments; absent under Muon. */
  readonly second?: TrainingTensor;
  /** What the latent weights become; norms and biases have none. */
  readonly rounded?: TrainingTensor;
  /** `rounded` for products by look-up; only where training uses those. */
  readonly signs?: SignMatrix;
  /** It stays as it is, and `signs` are all that is held of it. */
  readonly packed?: boolean;
}

/** Factors of what is added to a matrix: factor · b · a. */
export interface AdapterParameters {
  /** [rank, inputs] */
  readonly a: Parameter;
  /** [outputs, rank] */
  readonly b: Parameter;
  readonly factor: number;
}

/** Adapters to train over frozen weights (LoRA). */
export interface AdapterPlan {
  readonly rank: number;
  /** What is added counts alpha / rank. */
  readonly alpha: number;
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
  /** Those that updates change. */
  readonly trained: readonly Parameter[];
  readonly exact: boolean;
  readonly #byName: ReadonlyMap<string, Parameter>;
  readonly #backend: TrainingBackend;
  readonly #rounding: Rounding;
  #weights: 'latent' | 'rounded' = 'latent';
  #fast = false;

  /**
   * @param exact whether products are float32 throughout, so that nothing is packed for look-ups
   * @param plan train these beside the weights, which stay as they are
   */
  constructor(shape: ModelShape, recipe: Recipe, backend: TrainingBackend, exact: boolean, plan?: AdapterPlan) {
    this.exact = exact;
    const lookUp = shape.weights === 'binary' && !exact;
    this.#backend = backend;
    this.#rounding = roundings[shape.weights];
    const signsOf = (tensor: ShapeTensor) =>
      lookUp && isUsedInProducts(tensor, shape) ? backend.signMatrix(tensor.rows, tensor.cols) : undefined;
    if (plan) {
      this.all = shapeTensors(shape).map((tensor) => frozen(tensor, backend, signsOf(tensor), plan));
      this.trained = this.all.flatMap(({ adapter }) => (adapter ? [adapter.a, adapter.b] : []));
      this.#byName = new Map(this.all.map((parameter) => [parameter.name, parameter]));
      return;
    }
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
        signs: signsOf(tensor),
      };
    });
    this.trained = this.all;
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
    for (const { name, role, rows, cols, latent } of this.trained) {
      if (role === 'adapter') {
        // The second factor starts at zero: at first nothing is added.
        const start = new Float32Array(rows * cols);
        if (name.endsWith('.lora_a'))
          for (let i = 0; i < start.length; i++) start[i] = random.normal() / Math.sqrt(cols);
        this.#backend.write(latent, start);
        continue;
      }
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
      if (rounded !== latent) this.#backend.round(rounded, latent, this.#rounding);
      if (signs && this.#fast) this.#backend.packSigns(signs, rounded);
    }
  }

  /** Sets the weights; of packed ones the signs, by way of memory that is given back before the next are set. */
  async write({ latent, signs, packed, rows, cols }: Parameter, values: Float32Array): Promise<void> {
    if (!packed) {
      this.#backend.write(latent, values);
      return;
    }
    const whole = this.#backend.tensor(rows * cols);
    this.#backend.write(whole, values);
    this.#backend.packSigns(signs!, whole);
    await this.#backend.read(whole, 0, 1);
    this.#backend.free(whole);
  }

  /** The weights as float32; packed ones have none. */
  value(parameter: Parameter): TrainingTensor {
    return (this.#weights === 'rounded' && parameter.rounded) || parameter.latent;
  }

  /** The weights for products by look-up, where those are to be used. */
  signs(parameter: Parameter): SignMatrix | undefined {
    if (parameter.packed) return parameter.signs;
    return this.#fast && this.#weights === 'rounded' ? parameter.signs : undefined;
  }

  /** out = alpha · a·b + beta · base, of rounded factors where these are allowed. */
  product(out: TrainingTensor, a: TrainingTensor, b: TrainingTensor, shape: ProductShape, base?: TrainingTensor): void {
    if (this.#fast) this.#backend.roundedProduct(out, a, b, shape, base);
    else this.#backend.product(out, a, b, shape, base);
  }

  clearGradients(): void {
    for (const { gradient } of this.trained) this.#backend.zero(gradient);
  }

  /** Every array that training depends on, by the names that `TrainerState` uses. */
  state(): Map<string, TrainingTensor> {
    const state = new Map<string, TrainingTensor>();
    for (const { name, latent, momentum, second } of this.trained) {
      state.set(name, latent);
      state.set(`${name}/momentum`, momentum);
      if (second) state.set(`${name}/second`, second);
    }
    return state;
  }
}

/** A tensor that stays as it is: no state of an optimiser, no gradient. */
function frozen(
  tensor: ShapeTensor,
  backend: TrainingBackend,
  signs: SignMatrix | undefined,
  { rank, alpha }: AdapterPlan,
): Parameter {
  const { name, role, rows, cols } = tensor;
  const nothing = backend.tensor(isVector(tensor) ? cols : 1);
  // Rows of the embedding are looked up as numbers.
  const packed = signs !== undefined && role !== 'embedding';
  const latent = packed ? nothing : backend.tensor(rows * cols);
  const factor = (suffix: string, rows: number, cols: number): Parameter => ({
    name: `${name}.${suffix}`,
    role: 'adapter',
    rows,
    cols,
    latent: backend.tensor(rows * cols),
    gradient: backend.tensor(rows * cols),
    momentum: backend.tensor(rows * cols),
    second: backend.tensor(rows * cols),
  });
  const adapter =
    role === 'matrix'
      ? { a: factor('lora_a', rank, cols), b: factor('lora_b', rows, rank), factor: alpha / rank }
      : undefined;
  const rounded = isVector(tensor) || packed ? undefined : latent;
  return { ...tensor, latent, gradient: nothing, momentum: nothing, rounded, signs, packed, adapter };
}

/** Whether a parameter stays as it is. */
export function isFrozen({ momentum, gradient }: Parameter): boolean {
  return momentum === gradient;
}

function isUsedInProducts({ role }: ShapeTensor, { tiedHead }: ModelShape): boolean {
  return role === 'matrix' || role === 'head' || (role === 'embedding' && tiedHead);
}
