// Owns choosing a token from logits. Must not know where logits come from.
import type { Random } from '../core/random.ts';
import type { TopEntry } from '../kernels/backend.ts';
import type { ResolvedOptions } from './options.ts';

/**
 * Chooses from `candidates`, likeliest first, those of logit −∞ never: top-k, top-p, min-p, then temperature, then one draw of `random`.
 * @param logSumExp log Σ exp of the candidates' logits and of those that were left out. With top-k it is not used: probabilities are then
 * among the kept, as in llama.cpp
 */
export function chooseToken(
  candidates: readonly TopEntry[],
  logSumExp: number,
  options: ResolvedOptions,
  random: Random,
): number {
  if (options.temperature === 0) return candidates[0].token;
  const impossible = candidates.findIndex((entry) => entry.logit === Number.NEGATIVE_INFINITY);
  const possible = impossible > 0 ? candidates.slice(0, impossible) : candidates;
  const kept = filterCandidates(possible, logSumExp, options);
  const max = kept[0].logit;
  const weights = kept.map((entry) => Math.exp((entry.logit - max) / options.temperature));
  let target = random.uniform() * weights.reduce((sum, weight) => sum + weight, 0);
  for (let i = 0; i < kept.length; i++) {
    target -= weights[i];
    if (target < 0) return kept[i].token;
  }
  return kept[kept.length - 1].token;
}

/** The candidates that top-k, top-p and min-p leave; at least one. */
export function filterCandidates(
  candidates: readonly TopEntry[],
  logSumExp: number,
  options: ResolvedOptions,
): readonly TopEntry[] {
  let kept = candidates;
  let logTotal = logSumExp;
  if (options.topK > 0) {
    kept = kept.slice(0, options.topK);
    logTotal = logSumExpOf(kept);
  }
  if (options.topP < 1) {
    let cumulative = 0;
    let count = 0;
    while (count < kept.length && cumulative < options.topP) {
      cumulative += Math.exp(kept[count].logit - logTotal);
      count++;
    }
    kept = kept.slice(0, Math.max(1, count));
  }
  if (options.minP > 0) {
    const least = kept[0].logit + Math.log(options.minP);
    kept = kept.filter((entry, i) => i === 0 || entry.logit >= least);
  }
  return kept;
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

function logSumExpOf(entries: readonly TopEntry[]): number {
  const max = entries[0].logit;
  return max + Math.log(entries.reduce((sum, entry) => sum + Math.exp(entry.logit - max), 0));
}

/** log Σ exp over all of `logits`. */
export function logSumExp(logits: Float32Array): number {
  let max = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > max) max = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - max);
  return max + Math.log(sum);
}
