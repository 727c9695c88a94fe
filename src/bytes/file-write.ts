// Owns writing files to disk so that a file with the final name is always whole. Node only.
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { OnebitError } from '../errors.ts';

/** Adds bytes at the end; they may be reused once the promise resolves. */
export type Append = (bytes: Uint8Array) => Promise<void>;

/**
 * Writes `path` through a temporary file beside it, which is renamed when `produce` has finished and everything is on disk. When anything fails the
 * temporary file is removed and an earlier file at `path` stays as it was. Throws `io` when the disk fails, else what `produce` throws.
 */
export async function writeFileAtomically(path: string, produce: (append: Append) => Promise<void>): Promise<void> {
  const temporary = `${path}.${crypto.randomUUID()}.part`;
  const file = await attempt(path, () => open(temporary, 'wx'));
  try {
    try {
      await produce((bytes) => attempt(path, () => writeAll(file, bytes)));
      await attempt(path, () => file.sync());
    } finally {
      await file.close();
    }
    await attempt(path, () => rename(temporary, path));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done);
    done += bytesWritten;
  }
}

async function attempt<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    throw new OnebitError(
      'io',
      `write ${path}: the disk must take the file, got ${(cause as NodeJS.ErrnoException).code ?? cause}. Check the folder, permissions and space.`,
      { cause },
    );
  }
}
