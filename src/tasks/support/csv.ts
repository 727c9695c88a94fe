// Owns reading comma-separated values: quoted fields, doubled quotes, line breaks inside quotes, CR LF, a byte-order mark. Must not know what columns
// mean. Source: RFC 4180.
import { OnebitError } from '../../errors.ts';

/** A record and the number of its first line in the file, counted from 1. */
export interface CsvRecord {
  readonly line: number;
  readonly fields: readonly string[];
}

/** The records of `text`; empty lines are left out. Throws `bad-argument` with the line of a quote that is never closed. */
export function parseCsv(text: string, separator = ','): CsvRecord[] {
  const records: CsvRecord[] = [];
  let fields: string[] = [];
  let line = 1;
  let at = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  while (at < text.length) {
    const startLine = line;
    for (;;) {
      const field = readField(text, at, separator, line);
      fields.push(field.value);
      line += field.lines;
      at = field.end;
      if (text[at] !== separator) break;
      at++;
    }
    if (fields.length > 1 || fields[0].trim() !== '') records.push({ line: startLine, fields });
    fields = [];
    at++; // past the line's end
    line++;
  }
  return records;
}

/** The field that begins at `at`; `end` is where its separator or line end is, `lines` how many line ends it holds. */
function readField(text: string, at: number, separator: string, line: number) {
  let value = '';
  let lines = 0;
  if (text[at] === '"') {
    for (let from = at + 1; ; ) {
      const quote = text.indexOf('"', from);
      if (quote < 0) {
        throw new OnebitError(
          'bad-argument',
          `read CSV: the quote opened on line ${line} must be closed, the file ends inside it. Double the quotes inside quoted fields.`,
        );
      }
      value += text.slice(from, quote);
      at = quote + 1;
      if (text[at] !== '"') break;
      value += '"';
      from = at + 1;
    }
    for (const char of value) if (char === '\n') lines++;
  }
  let end = at;
  while (end < text.length && text[end] !== separator && text[end] !== '\n') end++;
  const rest = text.slice(at, end);
  return { value: value + (text[end] === separator ? rest : rest.replace(/\r$/, '')), lines, end };
}
