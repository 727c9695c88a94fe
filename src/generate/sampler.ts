// Owns choosing a token from logits in memory: ranking them, and the draw. Must not know where logits come from. What a choice is: kernels/sampling.ts.
import type { Random } from '../core/random.ts';
import type { Sampling, TopEntry } from '../kernels/backend.ts';
import { sampleCandidates } from '../kernels/sampling.ts';
import type { ResolvedOptions } from './options.ts';

/** Chooses from `candidates` as `sampleCandidates` says, with the next draw of `random`. */
export function chooseToken(
  candidates: readonly TopEntry[],
  logSumExp: number,
  options: ResolvedOptions,
  random: Random,
): number {
  return sampleCandidates(candidates, logSumExp, samplingOf(options, random));
}

/** What `options` ask of a choice, with the next draw of `random`; greedy choices draw none. */
export function samplingOf(options: ResolvedOptions, random: Random): Sampling {
  const { temperature, topK, topP, minP } = options;
  return { temperature, topK, topP, minP, uniform: temperature === 0 ? 0 : random.uniform() };
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
export function logSumExp(logits: Float32Array): number {
  let max = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > max) max = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - max);
  return max + Math.log(sum);
}
