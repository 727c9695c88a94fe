// Owns small facts about batches that all who handle them share. Must not know stores and queues.
import type { BatchRecord } from '../bulk/job-store.ts';
import { ApiError } from './api-error.ts';

const UNFINISHED: ReadonlySet<string> = new Set(['validating', 'in_progress', 'finalizing', 'cancelling']);

/** Whether something is still to be done for a batch. */
export function isUnfinished({ status }: Pick<BatchRecord, 'status'>): boolean {
  return UNFINISHED.has(status);
}

/** A batch that is not there, or somebody else's. */
export function noSuchBatch(): ApiError {
  return new ApiError(404, 'There is no such batch here.', { code: 'batch_not_found', param: 'id' });
}

/** A batch that cannot be cancelled any more. */
export function batchHasEnded({ status }: Pick<BatchRecord, 'status'>): ApiError {
  const message = `This batch is ${status}: it cannot be cancelled any more.`;
  return new ApiError(409, message, { code: 'batch_has_ended' });
}

/** Why a row has no answer, in a word: the code of its error, else its status. */
export function failureReason(status: number, body: unknown): string {
  const { error } = (JSON.parse(JSON.stringify(body ?? null)) ?? {}) as { error?: { code?: string | null } };
  return typeof error?.code === 'string' ? error.code : `status_${status}`;
}
