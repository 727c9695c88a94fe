// Owns reading a file of many rows, one row at a time: CSV, JSON lines, .xlsx. It is read once when it is opened, so that what is wrong with it is said before
// anything is computed, and again whenever its rows are asked for. Must not know what is done with rows.

import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { fileError } from '../bytes/file-source.ts';
import { checkArgument, checkList } from '../core/check.ts';
import { decodePieces } from '../core/decode-text.ts';
import { OnebitError } from '../errors.ts';
import { checkColumns, columnOf } from '../tasks/support/table.ts';
import { isWorkbook, readWorkbook } from '../tasks/support/workbook.ts';
import { csvRecords } from './csv-records.ts';
import { jsonRecords, textOfJson } from './json-records.ts';

/** A row: where it stands, and its cells. */
export interface BulkRow {
  /** Its place among the rows of the file, from 0. */
  readonly index: number;
  /** Its first line in the file, from 1. */
  readonly line: number;
  /** Its cells in the order of the file's columns, as texts; undefined where it has none there. */
  readonly cells: readonly (string | undefined)[];
  /** The line as it is written, where the file is JSON lines. */
  readonly json?: string;
}

/** A file of rows that was read once and found in order. */
export interface RowFile {
  readonly path: string;
  readonly kind: 'table' | 'json' | 'workbook';
  /** Names of the columns as they are written; of JSON lines: all that occur, in order of appearance. */
  readonly columns: readonly string[];
  /** What separates the cells of a table. */
  readonly separator?: string;
  readonly count: number;
  /** SHA-256 of the file, hexadecimal. */
  readonly digest: string;
  /** All rows in order. Throws `bad-file` at the end when the file is not the one that was opened any more. */
  rows(signal?: AbortSignal): AsyncGenerator<BulkRow, void>;
}

const JSON_LINES = /\.(jsonl|ndjson)$/i;
const HEAD_BYTES = 8;
/** JSON lines may name other keys in each; more would be no table. */
const MOST_COLUMNS = 10_000;

/**
 * Opens a file of rows. A workbook is unpacked into memory (128 MB at most); all else is read from the disk as it is needed.
 * @param wanted columns that must be there, in whatever case
 * @throws OnebitError `io`, `bad-file`, `bad-argument` with the number of the first row that is wrong
 */
export async function openRows(path: string, wanted: readonly string[], signal?: AbortSignal): Promise<RowFile> {
  checkArgument('openRows', 'path', path, 'text');
  checkList('openRows', 'wanted', wanted, 'text');
  checkArgument('openRows', 'signal', signal, 'signal', false);
  const names = wanted.map((name) => name.toLowerCase());
  const head = await headOf(path);
  const file = isWorkbook(head, path)
    ? await workbookRows(path, names)
    : JSON_LINES.test(path)
      ? await jsonRows(path, signal)
      : await tableRows(path, names, signal);
  // Of JSON lines a name as it is written is meant, whatever other spellings there are.
  const isJson = file.kind === 'json';
  const unclear = names.filter((_, i) => !(isJson && file.columns.includes(wanted[i])));
  checkColumns(file.columns, path, file.count === 0 && isJson ? [] : unclear);
  return file;
}

/** Index of a column by its name as it is written, else in whatever case; −1 where it is missing. */
export function columnIndex(columns: readonly string[], name: string): number {
  const exact = columns.indexOf(name);
  return exact >= 0 ? exact : columnOf({ columns }, name.toLowerCase());
}

async function headOf(path: string): Promise<Uint8Array> {
  try {
    if (!(await stat(path)).isFile()) throw new OnebitError('bad-argument', `read ${path}: it must be a file.`);
    const file = await open(path, 'r');
    try {
      const bytes = new Uint8Array(HEAD_BYTES);
      const { bytesRead } = await file.read(bytes, 0, HEAD_BYTES, 0);
      return bytes.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw error instanceof OnebitError ? error : fileError('read', path, error);
  }
}

/** Texts of a file as they are read; all bytes also go into `hash`. */
async function* textOf(path: string, hash: Hash, signal?: AbortSignal): AsyncGenerator<string, void> {
  async function* pieces() {
    try {
      for await (const piece of createReadStream(path)) {
        signal?.throwIfAborted();
        hash.update(piece as Buffer);
        yield piece as Buffer;
      }
    } catch (error) {
      signal?.throwIfAborted();
      throw fileError('read', path, error);
    }
  }
  yield* decodePieces(pieces(), `read ${path}: it`);
}

/** Reads once to count, to find columns and to check; `rows` reads again and compares. */
async function scanned(
  path: string,
  read: (hash: Hash, signal?: AbortSignal) => AsyncIterable<BulkRow>,
  signal?: AbortSignal,
): Promise<Pick<RowFile, 'count' | 'digest' | 'rows'>> {
  const hash = createHash('sha256');
  let count = 0;
  for await (const _ of read(hash, signal)) count++;
  const digest = hash.digest('hex');
  return {
    count,
    digest,
    async *rows(signal) {
      const again = createHash('sha256');
      yield* read(again, signal);
      if (again.digest('hex') === digest) return;
      throw new OnebitError('bad-file', `read ${path}: it must stay as it is meanwhile, it has changed. Begin anew.`);
    },
  };
}

async function tableRows(path: string, wanted: readonly string[], signal?: AbortSignal): Promise<RowFile> {
  let columns: readonly string[] = [];
  let separator = ',';
  async function* read(hash: Hash, signal?: AbortSignal): AsyncGenerator<BulkRow, void> {
    let index = 0;
    for await (const record of csvRecords(textOf(path, hash, signal), path, wanted)) {
      if ('columns' in record) ({ columns, separator } = record);
      else yield { index: index++, line: record.line, cells: record.fields };
    }
  }
  const file = await scanned(path, read, signal);
  return { path, kind: 'table', columns, separator, ...file };
}

async function jsonRows(path: string, signal?: AbortSignal): Promise<RowFile> {
  const columns: string[] = [];
  const known = new Set<string>();
  async function* read(hash: Hash, signal?: AbortSignal): AsyncGenerator<BulkRow, void> {
    let index = 0;
    for await (const { line, json, value } of jsonRecords(textOf(path, hash, signal), path)) {
      for (const name of Object.keys(value)) {
        if (known.has(name)) continue;
        known.add(name);
        columns.push(name);
        if (known.size <= MOST_COLUMNS) continue;
        throw new OnebitError('bad-argument', `read ${path}: at most ${MOST_COLUMNS} names may occur, got more.`);
      }
      const cells = columns.map((name) => textOfJson(Object.hasOwn(value, name) ? value[name] : undefined));
      yield { index: index++, line, json, cells };
    }
  }
  const file = await scanned(path, read, signal);
  return { path, kind: 'json', columns, ...file };
}

async function workbookRows(path: string, wanted: readonly string[]): Promise<RowFile> {
  const bytes = await readFile(path).catch((error) => {
    throw fileError('read', path, error);
  });
  const { columns, rows } = await readWorkbook(bytes, path, wanted);
  return {
    path,
    kind: 'workbook',
    columns,
    count: rows.length,
    digest: createHash('sha256').update(bytes).digest('hex'),
    async *rows(signal) {
      for (const [index, { line, fields }] of rows.entries()) {
        signal?.throwIfAborted();
        yield { index, line, cells: fields };
      }
    },
  };
}
