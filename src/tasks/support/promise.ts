// Owns which precision a threshold can promise: an exact binomial bound on judgements of texts that were not learnt. With few rows little can be promised, and
// what cannot is not. Must not know networks or texts.
import { exp, log } from '../../core/elementary.ts';
import type { Judged } from './calibration.ts';

/** What a threshold gave on texts that were not learnt. */
export interface ThresholdRow {
  /** The precision that was asked. */
  readonly precision: number;
  /** From this confidence on it is met; null: it cannot be shown, and nothing should be answered. */
  readonly threshold: number | null;
  /** Share of the texts answered, and of these right, with the bounds of a 95 % interval; null where nothing is answered. */
  readonly answered: number;
  readonly right: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

/**
 * How likely a promise may be wrong. Several thresholds are tried on the same texts and the lowest that holds is taken, so one trial's chance is a quarter of
 * 5 %; of thousands of texts one standard error is enough, as measured.
 */
const RISK = { few: 0.0125, many: 0.16, perText: 1 / 50_000 };
/** Shares of the texts, surest first, at which a threshold may lie. */
const CUTS = 40;

interface Cut {
  readonly threshold: number;
  /** As many texts as the weighed ones are worth. */
  readonly texts: number;
  readonly share: number;
  readonly answered: number;
}

/**
 * The lowest confidence from which on answers are right as often as `precision` asks, as surely as the texts can show; undefined where they cannot show it for
 * any.
 */
export function promisedThreshold(judged: readonly Judged[], precision: number): number | undefined {
  return lowestThatHolds(cutsOf(judged), judged.length, precision)?.threshold;
}

/** What thresholds for several precisions gave. */
export function thresholdTable(judged: readonly Judged[], precisions: readonly number[]): ThresholdRow[] {
  const cuts = cutsOf(judged);
  return precisions.map((precision) => {
    const cut = lowestThatHolds(cuts, judged.length, precision);
    if (!cut) return { precision, threshold: null, answered: 0, right: null, low: null, high: null };
    const right = cut.share * cut.texts;
    return {
      ...{ precision, threshold: cut.threshold, answered: cut.answered, right: cut.share },
      low: right > 0 ? quantileOfBeta(0.025, right, cut.texts - right + 1) : 0,
      high: right < cut.texts ? quantileOfBeta(0.975, right + 1, cut.texts - right) : 1,
    };
  });
}

/** How many texts, all answered rightly, it takes to show a precision. */
export function textsNeeded(precision: number): number {
  return Math.ceil(log(RISK.few) / log(precision));
}

function lowestThatHolds(cuts: readonly Cut[], texts: number, precision: number): Cut | undefined {
  const risk = Math.min(RISK.many, Math.max(RISK.few, texts * RISK.perText));
  // Right so often or more, if the precision were only what is asked: so unlikely must it be.
  const holds = ({ share, texts: count }: Cut) =>
    share >= precision && betaShare(precision, share * count, count - share * count + 1) <= risk;
  return cuts.findLast(holds);
}

/** The surest texts, in ever larger shares. */
function cutsOf(judged: readonly Judged[]): Cut[] {
  const sorted = [...judged].sort((a, b) => b.confidence - a.confidence);
  const total = sorted.reduce((sum, { weight }) => sum + weight, 0);
  const cuts: Cut[] = [];
  let [all, right, squares] = [0, 0, 0];
  for (const [i, { confidence, right: isRight, weight }] of sorted.entries()) {
    all += weight;
    squares += weight * weight;
    if (isRight) right += weight;
    const isTied = i + 1 < sorted.length && sorted[i + 1].confidence === confidence;
    const isCut =
      Math.floor(((i + 1) * CUTS) / sorted.length) > Math.floor((i * CUTS) / sorted.length) || sorted.length <= CUTS;
    if (isTied || !isCut || squares === 0) continue;
    cuts.push({ threshold: confidence, texts: (all * all) / squares, share: right / all, answered: all / total });
  }
  return cuts;
}

/** The regularised incomplete beta function: how likely a share of Beta(a, b) is below `x`. Continued fraction, DLMF 8.17.22. */
function betaShare(x: number, a: number, b: number): number {
  if (a <= 0 || x >= 1) return 1;
  if (x <= 0) return 0;
  if (x > (a + 1) / (a + b + 2)) return 1 - betaShare(1 - x, b, a);
  const front = exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * log(x) + b * log(1 - x)) / a;
  const tiny = 1e-30;
  let [c, d] = [1, 1 - ((a + b) * x) / (a + 1)];
  d = 1 / (Math.abs(d) < tiny ? tiny : d);
  let fraction = d;
  for (let m = 1; m < 300; m++) {
    for (const top of [
      (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m)),
      (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1)),
    ]) {
      d = 1 + top * d;
      d = 1 / (Math.abs(d) < tiny ? tiny : d);
      c = 1 + top / c;
      if (Math.abs(c) < tiny) c = tiny;
      fraction *= c * d;
    }
    if (Math.abs(c * d - 1) < 1e-12) break;
  }
  return Math.min(1, front * fraction);
}

/** Lanczos' approximation; source: Press et al., Numerical Recipes, 6.1. */
function logGamma(x: number): number {
  const parts = [
    76.18009172947146, -86.50532032941678, 24.01409824083091, -1.231739572450155, 1.208650973866179e-3,
    -5.395239384953e-6,
  ];
  const base = x + 5.5;
  let sum = 1.000000000190015;
  for (const [i, part] of parts.entries()) sum += part / (x + 1 + i);
  return (x + 0.5) * log(base) - base + log((2.5066282746310007 * sum) / x);
}

function quantileOfBeta(share: number, a: number, b: number): number {
  let [low, high] = [0, 1];
  for (let i = 0; i < 50; i++) {
    const middle = (low + high) / 2;
    if (betaShare(middle, a, b) < share) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
