// Owns measuring a support model on labelled queries. Rows labelled `oos` are out of scope, and so are intents that the model does not know. Must not
// know how results are shown.
import { confidenceBins, calibrationError as expectedError, type Judged } from '../../core/calibration.ts';
import { checkArgument, checkOptions } from '../../core/check.ts';
import { nextTurn } from '../../core/event-loop.ts';
import { type FieldEvaluation, measureFields } from '../fields/measure.ts';
import { checkSupportRows, OUT_OF_SCOPE, type SupportRow } from './rows.ts';
import { checkSupportModel, type Prediction, type SupportModel } from './support-model.ts';

/** How well one intent is recognised, by its top rank and never abstaining. */
export interface IntentScore {
  readonly rows: number;
  readonly precision: number | null;
  readonly recall: number;
  readonly f1: number;
}

/** Rows of `intent` for which `predicted` came first. */
export interface Confusion {
  readonly intent: string;
  readonly predicted: string;
  readonly count: number;
}

/** Shares lie between 0 and 1; null where there are no rows to measure on. */
export interface SupportEvaluation {
  /** In-scope rows whose intent came first, sure or not. */
  readonly accuracy: number | null;
  /** In-scope rows that were answered, and rightly: an abstention counts as wrong. */
  readonly inScopeAccuracy: number | null;
  /** Mean over the intents of the harmonic mean of precision and recall, of top intents of in-scope rows. */
  readonly macroF1: number | null;
  /** In-scope rows that were answered. */
  readonly coverage: number | null;
  /** Answered rows, in scope or not, that were answered rightly. */
  readonly precisionAtThreshold: number | null;
  /** Out-of-scope rows that were not answered. */
  readonly outOfScopeRecall: number | null;
  /** How often a row out of scope has a lower confidence than one in scope. */
  readonly outOfScopeAuroc: number | null;
  readonly perIntent: Readonly<Record<string, IntentScore>>;
  /** Wrong top intents of in-scope rows, most frequent first. */
  readonly confusion: readonly Confusion[];
  readonly queriesPerSecond: number;
  /** Fields found exactly, where rows say which there are (no `slots` in one of them: none there). */
  readonly fields?: FieldEvaluation;
}

/** A row and what the model says of it. */
export interface JudgedRow {
  readonly row: SupportRow;
  readonly prediction: Prediction;
  /** Whether its intent is one of the model's. */
  readonly inScope: boolean;
  /** Whether its intent came first. */
  readonly right: boolean;
}

/** Rows between two turns of the event loop. */
const ROWS_A_TURN = 256;

/** Asks the model about all rows. Throws the signal's reason when aborted. */
export async function judgeRows(
  model: SupportModel,
  rows: readonly SupportRow[],
  options: {
    readonly threshold?: number;
    readonly signal?: AbortSignal;
    readonly onProgress?: (done: number, total: number) => void;
  } = {},
): Promise<{ judged: JudgedRow[]; seconds: number }> {
  checkSupportModel('judgeRows', model);
  checkSupportRows('judgeRows', rows);
  checkOptions('judgeRows', options, { threshold: 'number', signal: 'signal', onProgress: 'function' });
  const known = new Set(model.intents);
  const judged: JudgedRow[] = [];
  let milliseconds = 0;
  for (let from = 0; from < rows.length; from += ROWS_A_TURN) {
    const batch = rows.slice(from, from + ROWS_A_TURN);
    const start = performance.now();
    const predictions = batch.map(({ text }) => model.predict(text, { threshold: options.threshold }));
    milliseconds += performance.now() - start;
    for (const [i, row] of batch.entries()) {
      const inScope = row.intent !== OUT_OF_SCOPE && known.has(row.intent);
      judged.push({ row, prediction: predictions[i], inScope, right: inScope && predictions[i].intent === row.intent });
    }
    options.onProgress?.(judged.length, rows.length);
    await nextTurn();
    options.signal?.throwIfAborted();
  }
  return { judged, seconds: milliseconds / 1000 };
}

/** @throws OnebitError `bad-argument` for what `judgeRows` did not give */
export function checkJudged(operation: string, judged: readonly JudgedRow[]): void {
  checkArgument(operation, 'judged', judged, 'list');
  for (const [i, row] of judged.entries()) {
    checkArgument(operation, `judged[${i}]`, row, 'object');
    checkArgument(operation, `judged[${i}].row`, row.row, 'object');
    checkArgument(operation, `judged[${i}].prediction`, row.prediction, 'object');
  }
}

/** Measures a model on rows. */
export async function evaluateSupport(
  model: SupportModel,
  rows: readonly SupportRow[],
  options: Parameters<typeof judgeRows>[2] = {},
): Promise<SupportEvaluation> {
  const { judged, seconds } = await judgeRows(model, rows, options);
  return summarise(judged, seconds);
}

