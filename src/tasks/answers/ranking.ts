// Owns what likenesses are worth together: which passage is the best, and how likely it is right. The numbers are learnt by bench/support/answers.mjs from
// queries about the documents of others; a file brings none of its own. Must not know texts.
import { exp } from '../../core/elementary.ts';
import { LIKENESSES } from './passage-index.ts';

type Likeness = (typeof LIKENESSES)[number];

/** Which likenesses count for a passage's score, and how much. */
const WORTH: Readonly<Partial<Record<Likeness, number>>> = {
  ...{ piecesOfQuestion: 7.56, piecesOfBoth: 6.08, piecesOfAnswer: 2.2, wordsOfQuestion: 2.54, wordsOfAnswer: 3.08 },
  ...{ queryInQuestion: 6.63, questionInQuery: 2.7, senseOfQuestion: 1.76, senseOfAnswer: 0.83 },
};
export const RANKED_BY = Object.keys(WORTH) as readonly Likeness[];
const WORTH_OF = LIKENESSES.map((name) => WORTH[name] ?? 0);

/** What says that the best passage is right: its score, its distance to the next, and its likenesses. */
const SURE = {
  ...{ score: -0.001, distance: 0.404, queryInQuestion: 4.197, questionInQuery: 1.215, piecesOfQuestion: 6.661 },
  ...{ wordsOfQuestion: -6.428, wordsOfAnswer: 0.438, senseOfQuestion: -1.35 },
};
const SURE_BIAS = -3.751;
export const SURE_BY = Object.keys(SURE);
const SURE_OF = Object.values(SURE);
const SURE_COLUMNS = SURE_BY.slice(2).map((name) => LIKENESSES.indexOf(name as Likeness));

/** A passage's number, and how likely it answers the query. */
export interface RankedPassage {
  readonly index: number;
  readonly probability: number;
}

/** The score of each passage. @param likenesses [passages, LIKENESSES] */
export function scoresOf(likenesses: Float64Array): number[] {
  const width = LIKENESSES.length;
  return Array.from({ length: likenesses.length / width }, (_, p) =>
    WORTH_OF.reduce((sum, worth, k) => sum + worth * likenesses[p * width + k], 0),
  );
}

/** The signals of how sure the best is, in the order of SURE_BY. */
export function surenessOf(likenesses: Float64Array, scores: readonly number[]): number[] {
  let [best, second] = [0, -1];
  for (let p = 1; p < scores.length; p++) {
    if (scores[p] > scores[best]) [second, best] = [best, p];
    else if (second < 0 || scores[p] > scores[second]) second = p;
  }
  const distance = scores[best] - (second < 0 ? 0 : scores[second]);
  return [scores[best], distance, ...SURE_COLUMNS.map((k) => likenesses[best * LIKENESSES.length + k])];
}

/** The `most` best passages, best first. @param likenesses [passages, LIKENESSES] */
export function rankPassages(likenesses: Float64Array, most: number): RankedPassage[] {
  const scores = scoresOf(likenesses);
  if (scores.length === 0) return [];
  const order = scores.map((_, p) => p).sort((a, b) => scores[b] - scores[a] || a - b);
  const signals = surenessOf(likenesses, scores);
  const sure = 1 / (1 + exp(-signals.reduce((sum, signal, k) => sum + SURE_OF[k] * signal, SURE_BIAS)));
  // The others share what the best leaves, by how much worse they are.
  const shares = scores.map((score) => exp(score - scores[order[0]]));
  const all = shares.reduce((sum, share) => sum + share, 0);
  return order.slice(0, most).map((index, i) => ({
    index,
    probability: i === 0 ? sure : Math.min(sure, ((1 - sure) * shares[index]) / all),
  }));
}
