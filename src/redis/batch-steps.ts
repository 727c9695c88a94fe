// Owns the steps of a batch in Redis: its input is read and checked, its rows are put into the queues of their models some at a time, at the end the files are written.
// Each step may be done twice, by anybody, whatever ended it before. Must not know who answers rows.
import type { BatchRecord, LineResults } from '../bulk/job-store.ts';
import { OnebitError } from '../errors.ts';
import { finish, move, resultLine, validate } from '../server/batch-run.ts';
import { failureReason, isUnfinished } from '../server/job-facts.ts';
import type { RedisClient, RedisPlace } from './connection.ts';
import type { Queues, RowJob } from './queues.ts';
import { keys, packResult, type RedisStore } from './redis-store.ts';
import { runScript } from './scripts.ts';

/** Rows of a batch that are in queues at once: batches of others come to their turn, and Redis holds few jobs. */
const WINDOW = 256;
const PIECE_BYTES = 1 << 18;
/** Batches of one owner have a lower priority the more of them there are, so that nobody waits for another's hundredth. */
const FIRST_PRIORITY = 10;
const LAST_PRIORITY = 1000;
/** Models that nobody has had for so long are unknown. */
const MODEL_SECONDS = 24 * 3600;

export interface StepsOptions {
  readonly place: RedisPlace;
  readonly store: RedisStore;
  readonly queues: Queues;
  readonly now: () => number;
  readonly signal: AbortSignal;
  /** Models that are here. */
  readonly models: () => readonly string[];
}

/** What is to be done for a batch beside answering rows. */
export class BatchSteps {
  private readonly options: StepsOptions;

  constructor(options: StepsOptions) {
    this.options = options;
  }

  /** Does the next step of a batch, whichever it is. */
  async next(id: string): Promise<void> {
    const { place, store, now } = this.options;
    let batch = await store.batch(id);
    if (!batch) return;
    if (!isUnfinished(batch)) return store.dropResults(id); // whoever ended it may not have come to that
    if (batch.status === 'validating') {
      const checked = await validate(batch, this.options);
      if (checked.status === 'failed') return;
      batch = (await store.batch(id))!;
    }
    if (batch.status !== 'in_progress' || now() >= batch.expiresAt) return this.finish(batch);
    await place.run((client) => client.hsetnx(keys.run(id), 'fed', '0'));
    await place.run((client) => client.hset(keys.run(id), 'total', batch.total));
    if (await this.feed(batch)) await this.finish(batch);
  }

  /** Sees to batches whose next step was lost with whoever should have done it. */
  async tend(): Promise<void> {
    const { place, store, queues, now } = this.options;
    for (const batch of await store.openBatches()) {
      if (batch.status !== 'in_progress' || now() >= batch.expiresAt) await queues.addStep('finish', batch.id);
      else {
        const [done, fed, total] = await progressOf(place, batch.id);
        if (isFeedDue(done, fed, total)) await queues.addStep('feed', batch.id, fed);
        else if (fed >= total && !(await this.isQueued(batch))) await this.feedAgain(batch.id);
      }
    }
  }

  /** Whether somebody has or will take a row of this batch. Those of others say nothing: they may wait for a model that nobody has. */
  private async isQueued({ id, total }: BatchRecord): Promise<boolean> {
    const { place, queues } = this.options;
    const answered = new Set(await place.run((client) => client.hkeys(keys.rows(id))));
    const left = leftLines({ has: (line) => answered.has(String(line)) }, total);
    const models = await place.run((client) => client.smembers(keys.queues));
    for (const line of left) {
      const found = await Promise.all(models.map((model) => queues.hasRow(model, id, line)));
      if (found.includes(true)) return true; // mostly the first
    }
    return false;
  }

  /** Rows without an answer whose jobs are gone come again; those that have one are passed over. */
  private async feedAgain(id: string): Promise<void> {
    await this.options.place.run((client) => client.hset(keys.run(id), 'fed', '0', 'at', '0'));
  }

  /** Puts rows into the queues until as many as may be are there; whether all are answered. */
  private async feed(batch: BatchRecord): Promise<boolean> {
    const { place, signal } = this.options;
    for (;;) {
      signal.throwIfAborted();
      const [done, fed, total, at] = await progressOf(place, batch.id);
      if (fed >= total) return done >= total;
      const room = WINDOW - (fed - done);
      if (room <= 0) return false;
      const { rows, end } = await this.rowsFrom(batch, at, fed, Math.min(room, total - fed));
      await this.addRows(batch, rows);
      await place.run((client) => runScript(client, 'advance', [keys.run(batch.id)], [fed, fed + rows.length, end]));
      if (rows.length === 0)
        throw new OnebitError('bad-file', `jobs: ${batch.id} must have ${total} lines, got ${fed}.`);
    }
  }

  /** The next rows of the input from a byte on, with the models that they name, and where the one after them begins. */
  private async rowsFrom(batch: BatchRecord, at: number, first: number, count: number) {
    const { store } = this.options;
    const rows: (RowJob & { readonly model: string | undefined })[] = [];
    let rest = new Uint8Array(0);
    let from = at;
    let offset = at;
    while (rows.length < count) {
      const piece = await store.part(batch.inputFileId, offset, offset + PIECE_BYTES);
      offset += piece.length;
      rest = Buffer.concat([rest, piece]);
      for (let end = rest.indexOf(10); rows.length < count; end = rest.indexOf(10)) {
        if (end < 0 && (piece.length > 0 || rest.length === 0)) break;
        const length = end < 0 ? rest.length : end;
        const text = new TextDecoder().decode(rest.subarray(0, length)).trim();
        const line = first + rows.length;
        if (text !== '') rows.push({ batch: batch.id, line, from, to: from + length, model: modelOf(text) });
        rest = rest.subarray(Math.min(rest.length, length + 1));
        from += length + 1;
      }
      if (piece.length === 0) break;
    }
    return { rows, end: from };
  }

