// Owns the plain meaning of `topK`: ranking logits in memory, and log Σ exp. For the reference, and where a backend is asked for too many. Must not know a backend.

import { exp, log } from '../core/elementary.ts';
import type { TopEntry } from './backend.ts';

/** The `k` likeliest of `logits` and log Σ exp over all of them. */
export function rankValues(logits: Float32Array, k: number): { top: TopEntry[]; logSumExp: number } {
  return { top: rankLogits(logits, k), logSumExp: logSumExp(logits) };
}

/** All entries of `logits`, likeliest first, ties by the lower token; with `k`, only the first k of them. */
export function rankLogits(logits: Float32Array, k = logits.length): TopEntry[] {
  if (k < logits.length) return rankFew(logits, k);
  const order = Uint32Array.from(logits, (_, i) => i).sort((a, b) => logits[b] - logits[a] || a - b);
  return Array.from(order, (token) => ({ token, logit: logits[token] }));
}

/** Keeps the k best in a sorted array: cheap because few values beat the k-th best once the first thousand are seen. */
function rankFew(logits: Float32Array, k: number): TopEntry[] {
  const best: TopEntry[] = [];
  for (let token = 0; token < logits.length; token++) {
    const logit = logits[token];
    if (best.length === k && !(logit > best[k - 1].logit)) continue;
    let at = best.length;
    while (at > 0 && best[at - 1].logit < logit) at--;
    best.splice(at, 0, { token, logit });
    if (best.length > k) best.pop();
  }
  return best;
}

/** log Σ exp over all of `logits`. */
export function logSumExp(logits: Iterable<number>): number {
  let max = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > max) max = logit;
  let sum = 0;
  for (const logit of logits) sum += exp(logit - max);
  return max + log(sum);
}
