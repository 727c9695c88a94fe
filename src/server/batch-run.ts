// Owns the life of one batch: its lines checked, each answered once, the answers put into files in the order of the lines. Whatever ends the process in between, it
// goes on from what the store has. Must not know HTTP.
import type { BatchError, BatchRecord, BatchStatus, JobStore, LineResults } from '../bulk/job-store.ts';
import { type JsonRecord, jsonRecords } from '../bulk/json-records.ts';
import { decodePieces } from '../core/decode-text.ts';
import { inParallel } from '../core/in-parallel.ts';
import { sleep } from '../core/sleep.ts';
import { OnebitError } from '../errors.ts';
import { problemOfLine } from './json-scan.ts';

/** What a request would have been answered. */
export interface LineAnswer {
  readonly status: number;
  readonly requestId: string;
  readonly body: unknown;
  /** Where the answer may be another later: how long to wait. */
  readonly retrySeconds?: number;
}

/** What the steps before and after the answers need. */
export interface BatchSteps {
  readonly store: JobStore;
  readonly now: () => number;
  readonly signal: AbortSignal;
}

export interface BatchRun extends BatchSteps {
  readonly answer: (endpoint: string, body: unknown, owner: string, signal: AbortSignal) => Promise<LineAnswer>;
  /** Told once of each line that has its answer now. */
  readonly settled?: (line: number, answer: LineAnswer) => void;
}

interface Line {
  readonly index: number;
  readonly customId: string;
  readonly body: unknown;
}

const MOST_LINES = 50_000;
const MOST_ERRORS = 10;
const LONGEST_ID = 512;
/** Lines that are answered at once: fewer than a model has places, for people come first. */
const PARALLEL = 8;
const LONGEST_WAIT_MS = 60_000;
/** Failures of the server itself after which a line is given up. */
const MOST_FAILURES = 5;

/** Brings a batch to its end. Throws the reason of the signal, and what the store throws; then call it again. */
export async function runBatchOf(id: string, run: BatchRun): Promise<void> {
  const { store } = run;
  let batch = (await store.batch(id))!;
  if (batch.status === 'validating') batch = await validate(batch, run);
  if (batch.status === 'failed') return;
  const results = await store.results(id, batch.total);
  try {
    if (batch.status === 'in_progress') {
      await answerLines(batch, results, run);
      batch = await move((await store.batch(id))!, 'finalizing', run);
    }
    const isWhole = results.completed + results.failed === batch.total;
    await finish(batch, batch.status === 'cancelling' ? 'cancelled' : isWhole ? 'completed' : 'expired', results, run);
  } finally {
    await results.close();
  }
  await store.dropResults(id);
}

/** Notes another status. */
export async function move(
  batch: BatchRecord,
  status: BatchStatus,
  { store, now }: BatchSteps,
  more: Partial<BatchRecord> = {},
): Promise<BatchRecord> {
  const moved = { ...batch, ...more, status, at: { ...batch.at, [status]: now() } };
  await store.putBatch(moved);
  return moved;
}

/** Reads the input of a batch; it is in progress then, or has failed. */
export async function validate(batch: BatchRecord, run: BatchSteps): Promise<BatchRecord> {
  const errors: BatchError[] = [];
  const known = new Set<string>();
  const at = { line: 0 };
  let total = 0;
  const wrong = (line: number | null, code: string, message: string, param: string | null = null) => {
    errors.push({ code, message, line, param });
  };
  try {
    for await (const { line, value } of recordsOf(batch, run, at)) {
      run.signal.throwIfAborted();
      total++;
      const { custom_id: customId, method, url, body } = value;
      if (typeof customId !== 'string' || customId === '' || customId.length > LONGEST_ID) {
        wrong(line, 'invalid_custom_id', `custom_id must be a text of 1 to ${LONGEST_ID} characters.`, 'custom_id');
      } else if (known.has(customId))
        wrong(line, 'duplicate_custom_id', 'custom_id must be there once, it was there before.', 'custom_id');
      else if (method !== 'POST') wrong(line, 'invalid_method', 'method must be POST.', 'method');
      else if (url !== batch.endpoint)
        wrong(line, 'mismatched_url', `url must be the endpoint of the batch, ${batch.endpoint}.`, 'url');
      else if (typeof body !== 'object' || body === null)
        wrong(line, 'invalid_body', 'body must be an object.', 'body');
      else if ((body as { stream?: unknown }).stream)
        wrong(line, 'invalid_body', 'body.stream must not be true in a batch.', 'body');
      else known.add(customId);
      if (total > MOST_LINES) wrong(null, 'too_many_lines', `The input may have ${MOST_LINES} lines, it has more.`);
      if (total > MOST_LINES || errors.length >= MOST_ERRORS) break;
    }
    if (total === 0) wrong(null, 'empty_file', 'The input has no lines.');
  } catch (error) {
    run.signal.throwIfAborted();
    if (!(error instanceof OnebitError) || error.code === 'io') throw error;
    wrong(error.code === 'bad-argument' ? at.line : null, 'invalid_json_line', error.message);
  }
  return errors.length > 0 ? move(batch, 'failed', run, { errors, total }) : move(batch, 'in_progress', run, { total });
}

