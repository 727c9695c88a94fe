import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fileSource } from './file-source.ts';

const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 7) ^ (i >> 8));
let folder: string;
let path: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'onebit-file-'));
  path = join(folder, 'model.gguf');
  await writeFile(path, bytes);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

test('reads any range, into a view in the middle of a buffer and into shared memory', async () => {
  const source = await fileSource(path);
  expect(source).toMatchObject({ name: path, size: bytes.length });
  const shared = new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true }).buffer;
  for (const target of [new Uint8Array(2000).subarray(100, 1100), new Uint8Array(shared, 128, 1000)]) {
    await source.readInto(target, 4321);
    expect([...target]).toEqual([...bytes.subarray(4321, 5321)]);
  }
  expect(new Uint8Array(shared)[127] + new Uint8Array(shared)[1128]).toBe(0);
  await source.readInto(new Uint8Array(0), bytes.length);
  await source.close();
});

test('refuses a range past the end, also when the file was cut after opening', async () => {
  const source = await fileSource(path);
  await expect(source.readInto(new Uint8Array(2), bytes.length - 1)).rejects.toMatchObject({ code: 'bad-file' });
  await expect(source.readInto(new Uint8Array(2), -1)).rejects.toMatchObject({ code: 'bad-file' });
  await expect(source.readInto(new Uint8Array(2), Number.NaN)).rejects.toMatchObject({ code: 'bad-file' });
  await truncate(path, 50);
  await expect(source.readInto(new Uint8Array(100), 0)).rejects.toThrow(/need bytes 0\.\.100 .* it has 50/);
  await source.close();
  await writeFile(path, bytes);
});

test('says what is wrong with a path', async () => {
  await expect(fileSource(join(folder, 'none.gguf'))).rejects.toMatchObject({ code: 'io' });
  await expect(fileSource(join(folder, 'none.gguf'))).rejects.toThrow(/none\.gguf: there is no such file/);
  await expect(fileSource(folder)).rejects.toThrow(/it is a directory/);
  await expect(fileSource(join(path, 'x'))).rejects.toThrow(/not a directory/);
  await expect(fileSource('/dev/null')).rejects.toMatchObject({ code: 'io' });
});

test('an aborted signal ends a read with its reason, a closed source says so, closing twice is fine', async () => {
  const source = await fileSource(path);
  const reason = new Error('enough');
  await expect(source.readInto(new Uint8Array(10), 0, AbortSignal.abort(reason))).rejects.toBe(reason);
  await source.close();
  await source.close();
  await expect(source.readInto(new Uint8Array(10), 0)).rejects.toMatchObject({ code: 'disposed' });
});
