// Owns what a model's confidence is worth: how far it is from the share of right answers, how many errors are left where the model answers only what it is
// surest of, and the calibration that turns confidence into a chance. Must not know models or tasks.
// Sources: expected calibration error in ten bins (Naeini et al., AAAI 2015; Guo et al., ICML 2017); logistic calibration with softened targets (Platt 1999).
import { exp, log } from '../core/elementary.ts';
import { chanceOfRight, logitOf } from '../generate/abstain.ts';

/** One answer: how sure, and whether right. */
export interface Judged {
  readonly confidence: number;
  readonly right: boolean;
}

/** What is left where only the answers the model is surest of are given. */
export interface Coverage {
  /** Share of questions that are answered. */
  readonly coverage: number;
  /** Least confidence among them. */
  readonly threshold: number;
  /** Share of those answers that are wrong. */
  readonly errorRate: number;
}

/** What confidence is worth. */
export interface CalibrationReport {
  readonly items: number;
  /** Mean distance of confidence and share of right answers over ten equal bins of confidence, each by its questions. */
  readonly ece: number;
  /** The same of the calibrated chance; each fifth of the questions by a calibration of the other four. */
  readonly calibratedEce: number;
  readonly coverage: readonly Coverage[];
}

const BINS = 10;
const COVERAGES = [1, 0.9, 0.75, 0.5, 0.25];
const FOLDS = 5;
const STEPS = 60;

/** Reports on `judged`; the order of questions says which fold each is in. */
export function calibrationReport(judged: readonly Judged[]): CalibrationReport {
  const fits = Array.from({ length: FOLDS }, (_, fold) => fitCalibration(judged.filter((_, k) => k % FOLDS !== fold)));
  return {
    items: judged.length,
    ece: calibrationError(judged),
    calibratedEce: calibrationError(
      judged.map(({ confidence, right }, i) => ({ confidence: chanceOfRight(fits[i % FOLDS], confidence), right })),
    ),
    coverage: COVERAGES.map((coverage) => selective(judged, coverage)),
  };
}

/** The expected calibration error; 0 for nothing. */
export function calibrationError(judged: readonly Judged[]): number {
  const bins = Array.from({ length: BINS }, () => ({ confidence: 0, right: 0 }));
  for (const { confidence, right } of judged) {
    const bin = bins[Math.min(BINS - 1, Math.floor(confidence * BINS))];
    bin.confidence += confidence;
    bin.right += Number(right);
  }
  return bins.reduce((sum, bin) => sum + Math.abs(bin.confidence - bin.right), 0) / Math.max(1, judged.length);
}

/** Errors among the surest `coverage` of the answers. */
export function selective(judged: readonly Judged[], coverage: number): Coverage {
  const sorted = [...judged].sort((a, b) => b.confidence - a.confidence);
  const kept = sorted.slice(0, Math.max(1, Math.round(coverage * sorted.length)));
  const wrong = kept.filter(({ right }) => !right).length;
  return { coverage, threshold: kept.at(-1)?.confidence ?? 0, errorRate: wrong / Math.max(1, kept.length) };
}

/**
 * The logistic function of the logit of confidence under which `judged` is likeliest. A confidence that says nothing, or the contrary, gets slope 0: every
 * answer then has the chance of all.
 */
export function fitCalibration(judged: readonly Judged[]): { readonly slope: number; readonly offset: number } {
  const right = judged.filter((one) => one.right).length;
  // Targets short of 0 and 1, so that few questions do not make it sure.
  const targets = { right: (right + 1) / (right + 2), wrong: 1 / (judged.length - right + 2) };
  const rows = judged.map((one) => ({
    x: logitOf(one.confidence),
    target: one.right ? targets.right : targets.wrong,
  }));
  const constant = { slope: 0, offset: log((right + 1) / (judged.length - right + 1)) };
  let { slope, offset } = constant;
  for (let step = 0; step < STEPS; step++) {
    let [g0, g1, h00, h01, h11] = [0, 0, 1e-9, 0, 1e-9];
    for (const { x, target } of rows) {
      const chance = 1 / (1 + exp(-(slope * x + offset)));
      const weight = chance * (1 - chance);
      g0 += chance - target;
      g1 += (chance - target) * x;
      h00 += weight;
      h01 += weight * x;
      h11 += weight * x * x;
    }
    const determinant = h00 * h11 - h01 * h01;
    if (!(determinant > 1e-12)) break;
    const change = { offset: (h11 * g0 - h01 * g1) / determinant, slope: (h00 * g1 - h01 * g0) / determinant };
    // Short steps: far from the minimum Newton's are too long.
    const scale = Math.min(1, 2 / Math.max(Math.abs(change.offset), Math.abs(change.slope), 1e-12));
    offset -= scale * change.offset;
    slope -= scale * change.slope;
  }
  return slope > 0 && Number.isFinite(slope) && Number.isFinite(offset) ? { slope, offset } : constant;
}