  private async addRows(batch: BatchRecord, rows: readonly (RowJob & { model: string | undefined })[]): Promise<void> {
    const { place, store, queues, now, models } = this.options;
    const before = (await store.batches(batch.owner)).filter(
      (other) => isUnfinished(other) && other.createdAt <= batch.createdAt,
    );
    const rank = before.findIndex(({ id }) => id === batch.id);
    const priority = Math.min(LAST_PRIORITY, FIRST_PRIORITY + Math.max(0, rank));
    const elsewhere = await place.run((client) => client.zrangebyscore(keys.models, now() - MODEL_SECONDS, '+inf'));
    const known = new Set([...models(), ...elsewhere]);
    const byModel = new Map<string, RowJob[]>();
    for (const { model: asked, ...row } of rows) {
      const model = known.has(asked ?? '') ? asked : (asked ?? batch.model)?.replace(/:latest$/, '');
      if (model === undefined || !known.has(model)) await this.refuse(batch, row, model ?? '');
      else byModel.set(model, [...(byModel.get(model) ?? []), row]);
    }
    for (const [model, jobs] of byModel) {
      await place.run((client) => client.sadd(keys.queues, model));
      await queues.addRows(model, jobs, priority);
    }
  }

  /** Rows for which there is nobody are answered as the request would have been. */
  private async refuse(batch: BatchRecord, row: RowJob, model: string): Promise<void> {
    const { place, store } = this.options;
    const text = new TextDecoder().decode(await store.part(batch.inputFileId, row.from, row.to));
    const { custom_id: customId } = JSON.parse(text.replace(/^\ufeff/, '')) as { custom_id: string };
    const error = {
      ...{ message: `Nobody here has a model of the name '${model.slice(0, 100)}'.`, type: 'invalid_request_error' },
      ...{ code: 'model_not_found', param: 'model' },
    };
    const response = { status_code: 404, request_id: `req-${crypto.randomUUID()}`, body: { error } };
    const json = resultLine(batch, { index: row.line, customId: String(customId) }, response, null);
    const reason = failureReason(404, { error });
    await place.run((client) => settleRow(client, row, { isError: true, json }, reason, this.options.now()));
  }

  /** Rows of a batch that has ended leave the queues: nobody may ever come who would take them. */
  private async dropRows({ id }: BatchRecord, results: LineResults): Promise<void> {
    const { place, queues } = this.options;
    const [, fed] = await progressOf(place, id);
    const left = leftLines(results, fed);
    if (left.length === 0) return;
    for (const model of await place.run((client) => client.smembers(keys.queues)))
      await queues.dropRows(model, id, left);
  }

  private async finish(batch: BatchRecord): Promise<void> {
    const { store } = this.options;
    const { id } = batch;
    if (!(await store.endRun(id))) return;
    const results = await store.results(id, batch.total);
    await this.dropRows(batch, results);
    const isWhole = batch.total > 0 && results.completed + results.failed >= batch.total;
    const last = batch.status === 'cancelling' ? 'cancelled' : isWhole ? 'completed' : 'expired';
    const run = this.options;
    const counts = { completed: results.completed, failed: results.failed };
    const now = batch.status === 'in_progress' ? await move({ ...batch, ...counts }, 'finalizing', run) : batch;
    await finish(now, last, results, run);
    await store.dropResults(id);
  }
}

/** Writes the answer to a row, once. Gives what is due then. */
export async function settleRow(
  client: RedisClient,
  { batch, line }: Pick<RowJob, 'batch' | 'line'>,
  result: { readonly isError: boolean; readonly json: string },
  reason: string,
  at: number,
): Promise<{ readonly isFeedDue: boolean; readonly isOver: boolean; readonly fed: number }> {
  const names = [keys.run(batch), keys.rows(batch), keys.stats, keys.failures];
  const failure = JSON.stringify({ batch, line, reason, at });
  const values = [line, result.isError ? 'failed' : 'completed', packResult(result), reason, failure];
  const found = (await runScript(client, 'settleRow', names, values)) as number[];
  const [done, fed, total] = found;
  return { isFeedDue: done >= 0 && isFeedDue(done, fed, total), isOver: done >= 0 && done >= total, fed };
}

/** Which of the first lines have no answer. */
function leftLines(results: Pick<LineResults, 'has'>, count: number): number[] {
  return Array.from({ length: count }, (_, line) => line).filter((line) => !results.has(line));
}

/** Whether so few of the rows that were put into queues are left that more should come, or none is to come. */
function isFeedDue(done: number, fed: number, total: number): boolean {
  return done >= total || (fed < total && fed - done <= WINDOW / 2);
}

async function progressOf(place: RedisPlace, id: string): Promise<number[]> {
  const names = ['completed', 'failed', 'fed', 'total', 'at'];
  const found = await place.run((client) => client.hmget(keys.run(id), ...names));
  const [completed, failed, fed, total, at] = found.map((text) => Number(text ?? 0));
  return [completed + failed, fed, total, at];
}

/** The model that the body of a line names. */
function modelOf(text: string): string | undefined {
  const { body } = JSON.parse(text.replace(/^\ufeff/, '')) as { body?: { model?: unknown } };
  return typeof body?.model === 'string' ? body.model : undefined;
}
