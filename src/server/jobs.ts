// Owns files and batches of one server: what clients may do with them, and which batch runs when. Must not know HTTP, nor where they lie.
import type { BatchRecord, FileRecord, JobStore } from '../bulk/job-store.ts';
import { OnebitError } from '../errors.ts';
import { ApiError, badField } from './api-error.ts';
import { type LineAnswer, runBatchOf } from './batch-run.ts';
import type { BatchRequest } from './schemas/jobs.ts';
import type { Upload } from './upload.ts';

export interface JobsOptions {
  readonly store: JobStore;
  /** Answers one line, for its owner, in the background. Never throws but for the signal. */
  readonly answer: (endpoint: string, body: unknown, owner: string, signal: AbortSignal) => Promise<LineAnswer>;
  /** Endpoints of which batches may be. */
  readonly endpoints: readonly string[];
  /** Told of what no client is told. */
  readonly onError: (error: unknown) => void;
  /** Seconds since 1970. */
  readonly now?: () => number;
}

/** Batches that run at once, each of another owner; others wait in order of age. */
const MOST_RUNNING = 4;
/** Batches of one owner that may wait. */
const MOST_WAITING = 1000;
const WINDOW_SECONDS = 24 * 3600;
const CLEAN_MS = 600_000;
const RUNNING: ReadonlySet<string> = new Set(['validating', 'in_progress', 'finalizing', 'cancelling']);

/** A batch that runs. */
interface Run {
  readonly owner: string;
  readonly stop: AbortController;
  readonly end: Promise<void>;
}

/** Files and batches. */
export class Jobs {
  private readonly options: JobsOptions;
  private readonly now: () => number;
  private readonly running = new Map<string, Run>();
  /** Batches that are just being cancelled: they do not start. */
  private readonly held = new Set<string>();
  private readonly cleaning: ReturnType<typeof setInterval>;
  private closed = false;

  /** Goes on with what an earlier process left. */
  constructor(options: JobsOptions) {
    this.options = options;
    this.now = options.now ?? (() => Math.floor(Date.now() / 1000));
    this.startNext();
    this.cleaning = setInterval(() => void this.clean().catch(options.onError), CLEAN_MS);
    (this.cleaning as { unref?(): void }).unref?.();
    void this.clean().catch(options.onError);
  }

  async upload(owner: string, { file, filename, purpose, expiresSeconds }: Upload): Promise<FileRecord> {
    const createdAt = this.now();
    const record = { id: newId('file-'), owner, filename, purpose, createdAt };
    const expires = expiresSeconds === undefined ? {} : { expiresAt: createdAt + expiresSeconds };
    return this.options.store.addFile({ ...record, ...expires }, async (append) => {
      const reader = file.stream().getReader();
      for (let step = await reader.read(); !step.done; step = await reader.read()) await append(step.value);
    });
  }

  /** The owner's files that have not expired, in order of age. */
  files(owner: string): FileRecord[] {
    return [...this.options.store.files()].filter((file) => file.owner === owner && this.isAlive(file));
  }

  /** @throws ApiError 404 */
  file(owner: string, id: string): FileRecord {
    const found = this.options.store.file(id);
    if (found && found.owner === owner && this.isAlive(found)) return found;
    throw new ApiError(404, 'There is no such file here (any more).', { code: 'file_not_found', param: 'id' });
  }

  content(owner: string, id: string): AsyncIterable<Uint8Array> {
    return this.options.store.read(this.file(owner, id).id);
  }

  /** @throws ApiError 404, 409 while a batch reads it */
  async deleteFile(owner: string, id: string): Promise<void> {
    const file = this.file(owner, id);
    const isRead = this.batches(owner).some(({ inputFileId, status }) => inputFileId === id && RUNNING.has(status));
    if (isRead)
      throw new ApiError(409, 'A batch that has not ended reads this file. Cancel it first.', { code: 'file_in_use' });
    await this.options.store.deleteFile(file.id);
  }

  batches(owner: string): BatchRecord[] {
    return [...this.options.store.batches()].filter((batch) => batch.owner === owner);
  }

  /** @throws ApiError 404 */
  batch(owner: string, id: string): BatchRecord {
    const found = this.options.store.batch(id);
    if (found?.owner === owner) return found;
    throw new ApiError(404, 'There is no such batch here.', { code: 'batch_not_found', param: 'id' });
  }

