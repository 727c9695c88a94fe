// Owns the plain meaning of every training operation, one thread, sums in float64: the specification that fast backends are tested against.
// Must not know models. Rounding of weights is in training-rounding.ts, attention in training-attention.ts.
import { exp, log, power } from '../../core/elementary.ts';
import { OnebitError } from '../../errors.ts';
import type { GateActivation } from '../backend.ts';
import type {
  AdamStep,
  AttentionShape,
  ProductShape,
  Rounding,
  SignMatrix,
  TrainingBackend,
  TrainingTensor,
} from '../training.ts';
import { SUM_CHUNK } from '../training.ts';
import { activated } from './activations.ts';
import { attend, attendBackward } from './training-attention.ts';
import { roundWeights } from './training-rounding.ts';

/** Host memory, seen as float32 and as int32. */
export class HostTensor implements TrainingTensor {
  readonly length: number;
  readonly floats: Float32Array;
  readonly ints: Int32Array;

  constructor(buffer: ArrayBuffer, offset: number, length: number) {
    this.length = length;
    this.floats = new Float32Array(buffer, offset, length);
    this.ints = new Int32Array(buffer, offset, length);
  }
}

/** Kept as the weights themselves. */
interface HostSignMatrix extends SignMatrix {
  readonly weights: TrainingTensor;
}

const floats = (x: TrainingTensor): Float32Array => (x as HostTensor).floats;
const ints = (x: TrainingTensor): Int32Array => (x as HostTensor).ints;

/** The reference backend of training. */
export function referenceTrainingBackend(): TrainingBackend {
  return new ReferenceTrainingBackend();
}

class ReferenceTrainingBackend implements TrainingBackend {
  readonly name = 'reference';
  readonly threads = 1;
  #bytes = 0;
  #disposed = false;

  tensor(length: number): TrainingTensor {
    this.#check();
    this.#bytes += length * 4;
    return new HostTensor(new ArrayBuffer(length * 4), 0, length);
  }

  slice(x: TrainingTensor, offset: number, length: number): TrainingTensor {
    const whole = floats(x);
    return new HostTensor(whole.buffer as ArrayBuffer, whole.byteOffset + offset * 4, length);
  }

  free(x: TrainingTensor): void {
    this.#bytes -= x.length * 4;
  }

  write(target: TrainingTensor, values: Float32Array | Int32Array, offset = 0): void {
    if (values instanceof Int32Array) ints(target).set(values, offset);
    else floats(target).set(values, offset);
  }

  async read(x: TrainingTensor, offset: number, length: number, signal?: AbortSignal): Promise<Float32Array> {
    this.#check();
    signal?.throwIfAborted();
    return floats(x).slice(offset, offset + length);
  }

  memoryBytes(): number {
    return this.#bytes;
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
  }

  zero(out: TrainingTensor): void {
    floats(out).fill(0);
  }

  copy(out: TrainingTensor, x: TrainingTensor): void {
    floats(out).set(floats(x));
  }

