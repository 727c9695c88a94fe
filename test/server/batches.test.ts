// Files and batches as the official client of OpenAI uses them, over a folder on disk.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DiskStore } from '../../src/bulk/disk-store.ts';
import { hashKey } from '../../src/server/keys.ts';
import { type StartedServer, startServer, until } from './started-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'onebit-jobs-'));
let started: StartedServer;
const openJobs = () => DiskStore.open(folder);
const keys = ['one', 'two'].map(async (name) => ({ name, sha256: await hashKey(name) }));
const start = async () => startServer({ openJobs, keys: await Promise.all(keys) });
const clientOf = (apiKey: string) => new OpenAI({ apiKey, baseURL: `${started.url}/v1`, maxRetries: 0 });

beforeAll(async () => {
  started = await start();
});
afterAll(async () => {
  await started.stop();
  rmSync(folder, { recursive: true });
});

const chat = '/v1/chat/completions';
const line = (i: number, more: object = {}) => ({
  custom_id: `row-${i}`,
  method: 'POST',
  url: chat,
  body: { messages: [{ role: 'user', content: `Row ${i}` }], max_tokens: 3, temperature: 0, ...more },
});
const upload = (client: OpenAI, lines: readonly object[]) => {
  const text = lines.map((value) => JSON.stringify(value)).join('\n');
  return toFile(Buffer.from(text), 'in.jsonl').then((file) => client.files.create({ file, purpose: 'batch' }));
};
const begin = async (client: OpenAI, lines: readonly object[]) => {
  const { id } = await upload(client, lines);
  return client.batches.create({
    input_file_id: id,
    endpoint: chat,
    completion_window: '24h',
    metadata: { order: '7' },
  });
};
const ended = async (client: OpenAI, id: string) => {
  for (;;) {
    const batch = await client.batches.retrieve(id);
    if (['completed', 'failed', 'cancelled', 'expired'].includes(batch.status)) return batch;
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

test('files are uploaded, listed, read and removed by their owner alone', async () => {
  const [client, other] = [clientOf('one'), clientOf('two')];
  const file = await upload(client, [line(1)]);
  expect(file).toMatchObject({ object: 'file', purpose: 'batch', filename: 'in.jsonl', status: 'processed' });
  expect((await client.files.list()).data.map(({ id }) => id)).toContain(file.id);
  expect((await other.files.list()).data).toEqual([]);
  expect(await linesOf(client, file.id)).toEqual([line(1)]);
  for (const asked of [
    () => other.files.retrieve(file.id),
    () => other.files.content(file.id),
    () => other.files.delete(file.id),
    () => other.batches.create({ input_file_id: file.id, endpoint: chat, completion_window: '24h' }),
  ]) {
    await expect(asked()).rejects.toMatchObject({ status: 404 });
  }
  expect(await client.files.delete(file.id)).toEqual({ id: file.id, object: 'file', deleted: true });
  await expect(client.files.retrieve(file.id)).rejects.toMatchObject({ status: 404 });
  expect(readdirSync(join(folder, 'files'))).toEqual([]);
  const form = new FormData();
  form.set('purpose', 'batch');
  const headers = { authorization: 'Bearer one' };
  for (const body of [form, 'x', JSON.stringify({})]) {
    const answer = await fetch(`${started.url}/v1/files`, { method: 'POST', body, headers });
    expect([400, 415]).toContain(answer.status);
  }
});

test('what is said of expiry, of pages and of metadata is kept to or refused, never passed over', async () => {
  const client = clientOf('one');
  const hour = { anchor: 'created_at', seconds: 3600 } as const;
  const put = async (more: object) =>
    client.files.create({ file: await toFile(Buffer.from('x'), 'x'), purpose: 'batch', ...more });
  const kept = await put({ expires_after: hour });
  expect(kept.expires_at).toBe(kept.created_at + 3600);
  for (const expires_after of [
    { ...hour, anchor: 'last_active_at' },
    { anchor: 'created_at' },
    { seconds: 3600 },
    '1h',
  ])
    await expect(put({ expires_after })).rejects.toMatchObject({ status: 400, param: 'expires_after' });
  const other = await put({});
  expect((await client.files.list({ limit: 1, after: other.id })).data).toMatchObject([{ id: kept.id }]);
  await client.files.delete(other.id);
  await expect(client.files.list({ limit: 1, after: other.id })).rejects.toMatchObject({ status: 400, param: 'after' });
  const metadata = Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`key-${i}`, 'x']));
  const many = { input_file_id: kept.id, endpoint: chat, completion_window: '24h', metadata } as const;
  await expect(client.batches.create(many)).rejects.toMatchObject({ status: 400, param: 'metadata' });
  await client.files.delete(kept.id);
});

test('the files of an owner are bounded together; what is deleted makes room', async () => {
  const limits = { filesBytes: 1000 };
  const other = mkdtempSync(join(tmpdir(), 'onebit-jobs-'));
  const server = await startServer({ openJobs: () => DiskStore.open(other), keys: await Promise.all(keys), limits });
  const [one, two] = ['one', 'two'].map((apiKey) => new OpenAI({ apiKey, baseURL: `${server.url}/v1`, maxRetries: 0 }));
  const put = async (client: OpenAI) =>
    client.files.create({ file: await toFile(Buffer.alloc(400), 'x'), purpose: 'batch' });
  await put(one);
  const { id } = await put(one);
  await expect(put(one)).rejects.toMatchObject({ status: 413, code: 'too_many_files' });
  await put(two);
  await one.files.delete(id);
  await put(one);
  await server.stop();
  rmSync(other, { recursive: true });
});

