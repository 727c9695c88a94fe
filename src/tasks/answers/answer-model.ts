// Owns finding the passage that answers a query, word for word with its source, or none. Must not know how it is stored.
import type { Trunk } from '../support/trunk.ts';
import type { Passage } from './documents.ts';
import { PassageIndex } from './passage-index.ts';
import { rankPassages } from './ranking.ts';

/** A passage as an answer. */
export interface FoundAnswer {
  readonly id: string;
  /** The passage, word for word. */
  readonly text: string;
  readonly question: string;
  readonly source: string;
  /** How likely it answers the query, where half of all queries have an answer. */
  readonly probability: number;
}

/** From this probability on a passage is given: three quarters of the queries that have one get one then, and six of seven others none (docs/support.md). */
export const ANSWER_THRESHOLD = 0.385;

export class AnswerModel {
  readonly index: PassageIndex;
  readonly threshold: number;

  /** @internal Use `trainSupport` or `loadSupport`. @param senses those of a file */
  constructor(passages: readonly Passage[], trunk: Trunk, threshold = ANSWER_THRESHOLD, senses?: Uint8Array) {
    this.index = new PassageIndex(passages, trunk, senses);
    this.threshold = threshold;
  }

  /** The likeliest passages, best first, sure or not. */
  find(query: string, most = 3): FoundAnswer[] {
    return rankPassages(this.index.likenesses(query), most).map(({ index, probability }) => {
      const { id, question, answer, source } = this.index.passages[index];
      return { id, text: answer, question, source, probability };
    });
  }
}
