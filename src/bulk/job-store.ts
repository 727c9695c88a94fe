// Owns what a server keeps of files and batches: the records, and the interface of the place where they lie. Must not know where that is, nor HTTP.
import type { Awaitable } from '../core/awaitable.ts';

/** A file that somebody uploaded, or the output of a batch. Times are in seconds since 1970, as the API has them. */
export interface FileRecord {
  readonly id: string;
  /** Whose it is: nobody else finds it. */
  readonly owner: string;
  readonly filename: string;
  readonly purpose: string;
  readonly bytes: number;
  readonly createdAt: number;
  readonly expiresAt?: number;
}

export type BatchStatus =
  | 'validating'
  | 'failed'
  | 'in_progress'
  | 'finalizing'
  | 'completed'
  | 'expired'
  | 'cancelling'
  | 'cancelled';

/** What is wrong with the input of a batch. */
export interface BatchError {
  readonly code: string;
  readonly message: string;
  readonly line: number | null;
  readonly param: string | null;
}

/** What must hold of answers, as digests: whoever answers must have the same. */
export interface AnswerRules {
  /** The key of the mark. */
  readonly watermark?: string;
  readonly policy?: string;
}

export interface BatchRecord {
  readonly id: string;
  readonly owner: string;
  readonly endpoint: string;
  readonly inputFileId: string;
  readonly window: string;
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly createdAt: number;
  readonly expiresAt: number;
  /** The model that is meant where a line names none. */
  readonly model?: string;
  /** What the server that took it asks of answers: another, or the same after a restart, must ask the same. */
  readonly rules?: AnswerRules;
  /** Seconds after which output files go; undefined for never. */
  readonly outputSeconds?: number;
  readonly status: BatchStatus;
  /** When it came into each status. */
  readonly at: Readonly<Partial<Record<BatchStatus, number>>>;
  readonly errors: readonly BatchError[];
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
  readonly outputFileId?: string;
  readonly errorFileId?: string;
}

/** The answer to one line of a batch, as it stands in the output. */
export interface LineResult {
  readonly isError: boolean;
  readonly json: string;
}

/** The answers of a batch as they come. */
export interface LineResults {
  readonly completed: number;
  readonly failed: number;
  has(line: number): boolean;
  /** Keeps an answer beyond the end of the process. A line has one. */
  add(line: number, result: LineResult): Promise<void>;
  get(line: number): Promise<LineResult>;
  close(): Promise<void>;
}

/** Where files and batches lie. Everything that was promised to be written outlives the process. */
export interface JobStore {
  /** Those of `owner`, or of all; in order of age. */
  files(owner?: string): Awaitable<Iterable<FileRecord>>;
  file(id: string): Awaitable<FileRecord | undefined>;
  /** Writes a file whole or not at all; one of this id is replaced. */
  addFile(
    record: Omit<FileRecord, 'bytes'>,
    produce: (append: (bytes: Uint8Array) => Promise<void>) => Promise<void>,
  ): Promise<FileRecord>;
  read(id: string): AsyncIterable<Uint8Array>;
  deleteFile(id: string): Promise<void>;
  /** Those of `owner`, or of all; in order of age. */
  batches(owner?: string): Awaitable<Iterable<BatchRecord>>;
  batch(id: string): Awaitable<BatchRecord | undefined>;
  putBatch(record: BatchRecord): Promise<void>;
  /** Notes how far a batch is, for who asks: only in memory, for the answers are kept and counted. */
  countBatch(id: string, counts: Pick<BatchRecord, 'completed' | 'failed'>): void;
  /** The answers of a batch of so many lines, those of earlier processes among them. One at a time. */
  results(id: string, lines: number): Promise<LineResults>;
  dropResults(id: string): Promise<void>;
  close(): Promise<void>;
}
