import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
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

test('a disk that fails while more is being written is told, though it says so only once', async () => {
  const path = join(folder, 'm.gguf');
  const handle = await open(join(folder, 'other'), 'w');
  const datasync = vi.spyOn(Object.getPrototypeOf(handle), 'datasync');
  await handle.close();
  datasync.mockRejectedValueOnce(Object.assign(new Error('no'), { code: 'EIO' }));
  const attempt = writeFileAtomically(path, async (append) => {
    const piece = new Uint8Array(40 << 20);
    for (let i = 0; i < 4; i++) await append(piece);
  });
  await expect(attempt).rejects.toMatchObject({ code: 'io', message: expect.stringContaining('EIO') });
  expect(datasync).toHaveBeenCalled();
  expect(readdirSync(folder)).toEqual(['other']);
  datasync.mockRestore();
});
