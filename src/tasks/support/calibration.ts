// Owns turning scores into probabilities that hold on unseen texts, and choosing the threshold: everything here is fitted to predictions of networks
// that have not seen the texts (cross-validation). Must not know networks or texts.
import { exp, log } from '../../core/elementary.ts';
import { softmax } from './network.ts';

/** What a network that had not seen a text said of it. */
export interface HeldOut {
  /** Which of the examples. */
  readonly example: number;
  /** Scores of the intents. */
  readonly scores: Float32Array;
  /** The intent it is of; -1 out of scope. */
  readonly intent: number;
  readonly signals: Float32Array;
}

/** What tells queries out of scope from others: see `signalsOf`. */
export const SIGNALS = 5;
/** Keeps the detector's weights finite where its texts are told apart perfectly. */
const PENALTY = 0.1;

/**
 * The signals of a query: the best score over the others (as log-odds), the sum of all (log of summed exponentials), the distance between the two
 * best, the score of the class of rows labelled oos over the best (0 without one), the share of evidence that is known.
 */
export function signalsOf(scores: Float32Array, outlierScore: number | undefined, known: number): Float32Array {
  let [best, second] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const score of scores) {
    if (score > best) [best, second] = [score, best];
    else if (score > second) second = score;
  }
  let others = 0;
  for (const score of scores) others += exp(score - best);
  const energy = best + log(others);
  const odds = best - (best + log(Math.max(others - 1, 1e-9)));
  return Float32Array.of(
    odds,
    energy,
    Math.min(best - second, 20),
    outlierScore === undefined ? 0 : outlierScore - best,
    known,
  );
}

/**
 * The temperature under which the held-out texts of intents are likeliest, together with one text more that could be of any intent: where few texts
 * are told apart perfectly, probabilities stay those that so few can show.
 * @param most the highest that is tried
 */
export function fitTemperature(heldOut: readonly Pick<HeldOut, 'scores' | 'intent'>[], most = 20): number {
  const inScope = heldOut.filter(({ intent }) => intent >= 0);
  let [low, high] = [log(0.05), log(most)];
  const loss = (logTemperature: number) => {
    let [sum, anyIntent] = [0, 0];
    for (const { scores, intent } of inScope) {
      const probabilities = Float32Array.from(scores);
      softmax(probabilities, exp(logTemperature));
      sum -= log(Math.max(probabilities[intent], 1e-12));
      for (const probability of probabilities) anyIntent -= log(Math.max(probability, 1e-12)) / scores.length;
    }
    return sum + anyIntent / Math.max(1, inScope.length);
  };
  // Golden sections: the loss has one minimum.
  const ratio = (Math.sqrt(5) - 1) / 2;
  let [a, b] = [high - ratio * (high - low), low + ratio * (high - low)];
  let [lossA, lossB] = [loss(a), loss(b)];
  for (let i = 0; i < 24; i++) {
    if (lossA < lossB) {
      [high, b, lossB] = [b, a, lossA];
      a = high - ratio * (high - low);
      lossA = loss(a);
    } else {
      [low, a, lossA] = [a, b, lossB];
      b = low + ratio * (high - low);
      lossB = loss(b);
    }
  }
  return exp((low + high) / 2);
}

/** Says how likely a query is out of scope: a logistic function of its signals, each less its mean and over its deviation. */
export interface OutlierDetector {
  readonly mean: Float32Array;
  readonly scale: Float32Array;
  readonly weights: Float32Array;
  readonly bias: number;
}

/** The chance that a query with these signals is out of scope. */
export function outlierProbability(detector: OutlierDetector, signals: Float32Array): number {
  let sum = detector.bias;
  for (let i = 0; i < SIGNALS; i++) sum += detector.weights[i] * (signals[i] - detector.mean[i]) * detector.scale[i];
  return 1 / (1 + exp(-sum));
}

/**
 * Fits the detector, both kinds of text counting as if `share` of all queries were out of scope. Without any such text it says 0 to all.
 * Logistic regression by Newton's method, with a small penalty on the weights.
 */
