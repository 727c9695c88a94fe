// Time, failures and interruptions of batches, without a model or HTTP.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { DiskStore } from '../bulk/disk-store.ts';
import { askedOf, type LineAnswer } from './batch-run.ts';
import { Jobs, type JobsOptions } from './jobs.ts';

const folder = mkdtempSync(join(tmpdir(), 'onebit-jobs-'));
afterAll(() => rmSync(folder, { recursive: true }));
let count = 0;
let clock = 1000;

async function jobsWith(
  answer: (body: number, attempt: number) => Promise<LineAnswer>,
  path = join(folder, `${count++}`),
  more: Partial<JobsOptions> = {},
) {
  const attempts = new Map<number, number>();
  const jobs = new Jobs({
    store: await DiskStore.open(path),
    endpoints: ['/v1/x'],
    onError: (error) => {
      throw error;
    },
    now: () => clock,
    answer: async (_, body) => {
      const { n } = body as { n: number };
      const attempt = (attempts.get(n) ?? 0) + 1;
      attempts.set(n, attempt);
      return answer(n, attempt);
    },
    ...more,
  });
  const begin = async (lines: number) => {
    const text = Array.from({ length: lines }, (_, n) =>
      JSON.stringify({ custom_id: `${n}`, method: 'POST', url: '/v1/x', body: { n } }),
    );
    const file = new Blob([text.join('\n')]);
    const { id } = await jobs.upload('me', { file, filename: 'x', purpose: 'batch', expiresSeconds: undefined });
    return jobs.create('me', { input_file_id: id, endpoint: '/v1/x', completion_window: '24h' });
  };
  const end = async (id: string) => {
    const isOver = async () =>
      ['completed', 'expired', 'cancelled', 'failed'].includes((await jobs.batch('me', id)).status);
    while (!(await isOver())) await new Promise((resolve) => setTimeout(resolve, 2));
    return jobs.batch('me', id);
  };
  const textOf = async (id?: string) => {
    let text = '';
    for await (const piece of await jobs.content('me', id!)) text += Buffer.from(piece).toString();
    return text
      .trim()
      .split('\n')
      .map((json) => JSON.parse(json));
  };
  return { jobs, begin, end, textOf, attempts, path };
}
const fine = (n: number): LineAnswer => ({ status: 200, requestId: 'r', body: n });
const busy: LineAnswer = { status: 429, requestId: 'r', body: {}, retrySeconds: 0.001 };

test('lines that found the server busy are tried until they are answered, failures of the server a few times', async () => {
  const broken: LineAnswer = { status: 500, requestId: 'r', body: { error: 'x' } };
  const { jobs, begin, end, textOf, attempts } = await jobsWith(async (n, attempt) => {
    if (n === 3 && attempt < 3) return broken;
    if (n === 1) return attempt < 8 ? busy : fine(n);
    return n === 2 ? broken : fine(n);
  });
  const batch = await end((await begin(4)).id);
  expect(batch).toMatchObject({ status: 'completed', completed: 3, failed: 1 });
  expect(attempts.get(1)).toBe(8);
  expect(attempts.get(2)).toBe(5);
  expect(await jobs.queue.stats()).toMatchObject({
    ...{ waiting: 0, running: 0, done: 4, failed: { status_500: 1 } },
    failures: [{ batch: batch.id, line: 2, reason: 'status_500' }],
  });
  expect(await textOf(batch.errorFileId)).toMatchObject([{ custom_id: '2', response: { status_code: 500 } }]);
}, 120_000);

test('a batch that is late ends with what it has, and says so of the rest', async () => {
  const { begin, end, textOf } = await jobsWith(async (n) => {
    if (n === 9) clock += 24 * 3600;
    return fine(n);
  });
  const batch = await end((await begin(100)).id);
  expect(batch.status).toBe('expired');
  const [output, errors] = [await textOf(batch.outputFileId), await textOf(batch.errorFileId)];
  expect(output.length + errors.length).toBe(100);
  expect(errors.at(-1)).toMatchObject({ custom_id: '99', response: null, error: { code: 'batch_expired' } });
  expect(batch).toMatchObject({ total: 100, completed: output.length, failed: errors.length });
});

test('ended in the midst it goes on, and lines that were answered are not asked again', async () => {
  let open = true;
  const first = await jobsWith(async (n) => {
    while (n >= 20 && open) await new Promise((resolve) => setTimeout(resolve, 1));
    return fine(n);
  });
  const { id } = await first.begin(50);
  while ((await first.jobs.batch('me', id)).completed < 20) await new Promise((resolve) => setTimeout(resolve, 1));
  const closing = first.jobs.close();
  open = false;
  await closing;
  const second = await jobsWith(async (n) => fine(n), first.path);
  const batch = await second.end(id);
  expect(batch).toMatchObject({ status: 'completed', completed: 50 });
  for (let n = 0; n < 20; n++) expect(second.attempts.has(n)).toBe(false);
  expect((await second.textOf(batch.outputFileId)).map(({ custom_id }) => custom_id)).toEqual(
    Array.from({ length: 50 }, (_, n) => `${n}`),
  );
});

/** A batch of ten lines of which the first are answered, and the folder where the rest waits. */
async function halfDone(more: Partial<JobsOptions>) {
  let open = true;
  const first = await jobsWith(
    async (n) => {
      while (n >= 5 && open) await new Promise((resolve) => setTimeout(resolve, 1));
      return open ? fine(n) : busy;
    },
    undefined,
    more,
  );
  const { id } = await first.begin(10);
  while ((await first.jobs.batch('me', id)).completed < 5) await new Promise((resolve) => setTimeout(resolve, 1));
  const closing = first.jobs.close();
  open = false;
  await closing;
  return { id, path: first.path };
}

