// Owns a worker: it takes rows of its models from the queues in Redis, answers each, and writes the answer once. Must not know HTTP, nor how answers are made.
import { setMaxListeners } from 'node:events';
import { hostname } from 'node:os';
import type { Job } from 'bullmq';
import type { AnswerRules } from '../bulk/job-store.ts';
import { sleep } from '../core/sleep.ts';
import { OnebitError } from '../errors.ts';
import { leaveReasons } from '../server/answer-rules.ts';
import { askedOf, resultLine } from '../server/batch-run.ts';
import { failureReason } from '../server/job-facts.ts';
import type { LeftReason, QueueWork, WorkerInfo } from '../server/job-queue.ts';
import { settleRow } from './batch-steps.ts';
import type { RedisClient } from './connection.ts';
import { MOST_ATTEMPTS, type RowJob } from './queues.ts';
import { noteModels, type RedisJobs, RedisQueue } from './redis-queue.ts';
import { keys } from './redis-store.ts';
import { runScript } from './scripts.ts';

export interface RowWorkerOptions {
  /** Rows of each model that are answered at once. */
  readonly parallel: number;
  /** A row whose worker says nothing for so long goes to another. */
  readonly leaseSeconds: number;
}

/** A row that ended so many workers is set aside. */
const MOST_STARTS = 8;
const SAY_MS = 5000;
const RETRY_MS = 1000;
const LONGEST_WAIT_MS = 60_000;
/**
 * A row that is left to others keeps its place here so long: who only leaves rows is faster than who answers them, and would take them all. After LEFT_MS anybody may
 * take it again, soon, for mostly there are workers that may answer it.
 */
const REST_MS = 300;
const LEFT_MS = 1000;
/** So long a worker that left rows says so. */
const LEAVES_MS = 60_000;

/** What is known of a batch and does not change. */
interface Known {
  readonly endpoint: string;
  readonly owner: string;
  readonly inputFileId: string;
  readonly model?: string;
  readonly rules?: AnswerRules;
}

/** A failure of the server or the model, which may not come again. */
class Failure extends Error {}

/** Answers rows until it is closed. It also does the steps of batches, as servers do: they go on when these are away. */
export class RowWorker {
  private readonly jobs: RedisJobs;
  private readonly work: QueueWork;
  private readonly queue: RedisQueue;
  private readonly stop = new AbortController();
  private readonly batches = new Map<string, Known>();
  /** Answers that are being written. */
  private readonly writing = new Set<Promise<void>>();
  private readonly mostWriting: number;
  private readonly saying: ReturnType<typeof setInterval>;
  private readonly id = `${hostname()}-${process.pid}-${crypto.randomUUID().slice(0, 8)}`;
  private readonly startedAt: number;
  private readonly noted = new Set<string>();
  /** Why rows were left to others, and when that was last so. */
  private readonly left = new Map<LeftReason, number>();
  private running = 0;
  private done = 0;

  constructor(jobs: RedisJobs, work: QueueWork, { parallel, leaseSeconds }: RowWorkerOptions) {
    this.jobs = jobs;
    this.work = work;
    this.startedAt = work.now();
    this.mostWriting = parallel;
    setMaxListeners(0, this.stop.signal); // each row that runs listens, of every model
    this.queue = new RedisQueue(jobs, work, leaseSeconds);
    const quiet = () => {}; // Redis is away: BullMQ waits for it, and so does who writes an answer
    this.saying = setInterval(() => void this.say().catch(quiet), SAY_MS);
    void this.say().catch(quiet);
    for (const model of work.models()) {
      const options = { leaseSeconds, concurrency: 2 * parallel, onError: quiet }; // the engine answers half of them, the others are here when it has room
      jobs.queues.workRows(model, (job, token, client) => this.answer(job, token, client), options);
    }
  }

  /** Takes no more rows, lets those that run end for so long, and gives the others back. */
  async close(ms: number): Promise<void> {
    clearInterval(this.saying);
    const late = setTimeout(() => this.stop.abort(new Error('the worker ends')), ms);
    await this.jobs.queues.drain();
    const { signal } = this.stop;
    const isLate = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    if (!signal.aborted) await Promise.race([Promise.all(this.writing), isLate]);
    clearTimeout(late);
    await this.jobs.place.run((client) => client.hdel(keys.workers, this.id)).catch(() => {});
    await this.queue.close();
  }

  private async answer(job: Job<RowJob>, token: string, client: RedisClient): Promise<void> {
    while (this.writing.size >= this.mostWriting) await Promise.race(this.writing);
    this.running++;
    try {
      await this.answerRow(job, token, client);
    } catch (error) {
      if (error instanceof Failure || (error as Error).name === 'DelayedError') throw error; // BullMQ counts it, and tries again later
      await this.putBack(job, token, RETRY_MS); // Redis was away, or so: that is nobody's attempt
    } finally {
      this.running--;
    }
  }

