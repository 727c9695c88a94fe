// Owns writing rows back with what was found for them in columns of their own: as a table, or as JSON lines. Must not know where they go.
import { csvLine, withoutFormula } from '../core/csv-cell.ts';
import { OnebitError } from '../errors.ts';
import type { BulkRow, RowFile } from './row-file.ts';
import type { Json, RowAnswer } from './row-work.ts';
import { workbookWriter } from './workbook-writer.ts';

/** The column that says what went wrong with a row; empty where nothing did. By it a file is known as one that was made here. */
export const ERROR_COLUMN = 'onebit_error';

/** Turns rows and their answers into text. */
export interface RowWriter {
  /** What comes before the rows. */
  readonly head: string;
  line(row: BulkRow, answer: RowAnswer): string;
  /** What comes after the rows, where the form is none of lines. */
  finish?(): Promise<Uint8Array>;
}

/**
 * A writer for what the output's name ends in: .csv, .tsv, .jsonl, .ndjson, .xlsx.
 * @param added names of the columns that come after those of the file
 * @param prefix of these names; of that of the error column only where the file has one already
 * @throws OnebitError `bad-argument` for another ending, and for columns that the file has already
 */
export function rowWriter(output: string, file: RowFile, added: readonly string[], prefix = ''): RowWriter {
  const ending = /\.(csv|tsv|jsonl|ndjson|xlsx)$/i.exec(output)?.[1].toLowerCase();
  if (ending === undefined) {
    throw new OnebitError(
      'bad-argument',
      `batch: the output must end in .csv, .tsv, .jsonl, .ndjson or .xlsx, got ${output}.`,
    );
  }
  const isTable = ending === 'csv' || ending === 'tsv' || ending === 'xlsx';
  const folded = (name: string) => (isTable ? name.toLowerCase() : name);
  const there = new Set(file.columns.map(folded));
  const names = [...added.map((name) => prefix + name), (there.has(ERROR_COLUMN) ? prefix : '') + ERROR_COLUMN];
  const twice = names.find((name, i) => there.has(folded(name)) || names.indexOf(name) !== i);
  if (twice !== undefined) {
    throw new OnebitError(
      'bad-argument',
      `batch: new columns must have names of their own, ${twice} is there already. Name the new ones otherwise: --prefix new_`,
    );
  }
  if (ending === 'xlsx') return workbookWriter(file, names);
  return isTable
    ? tableWriter(file, names, ending === 'tsv' ? '\t' : (file.separator ?? ','))
    : jsonWriter(file, names);
}

/** With a byte-order mark, by which spreadsheets know UTF-8. Cells of a table stay as they are; others could become formulas. */
function tableWriter({ columns, kind }: RowFile, names: readonly string[], separator: string): RowWriter {
  const own = kind === 'table' ? (text: string) => text : withoutFormula;
  return {
    head: `\ufeff${csvLine([...columns.map(own), ...names], separator)}`,
    line({ cells }, { cells: found, error = '' }) {
      const before = columns.map((_, i) => own(cells[i] ?? ''));
      return csvLine([...before, ...found.map(cellOf), withoutFormula(error)], separator);
    },
  };
}

function cellOf(value: Json): string {
  if (value === null) return '';
  return typeof value === 'string' ? withoutFormula(value) : JSON.stringify(value);
}

/** What JSON lines hold stays to the letter, numbers of any length too: the new fields are written before the last brace. */
function jsonWriter({ columns, kind }: RowFile, names: readonly string[]): RowWriter {
  if (kind !== 'json' && new Set(columns).size !== columns.length) {
    throw new OnebitError(
      'bad-argument',
      'batch: for JSON lines every column must have a name of its own, got one twice.',
    );
  }
  return {
    head: '',
    line({ cells, json }, { cells: found, error = null }) {
      const own = json ?? JSON.stringify(Object.fromEntries(columns.map((name, i) => [name, cells[i] ?? ''])));
      const added = JSON.stringify(Object.fromEntries(names.map((name, i) => [name, [...found, error][i]])));
      const body = own.slice(0, -1).trimEnd();
      return `${body}${body === '{' ? '' : ','}${added.slice(1)}\n`;
    },
  };
}
