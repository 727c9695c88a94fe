// Owns choosing by likelihood, and what is reported of it. As lm-evaluation-harness 0.4: contexts and continuations are tokenized together, spaces at the
// end of a context go to the continuation. Must not know tasks.
import { exp } from '../core/elementary.ts';
import { OnebitError } from '../errors.ts';
import type { ChosenToken } from '../generate/session.ts';
import { type CalibrationReport, calibrationReport } from './calibration.ts';
import { stripEnd } from './python-text.ts';
import type { ChoiceItem } from './task-forms.ts';

/** How a model reads. */
export interface ChoiceReader {
  encode(text: string): ArrayLike<number> & Iterable<number>;
  /** What stands before a context: the begin token, where the model wants one. */
  readonly begin: readonly number[];
  /** What stands before an empty context. */
  readonly empty: readonly number[];
  readonly contextTokens: number;
  /** `tokens[1..]` with their log-probabilities and the likeliest in the place of each; one token more than the context may be asked for. */
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
  readonly chosen: ByLength<number>;
  /** How sure that is: the share of the option's likelihood among all options', each taken as above. */
  readonly confidence: ByLength<number>;
}

/** Something of likelihoods as they are, by character, by byte; and, where it was asked for, over the likelihood without the context. */
export interface ByLength<Value> {
  readonly acc: Value;
  readonly acc_norm: Value;
  readonly acc_bytes: Value;
  readonly acc_mutual_info?: Value;
}

/** What is known of a continuation. */
export interface LogLikelihood {
  /** Nats. */
  readonly sum: number;
  /** Whether each token was the likeliest; undefined where the model does not tell. */
  readonly isGreedy: boolean | undefined;
}

/**
 * Chooses. A context that does not fit loses its beginning.
 * @param examples what is read before the context
 * @param mutualInfo also choose by log P(option | context) − log P(option), for `acc_mutual_info`
 */
export async function choose(
  item: ChoiceItem,
  likelihood: (context: string, continuation: string) => Promise<LogLikelihood>,
  { examples = '', mutualInfo = false }: { examples?: string; mutualInfo?: boolean } = {},
): Promise<ChoiceResult> {
  const scored: LogLikelihood[] = [];
  const alone: number[] = [];
  for (const { context, continuation } of item.options) {
    scored.push(await likelihood(examples + context, continuation));
    if (mutualInfo) alone.push((await likelihood('', continuation)).sum);
  }
  if (scored.length === 1 && scored[0].isGreedy === undefined) {
    throw new OnebitError(
      'unsupported',
      'evaluate: the model must give the likeliest token in the place of each (top_logprobs), it does not. Leave out tasks of one option, such as lambada.',
    );
  }
  const sums = scored.map(({ sum }) => sum);
  const by = {
    acc: sums,
    acc_norm: sums.map((sum, i) => sum / [...item.texts[i]].length),
    acc_bytes: sums.map((sum, i) => sum / new TextEncoder().encode(item.texts[i]).length),
  };
  const each = <Value>(of: (values: readonly number[]) => Value): ByLength<Value> => ({
    ...{ acc: of(by.acc), acc_norm: of(by.acc_norm), acc_bytes: of(by.acc_bytes) },
    ...(mutualInfo ? { acc_mutual_info: of(sums.map((sum, i) => sum - alone[i])) } : {}),
  });
  return {
    logLikelihoods: sums,
    isGreedy: scored[item.label].isGreedy ?? false,
    label: item.label,
    chosen: each(largest),
    confidence: each(shareOfLargest),
  };
}

