// Jobs, answers and limits beyond one process, with a real Redis: servers that take, workers that answer, and what happens when either of them or Redis goes.
import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openInRedis } from '../../src/cli/redis-flags.ts';
import { parseAddress, RedisPlace } from '../../src/redis/connection.ts';
import { openRedisJobs, type RedisJobs, RedisQueue } from '../../src/redis/redis-queue.ts';
import { redisState } from '../../src/redis/redis-state.ts';
import { RowWorker } from '../../src/redis/row-worker.ts';
import { hashKey } from '../../src/server/keys.ts';
import { type Asked, type Bucket, MemoryQuota } from '../../src/server/quota.ts';
import { missingRedis, type StartedRedis, startRedis, startSentinel } from './redis-server.ts';
import { type StartedServer, startServer } from './started-server.ts';

const missing = missingRedis();
const chat = '/v1/chat/completions';
const keys = await Promise.all(
  ['one', 'two', 'slow', 'operator'].map(async (name) => ({
    name,
    sha256: await hashKey(name),
    ...(name === 'slow' ? { requestsPerMinute: 3 } : {}),
    operator: name === 'operator',
  })),
);
const errors: unknown[] = [];
let redis: StartedRedis;
let replicas: StartedServer[];
const opened: RedisJobs[] = [];

const openJobs = async () => {
  const jobs = await openRedisJobs(await RedisPlace.open({ url: redis.url }));
  opened.push(jobs);
  return jobs;
};
const startReplica = async () => {
  const jobs = await openJobs();
  const options = { openJobs: async () => jobs.store, openQueue: (work: never) => new RedisQueue(jobs, work) };
  return startServer({ ...options, keys, state: redisState(jobs.place) });
};
const startWorker = async (parallel = 4) => {
  const jobs = await openJobs();
  const work = replicas[0].server.queueWork(jobs.store);
  const onError = (error: unknown) => errors.push(error);
  return new RowWorker(jobs, { ...work, onError }, { parallel, leaseSeconds: 2 });
};
const clientOf = (apiKey: string, replica = 0) =>
  new OpenAI({ apiKey, baseURL: `${replicas[replica].url}/v1`, maxRetries: 0 });
