// Owns labelled queries: reading them from CSV or JSON lines, and finding out what is wrong with them, by row. Must not know models.

import { checkArgument } from '../../core/check.ts';
import { decodeText } from '../../core/decode-text.ts';
import { OnebitError } from '../../errors.ts';
import { markedText, spansIn } from '../fields/marks.ts';
import type { Span } from '../fields/tokens.ts';
import { beginsTable, columnOf, parseTable, type Table } from './table.ts';
import { textKey, visible } from './words.ts';
import { isWorkbook, readWorkbook } from './workbook.ts';

/** The label of queries that no intent covers. */
export const OUT_OF_SCOPE = 'oos';

/** A query with what it is about, and perhaps the answer to it. */
export interface SupportRow {
  readonly text: string;
  readonly intent: string;
  /** The canned answer of the intent; the last one given counts. */
  readonly answer?: string;
  /** Its fields: named parts, which do not overlap. */
  readonly slots?: readonly Span[];
  /** Flags that it raises, "urgent" for example; an empty list: none. Rows without teach nothing of flags. */
  readonly flags?: readonly string[];
  /** Where it was read: the line, counted from 1. Default: its place in the list. */
  readonly row?: number;
}

/** Rows that can be trained on, and what was found in them. */
export interface CheckedRows {
  readonly rows: readonly SupportRow[];
  /** For people: duplicates, contradictions, rare intents. */
  readonly notices: readonly string[];
}

export interface ReadRowsOptions {
  /** Takes what is wrong with rows, which is thrown otherwise; the other rows are returned. */
  readonly problems?: string[];
}

/** Training holds some 7 KB per row: more would not fit in many machines. */
const MAX_ROWS = 200_000;
const MAX_INTENT_CHARACTERS = 200;
const MAX_LISTED = 5;
const MOST_FLAG = 60;

/** Columns that training needs, and those that queries need. */
const LABELLED = ['text', 'intent'];
const QUERIES = ['text'];

/** What a file of queries is, by its name. */
const JSON_LINES = /\.(jsonl|ndjson)$/i;
const TABLES = /\.(csv|tsv)$/i;

/**
 * Labelled rows of a file's bytes: CSV with a header that names text, intent and perhaps answer (separated by commas, semicolons or tabs), an .xlsx workbook with such
 * a sheet, or JSON lines where `name` ends in .jsonl or .ndjson. Text is UTF-8, or UTF-16 with a mark. Throws `bad-argument` or `bad-file`.
 */
export async function readRows(
  bytes: Uint8Array,
  name = 'queries.csv',
  options: ReadRowsOptions = {},
): Promise<SupportRow[]> {
  checkFile('readRows', 'bytes', bytes, name);
  checkArgument('readRows', 'options', options, 'object');
  const table = await workbookOf(bytes, name, LABELLED);
  return table ? labelledRows(table, options) : parseRows(decodeText(bytes, `read queries: ${name}`), name, options);
}

/** Texts with the right answer of a file's bytes: as `readRows`, with the column (or key) `label`, or else `intent`. Throws `bad-argument` or `bad-file`. */
export async function readLabels(
  bytes: Uint8Array,
  name = 'rows.csv',
): Promise<{ text: string; label: string; row?: number }[]> {
  checkFile('readLabels', 'bytes', bytes, name);
  if (JSON_LINES.test(name)) {
    return jsonLines(decodeText(bytes, `read rows: ${name}`), name).map(({ value, line }) => {
      const label = value.label ?? value.intent;
      const isLabel = typeof label === 'string' || typeof label === 'boolean' || Number.isInteger(label);
      if (!isLabel) throw wrongField(name, line, 'label', label);
      return { text: textOf(value, line, name), label: String(label), row: line };
    });
  }
  const table =
    (await workbookOf(bytes, name, QUERIES)) ?? parseTable(decodeText(bytes, `read rows: ${name}`), name, QUERIES);
  const text = columnOf(table, 'text');
  const named = columnOf(table, 'label');
  const label = named < 0 ? columnOf(table, 'intent') : named;
  if (label < 0) {
    throw new OnebitError(
      'bad-argument',
      `read ${name}: the columns must be text and label, got ${table.columns.join(', ').slice(0, 80)}. Name them.`,
    );
  }
  return table.rows.map(({ line, fields }) => ({ text: fields[text], label: fields[label].trim(), row: line }));
}

