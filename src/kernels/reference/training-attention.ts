// Owns the plain meaning of causal attention over whole sequences and of its gradient, row by row.
import { exp, log } from '../../core/elementary.ts';
import type { AttentionShape } from '../training.ts';

/** Where row `t` of sequence `s` has head `h` in [rows, heads, headSize]. */
function place(shape: AttentionShape, s: number, t: number, h: number, heads: number): number {
  return ((s * shape.length + t) * heads + h) * shape.headSize;
}

/** The first position that the row at `t` sees. */
function firstSeen({ window = Number.POSITIVE_INFINITY }: AttentionShape, t: number): number {
  return Math.max(0, t + 1 - window);
}

/** Probabilities of the positions 0..t for the query at `t`, zero where it does not see, and the log of the sum of exponentials. */
function probabilities(q: Float32Array, k: Float32Array, shape: AttentionShape, s: number, t: number, h: number) {
  const { headSize, heads, kvHeads } = shape;
  const query = place(shape, s, t, h, heads);
  const scores = new Float64Array(t + 1).fill(Number.NEGATIVE_INFINITY);
  for (let u = firstSeen(shape, t); u <= t; u++) {
    scores[u] = 0;
    const key = place(shape, s, u, Math.floor((h * kvHeads) / heads), kvHeads);
    for (let i = 0; i < headSize; i++) scores[u] += q[query + i] * k[key + i];
    scores[u] /= Math.sqrt(headSize);
  }
  const largest = Math.max(...scores);
  let sum = 0;
  for (const score of scores) sum += exp(score - largest);
  const logSum = largest + log(sum);
  return { p: scores.map((score) => exp(score - logSum)), logSum };
}

/** See `TrainingBackend.attention`. */
export function attend(
  out: Float32Array,
  logSums: Float32Array,
  q: Float32Array,
  k: Float32Array,
  v: Float32Array,
  shape: AttentionShape,
): void {
  const { sequences, length, heads, kvHeads, headSize } = shape;
  for (let s = 0; s < sequences; s++) {
    for (let t = 0; t < length; t++) {
      for (let h = 0; h < heads; h++) {
        const { p, logSum } = probabilities(q, k, shape, s, t, h);
        logSums[(s * length + t) * heads + h] = logSum;
        const at = place(shape, s, t, h, heads);
        for (let i = 0; i < headSize; i++) {
          let sum = 0;
          for (let u = firstSeen(shape, t); u <= t; u++) {
            sum += p[u] * v[place(shape, s, u, Math.floor((h * kvHeads) / heads), kvHeads) + i];
          }
          out[at + i] = sum;
        }
      }
    }
  }
}

/** See `TrainingBackend.attentionBackward`; probabilities are computed anew. */
export function attendBackward(
  gradients: { dQ: Float32Array; dK: Float32Array; dV: Float32Array },
  dOut: Float32Array,
  saved: { q: Float32Array; k: Float32Array; v: Float32Array },
  shape: AttentionShape,
): void {
  const { sequences, length, heads, kvHeads, headSize } = shape;
  const { q, k, v } = saved;
  const dQ = new Float64Array(gradients.dQ.length);
  const dK = new Float64Array(gradients.dK.length);
  const dV = new Float64Array(gradients.dV.length);
  const scale = 1 / Math.sqrt(headSize);
  for (let s = 0; s < sequences; s++) {
    for (let t = 0; t < length; t++) {
      for (let h = 0; h < heads; h++) {
        const { p } = probabilities(q, k, shape, s, t, h);
        const query = place(shape, s, t, h, heads);
        const dP = new Float64Array(t + 1);
        let mean = 0;
        for (let u = firstSeen(shape, t); u <= t; u++) {
          const key = place(shape, s, u, Math.floor((h * kvHeads) / heads), kvHeads);
          for (let i = 0; i < headSize; i++) {
            dP[u] += dOut[query + i] * v[key + i];
            dV[key + i] += p[u] * dOut[query + i];
          }
          mean += p[u] * dP[u];
        }
        for (let u = firstSeen(shape, t); u <= t; u++) {
          const key = place(shape, s, u, Math.floor((h * kvHeads) / heads), kvHeads);
          const dScore = p[u] * (dP[u] - mean) * scale;
          for (let i = 0; i < headSize; i++) {
            dQ[query + i] += dScore * k[key + i];
            dK[key + i] += dScore * q[query + i];
          }
        }
      }
    }
  }
  gradients.dQ.set(dQ);
  gradients.dK.set(dK);
  gradients.dV.set(dV);
}
