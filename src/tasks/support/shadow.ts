// Owns the comparison with what people did, before a model is switched on: what it would have taken over, where it would have erred, what that saves. Must not know
// files.
import { checkOptions, type Kind } from '../../core/check.ts';
import { checkJudged, type JudgedRow } from './evaluate.ts';
import { wilson } from './intervals.ts';
import { OUT_OF_SCOPE } from './rows.ts';

/** What it costs that people answer, and how much is asked. */
export interface ShadowOptions {
  /** What a person's answer to one query costs. Default 4. */
  readonly costPerQuery?: number;
  /** What a wrong answer costs besides, since a person answers later and the customer is annoyed. Default: as much as two answers. */
  readonly costPerError?: number;
  /** Queries a month. Default 1,000. */
  readonly queriesPerMonth?: number;
}

export const SHADOW_OPTIONS: Record<keyof ShadowOptions, Kind> = {
  costPerQuery: 'number',
  costPerError: 'number',
  queriesPerMonth: 'number',
};

/** A share with the bounds of its 95 % interval. */
export interface CountedShare {
  readonly count: number;
  readonly of: number;
  readonly share: number | null;
  readonly low: number;
  readonly high: number;
}

/** An intent as people sorted it, and what the model would have done. */
export interface ShadowIntent {
  readonly intent: string;
  readonly rows: number;
  /** The model's likeliest intent is that of people. */
  readonly agreed: number;
  readonly takenOver: number;
  /** Taken over with another intent than people's. */
  readonly erred: number;
}

/** A query that would have been answered otherwise than people did. */
export interface ShadowError {
  readonly text: string;
  readonly row?: number;
  readonly people: string;
  readonly model: string;
  readonly confidence: number;
}

export interface ShadowReport {
  readonly rows: number;
  /** Queries whose likeliest intent is that of people, of those whose intent the model knows. */
  readonly agreement: CountedShare;
  /** Queries that it would have answered itself, of all. */
  readonly takenOver: CountedShare;
  /** Of these, those that it would have answered as people did. */
  readonly rightOfTakenOver: CountedShare;
  /** Most rows first. */
  readonly perIntent: readonly ShadowIntent[];
  /** Intents of people that the model does not know, and how often: candidates for rows. */
  readonly unknownIntents: readonly { readonly intent: string; readonly rows: number }[];
  /** Surest first. */
  readonly errors: readonly ShadowError[];
  /** A month: queries taken over, of these answered wrongly, and what is saved, less what the errors cost. */
  readonly month: { readonly takenOver: number; readonly wrong: number; readonly saved: number };
}

/** Compares what the model says of rows with what people found them to be about. Throws `bad-argument`. */
export function compareWithPeople(judged: readonly JudgedRow[], options: ShadowOptions = {}): ShadowReport {
  checkJudged('compareWithPeople', judged);
  checkOptions('compareWithPeople', options, SHADOW_OPTIONS);
  const { costPerQuery = 4, costPerError = 2 * costPerQuery, queriesPerMonth = 1000 } = options;
  const taken = judged.filter(({ prediction }) => prediction.answered);
  const inside = judged.filter(({ inScope }) => inScope);
  const wrong = taken.filter(({ right }) => !right);
  const perIntent = new Map<string, ShadowIntent>();
  const unknown = new Map<string, number>();
  for (const { row, prediction, right, inScope } of judged) {
    const { intent } = row;
    const known = perIntent.get(intent) ?? { intent, rows: 0, agreed: 0, takenOver: 0, erred: 0 };
    const isTaken = prediction.answered;
    perIntent.set(intent, {
      ...{ intent, rows: known.rows + 1, agreed: known.agreed + Number(right) },
      ...{ takenOver: known.takenOver + Number(isTaken), erred: known.erred + Number(isTaken && !right) },
    });
    if (!inScope && intent !== OUT_OF_SCOPE) unknown.set(intent, (unknown.get(intent) ?? 0) + 1);
  }
  const perQuery = queriesPerMonth / Math.max(1, judged.length);
  return {
    rows: judged.length,
    agreement: counted(inside.filter(({ right }) => right).length, inside.length),
    takenOver: counted(taken.length, judged.length),
    rightOfTakenOver: counted(taken.length - wrong.length, taken.length),
    perIntent: [...perIntent.values()].sort((a, b) => b.rows - a.rows || (a.intent < b.intent ? -1 : 1)),
    unknownIntents: [...unknown].map(([intent, rows]) => ({ intent, rows })).sort((a, b) => b.rows - a.rows),
    errors: wrong
      .map(({ row, prediction }) => ({
        ...{ text: row.text, ...(row.row === undefined ? {} : { row: row.row }) },
        ...{ people: row.intent, model: prediction.intent, confidence: prediction.confidence },
      }))
      .sort((a, b) => b.confidence - a.confidence),
    month: {
      takenOver: perQuery * taken.length,
      wrong: perQuery * wrong.length,
      saved: perQuery * (taken.length * costPerQuery - wrong.length * costPerError),
    },
  };
}

function counted(count: number, of: number): CountedShare {
  const [low, high] = wilson(count, of);
  return { count, of, share: of > 0 ? count / of : null, low, high };
}
