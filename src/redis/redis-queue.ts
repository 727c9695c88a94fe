// Owns a server's side of the queue in Redis: it takes batches, does their steps, and says what there is to do; rows are answered by workers (row-worker.ts).
import type { BatchRecord } from '../bulk/job-store.ts';
import { batchHasEnded, isUnfinished, noSuchBatch } from '../server/job-facts.ts';
import type { JobFailure, JobQueue, JobStats, QueueWork, WorkerInfo } from '../server/job-queue.ts';
import { BatchSteps } from './batch-steps.ts';
import type { RedisPlace } from './connection.ts';
import { Queues } from './queues.ts';
import { keys, RedisStore } from './redis-store.ts';

/** How often batches are tended, by whichever process is first. */
const TEND_MS = 5000;
/** A worker that says nothing for so long is gone. */
export const WORKER_SECONDS = 30;
const STEP_LEASE_SECONDS = 30;

/** Redis with its queues, as one process uses them. */
export interface RedisJobs {
  readonly place: RedisPlace;
  readonly store: RedisStore;
  readonly queues: Queues;
}

/** Opens files, batches and queues in Redis. @throws OnebitError */
export async function openRedisJobs(place: RedisPlace): Promise<RedisJobs> {
  return { place, store: new RedisStore(place), queues: await Queues.open(place) };
}

/** Batches whose rows others answer. */
export class RedisQueue implements JobQueue {
  private readonly jobs: RedisJobs;
  private readonly work: QueueWork;
  private readonly steps: BatchSteps;
  private readonly stop = new AbortController();
  private readonly tending: ReturnType<typeof setInterval>;

  /** @param leaseSeconds a step whose process says nothing for so long is done by another */
  constructor(jobs: RedisJobs, work: QueueWork, leaseSeconds = STEP_LEASE_SECONDS) {
    this.jobs = jobs;
    this.work = work;
    const { now, models, onError } = work;
    this.steps = new BatchSteps({ ...jobs, now, models, signal: this.stop.signal });
    const quiet = (error: unknown) => {
      if (!this.stop.signal.aborted) onError(error);
    };
    jobs.queues.workSteps((_, { batch }) => this.steps.next(batch), { leaseSeconds, concurrency: 2, onError: quiet });
    this.tending = setInterval(() => void this.tend().catch(quiet), TEND_MS);
    void this.tend().catch(quiet);
  }

  async start({ id }: BatchRecord): Promise<void> {
    await this.jobs.queues.addStep('begin', id);
  }

  async cancel(id: string): Promise<void> {
    const { store, queues } = this.jobs;
    const batch = await store.batch(id);
    if (!batch) throw noSuchBatch();
    if (!isUnfinished(batch)) throw batchHasEnded(batch);
    const at = { ...batch.at, cancelling: this.work.now() };
    await store.putBatch({ ...batch, status: 'cancelling', at });
    const now = (await store.batch(id)) ?? batch;
    if (!isUnfinished(now)) throw batchHasEnded(now); // it was faster
    await queues.addStep('finish', id, 'cancel');
  }

  async stats(): Promise<JobStats> {
    const { place, store, queues } = this.jobs;
    const open = await store.openBatches();
    const models = await place.run((client) => client.smembers(keys.queues));
    const counts = await Promise.all(models.map((model) => queues.counts(model)));
    const sum = (name: string) => counts.reduce((total, count) => total + (count[name] ?? 0), 0);
    const queued = sum('wait') + sum('prioritized') + sum('delayed');
    const left = open.reduce((total, batch) => total + batch.total - batch.completed - batch.failed, 0);
    const running = sum('active');
    const now = this.work.now();
    const stats = await place.run((client) => client.hgetall(keys.stats));
    const failures = await place.run((client) => client.lrange(keys.failures, 0, -1));
    const failed = Object.entries(stats).filter(([name]) => name.startsWith('failed:'));
    return {
      waiting: Math.max(queued, left - running),
      running,
      oldestSeconds: now - Math.min(now, ...open.map(({ createdAt }) => createdAt)),
      done: Number(stats.done ?? 0),
      failed: Object.fromEntries(failed.map(([name, count]) => [name.slice('failed:'.length), Number(count)])),
      workers: await this.workers(now),
      open: open.toSorted((a, b) => a.createdAt - b.createdAt),
      failures: failures.map((json) => JSON.parse(json) as JobFailure),
    };
  }

  async close(): Promise<void> {
    clearInterval(this.tending);
    this.stop.abort(new Error('the process ends'));
    await this.jobs.queues.close();
  }

  private async workers(now: number): Promise<WorkerInfo[]> {
    const { place } = this.jobs;
    const found = await place.run((client) => client.hgetall(keys.workers));
    const workers = Object.values(found).map((json) => JSON.parse(json) as WorkerInfo);
    const gone = workers.filter(({ seenAt }) => seenAt < now - WORKER_SECONDS).map(({ id }) => id);
    if (gone.length > 0) await place.run((client) => client.hdel(keys.workers, ...gone));
    return workers.filter(({ id }) => !gone.includes(id));
  }

  /** Says which models are here, and sees to batches that nobody sees to. */
  private async tend(): Promise<void> {
    const { place } = this.jobs;
    await noteModels(place, this.work);
    const isFirst = await place.run((client) => client.set(keys.tended, '1', 'PX', TEND_MS / 2, 'NX'));
    if (isFirst) await this.steps.tend();
  }
}

/** Notes that there is somebody with these models. */
export async function noteModels(place: RedisPlace, { models, now }: Pick<QueueWork, 'models' | 'now'>): Promise<void> {
  const found = models().flatMap((model) => [now(), model]);
  if (found.length > 0) await place.run((client) => client.zadd(keys.models, ...found));
}
