// Owns what is read off judgements of texts that were not learnt: temperature, what is out of scope, the threshold and what it promises, doubtful labels, and
// what would help. Must not know networks or files.
import {
  fitOutliers,
  fitTemperature,
  type HeldOut,
  type Judged,
  leastThreshold,
  outlierProbability,
} from './calibration.ts';
import { softmax } from './network.ts';
import { promisedThreshold, textsNeeded, thresholdTable } from './promise.ts';
import type { SupportRow } from './rows.ts';
import type { SupportFacts, Suspect } from './support-model.ts';

/** Whatever the precision, what is likelier wrong than right is handed over, as long as it takes no more than so many right answers with it. */
const MOST_RIGHT_LOST = 0.01;
/** What thresholds give is shown for these, and for the one asked for. */
const SHOWN_PRECISIONS = [0.8, 0.9, 0.95, 0.99];
const MOST_NAMED = 5;
/** A label is doubted where it gets less than this and another intent more than SURE. */
const DOUBTED = 0.1;
const SURE = 0.8;
const MOST_SUSPECTS = 50;
const MOST_SUSPECT_CHARACTERS = 200;

/** Everything that is read off predictions of held-out texts. */
export function calibrate(heldOut: readonly HeldOut[], precision: number, expectedOutOfScope: number) {
  const temperature = fitTemperature(heldOut);
  const detector = fitOutliers(heldOut, expectedOutOfScope);
  const outside = heldOut.filter(({ intent }) => intent < 0).length;
  const inside = heldOut.length - outside;
  // What is out of scope weighs as much as is expected of it, not as often as it happens to be among the rows.
  const outsideWeight = outside > 0 ? (inside * expectedOutOfScope) / (1 - expectedOutOfScope) / outside : 0;
  let right = 0;
  const judged: Judged[] = heldOut.map(({ scores, intent, signals }) => {
    const probabilities = Float32Array.from(scores);
    softmax(probabilities, temperature);
    const top = probabilities.indexOf(Math.max(...probabilities));
    const isRight = top === intent;
    if (isRight) right++;
    return {
      confidence: probabilities[top] * (1 - outlierProbability(detector, signals)),
      right: isRight,
      weight: intent < 0 ? outsideWeight : 1,
    };
  });
  const rightOnes = judged.filter((row) => row.right).map(({ confidence }) => confidence);
  const promised = promisedThreshold(judged, precision);
  const threshold = promised === undefined ? 1 : Math.max(promised, leastThreshold(rightOnes, MOST_RIGHT_LOST));
  const sum = (list: readonly Judged[]) => list.reduce((total, { weight }) => total + weight, 0);
  const answered = judged.filter(({ confidence }) => threshold < 1 && confidence >= threshold);
  const facts: Pick<
    SupportFacts,
    'threshold' | 'precision' | 'expectedOutOfScope' | 'temperature' | 'heldOut' | 'thresholds'
  > = {
    threshold,
    thresholds: thresholdTable(judged, [...new Set([...SHOWN_PRECISIONS, precision])].sort()),
    precision,
    expectedOutOfScope,
    temperature,
    heldOut: {
      accuracy: right / Math.max(1, inside),
      coverage: sum(answered) / Math.max(1e-9, sum(judged)),
      precision: sum(answered.filter((row) => row.right)) / Math.max(1e-9, sum(answered)),
    },
  };
  return { detector, facts };
}

/** Says it where the precision cannot be shown, and what would help. */
export function promiseNotices(
  { threshold, precision }: Pick<SupportFacts, 'threshold' | 'precision'>,
  heldOut: readonly HeldOut[],
  intents: readonly string[],
): string[] {
  if (threshold < 1) return [];
  const seen = intents.map(() => ({ rows: 0, right: 0 }));
  for (const { scores, intent } of heldOut) {
    if (intent < 0) continue;
    seen[intent].rows++;
    if (scores.indexOf(Math.max(...scores)) === intent) seen[intent].right++;
  }
  const weakest = seen
    .map((one, i) => ({ ...one, intent: intents[i], wrong: one.rows - one.right }))
    .sort((a, b) => a.right / Math.max(1, a.rows) - b.right / Math.max(1, b.rows) || a.rows - b.rows)
    .slice(0, MOST_NAMED)
    .map(({ intent, rows, right }) => `${intent} (${right} of ${rows} right)`);
  return [
    `a precision of ${Math.round(1000 * precision) / 10} % cannot be shown with these rows, so that nothing is answered and all goes to people. It takes at least ${textsNeeded(precision)} rows that are answered without an error; rows help most of these intents: ${weakest.join(', ')}. A lower precision may be reached: thresholds lists what each gives.`,
  ];
}

/** Says it where nothing told what is about no intent: no row of `oos`, and too few intents for one of them to stand for it. */
export function scopeNotices(heldOut: readonly HeldOut[], expectedOutOfScope: number): string[] {
  if (expectedOutOfScope === 0 || heldOut.some(({ intent }) => intent < 0)) return [];
  return [
    'there is nothing to learn from what is about none of the intents: every query is taken for one of them, and what thresholds promise holds only for queries that are. Add rows labelled oos, or rows of at least three intents.',
  ];
}

/** The rows whose label the networks that had not seen them doubt most. */
export function suspectsOf(
  heldOut: readonly HeldOut[],
  temperature: number,
  rows: readonly SupportRow[],
  intents: readonly string[],
): Suspect[] {
  const suspects: Suspect[] = [];
  for (const { example, scores, intent } of heldOut) {
    if (intent < 0) continue;
    const probabilities = Float32Array.from(scores);
    softmax(probabilities, temperature);
    const probability = Math.max(...probabilities);
    if (probability < SURE || probabilities[intent] > DOUBTED) continue;
    const suggested = intents[probabilities.indexOf(probability)];
    suspects.push({
      text: rows[example].text.slice(0, MOST_SUSPECT_CHARACTERS),
      intent: rows[example].intent,
      suggested,
      probability,
    });
  }
  return suspects.sort((a, b) => b.probability - a.probability).slice(0, MOST_SUSPECTS);
}
