import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { OnebitError } from '../errors.ts';
import { type DownloadState, download, type PartialFile } from './download.ts';

const bytes = Uint8Array.from({ length: 5000 }, (_, i) => (i * 7) % 251);
const sha256 = createHash('sha256').update(bytes).digest('hex');
const target = { name: 'm.gguf', url: 'https://models.test/m.gguf', sha256 };

/** A file in memory with room for so many bytes, that takes at most `most` of each piece. */
class MemoryFile implements PartialFile {
  readonly what = 'download m.gguf';
  readonly seesAllHeaders = true;
  left: { bytes: number; state: DownloadState } = { bytes: 0, state: {} };
  content = new Uint8Array(0);
  finished: DownloadState | undefined;
  discarded = 0;
  room: number;
  most: number;

  constructor(room = Number.POSITIVE_INFINITY, most = Number.POSITIVE_INFINITY) {
    this.room = room;
    this.most = most;
  }
  hashing() {
    const hash = createHash('sha256');
    return { update: (piece: Uint8Array) => void hash.update(piece), digest: () => hash.digest('hex') };
  }
  read(piece: Uint8Array, offset: number): number {
    const found = this.content.subarray(offset, offset + piece.length);
    piece.set(found);
    return found.length;
  }
  write(piece: Uint8Array, offset: number): number {
    const count = Math.min(piece.length, this.most, this.room - offset);
    const grown = new Uint8Array(offset + count);
    grown.set(this.content.subarray(0, offset));
    grown.set(piece.subarray(0, count), offset);
    this.content = grown;
    return count;
  }
  clear(): void {
    this.content = new Uint8Array(0);
  }
  async freeBytes(): Promise<undefined> {
    return undefined;
  }
  async record(): Promise<void> {}
  isFull(): boolean {
    return true;
  }
  full(kept: number, missing: number | undefined): OnebitError {
    return new OnebitError('io', `full: ${kept} kept, ${missing} missing`);
  }
  failed(cause: unknown): OnebitError {
    return new OnebitError('io', String(cause));
  }
  async finish(state: DownloadState): Promise<void> {
    this.finished = state;
  }
  async discard(): Promise<void> {
    this.discarded++;
    this.clear();
  }
}

/** A server that sends what is asked for in pieces of 1,000 bytes. */
const fetch: typeof globalThis.fetch = async (_, init) => {
  const from = Number(/^bytes=(\d+)-/.exec(new Headers(init?.headers).get('range') ?? '')?.[1] ?? 0);
  let at = from;
  const body = new ReadableStream({
    pull(controller) {
      if (at === bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, Math.min(at + 1000, bytes.length)));
      at = Math.min(at + 1000, bytes.length);
    },
  });
  const headers = { 'content-length': String(bytes.length - from), etag: '"1"' };
  if (from === 0) return new Response(body, { headers });
  const range = `bytes ${from}-${bytes.length - 1}/${bytes.length}`;
  return new Response(body, { status: 206, headers: { ...headers, 'content-range': range } });
};

test('a place that takes only a part of each piece gets the rest', async () => {
  const file = new MemoryFile(Number.POSITIVE_INFINITY, 300);
  await download(file, target, { fetch });
  expect([file.finished, Buffer.compare(file.content, bytes)]).toEqual([{ etag: '"1"', sizeBytes: 5000, sha256 }, 0]);
});

test('a place that takes no more is full, says so, and what it has is gone on from', async () => {
  const file = new MemoryFile(2300);
  await expect(download(file, target, { fetch })).rejects.toThrow('full: 2000 kept, 3000 missing');
  expect([file.finished, file.discarded, file.content.length]).toEqual([undefined, 0, 2300]);
  file.room = Number.POSITIVE_INFINITY;
  file.left = { bytes: 2300, state: { etag: '"1"', sizeBytes: 5000 } };
  await download(file, target, { fetch });
  expect(file.finished?.sha256).toBe(sha256);
});

test('an abort is heard while what is there is hashed, also where reading takes no time', async () => {
  const file = new MemoryFile();
  file.content = new Uint8Array(5 << 20);
  file.left = { bytes: 5 << 20, state: {} };
  const stop = new AbortController();
  setImmediate(() => stop.abort(new Error('enough')));
  const { sha256: _, ...unchecked } = target;
  await expect(download(file, unchecked, { fetch, signal: stop.signal })).rejects.toThrow('enough');
});

test('the wrong bytes are not kept', async () => {
  const file = new MemoryFile();
  await expect(download(file, { ...target, sha256: '0'.repeat(64) }, { fetch })).rejects.toThrow(/need SHA-256 0{64}/);
  expect([file.discarded, file.finished]).toEqual([1, undefined]);
});