/** log P(continuation | context) in nats. */
export async function logLikelihood(
  context: string,
  continuation: string,
  reader: ChoiceReader,
): Promise<LogLikelihood> {
  const given = stripEnd(context);
  const whole = [...reader.encode(context + continuation)];
  const before = given === '' ? 0 : reader.encode(given).length;
  const head = given === '' ? reader.empty : reader.begin;
  const all = [...head, ...whole];
  const wanted = whole.length - before;
  if (wanted > reader.contextTokens || wanted < 1 || all.length < 2) {
    throw new OnebitError(
      'too-long',
      `evaluate: an option must have from 1 to ${reader.contextTokens} tokens, got ${wanted}. Give a larger --ctx.`,
    );
  }
  // The last token is only looked up, never read: it needs no room.
  const tokens = all.slice(-(reader.contextTokens + 1));
  // Without a begin token nothing is known of the first one.
  const ranked = (await reader.rank(tokens)).slice(-wanted);
  let sum = 0;
  for (const { logprob } of ranked) sum += logprob!;
  return { sum, isGreedy: ranked.every(({ token, top }) => top![0].token === token) };
}

function largest(values: readonly number[]): number {
  return values.indexOf(mostOf(values));
}

/** Of any number of values: a row may have more options than a call takes arguments. */
function mostOf(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
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
  readonly acc_mutual_info?: Estimate;
  /** What the share of the likeliest option among all is worth as a confidence: of the sums (`acc`), by character (`acc_norm`), by byte. */
  readonly calibration?: ByLength<CalibrationReport>;
  /** Where every question has one option: whether it was the likeliest text (`acc`), and the perplexity of the right words. */
  readonly perplexity?: number;
  readonly perplexityInterval?: Estimate;
}

export function summarise(results: readonly ChoiceResult[]): ChoiceSummary {
  const isOpen = results.every(({ logLikelihoods }) => logLikelihoods.length === 1);
  const share = (name: keyof ByLength<number>) =>
    shareOf(results.map((result) => (isOpen ? result.isGreedy : result.chosen[name] === result.label)));
  const hasMutualInfo = !isOpen && results.every(({ chosen }) => chosen.acc_mutual_info !== undefined);
  const worth = (name: keyof ByLength<number>) =>
    calibrationReport(
      results.map(({ confidence, chosen, label }) => ({
        confidence: confidence[name]!,
        right: chosen[name] === label,
      })),
    );
  return {
    items: results.length,
    ...{ acc: share('acc'), acc_norm: share('acc_norm'), acc_bytes: share('acc_bytes') },
    ...(hasMutualInfo ? { acc_mutual_info: share('acc_mutual_info') } : {}),
    ...(isOpen ? perplexityOf(results.map(({ logLikelihoods }) => logLikelihoods[0])) : {}),
    ...(isOpen
      ? {}
      : {
          calibration: {
            ...{ acc: worth('acc'), acc_norm: worth('acc_norm'), acc_bytes: worth('acc_bytes') },
            ...(hasMutualInfo ? { acc_mutual_info: worth('acc_mutual_info') } : {}),
          },
        }),
  };
}

/** exp of minus the mean of log-likelihoods, with the interval of that mean. */
function perplexityOf(logLikelihoods: readonly number[]): Pick<ChoiceSummary, 'perplexity' | 'perplexityInterval'> {
  const { value: mean, stderr, from, to } = meanOf(logLikelihoods);
  const value = exp(-mean);
  return { perplexity: value, perplexityInterval: { value, stderr: value * stderr, from: exp(-to), to: exp(-from) } };
}

/** A mean, with the interval of 1.96 standard errors. */
export function meanOf(values: readonly number[]): Estimate {
  const n = values.length;
  if (n === 0) return { value: 0, stderr: 0, from: 0, to: 0 };
  const value = values.reduce((sum, one) => sum + one, 0) / n;
  const variance = values.reduce((sum, one) => sum + (one - value) * (one - value), 0) / Math.max(1, n - 1);
  const stderr = Math.sqrt(variance / n);
  return { value, stderr, from: value - 1.96 * stderr, to: value + 1.96 * stderr };
}

/** The share that the largest of `values` has of all as exponents. */
function shareOfLargest(values: readonly number[]): number {
  const most = mostOf(values);
  if (most === Number.NEGATIVE_INFINITY) return 1 / values.length; // options without a text, by character
  return 1 / values.reduce((sum, value) => sum + exp(value - most), 0);
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
