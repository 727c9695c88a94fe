// Owns the plain meaning of choosing a token: top-k, top-p, min-p, temperature, one draw. Must not know a backend or where draws come from.

import { exp, log } from '../core/elementary.ts';
import { OnebitError } from '../errors.ts';
import type { Sampling, TopEntry } from './backend.ts';
import { logSumExp as logSumExpOf, rankValues } from './ranking.ts';

/** Beyond this many candidates, ranking in a backend no longer pays. */
export const MOST_RANKED = 256;

/** The token that `sampling` chooses among all of `values`. */
export function sampleValues(values: Float32Array, sampling: Sampling): number {
  const ranked = rankValues(values, neededCandidates(sampling) || values.length);
  return sampleCandidates(ranked.top, ranked.logSumExp, sampling);
}

/** How many of the likeliest tokens `sampling` can choose from; 0 means all. */
export function neededCandidates({ temperature, topK }: Sampling): number {
  return temperature === 0 ? 1 : topK;
}

/**
 * Chooses from `candidates`, likeliest first, those of logit −∞ never: top-k, top-p, min-p, then temperature, then the draw.
 * @param logSumExp log Σ exp of the candidates' logits and of those that were left out. With top-k it is not used: probabilities are then
 * among the kept, as in llama.cpp
 * @throws OnebitError `bad-file` where the likeliest logit is no finite number: weights that are finite can still give such ones
 */
export function sampleCandidates(candidates: readonly TopEntry[], logSumExp: number, sampling: Sampling): number {
  const { temperature, uniform } = sampling;
  const kept = samplingCandidates(candidates, logSumExp, sampling);
  if (temperature === 0) return kept[0].token;
  const max = kept[0].logit;
  const weights = kept.map((entry) => exp((entry.logit - max) / temperature));
  let target = uniform * weights.reduce((sum, weight) => sum + weight, 0);
  for (let i = 0; i < kept.length; i++) {
    target -= weights[i];
    if (target < 0) return kept[i].token;
  }
  return kept[kept.length - 1].token;
}

/** Those of `candidates`, likeliest first, that `sampling` may choose. @throws OnebitError as `sampleCandidates` */
export function samplingCandidates(
  candidates: readonly TopEntry[],
  logSumExp: number,
  sampling: Sampling,
): readonly TopEntry[] {
  if (!Number.isFinite(candidates[0]?.logit)) {
    throw new OnebitError(
      'bad-file',
      `generate: the likeliest logit must be a finite number, got ${candidates[0]?.logit}. The model's weights are damaged or far too large.`,
    );
  }
  if (sampling.temperature === 0) return candidates.slice(0, 1);
  const impossible = candidates.findIndex((entry) => entry.logit === Number.NEGATIVE_INFINITY);
  return filterCandidates(impossible > 0 ? candidates.slice(0, impossible) : candidates, logSumExp, sampling);
}

/** The candidates that top-k, top-p and min-p leave; at least one. */
export function filterCandidates(
  candidates: readonly TopEntry[],
  logSumExp: number,
  { topK, topP, minP }: Pick<Sampling, 'topK' | 'topP' | 'minP'>,
): readonly TopEntry[] {
  let kept = candidates;
  let logTotal = logSumExp;
  if (topK > 0) {
    kept = kept.slice(0, topK);
    logTotal = logSumExpOf(kept.map((entry) => entry.logit));
  }
  if (topP < 1) {
    let cumulative = 0;
    let count = 0;
    while (count < kept.length && cumulative < topP) {
      cumulative += exp(kept[count].logit - logTotal);
      count++;
    }
    kept = kept.slice(0, Math.max(1, count));
  }
  if (minP > 0) {
    const least = kept[0].logit + log(minP);
    kept = kept.filter((entry, i) => i === 0 || entry.logit >= least);
  }
  return kept;
}
