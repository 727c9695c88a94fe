import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { temporaryPath } from '../bytes/file-write.ts';
import { fillNewFolder } from './new-folder.ts';
import { Outputs } from './outputs.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'onebit-'));
});
afterEach(() => rmSync(root, { recursive: true }));

const bytes = new TextEncoder().encode('whole');
const fill = (path: string) =>
  fillNewFolder(path, 'convert', async (write) => {
    await write('one', (append) => append(bytes));
    expect(readdirSync(path)).not.toContain('one');
    await write('two', (append) => append(bytes));
  });

test('a folder has all its files or none; a killed run is no hindrance, a live one and foreign files are', async () => {
  const path = join(root, 'a/b');
  const failing = fillNewFolder(path, 'convert', async (write) => {
    await write('one', (append) => append(bytes));
    await expect(fill(path)).rejects.toMatchObject({ code: 'busy' });
    throw new Error('no more');
  });
  await expect(failing).rejects.toThrow('no more');
  mkdirSync(path, { recursive: true });
  const left = temporaryPath(join(path, 'onebit-folder'));
  mkdirSync(left);
  writeFileSync(join(left, 'one'), 'half');
  writeFileSync(temporaryPath(join(path, 'onebit.lock')), '{}');
  await fill(path);
  expect(readdirSync(path).sort()).toEqual(['one', 'two']);
  await expect(fill(path)).rejects.toMatchObject({ code: 'bad-argument' });
  writeFileSync(join(root, 'mine'), 'mine');
  await expect(fill(join(root, 'mine'))).rejects.toThrow(/must be a folder, it is a file/);
  await expect(fill(root)).rejects.toMatchObject({ code: 'bad-argument' });
  expect(existsSync(join(root, 'mine'))).toBe(true);
});

test('a folder of a run that was killed while files went to their place is filled anew, not one where the last was there', async () => {
  const path = join(root, 'a');
  const left = temporaryPath(join(path, 'onebit-folder'));
  mkdirSync(left, { recursive: true });
  writeFileSync(join(left, 'onebit-moving.json'), '["one","two"]');
  writeFileSync(join(path, 'two'), 'of the run before');
  await fill(path);
  expect(readdirSync(path).sort()).toEqual(['one', 'two']);
  expect(readFileSync(join(path, 'two'), 'utf8')).toBe('whole');
  mkdirSync(left);
  writeFileSync(join(left, 'onebit-moving.json'), '["one","two"]');
  await expect(fill(path)).rejects.toMatchObject({ code: 'bad-argument' });
});

test.skipIf(process.platform !== 'linux')('an output that takes nothing is refused before the work', async () => {
  const claim = (path: string) => Outputs.claim([{ option: '--output', path, kind: 'answers' }], []);
  await expect(claim('/dev/full')).rejects.toMatchObject({ code: 'io' });
  await (await claim('/dev/null')).release();
});

test('what does not fit is said before it is written', async () => {
  const output = join(root, 'large.gguf');
  const outputs = await Outputs.claim([{ option: '-o', path: output, kind: 'model' }], [], 0);
  try {
    await outputs.needs(output, 1000);
    await expect(outputs.needs(output, 2 ** 60)).rejects.toThrow(/the disk must have \d+ bytes free/);
  } finally {
    await outputs.release();
  }
});

test('what killed runs left of an output goes with the next one; a secret is for nobody else', async () => {
  const path = join(root, 'secret.key');
  writeFileSync(temporaryPath(path), 'half');
  writeFileSync(join(root, 'secret.key.part'), 'mine');
  const outputs = await Outputs.claim([{ option: '--new-key', path, kind: 'key' }], []);
  await outputs.writeSecret(path, bytes);
  await outputs.release();
  expect(readdirSync(root).sort()).toEqual(['secret.key', 'secret.key.part']);
  expect([readFileSync(path, 'utf8'), statSync(path).mode & 0o777]).toEqual(['whole', 0o600]);
  const again = Outputs.claim([{ option: '--new-key', path, kind: 'key' }], []);
  await expect(again).rejects.toThrow(/a key is never written over/);
});
