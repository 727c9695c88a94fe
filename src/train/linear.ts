// Owns linear maps with trained weights and their gradients: by float32 products, or by look-up where the weights are packed signs.
// Must not know layers.
import type { TrainingBackend, TrainingTensor } from '../kernels/training.ts';
import type { Parameter, Parameters } from './parameters.ts';

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
    return;
  }
  for (const [i, parameter] of weights.entries()) {
    const shape = { layout: 'nt', m: rows, n: parameter.rows, k: parameter.cols } as const;
    parameters.product(outs[i], x, parameters.value(parameter), shape, base);
  }
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
  parameters.product(gradient, dOut, x, { layout: 'tn', m: outputs, n: inputs, k: rows }, gradient);
}
