// Reading a model over HTTP ranges from a local server that misbehaves in every way that networks do.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type HttpSourceOptions, httpSource } from '../src/bytes/http-source.ts';
import { Random } from '../src/core/random.ts';
import { HubServer } from './hub-server.ts';

const SIZE = 3_000_000;
const model = Uint8Array.from({ length: SIZE }, (_, i) => (i * 31) ^ (i >> 9));
let hub: HubServer;

beforeEach(async () => {
  hub = await HubServer.start();
  hub.add('a/b', 'm.gguf', model);
});

afterEach(() => hub.stop());

function openSource(options: HttpSourceOptions = {}) {
  return httpSource(hub.fileUrl('a/b', 'm.gguf'), { retryDelayMs: 10, ...options });
}

function sameBytes(got: Uint8Array, offset: number): boolean {
  return Buffer.compare(got, model.subarray(offset, offset + got.length)) === 0;
}

test('reads random ranges, several at once, also into shared memory', async () => {
  const source = await openSource();
  expect(source.size).toBe(SIZE);
  expect(source.name).not.toContain('signature');
  const random = new Random(1);
  const reads = Array.from({ length: 20 }, async () => {
    const offset = random.below(SIZE);
    const length = random.below(Math.min(SIZE - offset, 200_000));
    const target = new Uint8Array(new SharedArrayBuffer(length + 10), 5, length);
    await source.readInto(target, offset);
    return sameBytes(Uint8Array.from(target), offset);
  });
  expect(await Promise.all(reads)).toEqual(new Array(20).fill(true));
  await source.readInto(new Uint8Array(0), SIZE);
  await expect(source.readInto(new Uint8Array(2), SIZE - 1)).rejects.toMatchObject({ code: 'bad-file' });
  await source.close();
  await expect(source.readInto(new Uint8Array(1), 0)).rejects.toMatchObject({ code: 'disposed' });
});

test('goes on where a connection broke or fell silent, and through 503', async () => {
  const source = await openSource({ stallMs: 150 });
  hub.cuts = [500_000, 100_000];
  hub.fileStatuses = [{ status: 503 }];
  const target = new Uint8Array(SIZE - 7);
  await source.readInto(target, 7);
  expect(sameBytes(target, 7)).toBe(true);
  hub.stalls = [1_000_000];
  target.fill(0);
  await source.readInto(target, 7);
  expect(sameBytes(target, 7)).toBe(true);
  expect(hub.fileRequests.at(-1)?.headers.range).toBe(`bytes=1000007-${SIZE - 1}`);
});

test('gives up after a few breaks without progress', async () => {
  const source = await openSource();
  hub.cuts = new Array(20).fill(0);
  const before = hub.fileRequests.length;
  await expect(source.readInto(new Uint8Array(1000), 0)).rejects.toMatchObject({ code: 'network' });
  expect(hub.fileRequests.length - before).toBe(5);
});

describe('a file that changes while it is open is an error', () => {
  test.each([
    ['same size, other ETag', true, SIZE],
    ['no ETag, other size', false, SIZE + 1],
    ['shrunk', true, 100],
  ])('%s', async (_, etags, size) => {
    hub.etags = etags;
    const source = await openSource();
    hub.add('a/b', 'm.gguf', new Uint8Array(size).fill(1));
    const error = await source.readInto(new Uint8Array(1000), 5000).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'network' });
    expect(error.message).toMatch(/Open the file again/);
  });

  test('in the middle of a read that broke off', async () => {
    const source = await openSource();
    hub.cuts = [1_000_000];
    const read = source.readInto(new Uint8Array(SIZE), 0);
    while (hub.fileRequests.length < 2) await new Promise((done) => setTimeout(done, 2));
    hub.add('a/b', 'm.gguf', new Uint8Array(SIZE).fill(1));
    await expect(read).rejects.toThrow(/another version/);
  });
});

test('a server without ranges is read whole into memory up to the limit', async () => {
  hub.ranges = false;
  hub.cuts = [1_000_000];
  const source = await openSource();
  expect(hub.fileRequests.length).toBe(2);
  const target = new Uint8Array(5000);
  await source.readInto(target, 77);
  expect(sameBytes(target, 77)).toBe(true);
  expect(hub.fileRequests.length).toBe(2);
  await expect(openSource({ maxWholeBytes: SIZE - 1 })).rejects.toThrow(/no byte ranges.*Download it first/);
});

test('follows redirects once, and again when the address has expired, without showing our headers elsewhere', async () => {
  const url = `${hub.url}/a/b/resolve/main/m.gguf`;
  const source = await httpSource(url, { headers: { authorization: 'Bearer x' }, retryDelayMs: 10 });
  const target = new Uint8Array(5000);
  await source.readInto(target, 0);
  await source.readInto(target, 100);
  expect(hub.apiRequests.length).toBe(1);
  hub.signature = 'two';
  await source.readInto(target, 200);
  expect(sameBytes(target, 200)).toBe(true);
  expect(hub.apiRequests.length).toBe(2);
  await source.readInto(target, 300);
  expect(hub.apiRequests.length).toBe(2);
  expect(hub.apiRequests.every((request) => request.headers.authorization === 'Bearer x')).toBe(true);
  expect(hub.fileRequests.every((request) => request.headers.authorization === undefined)).toBe(true);
});

test('a browser that hides Content-Range learns the size by HEAD', async () => {
  const hiding: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    const headers = new Headers(response.headers);
    headers.delete('content-range');
    return new Response(response.body, { status: response.status, headers });
  };
  const source = await openSource({ fetch: hiding });
  expect(source.size).toBe(SIZE);
  const target = new Uint8Array(500);
  await source.readInto(target, 1234);
  expect(sameBytes(target, 1234)).toBe(true);
});

test('an abort ends opening, reading and waiting at once with its reason', async () => {
  const reason = new Error('enough');
  await expect(openSource({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  const ownStop = new AbortController();
  const source = await openSource({ signal: ownStop.signal });
  hub.stalls = [1000];
  const stop = new AbortController();
  const read = source.readInto(new Uint8Array(SIZE), 0, stop.signal);
  setTimeout(() => stop.abort(reason), 50);
  await expect(read).rejects.toBe(reason);
  hub.fileStatuses = [{ status: 429, headers: { 'retry-after': '30' } }];
  const waiting = source.readInto(new Uint8Array(SIZE), 0);
  setTimeout(() => ownStop.abort(reason), 50);
  await expect(waiting).rejects.toBe(reason);
});

test('an empty file, a missing one, a refused one, and what is no URL', async () => {
  hub.add('a/b', 'empty.gguf', new Uint8Array(0));
  expect((await httpSource(hub.fileUrl('a/b', 'empty.gguf'))).size).toBe(0);
  await expect(httpSource(hub.fileUrl('a/b', 'none.gguf'))).rejects.toThrow(/answered 404/);
  hub.fileStatuses = [{ status: 401 }];
  const error = await openSource().catch((reason) => reason);
  expect(error.message).toMatch(/answered 401/);
  expect(error.message).not.toContain('signature');
  for (const url of ['ftp://example.com/x', 'x.gguf']) {
    await expect(httpSource(url)).rejects.toMatchObject({ code: 'bad-argument' });
  }
});

test('a host that does not exist or a closed port fails at once', async () => {
  const url = hub.fileUrl('a/b', 'm.gguf');
  await hub.stop();
  const start = Date.now();
  await expect(httpSource(url)).rejects.toThrow(/connection failed/);
  expect(Date.now() - start).toBeLessThan(400);
});
