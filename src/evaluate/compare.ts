// Owns how far one model's predictions are from another's, or from its own in another format: Kullback-Leibler divergence and agreement on the likeliest token,
// place by place in the same texts. Must not know files.
import { exp } from '../core/elementary.ts';
import { OnebitError } from '../errors.ts';
import type { Session } from '../generate/session.ts';
import { logSumExp } from '../kernels/ranking.ts';
import { type Estimate, meanOf, shareOf } from './choices.ts';

export interface Comparison {
  /** Σ p log(p / q), nats a token: p of the model compared with, q of the one in question. Mean with its interval. */
  readonly klDivergence: Estimate;
  readonly klMedian: number;
  /** The value that one place in a hundred is above. */
  readonly kl99: number;
  /** Share of places at which both find the same token likeliest. */
  readonly sameTop: Estimate;
  readonly places: number;
  readonly windowTokens: number;
}

/** Compares `model` with `reference` in windows that follow each other. @throws OnebitError `unsupported` where they have not as many tokens */
export async function compareModels(
  tokens: readonly number[],
  begin: readonly number[],
  model: Session,
  reference: Session,
  options: { signal?: AbortSignal; onProgress?: (done: number, total: number) => void } = {},
): Promise<Comparison> {
  const window = Math.min(model.contextTokens, reference.contextTokens) - begin.length;
  const divergences: number[] = [];
  const same: boolean[] = [];
  for (let from = 0; from < tokens.length; from += window) {
    const part = [...begin, ...tokens.slice(from, from + window)];
    const ours = model.logits(part, options.signal);
    const theirs = reference.logits(part, options.signal);
    try {
      for (;;) {
        const [a, b] = [await ours.next(), await theirs.next()];
        if (a.done || b.done) break;
        compareRows(a.value.values, b.value.values, a.value.rows, divergences, same);
      }
    } finally {
      await ours.return();
      await theirs.return();
    }
    options.onProgress?.(Math.min(tokens.length, from + window), tokens.length);
  }
  const sorted = Float64Array.from(divergences).sort();
  return {
    klDivergence: meanOf(divergences),
    klMedian: sorted[sorted.length >> 1] ?? 0,
    kl99: sorted[Math.floor(0.99 * sorted.length)] ?? 0,
    sameTop: shareOf(same),
    ...{ places: same.length, windowTokens: window + begin.length },
  };
}

function compareRows(q: Float32Array, p: Float32Array, rows: number, divergences: number[], same: boolean[]): void {
  if (q.length !== p.length) {
    throw new OnebitError(
      'unsupported',
      `evaluate: models that are compared must have the same tokens, got ${q.length / rows} and ${p.length / rows}. Compare formats of one model.`,
    );
  }
  const size = q.length / rows;
  for (let row = 0; row < rows; row++) {
    const [ours, theirs] = [q.subarray(row * size, (row + 1) * size), p.subarray(row * size, (row + 1) * size)];
    const { divergence, sameTop } = compareLogits(theirs, logSumExp(theirs), ours, logSumExp(ours));
    divergences.push(Math.max(0, divergence));
    same.push(sameTop);
  }
}

/** Of two rows of logits with their log Σ exp: Σ p log(p / q) in nats, and whether the same token is likeliest in both. */
export function compareLogits(
  p: Float32Array,
  sumOfP: number,
  q: Float32Array,
  sumOfQ: number,
): { divergence: number; sameTop: boolean } {
  let [divergence, topOfP, topOfQ] = [0, 0, 0];
  for (let i = 0; i < p.length; i++) {
    const logP = p[i] - sumOfP;
    if (logP > -50) divergence += exp(logP) * (logP - (q[i] - sumOfQ));
    if (p[i] > p[topOfP]) topOfP = i;
    if (q[i] > q[topOfQ]) topOfQ = i;
  }
  return { divergence, sameTop: topOfP === topOfQ };
}
