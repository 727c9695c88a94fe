// Owns the interface between batches as clients see them and whoever works them off. Must not know who that is.
import type { AnswerRules, BatchRecord, JobStore } from '../bulk/job-store.ts';
import type { Awaitable } from '../core/awaitable.ts';
import type { LineAnswer } from './batch-run.ts';

/** Works batches off. */
export interface JobQueue {
  /** Sees to it that a batch that is kept in the store comes to its end, whatever ends this process. */
  start(batch: BatchRecord): Awaitable<void>;
  /** Ends a batch; what it has answered is kept. @throws ApiError 404, 409 */
  cancel(id: string): Promise<void>;
  /** What there is to do, and who does it. */
  stats(): Awaitable<JobStats>;
  /** Stops working; others, or the next process, go on. */
  close(): Promise<void>;
}

/** What a queue is given by its server. */
export interface QueueWork {
  readonly store: JobStore;
  /** Answers one line, for its owner, in the background. Never throws but for the signal. */
  readonly answer: (endpoint: string, body: unknown, owner: string, signal: AbortSignal) => Promise<LineAnswer>;
  /** Told of what no client is told. */
  readonly onError: (error: unknown) => void;
  /** Seconds since 1970. */
  readonly now: () => number;
  /** Names of all models here, the default one first. */
  readonly models: () => readonly string[];
  /** Whether rows of this owner may be answered here: his key is known, or nobody has keys. */
  readonly knows: (owner: string) => boolean;
  /** What holds of answers to this owner here. */
  readonly rulesFor: (owner: string) => AnswerRules | undefined;
  /** The model that is meant where a line of this endpoint names none. */
  readonly modelFor: (endpoint: string) => string | undefined;
}

/** Why a worker leaves rows to others: it does not know their key, has not the model that was meant, or has another mark or policy than their server. */
export type LeftReason = 'unknown_key' | 'model' | keyof AnswerRules;

/** A process that works. */
export interface WorkerInfo {
  readonly id: string;
  readonly models: readonly string[];
  readonly running: number;
  readonly done: number;
  /** Why it left rows to others in the last minute. Where nobody else takes them, they wait. */
  readonly leaves?: readonly LeftReason[];
  readonly startedAt: number;
  readonly seenAt: number;
}

/** A row that was set aside, or ended with a failure of the server. */
export interface JobFailure {
  readonly batch: string;
  readonly line?: number;
  readonly reason: string;
  readonly at: number;
}

/** Numbers of a queue. Times are in seconds. */
export interface JobStats {
  /** Rows that wait, and that are being answered. */
  readonly waiting: number;
  readonly running: number;
  /** How long the row that waits longest does so. */
  readonly oldestSeconds: number;
  /** Rows answered since counting began. */
  readonly done: number;
  /** Rows answered with an error, by its code. */
  readonly failed: Readonly<Record<string, number>>;
  /** Those who work. */
  readonly workers: readonly WorkerInfo[];
  /** Batches that have not ended, the oldest first. */
  readonly open?: readonly BatchRecord[];
  /** The last of what went wrong, the newest first. */
  readonly failures: readonly JobFailure[];
}
