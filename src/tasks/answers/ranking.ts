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

/** What says that the best passage is right: two of its likenesses, how far its score stands out from those of all others, how far it is ahead of them by one likeness, and its score. */
const SURE = {
  ...{
    piecesOfQuestion: 2.659,
    standsOut: 0.422,
    questionInQuery: 2.129,
    aheadByQuestionInQuery: -1.141,
    score: 0.103,
  },
};
const SURE_BIAS = -5.358;
export const SURE_BY = Object.keys(SURE);
const SURE_OF = Object.values(SURE);
/** Scores of passages that do not answer, as they usually are; they count as so many more passages, so that few passages do not mislead. */
const USUAL = { mean: 2.2, deviation: 1.5, passages: 5 };
const [PIECES, QUESTION_IN_QUERY] = [LIKENESSES.indexOf('piecesOfQuestion'), LIKENESSES.indexOf('questionInQuery')];

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
  const of = (passage: number, k: number) => likenesses[passage * LIKENESSES.length + k];
  const best = scores.reduce((top, score, p) => (score > scores[top] ? p : top), 0);
  const others = scores.map((_, p) => p).filter((p) => p !== best);
  const count = others.length + USUAL.passages;
  const mean = others.reduce((sum, p) => sum + scores[p], USUAL.passages * USUAL.mean) / count;
  const squares = others.reduce(
    (sum, p) => sum + (scores[p] - mean) * (scores[p] - mean),
    USUAL.passages * USUAL.deviation * USUAL.deviation,
  );
  const nearest = others.reduce((most, p) => Math.max(most, of(p, QUESTION_IN_QUERY)), 0);
  return [
    of(best, PIECES),
    (scores[best] - mean) / Math.sqrt(squares / count),
    of(best, QUESTION_IN_QUERY),
    of(best, QUESTION_IN_QUERY) - nearest,
    scores[best],
  ];
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
