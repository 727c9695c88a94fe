// Owns measuring answers from documents. Must not know how passages are found.
import { checkList } from '../../core/check.ts';

/** Shares lie between 0 and 1; null where there are no rows to measure on. */
export interface AnswerEvaluation {
  /** Answerable queries whose passage came first, and among the first three; and the mean of one over its place. */
  readonly top1: number | null;
  readonly top3: number | null;
  readonly mrr: number | null;
  /** At the threshold: answerable queries that were answered; answers that were right, of all queries; queries without an answer that got none. */
  readonly answeredShare: number | null;
  readonly precisionAtThreshold: number | null;
  readonly unanswerableRejected: number | null;
}

/** A query: the id of its passage, or null; the ids found, best first, and whether the first was given as an answer. */
export interface JudgedAnswer {
  readonly id: string | null;
  readonly found: readonly string[];
  readonly answered: boolean;
}

export function measureAnswers(judged: readonly JudgedAnswer[]): AnswerEvaluation {
  checkList('measureAnswers', 'judged', judged, 'object');
  const answerable = judged.filter(({ id }) => id !== null);
  const unanswerable = judged.filter(({ id }) => id === null);
  const answered = judged.filter((row) => row.answered);
  const placeOf = ({ id, found }: JudgedAnswer) => (id === null ? -1 : found.indexOf(id));
  const share = (rows: readonly JudgedAnswer[], of: (row: JudgedAnswer) => number) =>
    rows.length > 0 ? rows.reduce((sum, row) => sum + of(row), 0) / rows.length : null;
  return {
    top1: share(answerable, (row) => Number(placeOf(row) === 0)),
    top3: share(answerable, (row) => Number(placeOf(row) >= 0 && placeOf(row) < 3)),
    mrr: share(answerable, (row) => (placeOf(row) < 0 ? 0 : 1 / (1 + placeOf(row)))),
    answeredShare: share(answerable, (row) => Number(row.answered)),
    precisionAtThreshold: share(answered, (row) => Number(placeOf(row) === 0)),
    unanswerableRejected: share(unanswerable, (row) => Number(!row.answered)),
  };
}
