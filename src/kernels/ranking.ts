// Owns the plain meaning of `topK`, for the reference and for backends where too many values are asked for. Must not know a backend.
import type { TopEntry } from './backend.ts';

/** Largest `k` of `values`, descending, ties by the lower index, and log Σ exp over all of them. */
export function rankValues(values: Float32Array, k: number): { top: TopEntry[]; logSumExp: number } {
  const order = Uint32Array.from(values, (_, i) => i).sort((a, b) => values[b] - values[a] || a - b);
  const largest = values[order[0]];
  let sum = 0;
  for (const value of values) sum += Math.exp(value - largest);
  const top = Array.from(order.subarray(0, k), (token) => ({ token, logit: values[token] }));
  return { top, logSumExp: largest + Math.log(sum) };
}
