// Owns a whole batch: every chosen row of a file once, several at a time, each answer into a journal beside the output, and at the end all rows in order into the
// output. Whatever ends it in between, the next run goes on with what the journal has. Must not know what is done with rows.

import { rm } from 'node:fs/promises';
import { writeFileAtomically } from '../bytes/file-write.ts';
import { checkArgument, checkGiven } from '../core/check.ts';
import { inParallel } from '../core/in-parallel.ts';
import { Random } from '../core/random.ts';
import { OnebitError } from '../errors.ts';
import { FinishedRows } from './finished-rows.ts';
import { Journal } from './journal.ts';
import { type BulkRow, columnIndex, type RowFile } from './row-file.ts';
import { failedRow, type Json, type RowAnswer, type RowTexts, type RowTokens, type RowWork } from './row-work.ts';
import { type RowWriter, rowWriter } from './row-writer.ts';
import { checkWorkbookLibrary } from './workbook-writer.ts';

/** Which rows are done, and how. */
export interface BatchOptions {
  /** Where the rows go at the end: .csv, .tsv, .jsonl, .ndjson or .xlsx. Until then answers are in the file of this name and `.journal`. */
  readonly output: string;
  /** Says which model it is: a run goes on only with the same. Default: the caller sees to that. */
  readonly model?: string;
  /** Go on with the run that the journal is of. Without one, begin. Default false: a journal that is there is refused. */
  readonly resume?: boolean;
  /** Put before the names of new columns. Default nothing. */
  readonly prefix?: string;
  /** Rows that are worked on at once. Default 8. */
  readonly parallel?: number;
  /** Only so many rows from the beginning. */
  readonly limit?: number;
  /** Only so many rows, chosen by chance, in their order. */
  readonly sample?: number;
  /** Chooses the sample. Default 0. */
  readonly seed?: number;
  readonly signal?: AbortSignal;
  /** Told of every row that is finished; those of an earlier run are counted from the start. */
  readonly onProgress?: (summary: BatchSummary) => void;
}

/** What came of a batch, so far. */
export interface BatchSummary {
  /** Rows that were chosen, those of them that are finished, and that an earlier run had finished. */
  readonly rows: number;
  readonly done: number;
  readonly doneBefore: number;
  readonly failed: number;
  /** What went wrong, the most frequent first. */
  readonly errors: readonly { readonly error: string; readonly rows: number }[];
  /** Of all runs together. */
  readonly tokens: RowTokens;
  /** Of this run. */
  readonly seconds: number;
}

type ChosenRows = Pick<BatchOptions, 'limit' | 'sample' | 'seed'>;

/** The record that begins a journal. */
interface Head {
  readonly onebit: 'batch';
  readonly version: 1;
  /** What must be the same for a run to go on, by the name under which people know it. */
  readonly same: Readonly<Record<string, Json>>;
}

/** A finished row: its place, its cells, its error, its tokens. */
type Finished = readonly [row: number, cells: readonly Json[], error: string | null, tokens: readonly number[] | null];

/** Errors that are told apart in the summary. */
const MOST_ERRORS = 100;

/** The journal of an output. */
export function journalPath(output: string): string {
  checkArgument('journalPath', 'output', output, 'text');
  return `${output}.journal`;
}

/**
 * Runs a batch to its end.
 * @throws OnebitError `bad-argument` where the journal is of another run, `io` where the disk fails; the reason of the signal. What is finished is kept: run
 * again with `resume`.
 */
