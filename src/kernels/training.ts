// Owns the interface between training and whatever computes it: float32 memory and the forward and backward operations of the decoder's graph,
// dispatched in order; only reading back waits. Must not know models, data or a concrete backend. Plain meaning: reference/training-backend.ts.

import type { GateActivation } from './backend.ts';

/** Row-major float32 numbers (or int32, where an operation says so) in a backend's memory. */
export interface TrainingTensor {
  /** Number of 32-bit elements. */
  readonly length: number;
}

/**
 * Which dimensions of the operands of a product are contiguous. `nt`: a [m, k], b [n, k]. `nn`: a [m, k], b [k, n]. `tn`: a [k, m], b [k, n].
 */
export type ProductLayout = 'nt' | 'nn' | 'tn';

export interface ProductShape {
  readonly layout: ProductLayout;
  readonly m: number;
  readonly n: number;
  /** Length of the sums. */
  readonly k: number;
  /** Factor on the product. Default 1. */
  readonly alpha?: number;
  /** Factor on `base`. Default 1 where there is one. */
  readonly beta?: number;
}

/** `binary` and `ternary` as files hold them; `half` rounds to fp16. */
export type Rounding = 'binary' | 'ternary' | 'half';

/** A matrix of ±scale weights (one scale for each 128 inputs) in a backend's own form, for products in both directions. */
export interface SignMatrix {
  readonly rows: number;
  /** A multiple of 128. */
  readonly cols: number;
}

export interface AttentionShape {
  readonly sequences: number;
  /** Tokens of each sequence. */
  readonly length: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  /** Positions that a row sees at most, its own included. Default: all up to its own. */
  readonly window?: number;
}

export interface AdamStep {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Decoupled: weights lose this share × learning rate. */
  readonly weightDecay: number;
  /** Number of this update, from 1, for the bias corrections. */
  readonly step: number;
  /** Factor on the gradient (clipping). */
  readonly gradientScale: number;
}

/**
 * Computes training steps. Results depend neither on the number of threads nor on timing: every sum has one order. `out` must not overlap an
 * input unless an operation says so; sizes are the caller's duty.
 */
export interface TrainingBackend {
  readonly name: string;
  readonly threads: number;

  /** Memory of zeros. Throws `out-of-memory`. */
  tensor(length: number): TrainingTensor;
  /** A part of `x`, sharing its memory. */
  slice(x: TrainingTensor, offset: number, length: number): TrainingTensor;
  /** Gives back the memory of a tensor (not of a slice). */
  free(x: TrainingTensor): void;
  /** Copies host values into `target` from element `offset`. */
  write(target: TrainingTensor, values: Float32Array | Int32Array, offset?: number): void;
  /** Waits for everything dispatched, then copies out `length` elements from `offset`. */
  read(x: TrainingTensor, offset: number, length: number, signal?: AbortSignal): Promise<Float32Array>;
  /** Bytes currently allocated. */
  memoryBytes(): number;
  /** Stops threads, returns memory. */
  dispose(): Promise<void>;

  zero(out: TrainingTensor): void;
  copy(out: TrainingTensor, x: TrainingTensor): void;
  /** out [m, n] = alpha · a·b + beta · base. `base` may be `out`; without it nothing is added. */
  product(out: TrainingTensor, a: TrainingTensor, b: TrainingTensor, shape: ProductShape, base?: TrainingTensor): void;

  /** Memory for a matrix that `packSigns` fills. Throws `out-of-memory`. */
  signMatrix(rows: number, cols: number): SignMatrix;
  /** signs = weights [rows, cols], which `round` has made binary. */
  packSigns(signs: SignMatrix, weights: TrainingTensor): void;
  /**
   * outs[i] [m, rows of signs[i]] = x [m, cols] · signs[i]ᵀ, all of the same cols, plus `base` for a single output, which may be that output.
   * Activations may count as 8-bit numbers: 1.2 % of a result's root mean square is within the contract.
   */
  signProducts(
    outs: readonly TrainingTensor[],
    x: TrainingTensor,
    signs: readonly SignMatrix[],
    m: number,
    base?: TrainingTensor,
  ): void;
  /** dX [m, cols] = (or, with `accumulate`, +=) dOut [m, rows] · signs, with the error of `signProducts`. */
  signProductBackward(
    dX: TrainingTensor,
    dOut: TrainingTensor,
    signs: SignMatrix,
    m: number,
    accumulate: boolean,
  ): void;

  /**
   * `product` whose factors may count as 12-bit numbers with a scale for each line (a row of a, a column of b) and 256 summands: 0.2 % of the product's
   * root mean square is within the contract.
   */
  roundedProduct(
    out: TrainingTensor,
    a: TrainingTensor,
    b: TrainingTensor,
    shape: ProductShape,
    base?: TrainingTensor,
  ): void;

  /**
   * out = latent rounded as the file will hold it. `binary`: groups of 128, ±mean|w| with the mean rounded to fp16 and the sign of 0 positive.
   * `ternary`: groups of 64 with s = fp16(mean|w|): ±s where |w| ≥ s / 2, else 0. `half`: each to fp16. Lengths are multiples of the group.
   */
  round(out: TrainingTensor, latent: TrainingTensor, rounding: Rounding): void;

