// Owns files and batches in Redis: a file is one string, a record is JSON, sorted sets say whose they are and in which order they came. Every process that has the
// address sees the same. Must not know who works batches off.
import type { BatchRecord, FileRecord, JobStore, LineResult, LineResults } from '../bulk/job-store.ts';
import { OnebitError } from '../errors.ts';
import { PREFIX, type RedisPlace, unavailable } from './connection.ts';
import { runScript } from './scripts.ts';

/** How far each status is: none goes back. */
const RANKS: Readonly<Record<BatchRecord['status'], number>> = {
  ...{ validating: 0, in_progress: 1, finalizing: 2, cancelling: 3 },
  ...{ failed: 4, completed: 4, expired: 4, cancelled: 4 },
};
const PIECE_BYTES = 1 << 18;
/** A file that is being written goes by itself when its writer has ended. */
const WRITING_SECONDS = 3600;
/** Results that are read at once. */
const SLICE = 200;
const LISTED = 500;

/** Names of keys. */
export const keys = {
  record: (id: string) => `${PREFIX}:file:${id}`,
  data: (id: string) => `${PREFIX}:data:${id}`,
  files: (owner?: string) => (owner === undefined ? `${PREFIX}:files` : `${PREFIX}:files:of:${owner}`),
  batch: (id: string) => `${PREFIX}:batch:${id}`,
  batches: (owner?: string) => (owner === undefined ? `${PREFIX}:batches` : `${PREFIX}:batches:of:${owner}`),
  /** Batches that have not ended. */
  open: `${PREFIX}:open`,
  /** Of a batch that runs: how far it is, the answers by line. */
  run: (id: string) => `${PREFIX}:run:${id}`,
  rows: (id: string) => `${PREFIX}:rows:${id}`,
  stats: `${PREFIX}:stats`,
  failures: `${PREFIX}:failures`,
  workers: `${PREFIX}:workers`,
  /** Models of whose rows there are queues; models that somebody here has, by when that was said last. */
  queues: `${PREFIX}:queues`,
  models: `${PREFIX}:models`,
  /** There while somebody has just tended batches. */
  tended: `${PREFIX}:tended`,
} as const;

/** Files and batches in Redis. */
export class RedisStore implements JobStore {
  private readonly place: RedisPlace;

  constructor(place: RedisPlace) {
    this.place = place;
  }

  async files(owner?: string): Promise<FileRecord[]> {
    return this.listed<FileRecord>(keys.files(owner), keys.record);
  }

  file(id: string): Promise<FileRecord | undefined> {
    return this.record<FileRecord>(keys.record(id));
  }

  async addFile(
    record: Omit<FileRecord, 'bytes'>,
    produce: (append: (bytes: Uint8Array) => Promise<void>) => Promise<void>,
  ): Promise<FileRecord> {
    const { place } = this;
    const temporary = `${keys.data(record.id)}:${crypto.randomUUID()}`;
    let bytes = 0;
    try {
      let held: Uint8Array[] = [];
      let heldBytes = 0;
      const write = async () => {
        const piece = Buffer.concat(held);
        if (piece.length === 0) return;
        [held, heldBytes] = [[], 0];
        const length = await place.run((client) => client.append(temporary, piece));
        bytes += piece.length;
        // What Redis forgot meanwhile, or an attempt that was answered by nobody, must not become a file.
        if (length !== bytes) throw unavailable(new Error('a file was written in part'));
        if (bytes === piece.length) await place.run((client) => client.expire(temporary, WRITING_SECONDS));
      };
      await produce(async (all) => {
        for (let at = 0; at < all.length; at += PIECE_BYTES) {
          const piece = all.slice(at, at + PIECE_BYTES);
          held.push(piece);
          heldBytes += piece.length;
          if (heldBytes >= PIECE_BYTES) await write();
        }
      });
      await write();
      const file: FileRecord = { ...record, bytes };
      const names = [temporary, keys.data(file.id), keys.record(file.id), keys.files(), keys.files(file.owner)];
      await place.run((client) =>
        runScript(client, 'publishFile', names, [JSON.stringify(file), file.id, file.createdAt]),
      );
      return file;
    } catch (error) {
      await place.run((client) => client.del(temporary)).catch(() => {});
      throw error;
    }
  }

  async *read(id: string): AsyncGenerator<Uint8Array, void> {
    const file = await this.file(id);
    if (!file) throw new OnebitError('io', 'jobs: the file must be there, it is not (any more).');
    for (let at = 0; at < file.bytes; at += PIECE_BYTES) yield await this.part(id, at, at + PIECE_BYTES);
  }

  /** Bytes `from` to before `to` of a file. */
  part(id: string, from: number, to: number): Promise<Uint8Array> {
    return this.place.run((client) => client.getrangeBuffer(keys.data(id), from, to - 1));
  }

  async deleteFile(id: string): Promise<void> {
    const file = await this.file(id);
    if (!file) return;
    await this.place.run(async (client) => {
      await client.zrem(keys.files(), id);
      await client.zrem(keys.files(file.owner), id);
      await client.del(keys.record(id), keys.data(id));
    });
  }

