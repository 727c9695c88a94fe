// Owns choosing by likelihood, and what is reported of it. As lm-evaluation-harness 0.4: contexts and continuations are tokenized together, spaces at the
// end of a context go to the continuation. Must not know tasks.
import { exp } from '../core/elementary.ts';
import { OnebitError } from '../errors.ts';
import type { ChosenToken } from '../generate/session.ts';
import type { ChoiceItem } from './task-forms.ts';

/** How a model reads. */
export interface ChoiceReader {
  encode(text: string): ArrayLike<number> & Iterable<number>;
  /** What stands before a context: the begin token, where the model wants one. */
  readonly begin: readonly number[];
  /** What stands before an empty context. */
  readonly empty: readonly number[];
  readonly contextTokens: number;
  /** `tokens[1..]` with their log-probabilities and the likeliest in the place of each. */
  rank(tokens: readonly number[]): Promise<readonly ChosenToken[]>;
}

/** What a model makes of one question. */
export interface ChoiceResult {
  /** Log-likelihoods of the options, in nats. */
  readonly logLikelihoods: readonly number[];
  /** Whether every token of the right option was the likeliest. */
  readonly isGreedy: boolean;
  readonly label: number;
  /** The option of the largest likelihood: as it is, by character, by byte. */
  readonly chosen: { readonly acc: number; readonly acc_norm: number; readonly acc_bytes: number };
}

/** Chooses. A context that does not fit loses its beginning. @param examples what is read before the context */
export async function choose(item: ChoiceItem, reader: ChoiceReader, examples = ''): Promise<ChoiceResult> {
  const scored: { sum: number; isGreedy: boolean }[] = [];
  for (const { context, continuation } of item.options) {
    scored.push(await logLikelihood(examples + context, continuation, reader));
  }
  const sums = scored.map(({ sum }) => sum);
  const characters = item.texts.map((option) => [...option].length);
  const bytes = item.texts.map((option) => new TextEncoder().encode(option).length);
  return {
    logLikelihoods: sums,
    isGreedy: scored[item.label].isGreedy,
    label: item.label,
    chosen: {
      acc: largest(sums),
      acc_norm: largest(sums.map((sum, i) => sum / characters[i])),
      acc_bytes: largest(sums.map((sum, i) => sum / bytes[i])),
    },
  };
}

/** log P(continuation | context) in nats. */
export async function logLikelihood(
  context: string,
  continuation: string,
  reader: ChoiceReader,
): Promise<{ sum: number; isGreedy: boolean }> {
  const given = context.trimEnd();
  const whole = [...reader.encode(context + continuation)];
  const before = given === '' ? 0 : reader.encode(given).length;
  const head = given === '' ? reader.empty : reader.begin;
  const all = [...head, ...whole];
  const wanted = whole.length - before;
  if (wanted + 1 > reader.contextTokens || wanted < 1) {
    throw new OnebitError(
      'too-long',
      `evaluate: an option must have from 1 to ${reader.contextTokens - 1} tokens, got ${wanted}. Give a larger --ctx.`,
    );
  }
  const tokens = all.slice(-reader.contextTokens);
  // Without a begin token nothing is known of the first one.
  const ranked = (await reader.rank(tokens)).slice(-wanted);
  let sum = 0;
  for (const { logprob } of ranked) sum += logprob!;
  return { sum, isGreedy: ranked.every(({ token, top }) => top![0].token === token) };
}

function largest(values: readonly number[]): number {
  return values.indexOf(Math.max(...values));
}

/** A share with its uncertainty. */
export interface Estimate {
  readonly value: number;
  /** As lm-evaluation-harness gives it: the sample's deviation over √n. */
  readonly stderr: number;
  /** 95 %: Wilson's interval of a share, 1.96 standard errors of a mean. */
  readonly from: number;
  readonly to: number;
}

/** What is reported of a task. */
export interface ChoiceSummary {
  readonly items: number;
  readonly acc: Estimate;
  readonly acc_norm: Estimate;
  readonly acc_bytes: Estimate;
  /** Where every question has one option: whether it was the likeliest text (`acc`), and the perplexity of the right words. */
  readonly perplexity?: number;
}

export function summarise(results: readonly ChoiceResult[]): ChoiceSummary {
  const isOpen = results.every(({ logLikelihoods }) => logLikelihoods.length === 1);
  const share = (name: keyof ChoiceResult['chosen']) =>
    shareOf(results.map((result) => (isOpen ? result.isGreedy : result.chosen[name] === result.label)));
  const sum = results.reduce((total, { logLikelihoods, label }) => total + logLikelihoods[label], 0);
  return {
    items: results.length,
    ...{ acc: share('acc'), acc_norm: share('acc_norm'), acc_bytes: share('acc_bytes') },
    ...(isOpen ? { perplexity: exp(-sum / Math.max(1, results.length)) } : {}),
  };
}

/** A share of hits, with Wilson's interval (1927). */
export function shareOf(hits: readonly boolean[]): Estimate {
  const n = hits.length;
  if (n === 0) return { value: 0, stderr: 0, from: 0, to: 1 };
  const value = hits.filter(Boolean).length / n;
  const z2 = 1.96 * 1.96;
  const middle = (value + z2 / (2 * n)) / (1 + z2 / n);
  const half = (1.96 * Math.sqrt((value * (1 - value)) / n + z2 / (4 * n * n))) / (1 + z2 / n);
  const stderr = n > 1 ? Math.sqrt((value * (1 - value)) / (n - 1)) : 0;
  return { value, stderr, from: Math.max(0, middle - half), to: Math.min(1, middle + half) };
}
