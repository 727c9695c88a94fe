// Owns making the probabilities of decisions hold: a temperature fitted on rows whose right answer is known, what share can be answered at which risk, and the
// threshold for an accuracy, as surely as the rows can show it. Must not know who decides.
import { calibrationError } from '../../core/calibration.ts';
import { checkArgument, checkOptions } from '../../core/check.ts';
import { exp, log } from '../../core/elementary.ts';
import { OnebitError } from '../../errors.ts';
import { fitTemperature } from '../support/calibration.ts';
import { type ThresholdRow, textsNeeded, thresholdTable } from '../support/promise.ts';
import type { Decider } from './questions.ts';

/** What a decider said of a row: the probability of each option, and which is right. */
export interface JudgedDecision {
  readonly probabilities: readonly number[];
  readonly right: number;
}

export interface DecisionCalibration {
  readonly rows: number;
  /** Share of the rows whose likeliest option is right. */
  readonly accuracy: number;
  /** Above 1: it was too sure. */
  readonly temperature: number;
  /** Mean distance between how sure it is and how often it is right, before and after. */
  readonly calibrationError: { readonly before: number; readonly after: number };
  /** From the surest on: share answered, share of these that is right, and the least probability among them. */
  readonly riskCoverage: readonly { readonly answered: number; readonly right: number; readonly threshold: number }[];
  /** The accuracy that was asked for, and from which probability on it is met; null where the rows cannot show it. */
  readonly target: ThresholdRow;
  /** How many rows, all answered rightly, it takes to show that accuracy. */
  readonly rowsNeeded: number;
}

const SHARES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1];
const MOST_TEMPERATURE = 50;
const LEAST = 1e-9;

/** Fits the temperature and measures. @param options.accuracy wanted of what is answered, default 0.95. Throws `bad-argument`. */
export function calibrateDecisions(
  judged: readonly JudgedDecision[],
  options: { readonly accuracy?: number } = {},
): DecisionCalibration {
  checkArgument('calibrateDecisions', 'judged', judged, 'objects');
  checkOptions('calibrateDecisions', options, { accuracy: 'number' });
  const { accuracy: wanted = 0.95 } = options;
  if (!(wanted >= 0.5 && wanted <= 0.999)) {
    throw new OnebitError('bad-argument', `calibrateDecisions: accuracy must be from 0.5 to 0.999, got ${wanted}.`);
  }
  if (judged.length === 0) {
    throw new OnebitError('bad-argument', 'calibrateDecisions: there must be rows, got none. Give rows with labels.');
  }
  const scored = judged.map(({ probabilities, right }) => ({
    scores: Float32Array.from(probabilities, scoreOf),
    intent: right in probabilities ? right : -1,
  }));
  const temperature = fitTemperature(scored, MOST_TEMPERATURE);
  const tops = judged.map((one) => topOf(one, temperature));
  const sorted = [...tops].sort((a, b) => b.confidence - a.confidence);
  const rightOf = (list: readonly { right: boolean }[]) => list.filter(({ right }) => right).length;
  return {
    rows: judged.length,
    accuracy: rightOf(tops) / tops.length,
    temperature,
    calibrationError: { before: calibrationError(judged.map((one) => topOf(one, 1))), after: calibrationError(tops) },
    riskCoverage: SHARES.map((share) => {
      const answered = sorted.slice(0, Math.max(1, Math.round(share * sorted.length)));
      const threshold = answered[answered.length - 1].confidence;
      return { answered: answered.length / sorted.length, right: rightOf(answered) / answered.length, threshold };
    }),
    target: thresholdTable(
      tops.map((top) => ({ ...top, weight: 1 })),
      [wanted],
    )[0],
    rowsNeeded: textsNeeded(wanted),
  };
}

/** The same decider with its probabilities at another temperature. */
export function calibratedDecider(decider: Decider, temperature: number): Decider {
  return {
    probabilities: async (...asked) => atTemperature(await decider.probabilities(...asked), temperature),
    yes: async (...asked) => {
      const yes = await decider.yes(...asked);
      return atTemperature([1 - yes, yes], temperature)[1];
    },
  };
}

/** Sums are over the sorted values: the order of options must not matter to the last bit. */
export function sumOf(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b).reduce((sum, value) => sum + value, 0);
}

function atTemperature(probabilities: readonly number[], temperature: number): number[] {
  const scores = probabilities.map((p) => scoreOf(p) / temperature);
  const most = Math.max(...scores);
  const weights = scores.map((score) => exp(score - most));
  const sum = sumOf(weights);
  return weights.map((weight) => weight / sum);
}

function scoreOf(probability: number): number {
  return log(Math.max(probability, LEAST));
}

function topOf({ probabilities, right }: JudgedDecision, temperature: number) {
  const scaled = atTemperature(probabilities, temperature);
  const confidence = Math.max(...scaled);
  return { confidence, right: scaled.indexOf(confidence) === right };
}
