// Owns folders that commands write whole: new or empty ones, so that nothing of others is overwritten.
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError } from '../bytes/file-source.ts';
import { writeFileAtomically } from '../bytes/file-write.ts';
import { OnebitError } from '../errors.ts';
import type { WriteFile } from '../hf/write.ts';

/** Makes the folder and gives what writes its files. @throws OnebitError `bad-argument` where it holds something, `io` */
export async function newFolder(path: string, operation: string): Promise<WriteFile> {
  let files: string[];
  try {
    await mkdir(path, { recursive: true });
    files = await readdir(path);
  } catch (error) {
    throw fileError('make', path, error);
  }
  if (files.length > 0) {
    throw new OnebitError(
      'bad-argument',
      `${operation}: ${path} must be a new or an empty folder, it has files. Choose another.`,
    );
  }
  return (name, produce) => writeFileAtomically(join(path, name), produce);
}