export function fitOutliers(heldOut: readonly HeldOut[], share: number): OutlierDetector {
  const outliers = heldOut.filter(({ intent }) => intent < 0).length;
  const mean = new Float32Array(SIGNALS);
  const scale = new Float32Array(SIGNALS);
  const weights = new Float32Array(SIGNALS);
  if (outliers === 0) return { mean, scale, weights, bias: -30 };
  for (let i = 0; i < SIGNALS; i++) {
    const values = heldOut.map(({ signals }) => signals[i]);
    mean[i] = values.reduce((sum, value) => sum + value, 0) / values.length;
    const deviation = Math.sqrt(
      values.reduce((sum, value) => sum + (value - mean[i]) * (value - mean[i]), 0) / values.length,
    );
    scale[i] = deviation > 1e-6 ? 1 / deviation : 0;
  }
  const inScope = heldOut.length - outliers;
  const weightOf = (row: HeldOut) => (row.intent < 0 ? 0.5 / outliers : 0.5 / Math.max(inScope, 1)) * 2 * outliers;
  const parameters = new Float64Array(SIGNALS + 1);
  for (let step = 0; step < 30; step++) newtonStep(heldOut, parameters, weightOf, mean, scale);
  weights.set(parameters.subarray(0, SIGNALS));
  // Fitted as if half were out of scope: shifted to the share that is expected.
  return { mean, scale, weights, bias: parameters[SIGNALS] + log(share / (1 - share)) };
}

function newtonStep(
  rows: readonly HeldOut[],
  parameters: Float64Array,
  weightOf: (row: HeldOut) => number,
  mean: Float32Array,
  scale: Float32Array,
): void {
  const size = parameters.length;
  const gradient = new Float64Array(size);
  const hessian = Array.from({ length: size }, () => new Float64Array(size));
  const x = new Float64Array(size).fill(1);
  for (const row of rows) {
    for (let i = 0; i < SIGNALS; i++) x[i] = (row.signals[i] - mean[i]) * scale[i];
    let sum = 0;
    for (let i = 0; i < size; i++) sum += parameters[i] * x[i];
    const chance = 1 / (1 + exp(-sum));
    const weight = weightOf(row);
    for (let i = 0; i < size; i++) {
      gradient[i] += weight * (chance - Number(row.intent < 0)) * x[i];
      for (let j = 0; j < size; j++) hessian[i][j] += weight * chance * (1 - chance) * x[i] * x[j];
    }
  }
  for (let i = 0; i < size; i++) {
    if (i < SIGNALS) gradient[i] += PENALTY * parameters[i];
    hessian[i][i] += i < SIGNALS ? PENALTY : 1e-6;
  }
  const step = solve(hessian, gradient);
  for (let i = 0; i < size; i++) parameters[i] -= step[i];
}

/** Gaussian elimination; the matrix is positive definite. */
function solve(matrix: Float64Array[], right: Float64Array): Float64Array {
  const size = right.length;
  for (let i = 0; i < size; i++) {
    for (let j = i + 1; j < size; j++) {
      const factor = matrix[j][i] / matrix[i][i];
      for (let k = i; k < size; k++) matrix[j][k] -= factor * matrix[i][k];
      right[j] -= factor * right[i];
    }
  }
  for (let i = size - 1; i >= 0; i--) {
    for (let k = i + 1; k < size; k++) right[i] -= matrix[i][k] * right[k];
    right[i] /= matrix[i][i];
  }
  return right;
}

/** A held-out answer: how sure, whether right, and how many queries it stands for. */
export interface Judged {
  readonly confidence: number;
  readonly right: boolean;
  readonly weight: number;
}

/**
 * The least that is asked of a threshold besides its precision. Below a confidence of a half, answers are more often wrong than right; so it is a half,
 * or, if that is lower, the confidence below which `loss` of the right answers lie. 0 where nothing was answered rightly.
 */
export function leastThreshold(right: readonly number[], loss: number): number {
  return right.length === 0 ? 0 : Math.min(0.5, quantile(right, loss));
}

function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length))];
}
