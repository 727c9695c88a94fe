// Owns files and batches in a folder of the disk, safe under the end of the process at any point: `jobs.journal` says what there is, `files/` has contents, which
// appear whole or not at all, `results/` a journal for each batch that runs. One process at a time has the folder.

import { createReadStream } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError } from '../bytes/file-source.ts';
import { writeFileAtomically } from '../bytes/file-write.ts';
import { type Lock, takeLock } from '../bytes/lock.ts';
import { checkArgument, checkGiven } from '../core/check.ts';
import { OnebitError } from '../errors.ts';
import { FinishedRows } from './finished-rows.ts';
import type { BatchRecord, BatchStatus, FileRecord, JobStore, LineResult, LineResults } from './job-store.ts';
import { Journal } from './journal.ts';

/** What the journal says, one after the other. */
type Change = { readonly file: FileRecord } | { readonly noFile: string } | { readonly batch: BatchRecord };

/** Names that files and results have, those too that are not whole yet. */
const OWN_FILE = /^file-[0-9a-z]{10,}(\.[0-9a-f-]{36}\.part)?$/;
const OWN_RESULTS = /^(batch_[0-9a-z]{10,})\.journal$/;
const ENDED: ReadonlySet<BatchStatus> = new Set(['failed', 'completed', 'expired', 'cancelled']);

export class DiskStore implements JobStore {
  private readonly folder: string;
  private readonly lock: Lock;
  private readonly journal: Journal;
  private readonly fileRecords: Map<string, FileRecord>;
  private readonly batchRecords: Map<string, BatchRecord>;

  private constructor(folder: string, lock: Lock, journal: Journal, state: State) {
    checkArgument('new DiskStore', 'folder', folder, 'text');
    checkGiven('new DiskStore', 'state', state, 'DiskStore.open', ['files', 'batches']);
    this.folder = folder;
    this.lock = lock;
    this.journal = journal;
    this.fileRecords = state.files;
    this.batchRecords = state.batches;
  }

  /** Opens the folder, or makes it. Throws `busy` while another process has it, `io` where the disk refuses. */
  static async open(folder: string): Promise<DiskStore> {
    try {
      for (const name of ['files', 'results']) await mkdir(join(folder, name), { recursive: true });
    } catch (error) {
      throw fileError('make', folder, error);
    }
    const lock = await takeLock(join(folder, 'lock'), {
      onWait: (pid) => {
        const who = pid > 0 ? ` (process ${pid})` : '';
        throw new OnebitError('busy', `jobs: the folder ${folder} must be one process's own, another${who} has it.`);
      },
    });
    try {
      const state: State = { files: new Map(), batches: new Map() };
      const journal = await Journal.open(join(folder, 'jobs.journal'), (record) => apply(state, record as Change));
      const store = new DiskStore(folder, lock, journal, state);
      await store.removeOrphans();
      return store;
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  files(): Iterable<FileRecord> {
    return this.fileRecords.values();
  }

  file(id: string): FileRecord | undefined {
    return this.fileRecords.get(id);
  }

  async addFile(
    record: Omit<FileRecord, 'bytes'>,
    produce: (append: (bytes: Uint8Array) => Promise<void>) => Promise<void>,
  ): Promise<FileRecord> {
    let bytes = 0;
    await writeFileAtomically(this.pathOf(record.id), (append) =>
      produce((piece) => {
        bytes += piece.length;
        return append(piece);
      }),
    );
    const file = { ...record, bytes };
    await this.change({ file });
    return file;
  }

  async *read(id: string): AsyncGenerator<Uint8Array, void> {
    try {
      yield* createReadStream(this.pathOf(id)) as AsyncIterable<Uint8Array>;
    } catch (error) {
      throw fileError('read', this.pathOf(id), error);
    }
  }

  async deleteFile(id: string): Promise<void> {
    await this.change({ noFile: id });
    await rm(this.pathOf(id), { force: true });
  }

  batches(): Iterable<BatchRecord> {
    return this.batchRecords.values();
  }

  batch(id: string): BatchRecord | undefined {
    return this.batchRecords.get(id);
  }

  putBatch(batch: BatchRecord): Promise<void> {
    return this.change({ batch });
  }

  countBatch(id: string, counts: Pick<BatchRecord, 'completed' | 'failed'>): void {
    const batch = this.batchRecords.get(id);
    if (batch) this.batchRecords.set(id, { ...batch, ...counts });
  }

  async results(id: string, lines: number): Promise<LineResults> {
    return DiskResults.open(this.resultsPath(id), lines);
  }

  async dropResults(id: string): Promise<void> {
    await rm(this.resultsPath(id), { force: true });
  }

  async close(): Promise<void> {
    await this.journal.close();
    await this.lock.release();
  }

  private async change(change: Change): Promise<void> {
    await this.journal.append(change);
    await this.journal.sync();
    apply({ files: this.fileRecords, batches: this.batchRecords }, change);
  }

  private pathOf(id: string): string {
    return join(this.folder, 'files', id);
  }

  private resultsPath(id: string): string {
    return join(this.folder, 'results', `${id}.journal`);
  }

  /** What an earlier process did not come to note, or to remove. Files with other names than ours are somebody's, whose folder this is too. */
  private async removeOrphans(): Promise<void> {
    for (const name of await readdir(join(this.folder, 'files'))) {
      if (OWN_FILE.test(name) && !this.fileRecords.has(name)) await rm(this.pathOf(name), { force: true });
    }
    for (const name of await readdir(join(this.folder, 'results'))) {
      const id = OWN_RESULTS.exec(name)?.[1];
      if (id === undefined) continue;
      const batch = this.batchRecords.get(id);
      if (batch === undefined || ENDED.has(batch.status)) await rm(this.resultsPath(id), { force: true });
    }
  }
}

interface State {
  readonly files: Map<string, FileRecord>;
  readonly batches: Map<string, BatchRecord>;
}

function apply({ files, batches }: State, change: Change): void {
  if ('file' in change) files.set(change.file.id, change.file);
  else if ('batch' in change) batches.set(change.batch.id, change.batch);
  else files.delete(change.noFile);
}

/** A record: the line, whether it is an error, its JSON. */
type ResultRecord = readonly [line: number, isError: boolean, json: string];

class DiskResults implements LineResults {
  completed = 0;
  failed = 0;
  private readonly journal: Journal;
  private readonly finished: FinishedRows;

  private constructor(journal: Journal, finished: FinishedRows) {
    this.journal = journal;
    this.finished = finished;
  }

  static async open(path: string, lines: number): Promise<DiskResults> {
    const finished = new FinishedRows(lines);
    const known: boolean[] = [];
    const journal = await Journal.open(path, (record, place) => {
      const [line, isError] = record as ResultRecord;
      if (finished.add(line, place)) known.push(isError);
    });
    const results = new DiskResults(journal, finished);
    for (const isError of known) results.count(isError);
    return results;
  }

  has(line: number): boolean {
    return this.finished.has(line);
  }

  async add(line: number, { isError, json }: LineResult): Promise<void> {
    const record: ResultRecord = [line, isError, json];
    if (this.finished.add(line, await this.journal.append(record))) this.count(isError);
  }

  async get(line: number): Promise<LineResult> {
    const [, isError, json] = (await this.journal.read(this.finished.place(line))) as ResultRecord;
    return { isError, json };
  }

  close(): Promise<void> {
    return this.journal.close();
  }

  private count(isError: boolean): void {
    if (isError) this.failed++;
    else this.completed++;
  }
}
