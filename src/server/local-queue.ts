// Owns working batches off in the process that takes them: which runs when, and which waits for a process that may answer it. Must not know HTTP.
import type { BatchRecord } from '../bulk/job-store.ts';
import { OnebitError } from '../errors.ts';
import { leaveReasons } from './answer-rules.ts';
import { type LineAnswer, runBatchOf } from './batch-run.ts';
import { batchHasEnded, failureReason, isUnfinished, noSuchBatch } from './job-facts.ts';
import type { JobFailure, JobQueue, JobStats, LeftReason, QueueWork, WorkerInfo } from './job-queue.ts';

/** Batches that run at once, each of another owner; others wait in order of age. */
const MOST_RUNNING = 4;
const SHOWN_FAILURES = 20;
/** How often it is seen whether a batch that waits for another process has expired. */
const LATE_MS = 60_000;

const LEFT: Readonly<Record<LeftReason, string>> = {
  unknown_key: 'the key of a batch must be known, it is not',
  model: 'the model that was the first when a batch was taken must be here, it is not',
  watermark: 'the --watermark must be the one with which a batch was taken, it is not',
  policy: 'the --policy must be the one with which a batch was taken, it is not',
};

type LocalWork = Pick<QueueWork, 'store' | 'answer' | 'onError' | 'now'> &
  Partial<Pick<QueueWork, 'knows' | 'rulesFor' | 'models'>>;

/** A batch that runs. */
interface Run {
  readonly owner: string;
  readonly stop: AbortController;
  readonly end: Promise<void>;
}

/** Batches in the process of the server. */
export class LocalQueue implements JobQueue {
  private readonly work: LocalWork;
  private readonly running = new Map<string, Run>();
  /** Batches that are just being cancelled: they do not start. */
  private readonly held = new Set<string>();
  private readonly failed: Record<string, number> = {};
  private readonly failures: JobFailure[] = [];
  private rows = 0;
  private done = 0;
  private starting: Promise<void> = Promise.resolve();
  private closed = false;
  private readonly startedAt: number;
  private readonly noted = new Set<LeftReason>();
  /** Batches that wait for another process. */
  private readonly left = new Set<string>();
  private readonly late: ReturnType<typeof setInterval>;

  /** Goes on with what an earlier process left. */
  constructor(work: LocalWork) {
    this.work = work;
    this.startedAt = work.now();
    this.late = setInterval(() => this.startNext(), LATE_MS);
    (this.late as { unref?(): void }).unref?.();
    this.startNext();
  }

  start(): void {
    this.startNext();
  }

  async cancel(id: string): Promise<void> {
    const { store, now } = this.work;
    this.held.add(id);
    try {
      await this.starting;
      const run = this.running.get(id);
      run?.stop.abort(new OnebitError('disposed', 'jobs: the batch was cancelled.'));
      await run?.end; // nobody else writes what becomes of it
      const batch = await store.batch(id);
      if (!batch) throw noSuchBatch();
      if (!isUnfinished(batch)) throw batchHasEnded(batch);
      await store.putBatch({ ...batch, status: 'cancelling', at: { ...batch.at, cancelling: now() } });
    } finally {
      this.held.delete(id);
      this.startNext();
    }
  }