  async batches(owner?: string): Promise<BatchRecord[]> {
    const found = await this.listed<BatchRecord>(keys.batches(owner), keys.batch);
    return Promise.all(found.map((batch) => this.counted(batch)));
  }

  /** Batches that have not ended. */
  async openBatches(): Promise<BatchRecord[]> {
    const ids = await this.place.run((client) => client.smembers(keys.open));
    const found = await Promise.all(ids.map((id) => this.batch(id)));
    return found.filter((batch) => batch !== undefined);
  }

  async batch(id: string): Promise<BatchRecord | undefined> {
    const batch = await this.record<BatchRecord>(keys.batch(id));
    return batch && this.counted(batch);
  }

  async putBatch(batch: BatchRecord): Promise<void> {
    const names = [keys.batch(batch.id), keys.open, keys.batches(), keys.batches(batch.owner)];
    const values = [JSON.stringify(batch), RANKS[batch.status], batch.id, batch.createdAt, JSON.stringify(RANKS)];
    await this.place.run((client) => runScript(client, 'putBatch', names, values));
  }

  countBatch(): void {} // whoever answers a row counts it

  results(id: string, lines: number): Promise<LineResults> {
    return RedisResults.open(this.place, id, lines);
  }

  /** No answers are taken any more; false where the batch has ended already. */
  async endRun(id: string): Promise<boolean> {
    const names = [keys.batch(id), keys.run(id)];
    return (await this.place.run((client) => runScript(client, 'endRun', names, [JSON.stringify(RANKS)]))) === 1;
  }

  async dropResults(id: string): Promise<void> {
    await this.place.run((client) => client.unlink(keys.rows(id), keys.run(id)));
  }

  async close(): Promise<void> {
    this.place.close();
  }

  /** While a batch runs, the rows say how far it is. */
  private async counted(batch: BatchRecord): Promise<BatchRecord> {
    if (RANKS[batch.status] !== 1) return batch;
    const counts = await this.place.run((client) => client.hmget(keys.run(batch.id), 'completed', 'failed'));
    const [completed, failed] = counts;
    return { ...batch, completed: Number(completed ?? 0), failed: Number(failed ?? 0) };
  }

  private async record<Kind>(key: string): Promise<Kind | undefined> {
    const json = await this.place.run((client) => client.get(key));
    return json === null ? undefined : (JSON.parse(json) as Kind);
  }

  private async listed<Kind>(list: string, keyOf: (id: string) => string): Promise<Kind[]> {
    const ids = await this.place.run((client) => client.zrange(list, '0', '-1'));
    const found: Kind[] = [];
    for (let at = 0; at < ids.length; at += LISTED) {
      const some = await this.place.run((client) => client.mget(ids.slice(at, at + LISTED).map((id) => keyOf(id))));
      for (const json of some) if (json !== null) found.push(JSON.parse(json) as Kind);
    }
    return found;
  }
}

/** A result as it lies in Redis: a digit for whether it is an error, then its JSON. */
export function packResult({ isError, json }: LineResult): string {
  return (isError ? '1' : '0') + json;
}

/** The answers of a batch that has ended. */
class RedisResults implements LineResults {
  readonly completed: number;
  readonly failed: number;
  private readonly place: RedisPlace;
  private readonly id: string;
  private readonly lines: Uint8Array;
  private slice = new Map<number, LineResult>();

  private constructor(place: RedisPlace, id: string, lines: Uint8Array, counts: readonly number[]) {
    [this.completed, this.failed] = counts;
    this.place = place;
    this.id = id;
    this.lines = lines;
  }

  static async open(place: RedisPlace, id: string, lines: number): Promise<RedisResults> {
    const there = new Uint8Array(lines);
    const names = await place.run((client) => client.hkeys(keys.rows(id)));
    const counts = await place.run((client) => client.hmget(keys.run(id), 'completed', 'failed', 'ended'));
    if (counts[2] !== '1') throw unavailable(new Error(`${id} was ended by another`));
    for (const line of names) there[Number(line)] = 1;
    return new RedisResults(
      place,
      id,
      there,
      counts.slice(0, 2).map((count) => Number(count ?? 0)),
    );
  }

  has(line: number): boolean {
    return this.lines[line] === 1;
  }

  async add(): Promise<void> {
    throw new OnebitError('bad-argument', 'jobs: answers are written by those who work. Use the queue.');
  }

  async get(line: number): Promise<LineResult> {
    const known = this.slice.get(line);
    if (known) return known;
    const wanted = Array.from({ length: Math.min(SLICE, this.lines.length - line) }, (_, i) => line + i);
    const found = await this.place.run((client) => client.hmget(keys.rows(this.id), ...wanted.map(String)));
    this.slice = new Map();
    for (const [i, text] of found.entries()) {
      if (text) this.slice.set(wanted[i], { isError: text[0] === '1', json: text.slice(1) });
    }
    const result = this.slice.get(line);
    if (result) return result;
    throw unavailable(new Error(`the answer to line ${line} of ${this.id} is not there`));
  }

  async close(): Promise<void> {}
}
