import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryPath } from '../bytes/file-write.ts';
import { DiskStore } from './disk-store.ts';

test('what an ended process left of its own goes; files of others in the folder stay', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'onebit-jobs-'));
  try {
    const id = `file-${'a'.repeat(32)}`;
    for (const name of ['files', 'results']) mkdirSync(join(folder, name));
    const ours = [join('files', id), join('results', `batch_${'b'.repeat(32)}.journal`)];
    ours.push(temporaryPath(ours[0]));
    const others = ['files/photo.jpg', 'files/file-list', 'results/2026.journal'];
    for (const name of [...ours, ...others]) writeFileSync(join(folder, name), 'mine');
    await (await DiskStore.open(folder)).close();
    expect(readdirSync(join(folder, 'files')).sort()).toEqual(['file-list', 'photo.jpg']);
    expect(readdirSync(join(folder, 'results'))).toEqual(['2026.journal']);
    rmSync(join(folder, 'jobs.journal'));
    writeFileSync(join(folder, 'jobs.journal'), 'a diary');
    await expect(DiskStore.open(folder)).rejects.toMatchObject({ code: 'io' });
    expect(readFileSync(join(folder, 'jobs.journal'), 'utf8')).toBe('a diary');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