  /** out [rows, cols] = table[tokens[row]]; tokens int32. */
  embed(out: TrainingTensor, table: TrainingTensor, tokens: TrainingTensor, rows: number, cols: number): void;
  /** dTable[tokens[row]] += dOut[row], in the order of rows. */
  embedBackward(dTable: TrainingTensor, dOut: TrainingTensor, tokens: TrainingTensor, rows: number, cols: number): void;

  /** out = x / sqrt(mean(x²) + eps) · scale for each row. */
  rmsNorm(
    out: TrainingTensor,
    x: TrainingTensor,
    scale: TrainingTensor,
    rows: number,
    cols: number,
    epsilon: number,
  ): void;
  /** dX += (or, without `accumulate`, =) the gradient; dScale += the gradient. `dX` may be `dOut` without `accumulate`. */
  rmsNormBackward(
    dX: TrainingTensor,
    dScale: TrainingTensor,
    dOut: TrainingTensor,
    x: TrainingTensor,
    scale: TrainingTensor,
    rows: number,
    cols: number,
    epsilon: number,
    accumulate: boolean,
  ): void;

  /**
   * Rotates x [rows, heads, headSize] in place: element i of a head pairs with i + headSize / 2; row r has position r mod `length`, whose cosines and
   * sines are `table` [length][cos: headSize / 2, sin: headSize / 2]. `inverse` rotates back, which is the gradient.
   */
  rotate(
    x: TrainingTensor,
    table: TrainingTensor,
    rows: number,
    length: number,
    heads: number,
    headSize: number,
    inverse: boolean,
  ): void;

  /**
   * Causal attention of each sequence by itself, scores scaled by 1 / sqrt(headSize). q, out [rows, heads, headSize]; k, v [rows, kvHeads, headSize];
   * logSums [rows, heads]: log of the sum of exponentials of each row of scores.
   */
  attention(
    out: TrainingTensor,
    logSums: TrainingTensor,
    q: TrainingTensor,
    k: TrainingTensor,
    v: TrainingTensor,
    shape: AttentionShape,
  ): void;
  /** Gradients of `attention`, which overwrite dQ, dK, dV. Probabilities are computed again from `logSums`. */
  attentionBackward(
    gradients: { dQ: TrainingTensor; dK: TrainingTensor; dV: TrainingTensor },
    dOut: TrainingTensor,
    saved: {
      out: TrainingTensor;
      logSums: TrainingTensor;
      q: TrainingTensor;
      k: TrainingTensor;
      v: TrainingTensor;
    },
    shape: AttentionShape,
  ): void;

  /** out = activation(gate) · up. */
  gated(
    out: TrainingTensor,
    gate: TrainingTensor,
    up: TrainingTensor,
    length: number,
    activation: GateActivation,
  ): void;
  /** Gradients of `gated`. dGate may be `gate`, dUp may be `up`. */
  gatedBackward(
    dGate: TrainingTensor,
    dUp: TrainingTensor,
    dOut: TrainingTensor,
    gate: TrainingTensor,
    up: TrainingTensor,
    length: number,
    activation: GateActivation,
  ): void;

  /**
   * losses[row] = weights[row] · (log Σ exp(logits) − logits[target]); then logits become their gradient times `factor`:
   * factor · weights[row] · (softmax(logits) − share · onehot(target)), where the teacher takes the rest of the share. targets int32.
   */
  crossEntropy(
    losses: TrainingTensor,
    logits: TrainingTensor,
    targets: TrainingTensor,
    weights: TrainingTensor,
    rows: number,
    vocabulary: number,
    factor: number,
    share: number,
  ): void;
  /** dLogits[row, tokens[row, i]] −= factor · weights[row] · probabilities[row, i]; tokens int32 [rows, k]. */
  subtractTeacher(
    dLogits: TrainingTensor,
    tokens: TrainingTensor,
    probabilities: TrainingTensor,
    weights: TrainingTensor,
    rows: number,
    vocabulary: number,
    k: number,
    factor: number,
  ): void;

  /** Sums of squares of chunks of SUM_CHUNK elements of x: out [ceil(length / SUM_CHUNK)]. */
  sumsOfSquares(out: TrainingTensor, x: TrainingTensor): void;
  /** One step of AdamW on `latent`, whose moments are `momentum` and `second`. */
  adam(
    latent: TrainingTensor,
    gradient: TrainingTensor,
    momentum: TrainingTensor,
    second: TrainingTensor,
    step: AdamStep,
  ): void;
  /** momentum = mu · momentum + gradientScale · gradient; out = gradientScale · gradient + mu · momentum (Nesterov). */
  nesterov(
    out: TrainingTensor,
    momentum: TrainingTensor,
    gradient: TrainingTensor,
    mu: number,
    gradientScale: number,
  ): void;
  /** out = x / (sqrt(Σ sums) + epsilon), where `sums` are those of `sumsOfSquares`. `out` may be `x`. */
  normalize(out: TrainingTensor, x: TrainingTensor, sums: TrainingTensor, epsilon: number): void;
  /** out += factor · x. */
  addScaled(out: TrainingTensor, x: TrainingTensor, factor: number): void;
}

/** Elements that one partial sum of squares covers: fixed, so that sums do not depend on threads. */
export const SUM_CHUNK = 8192;