test('started again without the key, the model, the mark or the policy of a batch, a server leaves its lines, says so, and answers them when it has them', async () => {
  const rules = { watermark: 'one', policy: 'p' };
  const { id, path } = await halfDone({ rulesFor: () => rules, modelFor: () => 'one' });
  for (const [more, leaves] of [
    [{ models: () => ['two'], rulesFor: () => rules }, ['model']],
    [{ knows: () => false, rulesFor: () => rules }, ['unknown_key']],
    [{ rulesFor: () => ({ ...rules, watermark: 'two' }) }, ['watermark']],
    [{ rulesFor: () => undefined }, ['watermark', 'policy']],
  ] as const) {
    const told: string[] = [];
    const onError = (error: unknown) => told.push(String(error));
    const other = await jobsWith(async (n) => fine(n), path, { ...more, onError });
    const { end, begin, jobs } = other;
    const takesMore = !('knows' in more || 'models' in more);
    if (takesMore) await end((await begin(1)).id); // what is taken now is answered
    await vi.waitFor(async () => expect(await jobs.queue.stats()).toMatchObject({ waiting: 5, workers: [{ leaves }] }));
    expect(told).toHaveLength(leaves.length);
    expect(other.attempts.size).toBe(takesMore ? 1 : 0);
    expect(await jobs.batch('me', id)).toMatchObject({ status: 'in_progress', completed: 5 });
    await jobs.close();
  }
  const last = await jobsWith(async (n) => fine(n), path, { rulesFor: () => rules });
  expect(await last.end(id)).toMatchObject({ status: 'completed', completed: 10 });
  expect((await last.jobs.queue.stats()).workers).toMatchObject([{ leaves: [] }]);
  await last.jobs.close();
});

test('a batch that is left can be cancelled, and expires', async () => {
  for (const how of ['cancelled', 'expired']) {
    const { id, path } = await halfDone({});
    const { jobs, end, begin } = await jobsWith(async (n) => fine(n), path, {
      ...{ knows: (owner) => owner === 'you', onError: () => {} },
    });
    if (how === 'cancelled') await jobs.cancel('me', id);
    else {
      clock += 24 * 3600;
      await begin(1); // or a minute later
    }
    expect(await end(id)).toMatchObject({ status: how, completed: 5 });
    await jobs.close();
  }
});

test('lines that name no model are for the one that was the first when the batch was taken', async () => {
  const { id, path } = await halfDone({ modelFor: () => 'one' });
  const asked: unknown[] = [];
  const { end, jobs } = await jobsWith(async (n) => fine(n), path, {
    modelFor: () => 'two',
    answer: async (_, body) => {
      asked.push(body);
      return fine(0);
    },
  });
  await end(id);
  expect(asked).toEqual([5, 6, 7, 8, 9].map((n) => ({ n, model: 'one' })));
  expect(askedOf({ model: 'one' }, { model: null })).toEqual({ model: 'one' });
  expect(askedOf({ model: 'one' }, { model: 'x' })).toEqual({ model: 'x' });
  expect(askedOf({}, { n: 1 })).toEqual({ n: 1 });
  await jobs.close();
});

test('a batch that waits behind another of its owner can be cancelled before it begins', async () => {
  let open = true;
  const { jobs, begin, end } = await jobsWith(async (n) => {
    while (open) await new Promise((resolve) => setTimeout(resolve, 1));
    return fine(n);
  });
  const [one, two] = [await begin(3), await begin(3)];
  await jobs.cancel('me', two.id);
  open = false;
  expect(await end(two.id)).toMatchObject({ status: 'cancelled', completed: 0 });
  expect(await end(one.id)).toMatchObject({ status: 'completed', completed: 3 });
});

test('files go when they expire', async () => {
  const { jobs } = await jobsWith(async (n) => fine(n));
  const { id } = await jobs.upload('me', {
    file: new Blob(['x']),
    filename: 'x',
    purpose: 'batch',
    expiresSeconds: 3600,
  });
  expect((await jobs.file('me', id)).expiresAt).toBe(clock + 3600);
  clock += 3600;
  await expect(jobs.file('me', id)).rejects.toThrow(/no such file/);
});

test('a line whose JSON is too large to be parsed in one go fails the batch with its number, unparsed', async () => {
  const { jobs, end } = await jobsWith(async () => ({ status: 200, requestId: 'r', body: {} }));
  const fine = JSON.stringify({ custom_id: 'a', method: 'POST', url: '/v1/x', body: { n: 1 } });
  for (const part of ['[],'.repeat(200_000), '['.repeat(100)]) {
    const file = new Blob([`${fine}\n{"custom_id":"b","body":[${part}`]); // no JSON at all: whoever parses it says so
    const { id } = await jobs.upload('me', { file, filename: 'x', purpose: 'batch', expiresSeconds: undefined });
    const batch = await end(
      (await jobs.create('me', { input_file_id: id, endpoint: '/v1/x', completion_window: '24h' })).id,
    );
    expect(batch.status).toBe('failed');
    expect(batch.errors[0].message).toMatch(
      /row 2 must be a JSON object, got one that is too large: The body's JSON must (?!.*\.\.).*\. Correct the line\.$/,
    );
  }
  await jobs.close();
});
