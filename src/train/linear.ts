// Owns linear maps with trained weights and their gradients: by float32 products, or by look-up where the weights are packed signs.
// Must not know layers.
import type { TrainingBackend, TrainingTensor } from '../kernels/training.ts';
import { type AdapterParameters, isFrozen, type Parameter, type Parameters } from './parameters.ts';

/** outs[i] [rows, outputs] = x [rows, inputs] · weightᵀ of each parameter; plus `base` for a single output, which may be that output. */
export function linear(
  backend: TrainingBackend,
  parameters: Parameters,
  outs: readonly TrainingTensor[],
  x: TrainingTensor,
  weights: readonly Parameter[],
  rows: number,
  base?: TrainingTensor,
): void {
  const signs = weights.flatMap((parameter) => parameters.signs(parameter) ?? []);
  if (signs.length === weights.length) {
    backend.signProducts(outs, x, signs, rows, base);
  } else {
    for (const [i, parameter] of weights.entries()) {
      const shape = { layout: 'nt', m: rows, n: parameter.rows, k: parameter.cols } as const;
      parameters.product(outs[i], x, parameters.value(parameter), shape, base);
    }
  }
  for (const [i, { adapter }] of weights.entries()) if (adapter) adapt(backend, outs[i], x, adapter, rows);
}

/** out += factor · x · aᵀ · bᵀ */
function adapt(
  backend: TrainingBackend,
  out: TrainingTensor,
  x: TrainingTensor,
  { a, b, factor }: AdapterParameters,
  rows: number,
): void {
  const low = backend.tensor(rows * a.rows);
  backend.product(low, x, a.latent, { layout: 'nt', m: rows, n: a.rows, k: a.cols });
  backend.product(out, low, b.latent, { layout: 'nt', m: rows, n: b.rows, k: b.cols, alpha: factor }, out);
  backend.free(low);
}

/** The gradients of `adapt`: dX += factor · dOut · b · a, and those of a and b. */
function adaptBackward(
  backend: TrainingBackend,
  dX: TrainingTensor,
  dOut: TrainingTensor,
  x: TrainingTensor,
  { a, b, factor }: AdapterParameters,
  rows: number,
): void {
  const low = backend.tensor(rows * a.rows);
  backend.product(low, x, a.latent, { layout: 'nt', m: rows, n: a.rows, k: a.cols });
  const ofB = { layout: 'tn', m: b.rows, n: b.cols, k: rows, alpha: factor } as const;
  backend.product(b.gradient, dOut, low, ofB, b.gradient);
  backend.product(low, dOut, b.latent, { layout: 'nn', m: rows, n: b.cols, k: b.rows, alpha: factor });
  backend.product(a.gradient, low, x, { layout: 'tn', m: a.rows, n: a.cols, k: rows }, a.gradient);
  backend.product(dX, low, a.latent, { layout: 'nn', m: rows, n: a.cols, k: a.rows }, dX);
  backend.free(low);
}

/**
 * The gradients of `linear`: dX = (or, with `accumulate`, +=) dOut · weight, and the weight's += dOutᵀ · x. That of rounding is taken as 1: the
 * latent weights get the gradient of the rounded ones (straight-through).
 */
export function linearBackward(
  backend: TrainingBackend,
  parameters: Parameters,
  dX: TrainingTensor,
  dOut: TrainingTensor,
  x: TrainingTensor,
  parameter: Parameter,
  rows: number,
  accumulate: boolean,
): void {
  const { rows: outputs, cols: inputs, gradient } = parameter;
  const signs = parameters.signs(parameter);
  if (signs) backend.signProductBackward(dX, dOut, signs, rows, accumulate);
  else {
    const shape = { layout: 'nn', m: rows, n: inputs, k: outputs } as const;
    parameters.product(dX, dOut, parameters.value(parameter), shape, accumulate ? dX : undefined);
  }
  if (parameter.adapter) adaptBackward(backend, dX, dOut, x, parameter.adapter, rows);
  if (isFrozen(parameter)) return;
  parameters.product(gradient, dOut, x, { layout: 'tn', m: outputs, n: inputs, k: rows }, gradient);
}