test('a batch answers every line as its request would be answered, in order, errors apart', async () => {
  const client = clientOf('one');
  const lines = [line(0), line(1, { temperature: 'hot' }), line(2), line(3, { model: 'none' }), line(4)];
  const created = await begin(client, lines);
  expect(created).toMatchObject({ object: 'batch', status: 'validating', metadata: { order: '7' }, errors: null });
  const batch = await ended(client, created.id);
  expect(batch).toMatchObject({ status: 'completed', request_counts: { total: 5, completed: 3, failed: 2 } });
  const output = await linesOf(client, batch.output_file_id);
  expect(output.map(({ custom_id }) => custom_id)).toEqual(['row-0', 'row-2', 'row-4']);
  const direct = await client.chat.completions.create(line(2).body as never);
  expect(output[1]).toMatchObject({
    error: null,
    response: {
      status_code: 200,
      body: { object: 'chat.completion', choices: direct.choices, usage: { completion_tokens: 3 } },
    },
  });
  const errors = await linesOf(client, batch.error_file_id);
  expect(errors.map(({ custom_id, response }) => [custom_id, response.status_code])).toEqual([
    ['row-1', 400],
    ['row-3', 404],
  ]);
  expect((await client.batches.list({ limit: 1 })).data).toHaveLength(1);
  await expect(clientOf('two').batches.retrieve(batch.id)).rejects.toMatchObject({ status: 404 });
  await expect(client.batches.cancel(batch.id)).rejects.toMatchObject({ status: 409 });
  expect(readdirSync(join(folder, 'results'))).toEqual([]);
});

test('a batch larger than what its key may ask a minute keeps nobody from asking, looking and cancelling', async () => {
  const other = mkdtempSync(join(tmpdir(), 'onebit-jobs-'));
  const slow = { ...(await keys[0]), requestsPerMinute: 20 };
  const server = await startServer({ openJobs: () => DiskStore.open(other), keys: [slow] });
  const client = new OpenAI({ apiKey: 'one', baseURL: `${server.url}/v1`, maxRetries: 0 });
  const { id } = await begin(
    client,
    Array.from({ length: 30 }, (_, i) => line(i)),
  );
  await new Promise((resolve) => setTimeout(resolve, 2000));
  expect((await client.batches.retrieve(id)).status).toBe('in_progress');
  await client.chat.completions.create(line(0).body as never);
  expect((await client.batches.cancel(id)).status).toBe('cancelling');
  await server.stop();
  rmSync(other, { recursive: true });
});

test('an input that is wrong fails with its lines, and nothing is answered', async () => {
  const client = clientOf('one');
  const cases: [object[], string, number | null][] = [
    [[line(1), line(1)], 'duplicate_custom_id', 2],
    [[{ ...line(1), url: '/v1/embeddings' }], 'mismatched_url', 1],
    [[line(1, { stream: true })], 'invalid_body', 1],
    [[line(1), [1] as object], 'invalid_json_line', 2],
  ];
  for (const [lines, code, at] of cases) {
    const batch = await ended(client, (await begin(client, lines)).id);
    expect(batch).toMatchObject({ status: 'failed', errors: { data: [{ code, line: at }] }, output_file_id: null });
  }
});

test('a cancelled batch keeps what it has answered', async () => {
  const client = clientOf('one');
  const { id } = await begin(
    client,
    Array.from({ length: 200 }, (_, i) => line(i, { max_tokens: 40 })),
  );
  let completed = 0;
  while (completed === 0) completed = (await client.batches.retrieve(id)).request_counts!.completed;
  expect((await client.batches.cancel(id)).status).toMatch(/^cancel/);
  const batch = await ended(client, id);
  expect(batch.status).toBe('cancelled');
  const output = await linesOf(client, batch.output_file_id);
  expect(output.length).toBe(batch.request_counts!.completed);
  expect(output.length).toBeLessThan(200);
});

test('a restart goes on: every line is answered once, in order', async () => {
  const { id } = await begin(
    clientOf('one'),
    Array.from({ length: 60 }, (_, i) => line(i)),
  );
  let completed = 0;
  while (completed < 5) completed = (await clientOf('one').batches.retrieve(id)).request_counts!.completed;
  await started.stop();
  expect(readdirSync(join(folder, 'results'))).toEqual([`${id}.journal`]);
  started = await start();
  const client = clientOf('one');
  const batch = await ended(client, id);
  expect(batch).toMatchObject({ status: 'completed', request_counts: { total: 60, completed: 60, failed: 0 } });
  const output = await linesOf(client, batch.output_file_id);
  expect(output.map(({ custom_id }) => custom_id)).toEqual(Array.from({ length: 60 }, (_, i) => `row-${i}`));
  await until(() => readdirSync(join(folder, 'results')).length === 0);
});

test('a second process does not get the folder', async () => {
  await expect(DiskStore.open(folder)).rejects.toThrow(/must be one process's own/);
});