export async function runBatch(file: RowFile, work: RowWork, options: BatchOptions): Promise<BatchSummary> {
  checkGiven('runBatch', 'file', file, 'openRows', ['columns', 'count', 'rows']);
  checkGiven('runBatch', 'work', work, 'the caller', ['columns']);
  checkArgument('runBatch', 'options', options, 'object');
  checkArgument('runBatch', 'output', options.output, 'text');
  const { output, prefix = '', resume = false } = options;
  const writer = rowWriter(output, file, work.columns, prefix);
  if (writer.finish) await checkWorkbookLibrary();
  checkReads(file, work);
  rowChooser(file.count, options);
  const finished = new FinishedRows(file.count);
  const tally = new Tally(chosenCount(file.count, options));
  let head: Head | undefined;
  const journal = await Journal.open(journalPath(output), (record, place) => {
    if (Array.isArray(record)) tally.before(record as unknown as Finished, finished.add(record[0], place));
    else head ??= record as Head;
  });
  try {
    const own: Head = { onebit: 'batch', version: 1, same: sameOf(file, work, options) };
    if (head) checkHead(head, own, resume, output);
    else await journal.append(own);
    options.onProgress?.(tally.summary());
    await workOff({ file, work, options, journal, finished, tally });
    await journal.sync();
    await writeOut({ file, options, journal, finished, writer });
  } finally {
    await journal.close();
  }
  await rm(journalPath(output), { force: true });
  return tally.summary();
}

/** Whether a row is one of those that `limit` and `sample` choose; to be asked for every row, in order. */
export function rowChooser(count: number, { limit, sample, seed = 0 }: ChosenRows): (index: number) => boolean {
  if (limit !== undefined && sample !== undefined) {
    throw new OnebitError('bad-argument', 'batch: limit or sample must be given, got both. Leave one out.');
  }
  if (sample === undefined) return (index) => index < (limit ?? count);
  const random = new Random(seed);
  let left = Math.min(sample, count);
  return (index) => {
    // Knuth's algorithm S: every choice of so many rows is equally likely.
    const isChosen = random.uniform() * (count - index) < left;
    if (isChosen) left--;
    return isChosen;
  };
}

function chosenCount(count: number, { limit, sample }: ChosenRows): number {
  return Math.min(count, limit ?? sample ?? count);
}

/** The row as work reads it. */
export function rowTexts({ columns }: Pick<RowFile, 'columns'>, { index, cells }: BulkRow): RowTexts {
  return { index, text: (column) => cells[columnIndex(columns, column)] };
}

interface Run {
  readonly file: RowFile;
  readonly options: BatchOptions;
  readonly journal: Journal;
  readonly finished: FinishedRows;
}

async function workOff({
  file,
  work,
  options,
  journal,
  finished,
  tally,
}: Run & { work: RowWork; tally: Tally }): Promise<void> {
  const isChosen = rowChooser(file.count, options);
  async function* missing(signal: AbortSignal) {
    for await (const row of file.rows(signal)) if (isChosen(row.index) && !finished.has(row.index)) yield row;
  }
  let first: Promise<void> | undefined;
  const doRow = async (row: BulkRow, signal: AbortSignal) => {
    const answer = await answerFor(rowTexts(file, row), work, signal);
    finished.add(row.index, await journal.append(recordOf(row.index, answer)));
    tally.add(answer);
    options.onProgress?.(tally.summary());
  };
  const inTurn = async (row: BulkRow, signal: AbortSignal) => {
    if (first) await first;
    return doRow(row, signal);
  };
  const start = (row: BulkRow, signal: AbortSignal) => {
    if (first || !work.sharesBeginning) return inTurn(row, signal);
    first = doRow(row, signal);
    return first;
  };
  await inParallel(missing, options.parallel ?? 8, start, options.signal);
}

async function answerFor(row: RowTexts, work: RowWork, signal: AbortSignal): Promise<RowAnswer> {
  try {
    return await work.run(row, signal);
  } catch (error) {
    signal.throwIfAborted();
    return failedRow(error, work.columns.length);
  }
}