/** Queries without labels of a file's bytes: what `readRows` takes, and plain lines. The table that they are from comes with them, where it is one. */
export async function readQueries(
  bytes: Uint8Array,
  name = 'queries.txt',
): Promise<{ queries: string[]; table?: Table }> {
  checkFile('readQueries', 'bytes', bytes, name);
  const table = await workbookOf(bytes, name, QUERIES);
  if (table) return { queries: textsOf(table), table };
  return queriesIn(decodeText(bytes, `read queries: ${name}`), name);
}

async function workbookOf(bytes: Uint8Array, name: string, wanted: readonly string[]): Promise<Table | undefined> {
  return isWorkbook(bytes, name) ? readWorkbook(bytes, name, wanted) : undefined;
}

/** Reads what `readRows` does from text. Throws `bad-argument`. */
export function parseRows(content: string, name = 'queries.csv', options: ReadRowsOptions = {}): SupportRow[] {
  checkFile('parseRows', 'content', content, name);
  checkArgument('parseRows', 'options', options, 'object');
  if (JSON_LINES.test(name)) return parseJsonRows(content, name, options);
  return labelledRows(parseTable(content, name, LABELLED), options);
}

/** Queries without labels: lines of text, or the `text` of CSV or JSON lines. Throws `bad-argument`. */
export function parseQueries(content: string, name = 'queries.txt'): string[] {
  checkFile('parseQueries', 'content', content, name);
  return queriesIn(content, name).queries;
}

/** A file of any name whose first line names several columns, text among them, is a table: so Excel saves "Unicode text". */
function queriesIn(content: string, name: string): { queries: string[]; table?: Table } {
  if (JSON_LINES.test(name)) {
    return { queries: jsonLines(content, name).map(({ value, line }) => textOf(value, line, name)) };
  }
  if (TABLES.test(name) || beginsTable(content, QUERIES)) {
    const table = parseTable(content, name, QUERIES);
    return { queries: textsOf(table), table };
  }
  const lines = content.replace(/^\ufeff/, '').split(/\r\n|\n|\r/);
  return { queries: lines.filter((line) => line.trim() !== '') };
}

function textsOf(table: Table): string[] {
  const text = columnOf(table, 'text');
  return table.rows.map(({ fields }) => fields[text]);
}

function labelledRows(table: Table, options: ReadRowsOptions): SupportRow[] {
  const [text, intent, answer, flags] = ['text', 'intent', 'answer', 'flags'].map((name) => columnOf(table, name));
  return rightRows(table.rows, options, ({ line, fields }) => ({
    ...markedText(fields[text]),
    intent: fields[intent].trim(),
    ...(answer >= 0 && fields[answer].trim() ? { answer: fields[answer].trim() } : {}),
    ...(flags >= 0 ? { flags: flagsIn(fields[flags].split(/[,;|]/), `row ${line}`) } : {}),
    row: line,
  }));
}

function parseJsonRows(content: string, name: string, options: ReadRowsOptions): SupportRow[] {
  return rightRows(jsonLines(content, name), options, ({ value, line }) => {
    const { intent, answer } = value;
    if (typeof intent !== 'string') throw wrongField(name, line, 'intent', intent);
    if (answer !== undefined && answer !== null && typeof answer !== 'string')
      throw wrongField(name, line, 'answer', answer);
    const text = textOf(value, line, name);
    const found =
      value.slots == null ? markedText(text) : { text, slots: spansIn(value.slots, text, `read ${name}: row ${line}`) };
    const flags = value.flags == null ? {} : { flags: flagsIn(value.flags, `read ${name}: row ${line}`) };
    return { ...found, intent: intent.trim(), ...(answer ? { answer } : {}), ...flags, row: line };
  });
}