/** The figures of judged rows. */
export function summarise(judged: readonly JudgedRow[], seconds: number): SupportEvaluation {
  checkJudged('summarise', judged);
  checkArgument('summarise', 'seconds', seconds, 'number');
  const inside = judged.filter(({ inScope }) => inScope);
  const outside = judged.filter(({ inScope }) => !inScope);
  const answered = judged.filter(({ prediction }) => prediction.answered);
  const perIntent = intentScores(inside);
  const scores = Object.values(perIntent);
  const isAnswered = ({ prediction }: JudgedRow) => prediction.answered;
  return {
    accuracy: shareOf(inside, ({ right }) => right),
    inScopeAccuracy: shareOf(inside, (row) => row.right && row.prediction.answered),
    macroF1: scores.length > 0 ? scores.reduce((sum, { f1 }) => sum + f1, 0) / scores.length : null,
    coverage: shareOf(inside, isAnswered),
    precisionAtThreshold: shareOf(answered, ({ right }) => right),
    outOfScopeRecall: shareOf(outside, (row) => !isAnswered(row)),
    outOfScopeAuroc: auroc(outside.map(confidence), inside.map(confidence)),
    perIntent,
    confusion: confusions(inside),
    queriesPerSecond: seconds > 0 ? Math.round(judged.length / seconds) : 0,
    ...(judged.some(({ row }) => row.slots) ? { fields: measureFields(judged.map(fieldsOf)) } : {}),
  };
}

/**
 * Mean distance between how sure the top intents of in-scope rows are and how often they are right, in `bins` of equal width (expected calibration
 * error).
 */
export function calibrationError(judged: readonly JudgedRow[], bins = 15): number | null {
  checkJudged('calibrationError', judged);
  checkArgument('calibrationError', 'bins', bins, 'number');
  const inside = judged.filter(({ inScope }) => inScope);
  if (inside.length === 0) return null;
  return expectedError(inside.map(topOf), bins);
}

/** Rows by their top intent's probability: how many, the mean probability, the share that is right. Empty bins are left out. */
export function calibrationBins(
  inside: readonly JudgedRow[],
  bins: number,
): { rows: number; confidence: number; accuracy: number }[] {
  return confidenceBins(inside.map(topOf), bins)
    .filter(({ rows }) => rows > 0)
    .map(({ rows, confidence, right }) => ({ rows, confidence: confidence / rows, accuracy: right / rows }));
}

function topOf({ prediction, right }: JudgedRow): Judged {
  return { confidence: prediction.probability, right };
}

function fieldsOf({ row, prediction }: JudgedRow) {
  return { wanted: row.slots ?? [], found: prediction.fields };
}

function intentScores(inside: readonly JudgedRow[]): Record<string, IntentScore> {
  const counts = new Map<string, { rows: number; predicted: number; right: number }>();
  const of = (intent: string) => {
    const found = counts.get(intent) ?? { rows: 0, predicted: 0, right: 0 };
    counts.set(intent, found);
    return found;
  };
  for (const { row, prediction, right } of inside) {
    of(row.intent).rows++;
    of(prediction.intent).predicted++;
    if (right) of(row.intent).right++;
  }
  const measured = [...counts].filter(([, { rows }]) => rows > 0).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(
    measured.map(([intent, { rows, predicted, right }]) => {
      const precision = predicted > 0 ? right / predicted : null;
      return [intent, { rows, precision, recall: right / rows, f1: (2 * right) / (rows + predicted) }];
    }),
  );
}

function confusions(inside: readonly JudgedRow[]): Confusion[] {
  const counts = new Map<string, Confusion>();
  for (const { row, prediction, right } of inside) {
    if (right) continue;
    const key = `${row.intent}\n${prediction.intent}`;
    counts.set(key, { intent: row.intent, predicted: prediction.intent, count: (counts.get(key)?.count ?? 0) + 1 });
  }
  return [...counts.values()].sort((a, b) => b.count - a.count || (a.intent < b.intent ? -1 : 1));
}

/** The share of pairs in which the first list's value is lower; equal ones count half. */
function auroc(low: readonly number[], high: readonly number[]): number | null {
  if (low.length === 0 || high.length === 0) return null;
  const all = [...low.map((value) => ({ value, isLow: true })), ...high.map((value) => ({ value, isLow: false }))];
  all.sort((a, b) => a.value - b.value);
  let [pairs, lower] = [0, 0];
  for (let i = 0; i < all.length; ) {
    let end = i;
    let lows = 0;
    while (end < all.length && all[end].value === all[i].value) if (all[end++].isLow) lows++;
    const highs = end - i - lows;
    pairs += highs * (lower + lows / 2);
    lower += lows;
    i = end;
  }
  return pairs / (low.length * high.length);
}

function confidence({ prediction }: JudgedRow): number {
  return prediction.confidence;
}

function shareOf<Row>(rows: readonly Row[], holds: (row: Row) => boolean): number | null {
  return rows.length > 0 ? rows.filter(holds).length / rows.length : null;
}