/** All rows in order, each with what the journal has of it. */
async function writeOut({ file, options, journal, finished, writer }: Run & { writer: RowWriter }): Promise<void> {
  const isChosen = rowChooser(file.count, options);
  const encoder = new TextEncoder();
  await writeFileAtomically(options.output, async (append) => {
    let text = writer.head;
    for await (const row of file.rows(options.signal)) {
      if (!isChosen(row.index)) continue;
      const [index, cells, error] = (await journal.read(finished.place(row.index))) as Finished;
      if (index !== row.index)
        throw new OnebitError('bad-file', `batch: the journal of ${options.output} is damaged. Begin anew.`);
      text += writer.line(row, { cells, ...(error === null ? {} : { error }) });
      if (text.length < 1 << 16) continue;
      await append(encoder.encode(text));
      text = '';
    }
    await append(encoder.encode(text));
    if (writer.finish) await append(await writer.finish());
  });
}

function recordOf(index: number, { cells, error, tokens }: RowAnswer): Finished {
  return [index, cells, error ?? null, tokens ? [tokens.prompt, tokens.cached, tokens.completion] : null];
}

function checkReads(file: RowFile, { reads }: RowWork): void {
  const missing = file.count === 0 ? undefined : reads.find((name) => columnIndex(file.columns, name) < 0);
  if (missing === undefined) return;
  const there = file.columns.join(', ').slice(0, 200);
  throw new OnebitError(
    'bad-argument',
    `batch: ${file.path} must have the column ${missing}, got ${there}. Name one of these.`,
  );
}

function sameOf(
  file: RowFile,
  work: RowWork,
  { output, model, limit, sample, seed, prefix }: BatchOptions,
): Record<string, Json> {
  const form = /[^.]*$/.exec(output)?.[0] ?? '';
  const same = {
    input: file.digest,
    model,
    columns: work.columns,
    form,
    ...work.settings,
    limit,
    sample,
    seed,
    prefix,
  };
  return JSON.parse(JSON.stringify(same)) as Record<string, Json>;
}

function checkHead({ onebit, version, same }: Partial<Head>, own: Head, resume: boolean, output: string): void {
  if (!resume) {
    throw new OnebitError(
      'bad-argument',
      `batch: no run of ${output} must be unfinished, one is. Go on with --resume, or begin anew with --overwrite.`,
    );
  }
  const isOurs = onebit === 'batch' && version === own.version && same;
  const names = isOurs ? [...new Set([...Object.keys(same), ...Object.keys(own.same)])] : ['version'];
  const other = names.filter((name) => !isOurs || JSON.stringify(same[name]) !== JSON.stringify(own.same[name]));
  if (other.length === 0) return;
  throw new OnebitError(
    'bad-argument',
    `batch: a run must go on with what it began with, got another ${other.join(', ')}. Give the same, or begin anew with --overwrite.`,
  );
}

/** Counts rows, errors and tokens. */
class Tally {
  private readonly rows: number;
  private readonly errors = new Map<string, number>();
  private readonly tokens = { prompt: 0, cached: 0, completion: 0 };
  private readonly beganMs = performance.now();
  private done = 0;
  private doneBefore = 0;
  private failed = 0;

  constructor(rows: number) {
    this.rows = rows;
  }

  before([, cells, error, tokens]: Finished, isNew: boolean): void {
    if (!isNew) return;
    this.doneBefore++;
    const [prompt = 0, cached = 0, completion = 0] = tokens ?? [];
    this.add({ cells, ...(error === null ? {} : { error }), tokens: { prompt, cached, completion } });
  }

  add({ error, tokens }: RowAnswer): void {
    this.done++;
    if (tokens) for (const name of ['prompt', 'cached', 'completion'] as const) this.tokens[name] += tokens[name];
    if (error === undefined) return;
    this.failed++;
    const known = this.errors.has(error) || this.errors.size < MOST_ERRORS ? error : 'other errors';
    this.errors.set(known, (this.errors.get(known) ?? 0) + 1);
  }

  summary(): BatchSummary {
    const { rows, done, doneBefore, failed } = this;
    const errors = Array.from(this.errors, ([error, rows]) => ({ error, rows })).sort((a, b) => b.rows - a.rows);
    const seconds = (performance.now() - this.beganMs) / 1000;
    return { rows, done, doneBefore, failed, errors, tokens: { ...this.tokens }, seconds };
  }
}
