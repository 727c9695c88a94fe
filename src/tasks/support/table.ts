// Owns tables of text as spreadsheets write them: comma-, semicolon- and tab-separated values. What is not such a table is refused by the row, never
// guessed. Must not know what columns mean beyond their names. Source: RFC 4180; Excel's first line `sep=;`.
import { CsvError, parse } from 'csv-parse/browser/esm/sync';
import { OnebitError } from '../../errors.ts';

/** A row of cells and the number of its first line (of its row, in a workbook), counted from 1. */
export interface TableRow {
  readonly line: number;
  readonly fields: readonly string[];
}

/** Cells under named columns; blank rows are left out. */
export interface Table {
  /** Names as they are written. */
  readonly columns: readonly string[];
  readonly rows: readonly TableRow[];
  /** What separates cells; undefined where it was no text. */
  readonly separator?: string;
}

const SEPARATORS = [',', ';', '\t'];
const MAX_LISTED = 5;

/**
 * The table in `text`, separated by what its first line says (`sep=;`), or else by the one of comma, semicolon and tab with which the header names all of
 * `wanted`. Throws `bad-argument` where there is none, or a row is not CSV or has not as many fields as the header.
 */
export function parseTable(text: string, name: string, wanted: readonly string[]): Table {
  const { separator, characters, lines } = tableStart(text, name, wanted);
  const [header, ...rows] = recordsOf(text.slice(characters), name, separator, lines);
  const columns = header?.fields.map((field) => field.trim()) ?? [];
  checkColumns(columns, name, wanted);
  checkLengths(rows, columns.length, name);
  return { columns, rows, separator };
}

/**
 * How the table whose text begins so is written: what separates its cells, and how many characters and lines stand before its header. Throws as
 * `parseTable`.
 */
export function tableStart(
  text: string,
  name: string,
  wanted: readonly string[],
): { separator: string; characters: number; lines: number } {
  const said = /^\ufeff?"?sep=(.)"?\r?(?:\n|$)/i.exec(text);
  if (said) return { separator: said[1], characters: said[0].length, lines: 1 };
  const characters = text.startsWith('\ufeff') ? 1 : 0;
  return { separator: separatorOf(text.slice(characters), name, wanted), characters, lines: 0 };
}

/** Index of a column by its name, in whatever case; -1 where it is missing. */
export function columnOf({ columns }: Pick<Table, 'columns'>, name: string): number {
  return columns.findIndex((column) => column.toLowerCase() === name);
}

/** Whether the first line of `text` can only be the header of a table: it names `wanted` between tabs, or also an intent. A query may begin with "text, ". */
export function beginsTable(text: string, wanted: readonly string[]): boolean {
  if (/^\ufeff?"?sep=.("|\r|\n|$)/i.test(text)) return true;
  return SEPARATORS.some((separator) => {
    const columns = firstFields(text.replace(/^\ufeff/, ''), separator);
    const isClear = separator === '\t' ? columns.length > 1 : columnOf({ columns }, 'intent') >= 0;
    return isClear && wanted.every((column) => columnOf({ columns }, column) >= 0);
  });
}

/** Throws `bad-argument` where columns are missing or there twice. */
export function checkColumns(columns: readonly string[], name: string, wanted: readonly string[]): void {
  const count = (column: string) => columns.filter((other) => other.toLowerCase() === column).length;
  const names = wanted.join(' and ');
  const got = columns.some((column) => column !== '') ? `"${columns.join(',').slice(0, 80)}"` : 'an empty file';
  if (wanted.some((column) => count(column) === 0)) {
    throw new OnebitError(
      'bad-argument',
      `read ${name}: the first line must name the ${wanted.length > 1 ? 'columns' : 'column'} ${names}, got ${got}. Rename the columns there, or add the line: ${wanted.join(',')}`,
    );
  }
  const twice = wanted.find((column) => count(column) > 1);
  if (twice === undefined) return;
  throw new OnebitError(
    'bad-argument',
    `read ${name}: one column must be named ${twice}, got ${got}. Rename the others.`,
  );
}