const line = (i: number, more: object = {}) => ({
  custom_id: `row-${i}`,
  method: 'POST',
  url: chat,
  body: { messages: [{ role: 'user', content: `Row ${i}` }], max_tokens: 2, temperature: 0, ...more },
});
const begin = async (client: OpenAI, lines: readonly object[]) => {
  const text = lines.map((value) => JSON.stringify(value)).join('\n');
  const file = await client.files.create({ file: await toFile(Buffer.from(text), 'in.jsonl'), purpose: 'batch' });
  return client.batches.create({ input_file_id: file.id, endpoint: chat, completion_window: '24h' });
};
const ended = async (client: OpenAI, id: string) => {
  for (;;) {
    const batch = await client.batches.retrieve(id).catch(() => undefined);
    if (batch && ['completed', 'failed', 'cancelled', 'expired'].includes(batch.status)) return batch;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};
const linesOf = async (client: OpenAI, id: string | null | undefined) => {
  const text = await (await client.files.content(id!)).text();
  return text
    .trimEnd()
    .split('\n')
    .map((json) => JSON.parse(json));
};
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe.skipIf(missing)(`with Redis${missing ? `: skipped, ${missing}` : ''}`, () => {
  beforeAll(async () => {
    redis = await startRedis();
    replicas = [await startReplica(), await startReplica()];
    for (const { server } of replicas) await server.jobs();
  }, 60_000);
  afterAll(async () => {
    for (const replica of replicas) await replica.stop();
    for (const { place } of opened) place.close();
    await redis.stop();
  });

  test('a batch that one replica takes is answered by workers, in order, each row once; any replica knows it, its owner alone', async () => {
    const warnings: string[] = [];
    const onWarning = ({ name }: Error) => warnings.push(name);
    process.on('warning', onWarning);
    const workers = [await startWorker(8), await startWorker()]; // 8 as the command has
    const [one, two, other] = [clientOf('one'), clientOf('one', 1), clientOf('two')];
    const rows = Array.from({ length: 300 }, (_, i) => line(i, i === 7 ? { max_tokens: -1 } : {}));
    rows[9] = line(9, { model: 'nobody-has-this' });
    const { id } = await begin(one, rows);
    const batch = await ended(two, id);
    expect(batch).toMatchObject({ status: 'completed', request_counts: { total: 300, completed: 298, failed: 2 } });
    const answers = await linesOf(two, batch.output_file_id);
    const expected = rows.map(({ custom_id }) => custom_id).filter((name) => !['row-7', 'row-9'].includes(name));
    expect(answers.map(({ custom_id }) => custom_id)).toEqual(expected);
    const alone = await one.chat.completions.create(rows[3].body as never);
    expect(answers[3].response.body.choices).toEqual(alone.choices);
    const failed = await linesOf(two, batch.error_file_id);
    expect(failed.map(({ response }) => response.status_code)).toEqual([400, 404]);
    await expect(other.batches.retrieve(id)).rejects.toMatchObject({ status: 404 });
    await expect(other.files.content(batch.output_file_id!)).rejects.toMatchObject({ status: 404 });
    expect((await other.batches.list()).data).toEqual([]);
    await expect(two.batches.cancel(id)).rejects.toMatchObject({ status: 409 });
    await Promise.all(workers.map((worker) => worker.close(1000)));
    process.off('warning', onWarning);
    expect(warnings).not.toContain('MaxListenersExceededWarning');
  }, 120_000);

  test('rows wait for a worker that has the mark and the policy of the server that took them, which then sees them', async () => {
    const jobs = await openJobs();
    const seen: string[] = [];
    const policy = {
      name: 'the shop',
      request: ({ body }: { body: unknown }) => ({ allow: !JSON.stringify(body).includes('Row 2') }),
      answer: ({ texts }: { texts: readonly string[] }) => {
        seen.push(...texts);
        return { allow: true };
      },
    };
    const options = { openJobs: async () => jobs.store, openQueue: (work: never) => new RedisQueue(jobs, work), keys };
    const watched = await startServer({ ...options, policy, watermark: 'a secret of the shop' });
    const client = new OpenAI({ apiKey: 'one', baseURL: `${watched.url}/v1`, maxRetries: 0 });
    errors.length = 0;
    const without = await startWorker();
    const waiting = await begin(client, [line(1)]);
    while (errors.length < 2) await sleep(20);
    expect(String(errors[0])).toMatch(/the watermark of a batch's server must be the one here.*--watermark/);
    expect(String(errors[1])).toMatch(/the policy of a batch's server must be the one here.*--policy/);
    expect((await client.batches.retrieve(waiting.id)).request_counts).toMatchObject({ completed: 0, failed: 0 });
    expect(await jobs.place.client.get(`{onebit}:batch:${waiting.id}`)).not.toContain('secret');
    await without.close(1000);
    await client.batches.cancel(waiting.id);
    const worker = new RowWorker(await openJobs(), watched.server.queueWork(jobs.store), {
      parallel: 4,
      leaseSeconds: 2,
    });
    const { id } = await begin(client, [line(1), line(2)]);
    const batch = await ended(client, id);
    expect(batch.request_counts).toEqual({ total: 2, completed: 1, failed: 1 });
    const [answer] = await linesOf(client, batch.output_file_id);
    expect(seen).toEqual([answer.response.body.choices[0].message.content]);
    expect((await linesOf(client, batch.error_file_id))[0].response).toMatchObject({ status_code: 403 });
    await worker.close(1000);
    await watched.stop();
  }, 60_000);

  test('a batch is cancelled while nobody works, and one with wrong lines fails', async () => {
    const client = clientOf('one');
    const { id } = await begin(client, [line(1), line(2)]);
    await client.batches.cancel(id);
    expect(await ended(client, id)).toMatchObject({ status: 'cancelled', request_counts: { completed: 0 } });
    const wrong = await begin(client, [line(1), line(1)]);
    expect((await ended(client, wrong.id)).errors?.data?.[0]).toMatchObject({ code: 'duplicate_custom_id', line: 2 });
  }, 60_000);

  test("replicas share answers and what a key has used; nobody finds what is another's", async () => {
    const [here, there, other] = [clientOf('one'), clientOf('one', 1), clientOf('two', 1)];
    const first = await here.responses.create({ model: 'tiny', input: 'Hello', max_output_tokens: 3 });
    const second = await there.responses.create({
      model: 'tiny',
      input: 'And?',
      previous_response_id: first.id,
      max_output_tokens: 3,
    });
    expect(second.previous_response_id).toBe(first.id);
    expect((await there.responses.inputItems.list(second.id)).data).toHaveLength(3);
    await expect(other.responses.retrieve(first.id)).rejects.toMatchObject({ status: 404 });
    await expect(other.responses.delete(first.id)).rejects.toMatchObject({ status: 404 });
    await there.responses.delete(first.id);
    await expect(here.responses.retrieve(first.id)).rejects.toMatchObject({ status: 404 });
    const answers: number[] = [];
    for (let i = 0; i < 4; i++) {
      const answer = await replicas[i % 2].post('/v1/tokenize', { content: 'x' }, { authorization: 'Bearer slow' });
      answers.push(answer.status);
    }
    expect(answers).toEqual([200, 200, 200, 429]);
  });

  test('what keys may use is counted in Redis as in one process: all of what is asked, or nothing, and what is given back', async () => {
    const quotas = [redisState(opened[0].place).quota, new MemoryQuota()];
    const buckets = ['day', 'minute'].map((kind) => ({ name: `${crypto.randomUUID()}:${kind}`, perMinute: 0.1 }));
    const [day, minute] = buckets.map((bucket, i) => ({ ...bucket, minutes: i === 0 ? 10_000 : 1000 }));
    const lent = (bucket: Bucket, base: number) =>
      ({ bucket, how: 'lend', base, parts: 2, wanted: 10, most: 40 }) as const;
    const asks: (readonly Asked[])[] = [
      [lent(day, 10), lent(minute, 10)], // parts as large as the smaller bucket has
      [lent(day, 1), { bucket: minute, how: 'look', base: 20 }], // nothing of the first, as the second has not that much
      [{ bucket: minute, how: 'take', base: -50 }, lent(day, 1), lent(minute, 20)],
      [{ bucket: minute, how: 'take', base: 200 }],
      [{ bucket: minute, how: 'look', base: 1 }],
      [{ bucket: minute, how: 'take', base: -300 }],
      [{ ...lent(minute, 20), spare: 50 }], // what goes beyond the wanted parts leaves so much
      [{ ...lent(minute, 1), spare: 50 }],
      [{ ...lent(minute, 90), spare: 50 }], // a whole bucket is enough
    ];
    const found = [];
    for (const quota of quotas) {
      const lents = [];
      for (const ask of asks) {
        const { waitMs, short, part } = await quota.ask(ask);
        lents.push([Math.round(waitMs / 60_000), short, part]);
      }
      found.push(lents);
    }
    expect(found[0]).toEqual(found[1]);
    expect(found[0]).toEqual([
      [0, undefined, 40],
      [100, 1, 0],
      [0, undefined, 20],
      [0, undefined, 0],
      [2010, 0, 0],
      [0, undefined, 0],
      [0, undefined, 15],
      [210, 0, 0],
      [500, 0, 0],
    ]);
  });

  test('an operator sees the queue and tries again what failed; others do not', async () => {
    const worker = await startWorker();
    const client = clientOf('one');
    const { id } = await begin(client, [line(1), line(2, { max_tokens: -1 })]);
    const failed = await ended(client, id);
    const asOperator = { headers: { authorization: 'Bearer operator' } };
    const seen = await (await fetch(`${replicas[1].url}/v1/operator/jobs`, asOperator)).json();
    expect(seen).toMatchObject({ running: 0, workers: [{ models: [expect.any(String)] }] });
    expect(seen.failures[0]).toMatchObject({ batch: id, line: 2, reason: 'invalid_value' });
    const metrics = await (await fetch(`${replicas[1].url}/metrics`, asOperator)).text();
    expect(metrics).toMatch(/onebit_job_failures_total\{reason="invalid_value"\} \d/);
    expect(metrics).toMatch(/onebit_jobs_workers [1-9]/);
    const asked = { method: 'POST', headers: { authorization: 'Bearer one' } };
    const path = `${replicas[0].url}/v1/operator/batches/${id}/retry`;
    expect((await fetch(path, asked)).status).toBe(403);
    const tries = await Promise.all([1, 2, 3].map(() => fetch(path, { ...asked, ...asOperator })));
    expect(tries.map(({ status }) => status).toSorted()).toEqual([200, 409, 409]); // pressed three times: tried again once
    const again = await tries.find(({ ok }) => ok)!.json();
    const batch = await ended(client, again.id);
    expect(batch).toMatchObject({ metadata: { retry_of: id }, request_counts: { total: 1, failed: 1 } });
    expect(failed.request_counts).toEqual({ total: 2, completed: 1, failed: 1 });
    const page = await fetch(`${replicas[0].url}/operator`);
    expect(await page.text()).not.toContain(id);
    await worker.close(1000);
  }, 60_000);

  test('a worker that has to leave rows keeps them from nobody who may answer them', async () => {
    const jobs = await openJobs();
    const work = { ...replicas[0].server.queueWork(jobs.store), knows: () => false, onError: () => {} };
    const leaving = new RowWorker(jobs, work, { parallel: 8, leaseSeconds: 2 });
    const worker = await startWorker();
    const client = clientOf('one');
    const began = performance.now();
    const { id } = await begin(
      client,
      Array.from({ length: 40 }, (_, i) => line(i)),
    );
    expect(await ended(client, id)).toMatchObject({ request_counts: { completed: 40 } });
    expect(performance.now() - began).toBeLessThan(28_000); // a row that was left once waited for 30 s
    await Promise.all([leaving, worker].map((one) => one.close(1000)));
  }, 120_000);

  test('rows that every worker leaves are no secret: operators see why, end the batch, and its rows leave the queue', async () => {
    const jobs = await openJobs();
    const work = { ...replicas[0].server.queueWork(jobs.store), knows: () => false, onError: () => {} };
    const worker = new RowWorker(jobs, work, { parallel: 4, leaseSeconds: 2 });
    const client = clientOf('one');
    const { id } = await begin(client, [line(1), line(2)]);
    const asOperator = { headers: { authorization: 'Bearer operator' } };
    const look = async () => (await fetch(`${replicas[0].url}/v1/operator/jobs`, asOperator)).json();
    let seen = await look();
    for (; !seen.workers.some(({ leaves }: { leaves: string[] }) => leaves.length > 0); seen = await look())
      await sleep(100);
    expect(seen.workers).toMatchObject([{ leaves: ['unknown_key'] }]);
    expect(seen).toMatchObject({
      waiting: 2,
      batches: [{ id, status: 'in_progress', total: 2, completed: 0, failed: 0 }],
    });
    const metrics = await (await fetch(`${replicas[1].url}/metrics`, asOperator)).text();
    expect(metrics).toContain('onebit_jobs_workers_leaving{reason="unknown_key"} 1');
    await worker.close(1000);
    const path = `${replicas[1].url}/v1/operator/batches/${id}/cancel`;
    expect((await fetch(path, { method: 'POST', headers: { authorization: 'Bearer two' } })).status).toBe(403);
    expect((await fetch(path, { method: 'POST', ...asOperator })).status).toBe(200);
    expect(await ended(client, id)).toMatchObject({ status: 'cancelled' });
    expect(await look()).toMatchObject({ waiting: 0, batches: [] });
  }, 60_000);

  test("rows whose jobs are gone come again, though another batch's rows wait for a model that nobody has", async () => {
    const client = clientOf('one');
    const { id } = await begin(client, [line(1), line(2)]);
    const { place } = opened[0];
    for (;;) {
      const found = await place.client.keys('{onebit}:onebit-rows-*');
      if (found.some((key) => key.includes(id))) {
        await place.client.del(...found);
        await opened[0].queues.addRows('away', [{ batch: 'batch_other', line: 0, from: 0, to: 1 }], 10);
        await place.client.sadd('{onebit}:queues', 'away');
        break;
      }
      await sleep(20);
    }
    const worker = await startWorker();
    expect(await ended(client, id)).toMatchObject({ status: 'completed', request_counts: { completed: 2 } });
    await opened[0].queues.dropRows('away', 'batch_other', [0]);
    await worker.close(1000);
  }, 60_000);

  test('a row during which eight workers ended is set aside', async () => {
    const client = clientOf('one');
    const { id } = await begin(client, [line(1), line(2)]);
    const { place } = opened[0];
    const jobs = `{onebit}:onebit-rows-*:${id}-*`; // BullMQ counts in `stc` the workers whose lease ran out
    let found: string[] = [];
    for (; found.length < 2; await sleep(20))
      found = (await place.client.keys(jobs)).filter((key) => /-\d+$/.test(key));
    await place.client.hset(found.find((key) => key.endsWith('-0'))!, 'stc', 8);
    await place.client.hset(found.find((key) => key.endsWith('-1'))!, 'stc', 7);
    const worker = await startWorker();
    const batch = await ended(client, id);
    expect(batch.request_counts).toEqual({ total: 2, completed: 1, failed: 1 });
    const [aside] = await linesOf(client, batch.error_file_id);
    expect(aside).toMatchObject({ custom_id: 'row-1', response: { body: { error: { code: 'row_set_aside' } } } });
    await worker.close(1000);
  }, 60_000);

  test('Redis ends and comes back: what was accepted is done, what cannot be accepted says 503', async () => {
    const worker = await startWorker(1);
    const client = clientOf('one');
    const { id } = await begin(
      client,
      Array.from({ length: 120 }, (_, i) => line(i)),
    );
    await sleep(100);
    await redis.kill();
    const refused = await replicas[0].post('/v1/batches', {}, { authorization: 'Bearer one' });
    expect(refused.status).toBe(400); // what is wrong is said all the same
    const file = { input_file_id: 'file-1', endpoint: chat, completion_window: '24h' };
    const away = await replicas[0].post('/v1/batches', file, { authorization: 'Bearer one' });
    expect([away.status, away.headers.get('retry-after')]).toEqual([503, '5']);
    const answer = await client.chat.completions.create(line(1).body as never);
    expect(answer.choices).toHaveLength(1); // people who need nothing of Redis notice nothing
    await redis.start();
    const batch = await ended(client, id);
    expect(batch).toMatchObject({ status: 'completed', request_counts: { total: 120, completed: 120 } });
    const found = (await linesOf(client, batch.output_file_id)).map(({ custom_id }) => custom_id);
    expect(found).toEqual(Array.from({ length: 120 }, (_, i) => `row-${i}`));
    await worker.close(1000);
  }, 120_000);

  test('Sentinels that know no users name the master of a Redis that does', async () => {
    const own = await startRedis(['--user', 'worker', 'on', '>secret', '~*', '&*', '+@all']);
    const sentinel = await startSentinel(own.port);
    const url = `redis+sentinel://worker:secret@127.0.0.1:${sentinel.port}/main`;
    try {
      const place = await RedisPlace.open({ url, sentinel: { password: '' } });
      expect(await place.run((client) => client.acl('WHOAMI'))).toBe('worker');
      place.close();
      await expect(RedisPlace.open({ url })).rejects.toThrow(/ONEBIT_SENTINEL_PASSWORD/);
    } finally {
      await sentinel.stop();
      await own.stop();
    }
  }, 60_000);
});

test('--redis-ca with an address without TLS is refused, before a password is sent', async () => {
  const signal = new AbortController().signal;
  for (const flags of [{ jobs: 'redis://127.0.0.1:1' }, { state: 'redis://127.0.0.1:1' }, { jobs: '/tmp' }, {}]) {
    await expect(openInRedis({ redisCa: '/none', ...flags }, signal)).rejects.toThrow(/must begin with rediss/);
  }
});

test('addresses of Redis say what they say, and errors never show them', () => {
  const login = { username: 'u', password: 'p:@' };
  expect(parseAddress({ url: 'rediss://u:p%3A%40@a:1/2', ca: 'PEM' })).toMatchObject({
    ...{ kind: 'single', nodes: [{ host: 'a', port: 1 }], options: { ...login, db: 2, tls: { ca: 'PEM' } } },
  });
  expect(parseAddress({ url: 'redis://[::1]', password: 'x' })).toMatchObject({
    ...{ nodes: [{ host: '::1', port: 6379 }], options: { password: 'x', db: 0 } },
  });
  expect(parseAddress({ url: 'redis+sentinel://a,b:2/main/3' })).toMatchObject({
    ...{ kind: 'sentinel', master: 'main', options: { db: 3 } },
    nodes: [
      { host: 'a', port: 26379 },
      { host: 'b', port: 2 },
    ],
  });
  expect(parseAddress({ url: 'redis+cluster://a,b:2' })).toMatchObject({ kind: 'cluster' });
  for (const url of [
    'http://a',
    'redis://',
    'redis://:geheim@a,b',
    'redis+cluster://:geheim@a/1',
    'redis+sentinel://a',
    'redis://a/x',
  ]) {
    expect(() => parseAddress({ url })).toThrow(/^redis: the address must be(?!.*geheim)/);
  }
});
