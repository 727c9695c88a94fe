// Owns what it means to do something with a row: the shape that all kinds of work have. Must not know any of them.
import { OnebitError } from '../errors.ts';

/** A value that JSON can hold. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/** Tokens of a row, or of many. */
export interface RowTokens {
  readonly prompt: number;
  /** Those of the prompt that were known already, from the row before. */
  readonly cached: number;
  readonly completion: number;
}

/** What was found for a row. */
export interface RowAnswer {
  /** In the order of the work's columns; null is an empty cell. */
  readonly cells: readonly Json[];
  /** What went wrong with this row, for people. */
  readonly error?: string;
  readonly tokens?: RowTokens;
}

/** A row as work reads it: the text of a column, in whatever case its name is written; undefined where the row has none. */
export interface RowTexts {
  readonly index: number;
  text(column: string): string | undefined;
}

/** What is done with every row. */
export interface RowWork {
  /** Columns that it adds. */
  readonly columns: readonly string[];
  /** Columns that it reads. */
  readonly reads: readonly string[];
  /** Everything beside the rows that its answers depend on: a run goes on only with the same. */
  readonly settings: Readonly<Record<string, Json | undefined>>;
  /** Whether the first row should be done before the others begin: they find what it has computed of the common beginning. */
  readonly sharesBeginning: boolean;
  /** Does it. Errors of the kind that the row itself causes go into its column; all others end the run. */
  run(row: RowTexts, signal: AbortSignal): Promise<RowAnswer>;
  /** What would be asked for a row, for people. @throws as `run` */
  preview(row: RowTexts): { readonly text: string; readonly tokens?: number };
}

/** Errors that another row need not have. */
const OF_A_ROW: ReadonlySet<string> = new Set(['bad-argument', 'too-long', 'over-budget', 'unsupported']);

/** The answer for a row that cannot be done. @throws the error itself where it is not the row's */
export function failedRow(error: unknown, columns: number): RowAnswer {
  if (!(error instanceof OnebitError) || !OF_A_ROW.has(error.code)) throw error;
  return { cells: Array(columns).fill(null), error: error.message };
}

/** The text that a template or a column gives for a row. @throws OnebitError `bad-argument` where there is nothing */
export function textOrRefuse(text: string | undefined, column: string): string {
  if (text !== undefined && text.trim() !== '') return text;
  throw new OnebitError('bad-argument', `the row must have a text in ${column}, it is empty`);
}