/** Throws `bad-argument` with the rows that have not `columns` fields. */
export function checkLengths(rows: readonly TableRow[], columns: number, name: string): void {
  const wrong = rows.filter(({ fields }) => fields.length !== columns);
  if (wrong.length === 0) return;
  const listed = wrong.slice(0, MAX_LISTED).map(({ line, fields }) => `row ${line} has ${fields.length}`);
  const more = wrong.length > MAX_LISTED ? ` and ${wrong.length - MAX_LISTED} more` : '';
  throw new OnebitError(
    'bad-argument',
    `read ${name}: every row must have the ${columns} fields of the first line, but ${listed.join(', ')}${more}. Put texts that hold the separator in quotes.`,
    { problems: listed },
  );
}

function separatorOf(text: string, name: string, wanted: readonly string[]): string {
  const found = SEPARATORS.find((separator) => {
    const columns = firstFields(text, separator);
    return wanted.length > 0 && wanted.every((column) => columnOf({ columns }, column) >= 0);
  });
  if (found !== undefined) return found;
  const fields = (separator: string) => firstFields(text, separator);
  const most = [...SEPARATORS].sort((a, b) => fields(b).length - fields(a).length)[0];
  checkColumns(fields(most), name, wanted);
  return most;
}

/** Lines before a header that hold nothing but separators and empty quotes. */
const BLANK_LINES = /^(?:(?:[ \t,;]|"")*(?:\r\n|\n|\r))+/;

/** Fields of the first line that is not blank; a header has no line breaks. */
function firstFields(text: string, separator: string): string[] {
  const line = /^[^\r\n]*/.exec(text.replace(BLANK_LINES, ''))?.[0] ?? '';
  return line.split(separator).map((field) =>
    field
      .trim()
      .replace(/^"(.*)"$/, '$1')
      .trim(),
  );
}

function recordsOf(text: string, name: string, separator: string, linesBefore: number): TableRow[] {
  const rows: TableRow[] = [];
  const linesOf = lineCounter();
  let lastLine = 0;
  try {
    parse(text, {
      delimiter: separator,
      record_delimiter: ['\r\n', '\n', '\r'],
      relax_column_count: true,
      skip_empty_lines: true,
      on_record: (fields: string[], { lines }) => {
        const { first, last } = linesOf(fields, lines);
        lastLine = last;
        if (fields.some((field) => field.trim() !== '')) rows.push({ line: first + linesBefore, fields });
        return null;
      },
    });
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw notCsv(name, text, lastLine, linesBefore, error);
  }
  return rows;
}

/**
 * The first and the last line of records that come one after the other. csv-parse gives the last one (`info.lines`), but counts a line break within quotes
 * twice where it is `\r\n`.
 */
export function lineCounter(): (fields: readonly string[], lines: number) => { first: number; last: number } {
  let countedTwice = 0;
  return (fields, lines) => {
    const breaks = fields.flatMap((field) => (/[\r\n]/.test(field) ? field.match(/\r\n|\n|\r/g)! : []));
    countedTwice += breaks.filter((characters) => characters.length > 1).length;
    const last = lines - countedTwice;
    return { first: last - breaks.length, last };
  };
}

/** What csv-parse found wrong, in plain words. Its own type is not named here: declarations of the package must not lead to csv-parse's, which need Node's. */
export function csvProblem({ code, message }: { readonly code: string; readonly message: string }): string {
  return PROBLEMS[code] ?? message;
}

const PROBLEMS: Record<string, string> = {
  CSV_INVALID_CLOSING_QUOTE: 'after the quote that ends a field something else than a separator follows',
  INVALID_OPENING_QUOTE: 'a quote stands inside a field that does not begin with one',
  CSV_QUOTE_NOT_CLOSED: 'a quote is opened and never closed',
};

/** The record after the one that ended on `lastLine` is to blame, for a stray quote swallows many lines before it is noticed. */
function notCsv(name: string, text: string, lastLine: number, linesBefore: number, cause: CsvError): OnebitError {
  const lines = text.split(/\r\n|\n|\r/);
  let line = lastLine;
  while (line < lines.length && lines[line] === '') line++;
  const what = csvProblem(cause);
  return new OnebitError(
    'bad-argument',
    `read ${name}: row ${line + 1 + linesBefore} must be separated values, but ${what}. Put the whole field in quotes and double those inside it, or remove the quote.`,
    { cause },
  );
}
