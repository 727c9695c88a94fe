// Owns downloads to disk: the unfinished file and its record beside the place where the file will lie, and the lock between processes. Must not know hub
// names. Node only.
import { createHash } from 'node:crypto';
import { type FileHandle, open, rename, rm, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { OnebitError } from '../errors.ts';
import {
  type CacheEntry,
  type CacheRecord,
  fileSize,
  makeFolderOf,
  readEntry,
  readRecord,
  writeRecord,
} from './cache.ts';
import {
  belongsTo,
  type DownloadOptions,
  type DownloadState,
  type DownloadTarget,
  download,
  type Hashing,
  type PartialFile,
} from './download.ts';
import { fileError, systemCode } from './file-source.ts';
import { type Lock, takeLock } from './lock.ts';

/** A download to disk. */
export interface DiskTarget extends DownloadTarget {
  /** What is recorded of the URL: without credentials. */
  readonly recordUrl: string;
  /** Where the file goes in the end. */
  readonly path: string;
  readonly revision?: string;
}

/**
 * Fetches the file of `target` and returns its entry. Goes to `<path>.partial`, which an abort, a failure and even a killed process leave in place
 * and the next call continues; size and SHA-256 are checked before it gets its name. Two processes that fetch the same wait for each other. Throws
 * what `download` throws, and `io` where another file lies in the place.
 */
export async function downloadToDisk(target: DiskTarget, options: DownloadOptions = {}): Promise<CacheEntry> {
  await makeFolderOf(target.path);
  let waited = false;
  const lock = await takeLock(`${target.path}.lock`, {
    signal: options.signal,
    onWait: () => {
      waited = true;
      options.onProgress?.({ phase: 'waiting', doneBytes: 0, totalBytes: target.sizeBytes });
    },
  });
  try {
    if (waited) {
      const entry = await readEntry(target.path);
      if (entry && (target.sha256 === undefined || entry.sha256 === target.sha256)) return entry;
    }
    await refuseForeign(target.path);
    const file = await DiskFile.open(target, lock);
    try {
      await download(file, target, options);
      return file.entry!;
    } finally {
      await file.close();
    }
  } finally {
    await lock.release();
  }
}

/** A file without a record was not put there by a download. */
async function refuseForeign(path: string): Promise<void> {
  if ((await fileSize(path)) === undefined || (await readRecord(`${path}.json`))) return;
  throw new OnebitError(
    'io',
    `download: ${path} must be free or hold an earlier download, it holds another file. Move it away, or set ONEBIT_CACHE to another folder.`,
  );
}

class DiskFile implements PartialFile {
  readonly what: string;
  readonly seesAllHeaders = true;
  readonly left: PartialFile['left'];
  /** Once it is whole. */
  entry: CacheEntry | undefined;
  readonly #target: DiskTarget;
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #lock: Lock;

  private constructor(target: DiskTarget, path: string, handle: FileHandle, left: PartialFile['left'], lock: Lock) {
    this.what = `download ${target.name}`;
    this.#target = target;
    this.#path = path;
    this.#handle = handle;
    this.left = left;
    this.#lock = lock;
  }

  /** Opens what an earlier run left, if that belongs to the same file; else starts empty. */
  static async open(target: DiskTarget, lock: Lock): Promise<DiskFile> {
    const path = `${target.path}.partial`;
    const record = await readRecord(`${path}.json`);
    const storedBytes = (await fileSize(path)) ?? 0;
    const usable =
      record !== undefined && storedBytes > 0 && belongsTo(record, storedBytes, { ...target, url: target.recordUrl });
    try {
      const handle = await open(path, usable ? 'r+' : 'w+');
      return new DiskFile(target, path, handle, { bytes: usable ? storedBytes : 0, state: record ?? {} }, lock);
    } catch (error) {
      throw fileError('open', path, error);
    }
  }

  hashing(): Hashing {
    const hash = createHash('sha256');
    return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest('hex') };
  }

  async read(piece: Uint8Array<ArrayBuffer>, offset: number): Promise<number> {
    return (await this.#handle.read(piece, 0, piece.length, offset)).bytesRead;
  }

  async write(bytes: Uint8Array<ArrayBuffer>, offset: number): Promise<number> {
    return (await this.#handle.write(bytes, 0, bytes.length, offset)).bytesWritten;
  }

  clear(): Promise<void> {
    return this.#handle.truncate(0);
  }

  async freeBytes(): Promise<number | undefined> {
    try {
      const disk = await statfs(dirname(this.#path));
      return disk.bavail * disk.bsize;
    } catch {
      return undefined; // Not every file system tells; then a failing write will.
    }
  }

  record(state: DownloadState): Promise<void> {
    return writeRecord(`${this.#path}.json`, this.#record(state));
  }

  isFull(cause: unknown): boolean {
    return ['ENOSPC', 'EDQUOT'].includes(systemCode(cause) ?? '');
  }

  full(kept: number, missing: number | undefined, detail: string, cause?: unknown): OnebitError {
    return new OnebitError(
      'io',
      `${this.what}: the disk is full (${systemCode(cause) ?? detail}), need ${missing ?? 'more'}${missing === undefined ? '' : ' more bytes'}. ${kept} bytes are kept in ${this.#path}. Free some space and run the same command again, or set ONEBIT_CACHE to a folder on another disk.`,
      { cause },
    );
  }

  failed(cause: unknown): OnebitError {
    return fileError('write', this.#path, cause);
  }

  check(): Promise<void> {
    return this.#lock.check();
  }

  /**
   * The record comes before the file: a process that dies between the two leaves an unfinished download, not a file that nobody knows. An earlier file
   * goes before its record does, which would be taken for one of it.
   */
  async finish(state: Required<Pick<DownloadState, 'sizeBytes' | 'sha256'>> & DownloadState): Promise<void> {
    const { path } = this.#target;
    const record = this.#record(state);
    try {
      await this.#handle.sync();
      await this.#handle.close();
      await rm(path, { force: true });
      await writeRecord(`${path}.json`, record);
      await rename(this.#path, path);
    } catch (error) {
      throw error instanceof OnebitError ? error : fileError('finish', path, error);
    }
    await rm(`${this.#path}.json`, { force: true });
    this.entry = { ...record, path, storedBytes: state.sizeBytes, complete: true };
  }

  async discard(): Promise<void> {
    await this.#handle.close().catch(() => {});
    await rm(this.#path, { force: true });
    await rm(`${this.#path}.json`, { force: true });
  }

  /** Leaves what has come, unless that is nothing. */
  async close(): Promise<void> {
    await this.#handle.close().catch(() => {});
    if ((await fileSize(this.#path)) === 0) await this.discard();
  }

  #record({ etag, sizeBytes, sha256 }: DownloadState): CacheRecord {
    const { name, recordUrl, revision } = this.#target;
    return { name, url: recordUrl, revision, sha256, sizeBytes, etag, date: new Date().toISOString() };
  }
}