/** What `rowOf` makes of each item; with `problems`, only of those with which nothing is wrong. */
function rightRows<Item>(
  items: readonly Item[],
  { problems }: ReadRowsOptions,
  rowOf: (item: Item) => SupportRow,
): SupportRow[] {
  if (!problems) return items.map(rowOf);
  const rows: SupportRow[] = [];
  for (const item of items) {
    try {
      const row = rowOf(item);
      const problem = problemOf(row, row.row!);
      if (problem) problems.push(problem);
      else rows.push(row);
    } catch (error) {
      if (!(error instanceof OnebitError)) throw error;
      problems.push(error.message);
    }
  }
  return rows;
}

/** What keeps a row from being learnt. */
function problemOf({ text, intent }: SupportRow, row: number): string | undefined {
  if (visible(text).trim() === '') return `row ${row} has no text`;
  if (intent === '') return `row ${row} has no intent`;
  return intent.length > MAX_INTENT_CHARACTERS ? `row ${row} has an intent of ${intent.length} characters` : undefined;
}

/** `value` as flags, each once. Throws `bad-argument`. */
export function flagsIn(value: unknown, where: string): string[] {
  const isList = Array.isArray(value) && value.every((flag) => typeof flag === 'string' && flag.length <= MOST_FLAG);
  if (!isList) {
    throw new OnebitError(
      'bad-argument',
      `${where}: flags must be a list of texts of at most ${MOST_FLAG} characters, got ${(JSON.stringify(value) ?? 'nothing').slice(0, 80)}. Correct the row.`,
    );
  }
  const named = value.map((flag: string) => visible(flag).normalize('NFC').trim());
  return [...new Set(named)].filter((flag) => flag !== '');
}

function jsonLines(content: string, name: string): { value: Record<string, unknown>; line: number }[] {
  const found: { value: Record<string, unknown>; line: number }[] = [];
  for (const [i, line] of content
    .replace(/^\ufeff/, '')
    .split('\n')
    .entries()) {
    if (line.trim() === '') continue;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (cause) {
      throw new OnebitError('bad-argument', `read ${name}: row ${i + 1} must be a JSON object. Correct the line.`, {
        cause,
      });
    }
    if (typeof value !== 'object' || value === null) throw wrongField(name, i + 1, 'the line', value);
    found.push({ value: value as Record<string, unknown>, line: i + 1 });
  }
  return found;
}

function textOf(value: Record<string, unknown>, line: number, name: string): string {
  if (typeof value.text !== 'string') throw wrongField(name, line, 'text', value.text);
  return value.text;
}

function wrongField(name: string, line: number, field: string, got: unknown): OnebitError {
  return new OnebitError(
    'bad-argument',
    `read ${name}: ${field} of row ${line} must be ${field === 'the line' ? 'a JSON object' : 'a string'}, got ${got === undefined ? 'nothing' : JSON.stringify(got).slice(0, 40)}. Correct the row.`,
  );
}

/** @throws OnebitError `bad-argument` for what are no rows, with the place of the first that is none */
export function checkSupportRows(operation: string, rows: readonly SupportRow[]): void {
  checkArgument(operation, 'rows', rows, 'list');
  for (const [i, row] of rows.entries()) {
    checkArgument(operation, `rows[${i}]`, row, 'object');
    checkArgument(operation, `rows[${i}].text`, row.text, 'text');
    checkArgument(operation, `rows[${i}].intent`, row.intent, 'text');
    checkArgument(operation, `rows[${i}].answer`, row.answer, 'text', false);
    if (row.slots !== undefined) spansIn(row.slots, row.text, `${operation}: rows[${i}]`);
    if (row.flags !== undefined) flagsIn(row.flags, `${operation}: rows[${i}]`);
  }
}