  product(out: TrainingTensor, a: TrainingTensor, b: TrainingTensor, shape: ProductShape, base?: TrainingTensor): void {
    const { layout, m, n, k, alpha = 1, beta = 1 } = shape;
    const [x, y, z] = [floats(a), floats(b), floats(out)];
    const added = base ? floats(base) : undefined;
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let p = 0; p < k; p++) {
          sum += x[layout === 'tn' ? p * m + i : i * k + p] * y[layout === 'nt' ? j * k + p : p * n + j];
        }
        z[i * n + j] = alpha * sum + (added ? beta * added[i * n + j] : 0);
      }
    }
  }

  signMatrix(rows: number, cols: number): HostSignMatrix {
    return { rows, cols, weights: this.tensor(rows * cols) };
  }

  packSigns(signs: SignMatrix, weights: TrainingTensor): void {
    this.copy((signs as HostSignMatrix).weights, weights);
  }

  signProducts(
    outs: readonly TrainingTensor[],
    x: TrainingTensor,
    signs: readonly SignMatrix[],
    m: number,
    base?: TrainingTensor,
  ): void {
    for (const [i, { rows, cols, weights }] of (signs as readonly HostSignMatrix[]).entries()) {
      this.product(outs[i], x, weights, { layout: 'nt', m, n: rows, k: cols }, base);
    }
  }

  signProductBackward(
    dX: TrainingTensor,
    dOut: TrainingTensor,
    signs: SignMatrix,
    m: number,
    accumulate: boolean,
  ): void {
    const { rows, cols, weights } = signs as HostSignMatrix;
    this.product(dX, dOut, weights, { layout: 'nn', m, n: cols, k: rows }, accumulate ? dX : undefined);
  }

  roundedProduct(
    out: TrainingTensor,
    a: TrainingTensor,
    b: TrainingTensor,
    shape: ProductShape,
    base?: TrainingTensor,
  ): void {
    this.product(out, a, b, shape, base);
  }

  round(out: TrainingTensor, latent: TrainingTensor, rounding: Rounding): void {
    roundWeights(floats(out), floats(latent), rounding);
  }

  embed(out: TrainingTensor, table: TrainingTensor, tokens: TrainingTensor, rows: number, cols: number): void {
    for (let r = 0; r < rows; r++) {
      const start = ints(tokens)[r] * cols;
      floats(out).set(floats(table).subarray(start, start + cols), r * cols);
    }
  }

  embedBackward(dTable: TrainingTensor, dOut: TrainingTensor, tokens: TrainingTensor, rows: number, cols: number) {
    const [table, d] = [floats(dTable), floats(dOut)];
    for (let r = 0; r < rows; r++) {
      const start = ints(tokens)[r] * cols;
      for (let i = 0; i < cols; i++) table[start + i] += d[r * cols + i];
    }
  }

  rmsNorm(out: TrainingTensor, x: TrainingTensor, scale: TrainingTensor, rows: number, cols: number, epsilon: number) {
    const [y, v, s] = [floats(out), floats(x), floats(scale)];
    for (let at = 0; at < rows * cols; at += cols) {
      const inverse = inverseRoot(v, at, cols, epsilon);
      for (let i = 0; i < cols; i++) y[at + i] = v[at + i] * inverse * s[i];
    }
  }

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
  ): void {
    const [dx, dy, v, s] = [floats(dX), floats(dOut), floats(x), floats(scale)];
    const scaleGradient = Float64Array.from(floats(dScale));
    for (let at = 0; at < rows * cols; at += cols) {
      const inverse = inverseRoot(v, at, cols, epsilon);
      let dot = 0;
      for (let i = 0; i < cols; i++) dot += dy[at + i] * s[i] * v[at + i];
      for (let i = 0; i < cols; i++) {
        scaleGradient[i] += dy[at + i] * v[at + i] * inverse;
        const gradient = inverse * (dy[at + i] * s[i] - (v[at + i] * dot * inverse * inverse) / cols);
        dx[at + i] = accumulate ? dx[at + i] + gradient : gradient;
      }
    }
    floats(dScale).set(scaleGradient);
  }

  rotate(
    x: TrainingTensor,
    table: TrainingTensor,
    rows: number,
    length: number,
    heads: number,
    headSize: number,
    inverse: boolean,
  ): void {
    const [v, t] = [floats(x), floats(table)];
    const half = headSize / 2;
    for (let r = 0; r < rows; r++) {
      const cos = (r % length) * headSize;
      for (let at = r * heads * headSize; at < (r + 1) * heads * headSize; at += headSize) {
        for (let i = 0; i < half; i++) {
          const [a, b, cosine] = [v[at + i], v[at + half + i], t[cos + i]];
          const sine = inverse ? -t[cos + half + i] : t[cos + half + i];
          v[at + i] = a * cosine - b * sine;
          v[at + half + i] = a * sine + b * cosine;
        }
      }
    }
  }

  attention(
    out: TrainingTensor,
    logSums: TrainingTensor,
    q: TrainingTensor,
    k: TrainingTensor,
    v: TrainingTensor,
    shape: AttentionShape,
  ): void {
    attend(floats(out), floats(logSums), floats(q), floats(k), floats(v), shape);
  }

  attentionBackward(
    gradients: { dQ: TrainingTensor; dK: TrainingTensor; dV: TrainingTensor },
    dOut: TrainingTensor,
    saved: { out: TrainingTensor; logSums: TrainingTensor; q: TrainingTensor; k: TrainingTensor; v: TrainingTensor },
    shape: AttentionShape,
  ): void {
    const { dQ, dK, dV } = gradients;
    attendBackward(
      { dQ: floats(dQ), dK: floats(dK), dV: floats(dV) },
      floats(dOut),
      { q: floats(saved.q), k: floats(saved.k), v: floats(saved.v) },
      shape,
    );
  }

  gated(
    out: TrainingTensor,
    gate: TrainingTensor,
    up: TrainingTensor,
    length: number,
    activation: GateActivation,
  ): void {
    const [y, g, u] = [floats(out), floats(gate), floats(up)];
    for (let i = 0; i < length; i++) y[i] = activated(g[i], activation).value * u[i];
  }

  gatedBackward(
    dGate: TrainingTensor,
    dUp: TrainingTensor,
    dOut: TrainingTensor,
    gate: TrainingTensor,
    up: TrainingTensor,
    length: number,
    activation: GateActivation,
  ): void {
    const [g, u, d] = [floats(gate), floats(up), floats(dOut)];
    for (let i = 0; i < length; i++) {
      const { value, slope } = activated(g[i], activation);
      const forGate = d[i] * u[i] * slope;
      floats(dUp)[i] = d[i] * value;
      floats(dGate)[i] = forGate;
    }
  }

  crossEntropy(
    losses: TrainingTensor,
    logits: TrainingTensor,
    targets: TrainingTensor,
    weights: TrainingTensor,
    rows: number,
    vocabulary: number,
    factor: number,
    share: number,
  ): void {
    for (let r = 0; r < rows; r++) {
      const row = floats(logits).subarray(r * vocabulary, (r + 1) * vocabulary);
      const weight = floats(weights)[r];
      const target = ints(targets)[r];
      let largest = Number.NEGATIVE_INFINITY;
      for (const logit of row) largest = Math.max(largest, logit);
      let sum = 0;
      for (const logit of row) sum += exp(logit - largest);
      const logSum = largest + log(sum);
      floats(losses)[r] = weight === 0 ? 0 : weight * (logSum - row[target]);
      for (let i = 0; i < vocabulary; i++) {
        row[i] = factor * weight * (exp(row[i] - logSum) - (i === target ? share : 0));
      }
    }
  }

  subtractTeacher(
    dLogits: TrainingTensor,
    tokens: TrainingTensor,
    probabilities: TrainingTensor,
    weights: TrainingTensor,
    rows: number,
    vocabulary: number,
    k: number,
    factor: number,
  ): void {
    for (let r = 0; r < rows; r++) {
      for (let i = r * k; i < (r + 1) * k; i++) {
        floats(dLogits)[r * vocabulary + ints(tokens)[i]] -= factor * floats(weights)[r] * floats(probabilities)[i];
      }
    }
  }

  sumsOfSquares(out: TrainingTensor, x: TrainingTensor): void {
    const v = floats(x);
    for (let start = 0, at = 0; start < v.length; start += SUM_CHUNK, at++) {
      let sum = 0;
      for (let i = start; i < Math.min(start + SUM_CHUNK, v.length); i++) sum += v[i] * v[i];
      floats(out)[at] = sum;
    }
  }

  adam(
    latent: TrainingTensor,
    gradient: TrainingTensor,
    momentum: TrainingTensor,
    second: TrainingTensor,
    step: AdamStep,
  ): void {
    const [w, g, m, s] = [floats(latent), floats(gradient), floats(momentum), floats(second)];
    const { learningRate, beta1, beta2, epsilon, weightDecay, gradientScale } = step;
    const correction1 = 1 - power(beta1, step.step);
    const correction2 = 1 - power(beta2, step.step);
    for (let i = 0; i < w.length; i++) {
      const d = g[i] * gradientScale;
      m[i] = beta1 * m[i] + (1 - beta1) * d;
      s[i] = beta2 * s[i] + (1 - beta2) * d * d;
      const update = m[i] / correction1 / (Math.sqrt(s[i] / correction2) + epsilon);
      w[i] = w[i] * (1 - learningRate * weightDecay) - learningRate * update;
    }
  }

  nesterov(
    out: TrainingTensor,
    momentum: TrainingTensor,
    gradient: TrainingTensor,
    mu: number,
    gradientScale: number,
  ): void {
    const [y, m, g] = [floats(out), floats(momentum), floats(gradient)];
    for (let i = 0; i < y.length; i++) {
      const d = g[i] * gradientScale;
      m[i] = mu * m[i] + d;
      y[i] = d + mu * m[i];
    }
  }

  normalize(out: TrainingTensor, x: TrainingTensor, sums: TrainingTensor, epsilon: number): void {
    let sum = 0;
    for (const part of floats(sums)) sum += part;
    const norm = Math.sqrt(sum) + epsilon;
    for (let i = 0; i < out.length; i++) floats(out)[i] = floats(x)[i] / norm;
  }

  addScaled(out: TrainingTensor, x: TrainingTensor, factor: number): void {
    for (let i = 0; i < out.length; i++) floats(out)[i] += factor * floats(x)[i];
  }

  #check(): void {
    if (this.#disposed) {
      throw new OnebitError('disposed', 'training: the trainer was disposed. Make another.');
    }
  }
}

function inverseRoot(x: Float32Array, at: number, cols: number, epsilon: number): number {
  let sum = 0;
  for (let i = at; i < at + cols; i++) sum += x[i] * x[i];
  return 1 / Math.sqrt(sum / cols + epsilon);
}