  /** Takes a batch; it runs as soon as those before it have ended. @throws ApiError 400, 404, 429 */
  async create(owner: string, request: BatchRequest): Promise<BatchRecord> {
    const { endpoints, store } = this.options;
    if (!endpoints.includes(request.endpoint)) {
      throw badField('endpoint', `endpoint: it must be one of ${endpoints.join(', ')}.`);
    }
    const file = this.file(owner, request.input_file_id);
    if (file.purpose !== 'batch')
      throw badField('input_file_id', 'input_file_id: the purpose of the file must be batch.');
    if (this.batches(owner).filter(({ status }) => RUNNING.has(status)).length >= MOST_WAITING) {
      throw new ApiError(429, `At most ${MOST_WAITING} batches may wait.`, {
        code: 'too_many_batches',
        retryAfterSeconds: 60,
      });
    }
    const createdAt = this.now();
    const batch: BatchRecord = {
      ...{ id: newId('batch_'), owner, endpoint: request.endpoint, inputFileId: file.id, window: '24h' },
      ...{ metadata: request.metadata ?? null, createdAt, expiresAt: createdAt + WINDOW_SECONDS },
      ...(request.output_expires_after ? { outputSeconds: request.output_expires_after.seconds } : {}),
      ...{ status: 'validating', at: {}, errors: [], total: 0, completed: 0, failed: 0 },
    };
    await store.putBatch(batch);
    this.startNext();
    return batch;
  }

  /** Stops a batch; what it has answered is kept. @throws ApiError 404, 409 */
  async cancel(owner: string, id: string): Promise<BatchRecord> {
    if (this.batch(owner, id).status === 'cancelling') return this.batch(owner, id);
    this.held.add(id);
    try {
      const run = this.running.get(id);
      run?.stop.abort(new OnebitError('disposed', 'jobs: the batch was cancelled.'));
      await run?.end; // nobody else writes what becomes of it
      const batch = this.batch(owner, id);
      if (!RUNNING.has(batch.status)) {
        const message = `This batch is ${batch.status}: it cannot be cancelled any more.`;
        throw new ApiError(409, message, { code: 'batch_has_ended' });
      }
      const at = { ...batch.at, cancelling: this.now() };
      await this.options.store.putBatch({ ...batch, status: 'cancelling', at });
    } finally {
      this.held.delete(id);
      this.startNext();
    }
    return this.batch(owner, id);
  }

  /** Ends what runs; the next process goes on with it. */
  async close(): Promise<void> {
    this.closed = true;
    for (const { stop } of this.running.values())
      stop.abort(new OnebitError('disposed', 'jobs: the server is shutting down.'));
    clearInterval(this.cleaning);
    await Promise.all([...this.running.values()].map(({ end }) => end));
    await this.options.store.close();
  }

  private isAlive({ expiresAt }: FileRecord): boolean {
    return expiresAt === undefined || expiresAt > this.now();
  }

  /** Removes files that have expired, unless a batch still reads them. */
  private async clean(): Promise<void> {
    const { store } = this.options;
    const read = new Set([...store.batches()].filter(({ status }) => RUNNING.has(status)).map((b) => b.inputFileId));
    for (const file of [...store.files()]) {
      if (!this.closed && !this.isAlive(file) && !read.has(file.id)) await store.deleteFile(file.id);
    }
  }

  private startNext(): void {
    for (const batch of this.options.store.batches()) {
      if (this.closed || this.running.size >= MOST_RUNNING) return;
      const isBusy = [...this.running.values()].some(({ owner }) => owner === batch.owner);
      if (isBusy || this.held.has(batch.id) || this.running.has(batch.id) || !RUNNING.has(batch.status)) continue;
      const stop = new AbortController();
      const { id, owner } = batch;
      this.running.set(id, { owner, stop, end: Promise.resolve().then(() => this.run(id, stop.signal)) });
    }
  }

  private async run(id: string, signal: AbortSignal): Promise<void> {
    const { store, answer } = this.options;
    let isOver = false;
    try {
      await runBatchOf(id, { store, answer, now: this.now, signal });
      isOver = true;
    } catch (error) {
      // Cancelled: once more, for the files. Closed: the next process does it. Else the disk failed, and so it will the next time: only a restart tries again.
      isOver = signal.aborted;
      if (!signal.aborted) this.options.onError(error);
    }
    if (isOver) this.running.delete(id);
    if (!this.closed) this.startNext();
  }
}

function newId(prefix: string): string {
  return prefix + crypto.randomUUID().replaceAll('-', '');
}
