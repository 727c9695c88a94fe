// Owns files and batches of one server: what clients may do with them. Must not know HTTP, where they lie, nor who works batches off.
import type { AnswerRules, BatchRecord, FileRecord, JobStore } from '../bulk/job-store.ts';
import { type JsonRecord, jsonRecords } from '../bulk/json-records.ts';
import { decodePieces } from '../core/decode-text.ts';
import { ApiError, badField } from './api-error.ts';
import { isUnfinished, noSuchBatch } from './job-facts.ts';
import type { JobQueue, QueueWork } from './job-queue.ts';
import { LocalQueue } from './local-queue.ts';
import type { BatchRequest } from './schemas/jobs.ts';
import type { Upload } from './upload.ts';

export interface JobsOptions extends Pick<QueueWork, 'store' | 'answer' | 'onError'> {
  /** Who works batches off. Default: this process. */
  readonly queue?: JobQueue;
  /** The model that is meant where a line of this endpoint names none. */
  readonly modelFor?: (endpoint: string) => string | undefined;
  /** Names of the models here. Default: whichever are asked for. */
  readonly models?: () => readonly string[];
  /** Whether an owner's key is known (still). Default: each is. */
  readonly knows?: (owner: string) => boolean;
  /** What must hold of answers to an owner. */
  readonly rulesFor?: (owner: string) => AnswerRules | undefined;
  /** Endpoints of which batches may be. */
  readonly endpoints: readonly string[];
  /** Bytes that all files of one owner may have together. Default: no bound. */
  readonly filesBytes?: number;
  /** Seconds since 1970. */
  readonly now?: () => number;
}

/** Batches of one owner that may wait. */
const MOST_WAITING = 1000;
const WINDOW_SECONDS = 24 * 3600;
const CLEAN_MS = 600_000;

/** Files and batches. */
export class Jobs {
  readonly queue: JobQueue;
  private readonly options: JobsOptions;
  private readonly store: JobStore;
  private readonly now: () => number;
  private readonly cleaning: ReturnType<typeof setInterval>;
  private closed = false;
  /** Batches whose rows are just put into another. */
  private readonly retrying = new Set<string>();

  /** Goes on with what an earlier process left. */
  constructor(options: JobsOptions) {
    this.options = options;
    this.store = options.store;
    this.now = options.now ?? (() => Math.floor(Date.now() / 1000));
    this.queue = options.queue ?? new LocalQueue({ ...options, now: this.now });
    this.cleaning = setInterval(() => void this.clean().catch(options.onError), CLEAN_MS);
    (this.cleaning as { unref?(): void }).unref?.();
    void this.clean().catch(options.onError);
  }

  /** Keeps a file. @throws ApiError 413 where the owner has too many bytes already */
  async upload(owner: string, { file, filename, purpose, expiresSeconds }: Upload): Promise<FileRecord> {
    const { filesBytes = Number.POSITIVE_INFINITY } = this.options;
    const kept = (await this.files(owner)).reduce((sum, { bytes }) => sum + bytes, 0);
    if (kept + file.size > filesBytes) {
      const message = `Your files may have ${filesBytes} bytes together, and have ${kept} without this one. Delete some.`;
      throw new ApiError(413, message, { code: 'too_many_files' });
    }
    const createdAt = this.now();
    const record = { id: newId('file-'), owner, filename, purpose, createdAt };
    const expires = expiresSeconds === undefined ? {} : { expiresAt: createdAt + expiresSeconds };
    return this.store.addFile({ ...record, ...expires }, async (append) => {
      const reader = file.stream().getReader();
      for (let step = await reader.read(); !step.done; step = await reader.read()) await append(step.value);
    });
  }

  /** The owner's files that have not expired, in order of age. */
  async files(owner: string): Promise<FileRecord[]> {
    return [...(await this.store.files(owner))].filter((file) => file.owner === owner && this.isAlive(file));
  }

  /** @throws ApiError 404 */
  async file(owner: string, id: string): Promise<FileRecord> {
    const found = await this.store.file(id);
    if (found && found.owner === owner && this.isAlive(found)) return found;
    throw new ApiError(404, 'There is no such file here (any more).', { code: 'file_not_found', param: 'id' });
  }

  /** @throws ApiError 404 */
  async content(owner: string, id: string): Promise<AsyncIterable<Uint8Array>> {
    return this.store.read((await this.file(owner, id)).id);
  }

  /** @throws ApiError 404, 409 while a batch reads it */
  async deleteFile(owner: string, id: string): Promise<void> {
    const file = await this.file(owner, id);
    const isRead = (await this.batches(owner)).some((batch) => batch.inputFileId === id && isUnfinished(batch));
    if (isRead)
      throw new ApiError(409, 'A batch that has not ended reads this file. Cancel it first.', { code: 'file_in_use' });
    await this.store.deleteFile(file.id);
  }

  async batches(owner: string): Promise<BatchRecord[]> {
    return [...(await this.store.batches(owner))].filter((batch) => batch.owner === owner);
  }

  /** @throws ApiError 404 */
  async batch(owner: string, id: string): Promise<BatchRecord> {
    const found = await this.store.batch(id);
    if (found?.owner === owner) return found;
    throw noSuchBatch();
  }