async function answerLines(batch: BatchRecord, results: LineResults, run: BatchRun): Promise<void> {
  await inParallel(
    async function* () {
      for await (const line of linesOf(batch, run)) {
        if (isLate(batch, run)) return;
        if (!results.has(line.index)) yield line;
      }
    },
    PARALLEL,
    async (line, signal) => {
      const answer = await answered(batch, line, { ...run, signal });
      if (!answer) return; // its time was over
      const { status, requestId, body } = answer;
      const response = { status_code: status, request_id: requestId, body };
      await results.add(line.index, { isError: status >= 400, json: resultLine(batch, line, response, null) });
      run.store.countBatch(batch.id, { completed: results.completed, failed: results.failed });
      run.settled?.(line.index, answer);
    },
    run.signal,
  );
}

/** The answer to a line, after as many attempts as it takes where others are in the way; undefined where the batch's time is over before. */
async function answered(batch: BatchRecord, { body }: Line, run: BatchRun): Promise<LineAnswer | undefined> {
  let failures = 0;
  for (let attempt = 0; ; attempt++) {
    const answer = await run.answer(batch.endpoint, askedOf(batch, body), batch.owner, run.signal);
    run.signal.throwIfAborted();
    if (answer.status < 429) return answer;
    if (answer.status !== 429 && ++failures >= MOST_FAILURES) return answer;
    await sleep(
      Math.min(LONGEST_WAIT_MS, Math.max((answer.retrySeconds ?? 0) * 1000, 100 * 2 ** Math.min(attempt, 10))),
      run.signal,
    );
    if (isLate(batch, run)) return undefined;
  }
}

/** Writes the files, notes the end, and forgets what is in them. Files have ids of the batch: done twice, it gives the same. */
export async function finish(
  batch: BatchRecord,
  last: BatchStatus,
  results: LineResults,
  run: BatchSteps,
): Promise<void> {
  const { id, owner, outputSeconds } = batch;
  const createdAt = run.now();
  const expires = outputSeconds === undefined ? {} : { expiresAt: createdAt + outputSeconds };
  const more: { outputFileId?: string; errorFileId?: string; completed: number; failed: number } = {
    completed: results.completed,
    failed: last === 'expired' ? batch.total - results.completed : results.failed,
  };
  for (const kind of ['output', 'error'] as const) {
    if ((kind === 'output' ? more.completed : last === 'cancelled' ? results.failed : more.failed) === 0) continue;
    const fileId = `file-${kind[0]}${id.slice('batch_'.length)}`;
    const record = {
      id: fileId,
      owner,
      filename: `${id}_${kind}.jsonl`,
      purpose: 'batch_output',
      createdAt,
      ...expires,
    };
    await run.store.addFile(record, async (append) => {
      const encoder = new TextEncoder();
      for await (const line of linesOf(batch, run)) {
        if (results.has(line.index)) {
          const { isError, json } = await results.get(line.index);
          if (isError === (kind === 'error')) await append(encoder.encode(`${json}\n`));
        } else if (kind === 'error' && last === 'expired') {
          const late = {
            code: 'batch_expired',
            message: 'This request was not answered within the time of the batch.',
          };
          await append(encoder.encode(`${resultLine(batch, line, null, late)}\n`));
        }
      }
    });
    more[kind === 'output' ? 'outputFileId' : 'errorFileId'] = fileId;
  }
  await move((await run.store.batch(id))!, last, run, more);
}

/** The body of a line; where it names no model, with the one that was meant when the batch was taken. */
export function askedOf({ model }: Pick<BatchRecord, 'model'>, body: unknown): unknown {
  const isOpen = !Array.isArray(body) && (body as { model?: unknown }).model == null;
  return isOpen && model !== undefined ? { ...(body as object), model } : body;
}

/** A line of the output. */
export function resultLine(
  { id }: Pick<BatchRecord, 'id'>,
  { index, customId }: Pick<Line, 'index' | 'customId'>,
  response: object | null,
  error: object | null,
): string {
  return JSON.stringify({
    id: `batch_req_${id.slice('batch_'.length)}_${index}`,
    custom_id: customId,
    response,
    error,
  });
}

async function* linesOf(batch: BatchRecord, run: BatchSteps): AsyncGenerator<Line, void> {
  let index = 0;
  for await (const { value } of recordsOf(batch, run)) {
    yield { index: index++, customId: String(value.custom_id), body: value.body };
  }
}

/** @param at told the line that is read */
function recordsOf(
  { inputFileId }: BatchRecord,
  { store }: BatchSteps,
  at?: { line: number },
): AsyncGenerator<JsonRecord, void> {
  const pieces = decodePieces(store.read(inputFileId), 'the input file');
  return jsonRecords(pieces, 'the input file', { problemOf: problemOfLine, at });
}

function isLate({ expiresAt }: BatchRecord, { now }: BatchRun): boolean {
  return now() >= expiresAt;
}
