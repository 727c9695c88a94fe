// Owns what replicas share besides jobs: answers of /v1/responses, and what each key has used. Must not know HTTP.
import type { Budget } from '../core/budget.ts';
import type { SharedState } from '../server/app.ts';
import { type Asked, type Lent, MemoryQuota, type Quota, worthOf } from '../server/quota.ts';
import type { Responses, StoredResponse } from '../server/response-store.ts';
import type { InputItem } from '../server/schemas/responses.ts';
import { isUnavailable, PREFIX, type RedisPlace } from './connection.ts';
import { runScript } from './scripts.ts';

/** Bytes of answers that an owner has; the oldest go. */
const MOST_BYTES = 64 << 20;
/** Answers go after so long, as OpenAI's do. */
const KEPT_SECONDS = 30 * 24 * 3600;

/** What replicas share in Redis. */
export function redisState(place: RedisPlace): SharedState {
  return { responses: new RedisResponses(place), quota: new RedisQuota(place) };
}

/** Answers that any replica can continue. */
export class RedisResponses implements Responses {
  private readonly place: RedisPlace;
  private readonly mostBytes: number;

  constructor(place: RedisPlace, mostBytes = MOST_BYTES) {
    this.place = place;
    this.mostBytes = mostBytes;
  }

  async put(id: string, owner: string, { response, input, items }: StoredResponse): Promise<void> {
    const texts = [JSON.stringify(response), JSON.stringify(items)];
    const ids = items.flatMap((item) => ('id' in item && typeof item.id === 'string' ? [item.id] : []));
    const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    if (bytes > this.mostBytes / 2) return;
    await this.write(id, owner, [...texts, input.length, JSON.stringify(ids), bytes]);
  }

  async get(id: string, owner: string, budget: Budget): Promise<StoredResponse | undefined> {
    const found = await this.place.run((client) =>
      client.hmget(keysOf(owner).answer + id, 'response', 'items', 'length'),
    );
    const [response, items, length] = found;
    if (response == null || items == null) return undefined;
    await budget.nextTurn('the conversation');
    const all = JSON.parse(items) as InputItem[];
    return { response: JSON.parse(response) as object, input: all.slice(0, Number(length)), items: all };
  }

  async item(id: string, owner: string, budget: Budget): Promise<InputItem | undefined> {
    const place = await this.place.run((client) => client.hget(keysOf(owner).items, id));
    const found = place === null ? undefined : await this.get(place, owner, budget);
    return found?.items.find((item) => 'id' in item && item.id === id);
  }

  async delete(id: string, owner: string): Promise<boolean> {
    const isThere = await this.place.run((client) => client.exists(keysOf(owner).answer + id));
    if (isThere === 1) await this.write(id, owner, ['', '', 0, '[]', 0]);
    return isThere === 1;
  }

  private async write(id: string, owner: string, values: readonly (string | number)[]): Promise<void> {
    const { answer, list, items, bytes } = keysOf(owner);
    const args = [id, ...values, this.mostBytes, Date.now(), KEPT_SECONDS, answer];
    await this.place.run((client) => runScript(client, 'putResponse', [answer + id, list, items, bytes], args));
  }
}

/** What each key has used, at all replicas together; by the clock of Redis. While Redis is away each replica counts by itself, so that people go on. */
export class RedisQuota implements Quota {
  private readonly place: RedisPlace;
  private readonly alone = new MemoryQuota();

  constructor(place: RedisPlace) {
    this.place = place;
  }

  async ask(asked: readonly Asked[]): Promise<Lent> {
    const names = asked.map(({ bucket }) => `${PREFIX}:quota:${bucket.name}`);
    const values = asked.flatMap(({ bucket, how, base, parts = 0, wanted = 0, most = 0, spare = 0 }) => [
      ...[worthOf(bucket), (bucket.minutes ?? 1) * 60_000, how],
      ...[base, parts, wanted, most, spare],
    ]);
    try {
      const found = (await this.place.run((client) => runScript(client, 'quota', names, values))) as string[];
      const [waitMs, short, part] = found.map(Number);
      return { waitMs, part, ...(waitMs > 0 ? { short } : {}) };
    } catch (error) {
      if (isUnavailable(error)) return this.alone.ask(asked);
      throw error;
    }
  }
}

function keysOf(owner: string) {
  const of = `${PREFIX}:responses:${owner}`;
  return { answer: `${of}:answer:`, list: `${of}:list`, items: `${of}:items`, bytes: `${of}:bytes` };
}
