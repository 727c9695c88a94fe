// Owns changing logits because of what was said before: repetition, presence and frequency penalties, and DRY.
// Sources: CTRL (arXiv 1909.05858) for repetition, OpenAI's API reference for presence and frequency, DRY by p-e-w (text-generation-webui, 2024).
import { power } from '../core/elementary.ts';
import type { ResolvedOptions } from './options.ts';

/** Longest repeated passage that DRY distinguishes; beyond it the penalty no longer grows, which keeps it finite. */
const DRY_LONGEST = 50;

/** Whether `options` change logits at all. */
export function hasPenalties(options: ResolvedOptions): boolean {
  return (
    options.repeatPenalty !== 1 ||
    options.presencePenalty !== 0 ||
    options.frequencyPenalty !== 0 ||
    options.dryMultiplier !== 0 ||
    options.logitBias.size > 0
  );
}

/**
 * Applies bias, penalties and DRY to `logits` [vocabulary] in place.
 * @param history all tokens so far, prompt included, newest last
 * @param breakers tokens across which DRY sees no repetition (line ends, quotes, colons)
 */
export function applyPenalties(
  logits: Float32Array,
  history: readonly number[],
  options: ResolvedOptions,
  breakers: ReadonlySet<number>,
): void {
  for (const [token, bias] of options.logitBias) if (token >= 0 && token < logits.length) logits[token] += bias;
  const recent =
    options.penaltyWindow < 0 ? history : history.slice(Math.max(0, history.length - options.penaltyWindow));
  const counts = new Map<number, number>();
  for (const token of recent) counts.set(token, (counts.get(token) ?? 0) + 1);
  for (const [token, count] of counts) {
    const logit = logits[token];
    const repeated = logit > 0 ? logit / options.repeatPenalty : logit * options.repeatPenalty;
    logits[token] = repeated - options.presencePenalty - count * options.frequencyPenalty;
  }
  if (options.dryMultiplier > 0) {
    for (const [token, length] of repeatLengths(recent, breakers)) {
      if (length < options.dryAllowedLength) continue;
      const exponent = Math.min(length, DRY_LONGEST) - options.dryAllowedLength;
      logits[token] -= options.dryMultiplier * power(options.dryBase, exponent);
    }
  }
}

/** For each token that would continue a passage already seen: the length of the passage that repeats right before it. */
export function repeatLengths(history: readonly number[], breakers: ReadonlySet<number>): Map<number, number> {
  const lengths = new Map<number, number>();
  const last = history.length - 1;
  for (let end = last - 1; end >= 0; end--) {
    let length = 0;
    while (
      length < DRY_LONGEST &&
      end - length >= 0 &&
      history[end - length] === history[last - length] &&
      !breakers.has(history[last - length])
    ) {
      length++;
    }
    if (length === 0) continue;
    const continuation = history[end + 1];
    if (length > (lengths.get(continuation) ?? 0)) lengths.set(continuation, length);
  }
  return lengths;
}
