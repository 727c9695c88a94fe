// Owns bringing a model into the browser's storage: what to fetch, and the file there while it is being fetched; one tab at a time. Runs in dedicated
// workers only: nowhere else may files be written in place. Source: https://fs.spec.whatwg.org.
import { sha256 } from '@noble/hashes/sha2.js';
import { hexOf } from '../core/digest.ts';
import { OnebitError } from '../errors.ts';
import { blobSource } from './blob-source.ts';
import {
  findKept,
  type KeptRecord,
  keyOf,
  messageOf,
  readKeptRecord,
  storeFolder,
  withModelLock,
} from './browser-store.ts';
import {
  belongsTo,
  type DownloadProgress,
  type DownloadState,
  type DownloadTarget,
  download,
  type Hashing,
  type PartialFile,
} from './download.ts';
import { isLoss } from './http-request.ts';
import { formatHubName, type HubOptions, hubHttpOptions, parseHubName, resolveHubFile } from './hub.ts';
import type { ByteSource } from './source.ts';
import { bytesTaken, isQuotaError } from './sync-file.ts';

export interface BrowserPullOptions extends HubOptions {
  /** The hash that the file must have, hex. Hub names bring their own. */
  sha256?: string;
  onProgress?(progress: DownloadProgress): void;
}

/** What TypeScript knows only of workers: a file that is written in place, https://fs.spec.whatwg.org/#api-filesystemsyncaccesshandle. */
interface SyncFile {
  read(into: Uint8Array<ArrayBuffer>, options: { at: number }): number;
  write(from: Uint8Array<ArrayBuffer>, options: { at: number }): number;
  truncate(size: number): void;
  getSize(): number;
  flush(): void;
  close(): void;
}

/**
 * Brings the model `name` (a hub name or a URL) into the browser's storage and opens it. What is there already is not fetched again. Throws `network`,
 * `bad-file` when size or hash are wrong (nothing is kept), `io` when the storage is full (what came is kept), `unsupported` where there is no
 * storage; the signal's reason when aborted, and the next call goes on from there.
 */
export async function pullModel(name: string, options: BrowserPullOptions = {}): Promise<ByteSource> {
  const target = await targetOf(name, options);
  return withModelLock(
    target.name,
    {
      signal: options.signal,
      onWait: () => options.onProgress?.({ phase: 'waiting', doneBytes: 0, totalBytes: target.sizeBytes }),
    },
    async () => {
      const kept = await findKept(target.name);
      const isCurrent = kept && (target.sha256 === undefined || kept.record.sha256 === target.sha256);
      if (kept && isCurrent) return blobSource(kept.file, target.name);
      const file = await StoredFile.open(target);
      try {
        await download(file, target, { ...options, ...(parseHubName(name) ? hubHttpOptions(options) : {}) });
      } finally {
        file.close();
      }
      const found = await findKept(target.name);
      if (found) return blobSource(found.file, target.name);
      throw new OnebitError('io', `keep model: ${target.name} vanished from the browser's storage. Try again.`);
    },
  );
}

/** What a name means; when the hub cannot be reached, what is kept under it. */
async function targetOf(name: string, options: BrowserPullOptions): Promise<DownloadTarget> {
  const sha256 = options.sha256?.toLowerCase();
  const hub = parseHubName(name);
  if (!hub) {
    if (!URL.canParse(name, globalThis.location?.href)) {
      throw new OnebitError(
        'bad-argument',
        `keep model: need owner/repo, owner/repo/file.gguf or a URL, got '${name}'.`,
      );
    }
    const { href } = new URL(name, globalThis.location?.href);
    return { name: href, url: href, sha256 };
  }
  try {
    const file = await resolveHubFile(hub, options);
    return { name: formatHubName(file), url: file.url, sha256: file.sha256 ?? sha256, sizeBytes: file.sizeBytes };
  } catch (error) {
    const kept = isLoss(error) ? await findKept(name) : undefined;
    if (!kept) throw error;
    return { name: kept.record.name, url: kept.record.url, sha256: kept.record.sha256 };
  }
}

/** The unfinished file in the browser's storage. */
class StoredFile implements PartialFile {
  readonly what: string;
  readonly seesAllHeaders = false;
  readonly left: PartialFile['left'];
  readonly #target: DownloadTarget;
  readonly #folder: FileSystemDirectoryHandle;
  readonly #key: string;
  readonly #file: SyncFile;

