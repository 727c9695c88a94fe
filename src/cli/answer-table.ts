// Owns writing a table of queries back with what the model says beside each. Must not know where it goes.
import { csvLine, withoutFormula } from '../core/csv-cell.ts';
import type { SupportAction, Table, TableRow } from '../tasks/support/index.ts';
import { ANSWER_COLUMNS } from './own-files.ts';

/** What is added to a row. */
export interface AnsweredQuery {
  readonly intent: string;
  readonly confidence: number;
  readonly action: SupportAction;
  /** The canned answer, or nothing. */
  readonly answer?: string;
}

/** CSV with the columns of a table (or `text` alone) and those of the answers. */
export class AnswerTable {
  readonly #separator: string;
  readonly #columns: readonly string[];

  constructor({ columns, separator = ',' }: Pick<Table, 'columns' | 'separator'> = { columns: ['text'] }) {
    this.#separator = separator;
    this.#columns = columns;
  }

  /** The first line. With a byte-order mark, by which spreadsheets know UTF-8. */
  header(): string {
    return `\ufeff${this.#line([...this.#columns, ...ANSWER_COLUMNS])}`;
  }

  row({ fields }: Pick<TableRow, 'fields'>, { intent, confidence, action, answer }: AnsweredQuery): string {
    return this.#line([...fields, intent, confidence.toFixed(3), action, answer ?? '']);
  }

  #line(fields: readonly string[]): string {
    return csvLine(fields.map(withoutFormula), this.#separator);
  }
}
