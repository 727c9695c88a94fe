import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { writeFileAtomically } from './file-write.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'onebit-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('the file appears whole under its name, and nothing else stays', async () => {
  const path = join(folder, 'm.gguf');
  await writeFileAtomically(path, async (append) => {
    const bytes = new Uint8Array([1, 2]);
    await append(bytes);
    bytes.fill(9);
    await append(bytes);
    await append(new Uint8Array(0));
    expect(readdirSync(folder)).not.toContain('m.gguf');
  });
  expect([...readFileSync(path)]).toEqual([1, 2, 9, 9]);
  expect(readdirSync(folder)).toEqual(['m.gguf']);
});

test('a failure leaves the earlier file as it was and throws what failed', async () => {
  const path = join(folder, 'm.gguf');
  writeFileSync(path, 'before');
  const failure = new Error('no more tensors');
  const attempt = writeFileAtomically(path, async (append) => {
    await append(new Uint8Array(10));
    throw failure;
  });
  await expect(attempt).rejects.toBe(failure);
  expect(readFileSync(path, 'utf8')).toBe('before');
  expect(readdirSync(folder)).toEqual(['m.gguf']);
});

test('a folder that is missing is an io error that names the path', async () => {
  const path = join(folder, 'missing', 'm.gguf');
  await expect(writeFileAtomically(path, async () => {})).rejects.toMatchObject({
    code: 'io',
    message: expect.stringContaining(`write ${path}: the disk must take the file, got ENOENT`),
  });
});

/** `FileHandle.prototype`, whose methods are to be watched. */
async function fileHandles(): Promise<FileHandle> {
  const handle = await open(folder, 'r');
  await handle.close();
  return Object.getPrototypeOf(handle);
}

test('bytes are written in small pieces, each in its place in whatever order they are taken, also where one is taken in part', async () => {
  const path = join(folder, 'm.gguf');
  const bytes = Uint8Array.from({ length: 5 << 17 }, (_, i) => (i * 31) >> 7);
  const handles = await fileHandles();
  const write = handles.write;
  const sizes: number[] = [];
  const spy = vi.spyOn(handles, 'write').mockImplementation(async function (this: FileHandle, ...args: unknown[]) {
    const [buffer, offset, length, position] = args as [Uint8Array, number, number, number];
    sizes.push(length);
    if (sizes.length % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    return Reflect.apply(write, this, [buffer, offset, Math.ceil(length / 2), position]);
  } as typeof write);
  await writeFileAtomically(path, async (append) => {
    await append(bytes.subarray(0, 100));
    await append(bytes.subarray(100));
  });
  spy.mockRestore();
  expect(Math.max(...sizes)).toBe(64 << 10);
  expect(Buffer.compare(readFileSync(path), bytes)).toBe(0);
});

test('a full disk is told when all pieces have ended, so that none writes into what comes next', async () => {
  const handles = await fileHandles();
  let running = 0;
  const spy = vi.spyOn(handles, 'write').mockImplementation((async (
    _: Uint8Array,
    __: number,
    size: number,
    at: number,
  ) => {
    running++;
    await new Promise((resolve) => setTimeout(resolve, at === 0 ? 1 : 50));
    running--;
    if (at === 0) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
    return { bytesWritten: size };
  }) as unknown as FileHandle['write']);
  const attempt = writeFileAtomically(join(folder, 'm.gguf'), async (append) => {
    await append(new Uint8Array(1 << 20)).finally(() => expect(running).toBe(0));
  });
  await expect(attempt).rejects.toMatchObject({ code: 'io', message: expect.stringContaining('ENOSPC') });
  spy.mockRestore();
  expect(readdirSync(folder)).toEqual([]);
});

test('a disk that fails while more is being written is told, though it says so only once', async () => {
  const path = join(folder, 'm.gguf');
  const datasync = vi.spyOn(await fileHandles(), 'datasync');
  datasync.mockRejectedValueOnce(Object.assign(new Error('no'), { code: 'EIO' }));
  const attempt = writeFileAtomically(path, async (append) => {
    const piece = new Uint8Array(40 << 20);
    for (let i = 0; i < 4; i++) await append(piece);
  });
  await expect(attempt).rejects.toMatchObject({ code: 'io', message: expect.stringContaining('EIO') });
  expect(datasync).toHaveBeenCalled();
  expect(readdirSync(folder)).toEqual([]);
  datasync.mockRestore();
});