  /** Takes a batch; it runs as soon as those before it have ended. @throws ApiError 400, 404, 429 */
  async create(owner: string, request: BatchRequest): Promise<BatchRecord> {
    const { endpoints } = this.options;
    if (!endpoints.includes(request.endpoint)) {
      throw badField('endpoint', `endpoint: it must be one of ${endpoints.join(', ')}.`);
    }
    const file = await this.file(owner, request.input_file_id);
    if (file.purpose !== 'batch')
      throw badField('input_file_id', 'input_file_id: the purpose of the file must be batch.');
    if ((await this.batches(owner)).filter(isUnfinished).length >= MOST_WAITING) {
      throw new ApiError(429, `At most ${MOST_WAITING} batches may wait.`, {
        code: 'too_many_batches',
        retryAfterSeconds: 60,
      });
    }
    const createdAt = this.now();
    const { modelFor, rulesFor } = this.options;
    const model = modelFor?.(request.endpoint);
    const rules = rulesFor?.(owner);
    const batch: BatchRecord = {
      ...{ id: newId('batch_'), owner, endpoint: request.endpoint, inputFileId: file.id, window: '24h' },
      ...{ metadata: request.metadata ?? null, createdAt, expiresAt: createdAt + WINDOW_SECONDS },
      ...(model === undefined ? {} : { model }),
      ...(rules === undefined ? {} : { rules }),
      ...(request.output_expires_after ? { outputSeconds: request.output_expires_after.seconds } : {}),
      ...{ status: 'validating', at: {}, errors: [], total: 0, completed: 0, failed: 0 },
    };
    await this.store.putBatch(batch);
    await this.queue.start(batch);
    return batch;
  }

  /** Stops a batch; what it has answered is kept. @throws ApiError 404, 409 */
  async cancel(owner: string, id: string): Promise<BatchRecord> {
    await this.batch(owner, id);
    return this.cancelAny(id);
  }

  /** The same whoever owns it, for operators. @throws ApiError 404, 409 */
  async cancelAny(id: string): Promise<BatchRecord> {
    const batch = await this.anyBatch(id);
    if (batch.status === 'cancelling') return batch;
    await this.queue.cancel(id);
    return this.anyBatch(id);
  }

  /** Begins a batch of the lines of an ended one that were answered with an error, for its owner. @throws ApiError 404, 409, also while they are tried again already */
  async retry(id: string): Promise<BatchRecord> {
    const batch = await this.anyBatch(id);
    const others = await this.batches(batch.owner);
    const running = others.find((other) => isUnfinished(other) && other.metadata?.retry_of === id);
    if (running || this.retrying.has(id)) {
      const message = `The rows of this batch that failed are tried again already${running ? `, in ${running.id}` : ''}.`;
      throw new ApiError(409, message, { code: 'already_retried' });
    }
    this.retrying.add(id);
    try {
      return await this.retryOf(batch);
    } finally {
      this.retrying.delete(id);
    }
  }

  private async anyBatch(id: string): Promise<BatchRecord> {
    const batch = await this.store.batch(id);
    if (batch) return batch;
    throw noSuchBatch();
  }

  private async retryOf(batch: BatchRecord): Promise<BatchRecord> {
    if (isUnfinished(batch) || batch.errorFileId === undefined) {
      const message = 'Only a batch that has ended and has an error file can be tried again.';
      throw new ApiError(409, message, { code: 'nothing_to_retry' });
    }
    const input = await this.file(batch.owner, batch.inputFileId);
    const failed = new Set<string>();
    for await (const { value } of this.lines(batch.errorFileId)) failed.add(String(value.custom_id));
    const encoder = new TextEncoder();
    const lines = this.lines(input.id);
    const record = { ...input, id: newId('file-'), filename: `retry_${input.filename}`, createdAt: this.now() };
    const file = await this.store.addFile(record, async (append) => {
      for await (const { json, value } of lines) {
        if (failed.has(String(value.custom_id))) await append(encoder.encode(`${json}\n`));
      }
    });
    const metadata = { ...batch.metadata, retry_of: batch.id };
    const { owner, endpoint } = batch;
    return this.create(owner, { input_file_id: file.id, endpoint, completion_window: '24h', metadata });
  }

  private lines(id: string): AsyncGenerator<JsonRecord, void> {
    return jsonRecords(decodePieces(this.store.read(id), 'the file'), 'the file');
  }

  /** Ends what runs; the next process goes on with it. */
  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.cleaning);
    await this.queue.close();
    await this.store.close();
  }

  private isAlive({ expiresAt }: FileRecord): boolean {
    return expiresAt === undefined || expiresAt > this.now();
  }

  /** Removes files that have expired, unless a batch still reads them. */
  private async clean(): Promise<void> {
    const { store } = this;
    const read = new Set([...(await store.batches())].filter(isUnfinished).map((batch) => batch.inputFileId));
    for (const file of [...(await store.files())]) {
      if (!this.closed && !this.isAlive(file) && !read.has(file.id)) await store.deleteFile(file.id);
    }
  }
}

function newId(prefix: string): string {
  return prefix + crypto.randomUUID().replaceAll('-', '');
}
