// Owns what a model's confidence is worth: how far it is from the share of right answers, how many errors are left where the model answers only what it is
// surest of, and the calibration that turns confidence into a chance. Must not know models or tasks.
import { calibrationError, fitLogistic, type Judged } from '../core/calibration.ts';
import { chanceOfRight, logitOf } from '../generate/abstain.ts';

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

const COVERAGES = [1, 0.9, 0.75, 0.5, 0.25];
const FOLDS = 5;

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
  return fitLogistic(
    judged.map(({ confidence }) => logitOf(confidence)),
    judged.map(({ right }) => right),
  );
}
