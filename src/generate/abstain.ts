// Owns knowing when not to answer: how sure a model is of what it wrote, as a chance of being right by a calibration, and what is answered instead. Must not
// know sessions. How calibrations are made: evaluate/calibration.ts.
import { checkArgument, checkOptions, type Options, wrong } from '../core/check.ts';
import { exp, log } from '../core/elementary.ts';

/** What is seen of an answer: the geometric mean of its tokens' probabilities, or how alike other answers to the same question are. */
export type ConfidenceMeasure = 'likelihood' | 'agreement';
export const CONFIDENCE_MEASURES: readonly ConfidenceMeasure[] = ['likelihood', 'agreement'];

/** What a confidence is worth, learnt from questions with known answers: the chance of being right is 1 / (1 + exp(−(slope · logit(confidence) + offset))). */
export interface Calibration {
  readonly measure: ConfidenceMeasure;
  /** Of `agreement`: answers that are compared with the one that is given. */
  readonly samples?: number;
  readonly slope: number;
  readonly offset: number;
}

/** When not to answer, and what to say then. */
export interface Abstain {
  /** What is answered instead. */
  readonly answer: string;
  /** Least chance of being right, 0 to 1. */
  readonly atLeast: number;
  readonly calibration: Calibration;
}

const MOST_SAMPLES = 32;
/** Confidences are kept so far from 0 and 1, where the logit has no value. */
const EDGE = 1e-6;
const ABSTAIN: Options = { answer: 'text', atLeast: 'number', calibration: 'object' };

/** @throws OnebitError `bad-argument` naming what is not as it must be */
export function checkAbstain(abstain: Abstain): void {
  checkOptions('abstain', abstain, ABSTAIN);
  for (const [name, kind] of Object.entries(ABSTAIN)) {
    checkArgument('abstain', name, abstain[name as keyof Abstain], kind);
  }
  const { atLeast, calibration } = abstain;
  if (!(atLeast >= 0 && atLeast <= 1)) throw wrong('abstain', 'atLeast', 'be a number from 0 to 1', atLeast);
  checkCalibration(calibration);
}

/** @throws OnebitError `bad-argument` naming what is not as it must be */
export function checkCalibration({ measure, samples, slope, offset }: Calibration): void {
  checkArgument('calibration', 'measure', measure, CONFIDENCE_MEASURES);
  for (const [name, value] of Object.entries({ slope, offset })) {
    if (!Number.isFinite(value)) throw wrong('calibration', name, 'be a finite number', value);
  }
  const isCount = Number.isInteger(samples) && samples! >= 1 && samples! <= MOST_SAMPLES;
  if (measure === 'agreement' && !isCount) {
    throw wrong('calibration', 'samples', `be a whole number from 1 to ${MOST_SAMPLES} for agreement`, samples);
  }
}

/** The chance that an answer of this confidence is right. */
export function chanceOfRight({ slope, offset }: Pick<Calibration, 'slope' | 'offset'>, confidence: number): number {
  return 1 / (1 + exp(-(slope * logitOf(confidence) + offset)));
}

/** log(p / (1 − p)), also of 0 and 1. */
export function logitOf(probability: number): number {
  const inside = Math.min(1 - EDGE, Math.max(EDGE, probability));
  return log(inside / (1 - inside));
}

/** The geometric mean of the probabilities of an answer's tokens; 0 for none. */
export function likelihoodOf(chosen: readonly { readonly logprob?: number }[]): number {
  if (chosen.length === 0) return 0;
  return exp(chosen.reduce((sum, { logprob }) => sum + logprob!, 0) / chosen.length);
}

/** How alike `text` is to `others`: the mean over them of the words in common (F1), letters and digits alone, whatever their case. */
export function agreementOf(text: string, others: readonly string[]): number {
  const own = wordCounts(text);
  return others.reduce((sum, other) => sum + likeness(own, wordCounts(other)), 0) / Math.max(1, others.length);
}

function likeness(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): number {
  const size = (counts: ReadonlyMap<string, number>) => [...counts.values()].reduce((sum, count) => sum + count, 0);
  const total = size(a) + size(b);
  let common = 0;
  for (const [word, count] of a) common += Math.min(count, b.get(word) ?? 0);
  return total === 0 ? 1 : (2 * common) / total;
}

function wordCounts(text: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [word] of text
    .normalize('NFKC')
    .toLowerCase()
    .matchAll(/[\p{L}\p{M}\p{N}]+/gu)) {
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return counts;
}
