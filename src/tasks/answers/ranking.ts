// Owns what likenesses are worth together: which passage is the best, and how likely it is right. The numbers are learnt by bench/support/answers-learn.mjs from
// queries of 60 questions of others (StackFAQ, the dev half); a file brings none of its own. Must not know texts.
import { exp, log } from '../../core/elementary.ts';
import { LIKENESSES } from './passage-index.ts';

const WORTH: Readonly<Record<(typeof LIKENESSES)[number], number>> = {
  piecesOfQuestion: 8,
  piecesOfBoth: 4,
  piecesOfAnswer: 2,
  wordsOfQuestion: 3,
  wordsOfAnswer: 2,
  queryInQuestion: 3,
  questionInQuery: 2,
  senseOfQuestion: 2,
  senseOfAnswer: 1,
  pairsOfQuestion: 1,
};
/** The chance that the best is right: logistic in its score, in its distance to the next, and in how much of the query it has. */
const SURENESS = { score: 1, distance: 0.5, bias: -6 };

/** A passage's number, and how likely it answers the query. */
export interface RankedPassage {
  readonly index: number;
  readonly probability: number;
}

/** The `most` best passages, best first. @param likenesses [passages, LIKENESSES] */
export function rankPassages(likenesses: Float64Array, most: number): RankedPassage[] {
  const width = LIKENESSES.length;
  const scores = Array.from({ length: likenesses.length / width }, (_, p) =>
    LIKENESSES.reduce((sum, name, i) => sum + WORTH[name] * likenesses[p * width + i], 0),
  );
  const order = scores.map((_, p) => p).sort((a, b) => scores[b] - scores[a] || a - b);
  if (order.length === 0) return [];
  const best = scores[order[0]];
  const distance = Math.min(best, best - (scores[order[1]] ?? 0));
  const sure = 1 / (1 + exp(-(SURENESS.score * best + SURENESS.distance * distance + SURENESS.bias)));
  // The rest shares what the best leaves, by how much worse it is.
  const shares = order.slice(0, most).map((p) => exp(scores[p] - best));
  const others = scores.reduce((sum, score) => sum + exp(score - best), 0) - 1;
  return order.slice(0, most).map((index, i) => ({
    index,
    probability: i === 0 ? sure : Math.min(sure, ((1 - sure) * shares[i]) / (1 + others)),
  }));
}

/** Entropy-free helper of the learning script: the log of summed exponentials. */
export function logSum(scores: readonly number[]): number {
  const most = Math.max(...scores);
  return most + log(scores.reduce((sum, score) => sum + exp(score - most), 0));
}
