// Owns the bodies and answers of /v1/files and /v1/batches, as OpenAI's clients know them.
import { z } from 'zod';
import type { BatchRecord, FileRecord } from '../../bulk/job-store.ts';
import { ApiError, badField } from '../api-error.ts';
import { metadata } from './sampling.ts';

const seconds = z.int().min(3600).max(2_592_000);

export const batchRequest = z.object({
  input_file_id: z.string().max(200),
  endpoint: z.string().max(200),
  completion_window: z.literal('24h'),
  metadata: metadata.nullish(),
  output_expires_after: z.object({ anchor: z.literal('created_at'), seconds }).nullish(),
});
export type BatchRequest = z.output<typeof batchRequest>;

export const fileAnswer = z.object({
  ...{ id: z.string(), object: z.literal('file'), bytes: z.int(), created_at: z.int(), filename: z.string() },
  ...{ purpose: z.string(), status: z.literal('processed'), status_details: z.null(), expires_at: z.int().optional() },
});

const time = z.int().nullable();
const batchError = z.object({
  ...{ code: z.string(), message: z.string(), line: z.int().nullable(), param: z.string().nullable() },
});

export const batchAnswer = z.object({
  ...{ id: z.string(), object: z.literal('batch'), endpoint: z.string(), input_file_id: z.string() },
  errors: z.object({ object: z.literal('list'), data: z.array(batchError) }).nullable(),
  completion_window: z.string(),
  status: z.enum([
    'validating',
    'failed',
    'in_progress',
    'finalizing',
    'completed',
    'expired',
    'cancelling',
    'cancelled',
  ]),
  ...{ output_file_id: z.string().nullable(), error_file_id: z.string().nullable(), created_at: z.int() },
  ...{ in_progress_at: time, expires_at: time, finalizing_at: time, completed_at: time, failed_at: time },
  ...{ expired_at: time, cancelling_at: time, cancelled_at: time },
  request_counts: z.object({ total: z.int(), completed: z.int(), failed: z.int() }),
  metadata: z.record(z.string(), z.string()).nullable(),
});

const listOf = (item: z.ZodType) =>
  z.object({
    ...{ object: z.literal('list'), data: z.array(item), has_more: z.boolean() },
    ...{ first_id: z.string().nullable(), last_id: z.string().nullable() },
  });
export const filesAnswer = listOf(fileAnswer);
export const batchesAnswer = listOf(batchAnswer);
export const deletedAnswer = z.object({ id: z.string(), object: z.literal('file'), deleted: z.boolean() });

/** A file as the API has it. */
export function fileObject({
  id,
  bytes,
  createdAt,
  filename,
  purpose,
  expiresAt,
}: FileRecord): z.input<typeof fileAnswer> {
  const expires = expiresAt === undefined ? {} : { expires_at: expiresAt };
  const status = { status: 'processed', status_details: null } as const;
  return { id, object: 'file', bytes, created_at: createdAt, filename, purpose, ...status, ...expires };
}

/** A batch as the API has it. */
export function batchObject(batch: BatchRecord): z.input<typeof batchAnswer> {
  const { id, endpoint, inputFileId, window, status, at, errors, total, completed, failed } = batch;
  return {
    ...{ id, object: 'batch', endpoint, input_file_id: inputFileId, completion_window: window, status },
    errors: errors.length === 0 ? null : { object: 'list', data: [...errors] },
    output_file_id: batch.outputFileId ?? null,
    error_file_id: batch.errorFileId ?? null,
    created_at: batch.createdAt,
    in_progress_at: at.in_progress ?? null,
    expires_at: batch.expiresAt,
    finalizing_at: at.finalizing ?? null,
    completed_at: at.completed ?? null,
    failed_at: at.failed ?? null,
    expired_at: at.expired ?? null,
    cancelling_at: at.cancelling ?? null,
    cancelled_at: at.cancelled ?? null,
    request_counts: { total, completed, failed },
    metadata: batch.metadata,
  };
}

/** One page of a list, the newest first. @throws ApiError 400 */
export function pageOf<Item extends { readonly id: string }>(
  items: Iterable<Item>,
  query: (name: string) => string | undefined,
  most: number,
  shown: (item: Item) => object,
): object {
  const limit = Number(query('limit') ?? Math.min(most, 10_000));
  if (!Number.isInteger(limit) || limit < 1 || limit > most) {
    throw new ApiError(400, `limit: it must be a whole number from 1 to ${most}.`, {
      param: 'limit',
      code: 'invalid_value',
    });
  }
  const all = [...items];
  if (query('order') !== 'asc') all.reverse();
  const after = query('after');
  const from = after === undefined ? 0 : all.findIndex(({ id }) => id === after) + 1;
  if (after !== undefined && from === 0)
    throw badField('after', 'after: it is not in this list (any more). Begin the list anew.');
  const some = all.slice(from, from + limit);
  return {
    object: 'list',
    data: some.map(shown),
    first_id: some[0]?.id ?? null,
    last_id: some.at(-1)?.id ?? null,
    has_more: some.length > 0 && from + some.length < all.length,
  };
}
