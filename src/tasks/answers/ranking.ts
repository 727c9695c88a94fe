// Owns what likenesses are worth together: which passage is the best, and how likely it is right. The numbers are learnt by bench/support/answers.mjs from
// queries about the documents of others; a file brings none of its own. Must not know texts.
import { exp } from '../../core/elementary.ts';
import { LIKENESSES } from './passage-index.ts';

type Likeness = (typeof LIKENESSES)[number];

/** Which likenesses count for a passage's score, and how much. */
const WORTH: Readonly<Partial<Record<Likeness, number>>> = {
  ...{ piecesOfQuestion: 6.21, piecesOfBoth: 3.55, piecesOfAnswer: 1.61, wordsOfQuestion: 2.07, wordsOfAnswer: 1.01 },
  ...{ queryInQuestion: 3.04, questionInQuery: 0.79, senseOfQuestion: 1.58, senseOfAnswer: 0.27, foundInPassage: 7.58 },
};
export const RANKED_BY = Object.keys(WORTH) as readonly Likeness[];
const WORTH_OF = LIKENESSES.map((name) => WORTH[name] ?? 0);

/**
 * What says that the best passage is right: how much its question says that the query says too (many words that agree are more evidence than few, whatever share
 * they are of), how far its score is ahead of the mean of the next three, and whether it has much of the query and its answer is of a like sense: either alone
 * lets pass what is about something else.
 */
const SURE = { matchedOfQuestion: 3.612, aheadOfThree: 0.46, foundInLikeSense: 3.792 };
const SURE_BIAS = -5.238;
export const SURE_BY = Object.keys(SURE);
const SURE_OF = Object.values(SURE);
const NEXT = 3;
/** The score of a passage that does not answer, as it usually is; there are always as many of these as it takes, so that few passages do not mislead. */
const USUAL_SCORE = 2.4;
const MATCHED = LIKENESSES.indexOf('matchedOfQuestion');
const FOUND = LIKENESSES.indexOf('foundInPassage');
const SENSE_OF_ANSWER = LIKENESSES.indexOf('senseOfAnswer');

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
  const best = scores.reduce((top, score, p) => (score > scores[top] ? p : top), 0);
  const others = [...scores.filter((_, p) => p !== best), ...new Array<number>(NEXT).fill(USUAL_SCORE)];
  const next = others.sort((a, b) => b - a).slice(0, NEXT);
  const of = (likeness: number) => likenesses[best * LIKENESSES.length + likeness];
  return [
    of(MATCHED),
    scores[best] - next.reduce((sum, score) => sum + score, 0) / NEXT,
    of(FOUND) * of(SENSE_OF_ANSWER),
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
