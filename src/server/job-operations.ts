// Owns the operations on files and batches, as OpenAI's clients ask for them.
import type { Host } from './host.ts';
import type { Jobs } from './jobs.ts';
import type { Operation, Plain } from './operation.ts';
import {
  type BatchRequest,
  batchAnswer,
  batchesAnswer,
  batchObject,
  batchRequest,
  deletedAnswer,
  fileAnswer,
  fileObject,
  filesAnswer,
  pageOf,
} from './schemas/jobs.ts';
import { readUpload } from './upload.ts';

const MOST_LISTED = { files: 10_000, batches: 100 };

const withJobs =
  (answer: (jobs: Jobs, asked: Plain, host: Host) => object | Promise<object>) => async (host: Host, asked: Plain) =>
    answer(await host.jobs(), asked, host);

const files: readonly Operation[] = [
  {
    ...{ method: 'post', path: '/v1/files', id: 'createFile', upload: true, answer: fileAnswer },
    summary: 'Takes a file: JSON lines with the requests of a batch',
    plain: withJobs((jobs, { request, job }, { fileBytes }) =>
      readUpload(request, { owner: job.owner, maxBytes: fileBytes, budget: job.budget }, async (upload) =>
        fileObject(await jobs.upload(job.owner, upload)),
      ),
    ),
  },
  {
    ...{ method: 'get', path: '/v1/files', id: 'listFiles', summary: 'The files', answer: filesAnswer },
    plain: withJobs(async (jobs, { query, job }) => {
      const purpose = query('purpose');
      const some = (await jobs.files(job.owner)).filter((file) => purpose === undefined || file.purpose === purpose);
      return pageOf(some, query, MOST_LISTED.files, fileObject);
    }),
  },
  {
    ...{ method: 'get', path: '/v1/files/{id}', id: 'getFile', parameter: 'id' },
    ...{ summary: 'What is known of a file', answer: fileAnswer },
    plain: withJobs(async (jobs, { parameter, job }) => fileObject(await jobs.file(job.owner, parameter))),
  },
  {
    ...{ method: 'get', path: '/v1/files/{id}/content', id: 'getFileContent', parameter: 'id' },
    ...{ summary: 'What is in a file', answer: 'application/octet-stream' },
    plain: withJobs(async (jobs, { parameter, job }) => {
      const pieces = (await jobs.content(job.owner, parameter))[Symbol.asyncIterator]();
      const body = new ReadableStream<Uint8Array>({
        async pull(controller) {
          const { done, value } = await pieces.next();
          if (done) controller.close();
          else controller.enqueue(value);
        },
        async cancel() {
          await pieces.return?.();
        },
      });
      return new Response(body, { headers: { 'content-type': 'application/octet-stream' } });
    }),
  },
  {
    ...{ method: 'delete', path: '/v1/files/{id}', id: 'deleteFile', parameter: 'id' },
    ...{ summary: 'Removes a file', answer: deletedAnswer },
    plain: withJobs(async (jobs, { parameter: id, job }) => {
      await jobs.deleteFile(job.owner, id);
      return { id, object: 'file', deleted: true };
    }),
  },
];

const batches: readonly Operation[] = [
  {
    ...{ method: 'post', path: '/v1/batches', id: 'createBatch', body: batchRequest, answer: batchAnswer },
    summary: 'Begins a batch: the requests in a file, answered while nobody waits',
    plain: withJobs(async (jobs, { body, job }) => batchObject(await jobs.create(job.owner, body as BatchRequest))),
  },
  {
    ...{ method: 'get', path: '/v1/batches', id: 'listBatches', summary: 'The batches', answer: batchesAnswer },
    plain: withJobs(async (jobs, { query, job }) =>
      pageOf(await jobs.batches(job.owner), query, MOST_LISTED.batches, batchObject),
    ),
  },
  {
    ...{ method: 'get', path: '/v1/batches/{id}', id: 'getBatch', parameter: 'id' },
    ...{ summary: 'How far a batch is', answer: batchAnswer },
    plain: withJobs(async (jobs, { parameter, job }) => batchObject(await jobs.batch(job.owner, parameter))),
  },
  {
    ...{ method: 'post', path: '/v1/batches/{id}/cancel', id: 'cancelBatch', parameter: 'id' },
    ...{ summary: 'Stops a batch; its answers so far are kept', answer: batchAnswer },
    plain: withJobs(async (jobs, { parameter, job }) => batchObject(await jobs.cancel(job.owner, parameter))),
  },
];

/** Operations on files and batches. */
export const JOB_OPERATIONS: readonly Operation[] = [...files, ...batches];