  async stats(): Promise<JobStats> {
    const { store, now } = this.work;
    const open = [...(await store.batches())].filter(isUnfinished);
    const left = open.reduce((sum, { total, completed, failed }) => sum + total - completed - failed, 0);
    const oldest = Math.min(now(), ...open.map(({ createdAt }) => createdAt));
    return {
      waiting: Math.max(0, left - this.rows),
      running: this.rows,
      oldestSeconds: now() - oldest,
      done: this.done,
      failed: { ...this.failed },
      workers: [this.worker(open)],
      open,
      failures: this.failures.toReversed(),
    };
  }

  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.late);
    await this.starting;
    for (const { stop } of this.running.values())
      stop.abort(new OnebitError('disposed', 'jobs: the server is shutting down.'));
    await Promise.all([...this.running.values()].map(({ end }) => end));
  }

  private startNext(): void {
    this.starting = this.starting.then(() => this.startSome()).catch(this.work.onError);
  }

  private async startSome(): Promise<void> {
    for (const batch of await this.work.store.batches()) {
      if (this.closed || this.running.size >= MOST_RUNNING) return;
      const isBusy = [...this.running.values()].some(({ owner }) => owner === batch.owner);
      if (isBusy || this.held.has(batch.id) || this.running.has(batch.id) || !isUnfinished(batch)) continue;
      const reasons = this.reasonsToLeave(batch);
      if (reasons.length > 0) {
        await this.leave(batch, reasons);
        continue;
      }
      const stop = new AbortController();
      const { id, owner } = batch;
      this.running.set(id, { owner, stop, end: Promise.resolve().then(() => this.run(batch, stop.signal)) });
    }
  }

  /** Why the rows of a batch wait for a process that answers them as the one that took it. What is cancelled or late is only ended. */
  private reasonsToLeave(batch: BatchRecord): LeftReason[] {
    const { now, knows = () => true, rulesFor = () => undefined, models } = this.work;
    const isToAnswer = (batch.status === 'validating' || batch.status === 'in_progress') && now() < batch.expiresAt;
    if (!isToAnswer) return [];
    const isHere = batch.model === undefined || models === undefined || models().includes(batch.model);
    return [...leaveReasons(batch, { knows, rulesFor }), ...(isHere ? [] : (['model'] as const))];
  }

  /** Says once why batches wait, and counts what is answered of one. */
  private async leave({ id, total }: BatchRecord, reasons: readonly LeftReason[]): Promise<void> {
    for (const reason of reasons) {
      if (this.noted.has(reason)) continue;
      this.noted.add(reason);
      const message = `jobs: ${LEFT[reason]}. Start the server with it, or cancel what waits (page /operator); else it waits until it expires.`;
      this.work.onError(new OnebitError('bad-argument', message));
    }
    if (this.left.has(id)) return;
    this.left.add(id);
    const { store } = this.work;
    const results = await store.results(id, total);
    store.countBatch(id, { completed: results.completed, failed: results.failed });
    await results.close();
  }

  private async run(batch: BatchRecord, signal: AbortSignal): Promise<void> {
    const { store, now, onError } = this.work;
    let isOver = false;
    try {
      const settled = (line: number, answer: LineAnswer) => this.count(batch.id, line, answer);
      await runBatchOf(batch.id, { store, answer: this.counted, now, signal, settled });
      isOver = true;
    } catch (error) {
      // Cancelled: once more, for the files. Closed: the next process does it. Else the disk failed, and so it will the next time: only a restart tries again.
      isOver = signal.aborted;
      if (!signal.aborted) onError(error);
    }
    if (isOver) this.running.delete(batch.id);
    if (!this.closed) this.startNext();
  }

  private readonly counted: QueueWork['answer'] = async (...asked) => {
    this.rows++;
    try {
      return await this.work.answer(...asked);
    } finally {
      this.rows--;
    }
  };

  private count(batch: string, line: number, { status, body }: LineAnswer): void {
    this.done++;
    if (status < 400) return;
    const reason = failureReason(status, body);
    this.failed[reason] = (this.failed[reason] ?? 0) + 1;
    this.failures.push({ batch, line, reason, at: this.work.now() });
    if (this.failures.length > SHOWN_FAILURES) this.failures.shift();
  }

  /** This process, as others are told of workers. */
  private worker(open: readonly BatchRecord[]): WorkerInfo {
    const leaves = [...new Set(open.flatMap((batch) => this.reasonsToLeave(batch)))];
    const { rows: running, done, startedAt, work } = this;
    return { id: 'this server', models: work.models?.() ?? [], running, done, leaves, startedAt, seenAt: work.now() };
  }
}