  private async answerRow(job: Job<RowJob>, token: string, client: RedisClient): Promise<void> {
    const { place } = this.jobs;
    const { batch, line, from, to } = job.data;
    const known = await this.batchOf(batch);
    if (!known) return;
    const names = [keys.run(batch), keys.rows(batch), keys.data(known.inputFileId)];
    const found = await place.run((client) => runScript(client, 'lineOfRow', names, [line, from, to - 1]));
    if (found === '') return; // answered, or its batch has ended: whoever sees that takes it out of the queue
    if (!this.mayAnswer(known)) {
      await sleep(REST_MS, this.stop.signal);
      return this.putBack(job, token, LEFT_MS);
    }
    const { custom_id, body } = JSON.parse(String(found).replace(/^\ufeff/, '')) as {
      custom_id: string;
      body: unknown;
    };
    const settle = (status: number, requestId: string, answer: unknown) => {
      const response = { status_code: status, request_id: requestId, body: answer };
      const json = resultLine({ id: batch }, { index: line, customId: custom_id }, response, null);
      const isError = status >= 400;
      this.settle(job.data, client, { isError, json }, isError ? failureReason(status, answer) : '');
    };
    // BullMQ counts the workers that ended while they had it.
    if (job.stalledCounter >= MOST_STARTS) return settle(500, `req-${crypto.randomUUID()}`, SET_ASIDE);
    const answer = await this.work.answer(known.endpoint, askedOf(known, body), known.owner, this.stop.signal);
    const { status, requestId, retrySeconds = 0 } = answer;
    const isLast = job.attemptsMade + 1 >= MOST_ATTEMPTS;
    if (!this.stop.signal.aborted && (status < 429 || (status !== 429 && isLast))) {
      settle(status, requestId, answer.body);
      this.done++;
      return;
    }
    if (!this.stop.signal.aborted && status !== 429) throw new Failure(failureReason(status, answer.body));
    const waitMs = Math.min(LONGEST_WAIT_MS, Math.max(retrySeconds * 1000, RETRY_MS));
    return this.putBack(job, token, this.stop.signal.aborted ? 0 : waitMs);
  }

  /** Gives a row back, to be taken again after a while. Always throws. */
  private async putBack(job: Job<RowJob>, token: string, waitMs: number): Promise<never> {
    await job.moveToDelayed(Date.now() + waitMs, token);
    throw this.jobs.queues.delayed();
  }

  /** Whether answers to this batch would be here what they are on the server that took it. Where not, others may answer it. */
  private mayAnswer(batch: Known): boolean {
    const reasons = leaveReasons(batch, this.work);
    for (const reason of reasons) {
      this.left.set(reason, Date.now());
      this.note(
        reason === 'unknown_key'
          ? 'keys of batches must be known, one is not. Give this worker the --api-keys of the servers; where the key was removed, cancel the batch on the page /operator.'
          : `the ${reason} of a batch's server must be the one here, it is not. Give this worker the --${reason} of the servers; its rows wait.`,
      );
    }
    return reasons.length === 0;
  }

  /** Says once what is wrong. */
  private note(problem: string): void {
    if (this.noted.has(problem)) return;
    this.noted.add(problem);
    this.work.onError(new OnebitError('bad-argument', `worker: ${problem}`));
  }

  /**
   * Writes an answer as often as it takes: it was computed, and Redis comes back. Nobody waits for that: the answer goes to Redis before the word that the job is
   * done, on the same connection, so that both are written to the disk at once. A row whose word came and whose answer did not is fed again (batch-steps.ts).
   */
  private settle(row: RowJob, client: RedisClient, result: { isError: boolean; json: string }, reason: string): void {
    const write = async () => {
      const { queues } = this.jobs;
      for (;;) {
        try {
          const { isFeedDue, isOver, fed } = await settleRow(client, row, result, reason, this.work.now());
          if (isOver) await queues.addStep('finish', row.batch);
          else if (isFeedDue) await queues.addStep('feed', row.batch, fed);
          return;
        } catch {
          if (this.stop.signal.aborted) return;
          await sleep(RETRY_MS);
        }
      }
    };
    sentTogether(client);
    const written = write().finally(() => this.writing.delete(written));
    this.writing.add(written);
  }

  private async batchOf(id: string): Promise<Known | undefined> {
    const known = this.batches.get(id) ?? (await this.jobs.store.batch(id));
    if (this.batches.size > 1000) this.batches.clear();
    if (known) this.batches.set(id, known);
    return known;
  }

  private async say(): Promise<void> {
    const { place } = this.jobs;
    const { id, startedAt, running, done } = this;
    const since = Date.now() - LEAVES_MS;
    const leaves = [...this.left].filter(([, at]) => at >= since).map(([reason]) => reason);
    const info: WorkerInfo = {
      ...{ id, models: this.work.models(), running, done, leaves },
      ...{ startedAt, seenAt: this.work.now() },
    };
    await place.run((client) => client.hset(keys.workers, id, JSON.stringify(info)));
    await noteModels(place, this.work);
  }
}

/** What is written to a server until the end of this turn goes to it in one piece, so that it waits for its disk once. */
function sentTogether(client: RedisClient): void {
  const stream = 'stream' in client ? client.stream : undefined;
  stream?.cork();
  if (stream) setImmediate(() => stream.uncork());
}

const SET_ASIDE = {
  error: {
    message: `The worker ended ${MOST_STARTS} times while it answered this row. It is set aside.`,
    ...{ type: 'server_error', code: 'row_set_aside', param: null },
  },
};