  private constructor(
    target: DownloadTarget,
    folder: FileSystemDirectoryHandle,
    key: string,
    file: SyncFile,
    left: PartialFile['left'],
  ) {
    this.what = `keep model ${target.name}`;
    this.#target = target;
    this.#folder = folder;
    this.#key = key;
    this.#file = file;
    this.left = left;
  }

  /** Opens what an earlier try left, if that belongs to the same file; else starts empty. */
  static async open(target: DownloadTarget): Promise<StoredFile> {
    const folder = await storeFolder();
    const key = await keyOf(target.name);
    const record = await readKeptRecord(folder, key);
    const file = await openForWriting(folder, `${key}.gguf`, target.name);
    const stored = file.getSize();
    const usable = record !== undefined && !record.complete && belongsTo(record, stored, target);
    return new StoredFile(target, folder, key, file, { bytes: usable ? stored : 0, state: record ?? {} });
  }

  hashing(): Hashing {
    const hash = sha256.create();
    return { update: (bytes) => void hash.update(bytes), digest: () => hexOf(hash.digest()) };
  }

  read(piece: Uint8Array<ArrayBuffer>, offset: number): number {
    return this.#file.read(piece, { at: offset });
  }

  write(bytes: Uint8Array<ArrayBuffer>, offset: number): number {
    return bytesTaken(this.#file.write(bytes, { at: offset }), bytes.length);
  }

  clear(): void {
    this.#file.truncate(0);
  }

  async freeBytes(): Promise<number | undefined> {
    const { quota, usage } = await navigator.storage.estimate();
    return quota === undefined || usage === undefined ? undefined : quota - usage;
  }

  /** The standard lets a write fail for nothing else. */
  isFull(): boolean {
    return true;
  }

  full(_kept: number, missing: number | undefined, detail: string, cause?: unknown): OnebitError {
    return storageFull(this.#target.name, missing, detail, cause);
  }

  failed(cause: unknown): OnebitError {
    return this.full(0, undefined, messageOf(cause), cause);
  }

  record(state: DownloadState): Promise<void> {
    return this.#writeRecord(state, false);
  }

  finish(state: DownloadState): Promise<void> {
    this.#file.flush();
    return this.#writeRecord(state, true);
  }

  async discard(): Promise<void> {
    this.#file.truncate(0);
    await this.#folder.removeEntry(`${this.#key}.json`).catch(() => {});
  }

  close(): void {
    this.#file.close();
  }

  async #writeRecord({ sizeBytes, sha256, etag }: DownloadState, complete: boolean): Promise<void> {
    const { name, url } = this.#target;
    const record: KeptRecord = { name, url, sha256, sizeBytes, etag, date: new Date().toISOString(), complete };
    const bytes = new TextEncoder().encode(JSON.stringify(record));
    const file = await openForWriting(this.#folder, `${this.#key}.json`, name);
    let written = 0;
    try {
      file.truncate(0);
      written = bytesTaken(file.write(bytes, { at: 0 }), bytes.length);
      file.flush();
    } catch (cause) {
      throw this.failed(cause);
    } finally {
      file.close();
    }
    if (written < bytes.length) throw this.full(0, undefined, 'its record could not be written');
  }
}

function storageFull(model: string, missing: number | undefined, detail: string, cause?: unknown): OnebitError {
  return new OnebitError(
    'io',
    `keep model: the browser's storage for this site is full (${detail}), ${model} needs ${missing ?? 'more'}${missing === undefined ? '' : ' more bytes'}. Remove kept models, free disk space, or load without keeping.`,
    { cause },
  );
}

async function openForWriting(folder: FileSystemDirectoryHandle, fileName: string, model: string): Promise<SyncFile> {
  try {
    const handle = await folder.getFileHandle(fileName, { create: true });
    return await (handle as unknown as { createSyncAccessHandle(): Promise<SyncFile> }).createSyncAccessHandle();
  } catch (cause) {
    if (isQuotaError(cause)) throw storageFull(model, undefined, messageOf(cause), cause);
    throw new OnebitError(
      'io',
      `keep model: the file of ${model} in the browser's storage cannot be written (${messageOf(cause)}). Close other tabs of this site and try again.`,
      { cause },
    );
  }
}
