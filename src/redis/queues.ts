// Owns the queues of BullMQ: one for each model's rows, one for the steps of batches. Must not know what is done with them.
import type { JobsOptions as BullOptions, Job, Queue, Worker, WorkerOptions } from 'bullmq';
import { optional, PREFIX, type RedisClient, type RedisPlace, within } from './connection.ts';

/** A row: which line of which batch, and where in the file it stands. */
export interface RowJob {
  readonly batch: string;
  readonly line: number;
  readonly from: number;
  readonly to: number;
}

/** A step of a batch. */
export interface StepJob {
  readonly batch: string;
}

/** Attempts of a row that ended with a failure of the server, and of a step. */
export const MOST_ATTEMPTS = 5;
const STEPS = 'onebit-steps';
const CLOSE_MS = 10_000;

/** The queue of a model's rows. BullMQ gives `:` a meaning of its own. */
function rowsOf(model: string): string {
  return `onebit-rows-${encodeURIComponent(model)}`;
}

/** The queues, as one process uses them. */
export class Queues {
  private readonly place: RedisPlace;
  private readonly bullmq: typeof import('bullmq');
  private readonly open = new Map<string, Queue>();
  private readonly workers: Worker[] = [];

  private constructor(place: RedisPlace, bullmq: typeof import('bullmq')) {
    this.place = place;
    this.bullmq = bullmq;
  }

  /** @throws OnebitError `unsupported` where bullmq is not installed */
  static async open(place: RedisPlace): Promise<Queues> {
    return new Queues(place, await optional('bullmq', () => import('bullmq')));
  }

  /** A job put back at once, not counted as an attempt. */
  delayed(): Error {
    return new this.bullmq.DelayedError();
  }

  /** Adds a step unless it is there already. */
  async addStep(step: 'begin' | 'feed' | 'finish', batch: string, mark: string | number = ''): Promise<void> {
    const options: BullOptions = {
      jobId: `${step}-${batch}-${mark}`,
      attempts: MOST_ATTEMPTS,
      backoff: { type: 'exponential', delay: 500 },
      removeOnComplete: true,
      removeOnFail: true, // who tends batches adds it again
    };
    await this.place.run(() => this.queue(STEPS).add(step, { batch } satisfies StepJob, options));
  }

  /** Adds rows of one model, those that are there already not again. */
  async addRows(model: string, rows: readonly RowJob[], priority: number): Promise<void> {
    const jobs = rows.map((data) => ({
      name: 'row',
      data,
      opts: {
        jobId: `${data.batch}-${data.line}`,
        priority,
        attempts: MOST_ATTEMPTS,
        backoff: { type: 'exponential', delay: 1000 },
        removeOnComplete: true,
        removeOnFail: true,
      } satisfies BullOptions,
    }));
    await this.place.run(() => this.queue(rowsOf(model)).addBulk(jobs));
  }

  /** Takes rows of a batch out of the queue of a model, but for those that somebody answers just now. */
  async dropRows(model: string, batch: string, lines: readonly number[]): Promise<void> {
    const queue = this.queue(rowsOf(model));
    await this.place.run(() => Promise.all(lines.map((line) => queue.remove(`${batch}-${line}`))));
  }

  /** Whether a row of a batch is in the queue of a model, or is just being answered. */
  hasRow(model: string, batch: string, line: number): Promise<boolean> {
    return this.place.run(async () => (await this.queue(rowsOf(model)).getJob(`${batch}-${line}`)) !== undefined);
  }

  /** Jobs of a model's rows, by their state. */
  counts(model: string): Promise<Record<string, number>> {
    const states = ['wait', 'prioritized', 'delayed', 'active'] as const;
    return this.place.run(() => this.queue(rowsOf(model)).getJobCounts(...states));
  }

  /** Works off steps. */
  workSteps(work: (name: string, job: StepJob) => Promise<void>, options: WorkOptions): void {
    this.work<StepJob>(STEPS, (job) => work(job.name, job.data), { ...options, concurrency: 2 });
  }

  /** Works off rows of a model. What `work` writes by the client it is given is written before its job counts as done, though it need not wait for that. */
  workRows(
    model: string,
    work: (job: Job<RowJob>, token: string, client: RedisClient) => Promise<void>,
    options: WorkOptions,
  ): void {
    this.work<RowJob>(rowsOf(model), (job, token, client) => work(job, token ?? '', client), options);
  }

  /** Takes no more jobs and waits for those that run. */
  async drain(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.close()));
  }

  async close(): Promise<void> {
    const late = () => {}; // what Redis has not heard by then it finds out by itself
    await Promise.all(this.workers.map((worker) => within(worker.close(true), CLOSE_MS).catch(late)));
    await Promise.all([...this.open.values()].map((queue) => within(queue.close(), CLOSE_MS).catch(late)));
  }

  private work<Data>(
    name: string,
    work: (job: Job<Data>, token: string | undefined, client: RedisClient) => Promise<void>,
    { leaseSeconds, concurrency, onError }: WorkOptions,
  ): void {
    const connection = this.place.patient();
    const options: WorkerOptions = {
      connection,
      prefix: PREFIX,
      concurrency,
      lockDuration: leaseSeconds * 1000,
      stalledInterval: Math.max(1000, leaseSeconds * 500),
      maxStalledCount: 1_000_000, // rows that end workers are counted by themselves
      drainDelay: 2,
    };
    const worker = new this.bullmq.Worker<Data>(name, (job, token) => work(job, token, connection), options);
    worker.on('error', onError);
    this.workers.push(worker);
  }

  private queue(name: string): Queue {
    const found = this.open.get(name);
    if (found) return found;
    const queue = new this.bullmq.Queue(name, {
      connection: this.place.client,
      prefix: PREFIX,
      skipWaitingForReady: true,
    });
    queue.on('error', () => {}); // whoever asks is told
    this.open.set(name, queue);
    return queue;
  }
}

export interface WorkOptions {
  /** A job whose worker says nothing for so long goes to another. */
  readonly leaseSeconds: number;
  /** Jobs at once. */
  readonly concurrency: number;
  readonly onError: (error: unknown) => void;
}
