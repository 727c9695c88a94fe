// Owns the plain meaning of activations and of their slopes.
import { exp } from '../../core/elementary.ts';
import type { GateActivation } from '../backend.ts';

/** √(8/π), and the share of the cube, of the approximated gelu (arXiv 1606.08415). */
const GELU = 1.5957691216057308;
const GELU_CUBE = 0.044715;

/** The activation of x, and its derivative there. */
export function activated(x: number, activation: GateActivation): { value: number; slope: number } {
  if (activation === 'relu2') {
    const positive = Math.max(0, x);
    return { value: positive * positive, slope: 2 * positive };
  }
  const square = GELU_CUBE * x * x;
  const [inner, innerSlope] = activation === 'silu' ? [x, 1] : [GELU * x * (1 + square), GELU * (1 + 3 * square)];
  const grown = 1 + exp(-inner);
  const sigmoid = 1 / grown;
  return { value: x / grown, slope: sigmoid + x * sigmoid * (1 - sigmoid) * innerSlope };
}
