// Owns the plain meaning of rounding weights to what files hold. Groups are the blocks of Q1_0 and Q2_0.
import { floatToHalf, halfToFloat } from '../../core/half.ts';
import type { Rounding } from '../training.ts';

/** out = x rounded; see `TrainingBackend.round`. */
export function roundWeights(out: Float32Array, x: Float32Array, rounding: Rounding): void {
  if (rounding === 'half') {
    for (let i = 0; i < x.length; i++) out[i] = roundToHalf(x[i]);
    return;
  }
  const group = rounding === 'binary' ? 128 : 64;
  for (let start = 0; start < x.length; start += group) {
    let sum = 0;
    for (let i = start; i < start + group; i++) sum += Math.abs(x[i]);
    const scale = roundToHalf(sum / group);
    for (let i = start; i < start + group; i++) {
      const signed = x[i] >= 0 ? scale : -scale;
      out[i] = rounding === 'binary' || Math.abs(x[i]) >= scale / 2 ? signed : 0;
    }
  }
}

/** Within ±65504, as fast backends clamp. */
function roundToHalf(value: number): number {
  return halfToFloat(floatToHalf(Math.max(-65504, Math.min(65504, value))));
}
