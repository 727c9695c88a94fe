// Owns writing files to disk so that a file with the final name is always whole. Node only.
import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { OnebitError } from '../errors.ts';

/** Adds bytes at the end, in the order of the calls, which need not wait for each other; they may be reused once the promise resolves. */
export type Append = (bytes: Uint8Array) => Promise<void>;

/** Most characters of a file's name that its temporary file's name repeats: with the rest it stays below the 255 bytes that file systems allow. */
const MOST_REPEATED = 50;
const UUID_AND_ENDING = '00000000-0000-0000-0000-000000000000.part'.length;

/** A name beside `path` for what is not whole yet. */
export function temporaryPath(path: string): string {
  return join(dirname(path), `${basename(path).slice(0, MOST_REPEATED)}.${crypto.randomUUID()}.part`);
}

/** Whether `name` is one that `temporaryPath` gives for a file whose name begins with `start`. */
export function isTemporaryName(name: string, start: string): boolean {
  return name.startsWith(start) && /\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.part$/.test(name);
}

/**
 * Writes `path` through a temporary file beside it, which is renamed when `produce` has finished and everything is on disk; an earlier file's
 * permissions stay. When anything fails the temporary file is removed and an earlier file at `path` stays as it was. What is no regular file (a
 * pipe, a terminal) is written straight. Throws `io` when the disk fails or takes less than it was given, else what `produce` throws.
 * @param mode the file's permissions, whatever an earlier one had
 */
export async function writeFileAtomically(
  path: string,
  produce: (append: Append) => Promise<void>,
  mode?: number,
): Promise<void> {
  const earlier = await stat(path).catch(() => undefined);
  if (earlier && !earlier.isFile()) return writeStraight(path, produce);
  const temporary = temporaryPath(path);
  const file = await attempt(path, () => open(temporary, 'wx', mode ?? (earlier ? earlier.mode & 0o777 : 0o666)));
  try {
    try {
      const sync = syncBehind(file);
      let size = 0;
      await produce((bytes) =>
        attempt(path, async () => {
          const position = size;
          size += bytes.length;
          await writePieces(file, bytes, position);
          sync.wrote(bytes.length);
        }),
      );
      await attempt(path, () => sync.finish());
    } finally {
      await file.close();
    }
    await attempt(path, () => rename(temporary, path));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

async function writeStraight(path: string, produce: (append: Append) => Promise<void>): Promise<void> {
  const file = await attempt(path, () => open(path, 'w'));
  let last = Promise.resolve();
  try {
    await produce((bytes) => {
      last = last.then(() => attempt(path, () => writeAll(file, bytes)));
      return last;
    });
  } finally {
    await file.close();
  }
}

/** Bytes after which what was written is sent to the disk. */
const SYNC_BYTES = 64 << 20;

/** Brings a file to the disk while more of it is written: else the disk has nothing to do until the end, and all of it then. */
function syncBehind(file: FileHandle): { wrote(bytes: number): void; finish(): Promise<void> } {
  let waiting = 0;
  let syncing: Promise<void> | undefined;
  let failure: { cause: unknown } | undefined; // the system tells it once
  return {
    wrote(bytes) {
      waiting += bytes;
      if (waiting < SYNC_BYTES || syncing) return;
      waiting = 0;
      syncing = file
        .datasync()
        .catch((cause) => {
          failure ??= { cause };
        })
        .finally(() => {
          syncing = undefined;
        });
    },
    async finish() {
      await syncing;
      await file.sync();
      if (failure) throw failure.cause;
    },
  };
}

/**
 * Bytes of one write. Of larger ones Linux keeps each in one run of free memory, and runs of megabytes are those that a virtual machine has given back to its host:
 * to get them again takes up to ten times as long as to write. 64 kB are what `cp` moves at a time.
 */
const PIECE_BYTES = 64 << 10;

/** Writes all of `bytes` at `position` of a regular file: all pieces are begun at once, so that none waits for the main thread. @throws as `writeAll`, when all have ended */
async function writePieces(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  const pieces: Promise<void>[] = [];
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    pieces.push(writeAll(file, bytes.subarray(at, at + PIECE_BYTES), position + at));
  }
  for (const outcome of await Promise.allSettled(pieces)) if (outcome.status === 'rejected') throw outcome.reason;
}

/**
 * Writes all of `bytes` at `position`, without one where the file stands.
 * @throws what the system says; ENOSPC where it takes nothing
 */
export async function writeAll(file: FileHandle, bytes: Uint8Array, position?: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const at = position === undefined ? null : position + done;
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at);
    if (bytesWritten === 0) throw Object.assign(new Error('no byte was taken'), { code: 'ENOSPC' });
    done += bytesWritten;
  }
}

/** Makes a new name in a folder last beyond a power cut, where the system can. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    await handle.sync().finally(() => handle.close());
  } catch {
    // Windows opens no folders; some file systems do not sync them.
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

/** Removes what killed processes left of writing `path`. Only for whoever alone writes it. */
export async function removeTemporaries(path: string): Promise<void> {
  const name = basename(path);
  if (name.length > MOST_REPEATED) return; // its temporary files could be another's
  const start = `${name}.`;
  for (const other of await readdir(dirname(path)).catch(() => [])) {
    const isOurs = isTemporaryName(other, start) && other.length === start.length + UUID_AND_ENDING;
    if (isOurs) await rm(join(dirname(path), other), { force: true });
  }
}
