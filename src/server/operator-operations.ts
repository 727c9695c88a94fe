// Owns what operators may ask: how jobs are, and to try again what failed. Where there are keys, only one with `operator` may.
import { z } from 'zod';
import { ApiError } from './api-error.ts';
import type { Host } from './host.ts';
import type { JobStats } from './job-queue.ts';
import type { Jobs } from './jobs.ts';
import { isOperator } from './keys.ts';
import type { Operation, Plain } from './operation.ts';
import { operatorPage } from './operator-page.ts';
import { batchAnswer, batchObject } from './schemas/jobs.ts';

const jobsAnswer = z.object({
  ...{ waiting: z.int(), running: z.int(), oldest_seconds: z.number(), done: z.int() },
  failed: z.record(z.string(), z.int()),
  workers: z.array(
    z.object({
      ...{ id: z.string(), models: z.array(z.string()), running: z.int(), done: z.int() },
      leaves: z.array(z.string()),
      ...{ started_at: z.int(), seen_at: z.int() },
    }),
  ),
  batches: z.array(
    z.object({
      ...{ id: z.string(), status: z.string(), created_at: z.int() },
      ...{ total: z.int(), completed: z.int(), failed: z.int() },
    }),
  ),
  failures: z.array(z.object({ batch: z.string(), line: z.int().optional(), reason: z.string(), at: z.int() })),
});

/** Batches that have not ended, of which operators are told. */
const MOST_SHOWN = 100;

function jobsObject({ oldestSeconds, workers, open = [], ...stats }: JobStats): z.input<typeof jobsAnswer> {
  return {
    ...{ waiting: stats.waiting, running: stats.running, oldest_seconds: oldestSeconds, done: stats.done },
    failed: stats.failed,
    workers: workers.map(({ startedAt, seenAt, models, leaves, ...worker }) => ({
      ...worker,
      ...{ models: [...models], leaves: [...(leaves ?? [])], started_at: startedAt, seen_at: seenAt },
    })),
    batches: open.slice(0, MOST_SHOWN).map(({ id, status, createdAt, total, completed, failed }) => ({
      ...{ id, status, created_at: createdAt, total, completed, failed },
    })),
    // counted from 1, as in the errors of a batch
    failures: stats.failures.map(({ line, ...failure }) => ({
      ...failure,
      ...(line === undefined ? {} : { line: line + 1 }),
    })),
  };
}

const forOperator = (answer: (jobs: Jobs, asked: Plain) => Promise<object>) => async (host: Host, asked: Plain) => {
  if (!isOperator(asked.job.key)) {
    throw new ApiError(403, 'This needs the key of an operator ("operator": true in the file of keys).', {
      code: 'not_an_operator',
    });
  }
  return answer(await host.jobs(), asked);
};

/** Operations of operators. */
export const OPERATOR_OPERATIONS: readonly Operation[] = [
  {
    ...{ method: 'get', path: '/v1/operator/jobs', id: 'operatorJobs', answer: jobsAnswer },
    summary: 'The queue, who works, what went wrong; for operators',
    plain: forOperator(async (jobs) => jobsObject(await jobs.queue.stats())),
  },
  {
    ...{ method: 'post', path: '/v1/operator/batches/{id}/retry', id: 'operatorRetry', parameter: 'id' },
    ...{ summary: 'Begins a batch of the rows that failed, for their owner; for operators', answer: batchAnswer },
    plain: forOperator(async (jobs, { parameter }) => batchObject(await jobs.retry(parameter))),
  },
  {
    ...{ method: 'post', path: '/v1/operator/batches/{id}/cancel', id: 'operatorCancel', parameter: 'id' },
    ...{ summary: "Stops anybody's batch; its answers so far are kept; for operators", answer: batchAnswer },
    plain: forOperator(async (jobs, { parameter }) => batchObject(await jobs.cancelAny(parameter))),
  },
  {
    ...{ method: 'get', path: '/operator', id: 'operatorPage', open: true },
    ...{ summary: 'A page for operators, which asks for their key', answer: 'text/html' },
    plain: () => operatorPage(),
  },
];
