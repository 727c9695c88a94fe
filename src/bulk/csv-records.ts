// Owns reading separated values from a stream of text, by the same rules as tables that are read whole (tasks/support/table.ts). Must not know files.
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type CsvError, parse } from 'csv-parse';
import { OnebitError } from '../errors.ts';
import { csvProblem, lineCounter, tableStart } from '../tasks/support/table.ts';

/** The first line of a table, then its rows. */
export type CsvRecord =
  | { readonly columns: readonly string[]; readonly separator: string }
  | { readonly line: number; readonly fields: readonly string[] };

/** A header longer than this is none. */
const HEAD_CHARACTERS = 1 << 20;
/** A stray quote makes one field of all that follows: it must not fill the memory. */
const MOST_ROW_CHARACTERS = 16e6;

interface Parsed {
  readonly record: string[];
  readonly info: { readonly lines: number };
}

/** The header and the rows of a table. Blank rows are left out. Throws `bad-argument` with the row that is wrong, and what `pieces` throws. */
export async function* csvRecords(
  pieces: AsyncGenerator<string, void>,
  name: string,
  wanted: readonly string[],
): AsyncGenerator<CsvRecord, void> {
  const head = await headOf(pieces);
  const { separator, characters, lines: linesBefore } = tableStart(head, name, wanted);
  async function* body() {
    yield head.slice(characters);
    yield* pieces;
  }
  const parser = parse({
    delimiter: separator,
    record_delimiter: ['\r\n', '\n', '\r'],
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: MOST_ROW_CHARACTERS,
    info: true,
  });
  // What goes wrong in either comes out of the parser; where the reader stops early, nobody listens.
  const piped = pipeline(Readable.from(body()), parser).catch(() => {});
  let columns: readonly string[] | undefined;
  const linesOf = lineCounter();
  let lastLine = linesBefore;
  try {
    for await (const { record, info } of parser as AsyncIterable<Parsed>) {
      const { first, last } = linesOf(record, info.lines);
      const line = first + linesBefore;
      lastLine = last + linesBefore;
      if (record.every((field) => field.trim() === '')) continue;
      if (columns && record.length !== columns.length) throw wrongLength(name, line, record.length, columns.length);
      if (columns) yield { line, fields: record };
      else {
        columns = record.map((field) => field.trim());
        yield { columns, separator };
      }
    }
  } catch (error) {
    throw isCsvError(error) ? notCsv(name, lastLine + 1, error) : error;
  } finally {
    parser.destroy();
    await piped;
  }
}

/** The text up to the end of the first line that is not blank. */
async function headOf(pieces: AsyncGenerator<string, void>): Promise<string> {
  let head = '';
  while (!hasFirstLine(head) && head.length < HEAD_CHARACTERS) {
    const { done, value } = await pieces.next();
    if (done) break;
    head += value;
  }
  return head;
}

/** Whether a line that is not blank has ended. In two steps: one pattern for both would look from every character to the end. */
function hasFirstLine(head: string): boolean {
  const first = head.search(/[^\s,;"]/);
  return first >= 0 && /[\r\n]/.test(head.slice(first));
}

function isCsvError(error: unknown): error is CsvError {
  return error instanceof Error && 'code' in error && /^(CSV_|INVALID_OPENING_QUOTE)/.test(String(error.code));
}

function notCsv(name: string, row: number, error: CsvError): OnebitError {
  const what =
    (error.code as string) === 'CSV_MAX_RECORD_SIZE'
      ? `it has more than ${MOST_ROW_CHARACTERS} characters, so a quote is probably opened there and never closed`
      : csvProblem(error);
  return new OnebitError(
    'bad-argument',
    `read ${name}: row ${row} must be separated values, but ${what}. Put the whole field in quotes and double those inside it, or remove the quote.`,
    { cause: error },
  );
}

function wrongLength(name: string, line: number, got: number, columns: number): OnebitError {
  return new OnebitError(
    'bad-argument',
    `read ${name}: every row must have the ${columns} fields of the first line, but row ${line} has ${got}. Put texts that hold the separator in quotes.`,
  );
}