function checkFile(operation: string, what: 'bytes' | 'content', value: unknown, name: unknown): void {
  checkArgument(operation, what, value, what === 'bytes' ? 'bytes' : 'text');
  checkArgument(operation, 'name', name, 'text');
}

/**
 * Checks rows before training. Throws `bad-argument` with the numbers of rows that are empty or lack an intent, and where there are fewer than two
 * intents. Duplicates are kept once; the same text under several intents is kept and reported.
 */
export function checkRows(rows: readonly SupportRow[]): CheckedRows {
  if (rows.length > MAX_ROWS) throw refusal(`at most ${MAX_ROWS} rows are taken, got ${rows.length}. Take a sample`);
  const spelling = new Map<string, string>();
  const spelled = (intent: string) => {
    const key = visible(intent).normalize('NFC').trim();
    if (!spelling.has(key)) spelling.set(key, intent.trim());
    return spelling.get(key)!;
  };
  const numbered = rows.map((row, i) => ({ ...row, intent: spelled(row.intent), row: row.row ?? i + 1 }));
  const problems = numbered.flatMap((row) => problemOf(row, row.row) ?? []);
  if (problems.length > 0) {
    throw new OnebitError(
      'bad-argument',
      `support: every row must have a text and an intent of at most ${MAX_INTENT_CHARACTERS} characters, but ${listed(problems)}. Complete or delete these rows.`,
      { problems },
    );
  }
  const unique = new Map<string, SupportRow & { row: number }>();
  const byText = new Map<string, (SupportRow & { row: number })[]>();
  for (const row of numbered) {
    const text = textKey(row.text);
    const key = `${row.intent}\n${text}`;
    const known = unique.get(key);
    const more = { ...(row.answer ? { answer: row.answer } : {}), ...(row.flags ? { flags: row.flags } : {}) };
    unique.set(key, known ? { ...known, ...more } : row);
    if (!known) byText.set(text, [...(byText.get(text) ?? []), row]);
  }
  const kept = [...unique.values()];
  const intents = new Map<string, number>();
  for (const { intent } of kept) intents.set(intent, (intents.get(intent) ?? 0) + 1);
  intents.delete(OUT_OF_SCOPE);
  if (intents.size < 2) {
    const got = intents.size === 1 ? `only "${[...intents.keys()][0]}"` : 'none';
    throw refusal(
      `there must be rows of at least two intents, got ${got}. Add rows of another intent (rows labelled ${OUT_OF_SCOPE} are no intent)`,
    );
  }
  return { rows: kept, notices: noticesOf(numbered.length - kept.length, byText, intents) };
}

function noticesOf(
  duplicates: number,
  byText: ReadonlyMap<string, readonly (SupportRow & { row: number })[]>,
  intents: ReadonlyMap<string, number>,
): string[] {
  const notices: string[] = [];
  if (duplicates > 0) notices.push(`${duplicates} rows repeat another row and were left out.`);
  const contradictions = [...byText.values()].filter((rows) => rows.length > 1);
  if (contradictions.length > 0) {
    const texts = contradictions.map(
      (rows) => `rows ${rows.map(({ row, intent }) => `${row} (${intent})`).join(' and ')}`,
    );
    notices.push(`the same text has several intents: ${listed(texts)}.`);
  }
  const rare = [...intents].filter(([, count]) => count < 5).map(([intent, count]) => `${intent} (${count})`);
  if (rare.length > 0) notices.push(`intents with fewer than 5 examples are hard to learn: ${listed(rare)}.`);
  return notices;
}

function listed(items: readonly string[]): string {
  const rest = items.length - MAX_LISTED;
  return items.slice(0, MAX_LISTED).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}

function refusal(message: string): OnebitError {
  return new OnebitError('bad-argument', `support: ${message}.`);
}
