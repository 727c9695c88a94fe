// Owns choosing a token from logits in memory: ranking them, and the draw. Must not know where logits come from. What a choice is: kernels/sampling.ts.
import type { Random } from '../core/random.ts';
import type { Sampling, TopEntry } from '../kernels/backend.ts';
import { sampleCandidates, samplingCandidates } from '../kernels/sampling.ts';
import type { ResolvedOptions } from './options.ts';
import type { Marker } from './watermark.ts';

/** Chooses from `candidates` as `sampleCandidates` says, with the next draw of `random`, or as `marker` does. */
export function chooseToken(
  candidates: readonly TopEntry[],
  logSumExp: number,
  options: ResolvedOptions,
  random: Random,
  marker?: Marker,
): number {
  const sampling = samplingOf(options, random);
  if (!marker || options.temperature === 0) return sampleCandidates(candidates, logSumExp, sampling);
  const kept = samplingCandidates(candidates, logSumExp, sampling);
  const token = marker.choose(kept, options.temperature) ?? sampleCandidates(candidates, logSumExp, sampling);
  marker.accept(token);
  return token;
}

/** What `options` ask of a choice, with the next draw of `random`; greedy choices draw none. */
export function samplingOf(options: ResolvedOptions, random: Random): Sampling {
  const { temperature, topK, topP, minP } = options;
  return { temperature, topK, topP, minP, uniform: temperature === 0 ? 0 : random.uniform() };
}
