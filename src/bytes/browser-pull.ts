// Owns bringing a model into the browser's storage: resumed where an earlier try ended, checked by its hash, one tab at a time. Runs in dedicated
// workers only: nowhere else may files be written in place. Source: RFC 9110, section 14 (ranges).

import { hexOf } from '../core/digest.ts';
import { Sha256 } from '../core/sha256.ts';
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
import type { DownloadProgress } from './download.ts';
import {
  connectionLost,
  contentLength,
  type Exchange,
  type HttpOptions,
  isLoss,
  parseContentRange,
  Retries,
  send,
  versionOf,
} from './http-request.ts';
import { formatHubName, type HubOptions, hubHttpOptions, parseHubName, resolveHubFile } from './hub.ts';
import type { ByteSource } from './source.ts';

export interface BrowserPullOptions extends HubOptions {
  /** The hash that the file must have, hex. Hub names bring their own. */
  sha256?: string;
  onProgress?(progress: DownloadProgress): void;
}

interface Target {
  readonly name: string;
  readonly url: string;
  readonly sha256?: string;
  readonly sizeBytes?: number;
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

const MAX_RESTARTS = 3;
const PIECE_BYTES = 1024 * 1024;

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
      await download(target, { ...options, ...(parseHubName(name) ? hubHttpOptions(options) : {}) });
      const found = await findKept(target.name);
      if (found) return blobSource(found.file, target.name);
      throw new OnebitError('io', `keep model: ${target.name} vanished from the browser's storage. Try again.`);
    },
  );
}

/** What a name means; when the hub cannot be reached, what is kept under it. */
async function targetOf(name: string, options: BrowserPullOptions): Promise<Target> {
  const { sha256 } = options;
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

async function download(target: Target, options: BrowserPullOptions): Promise<void> {
  const partial = await Partial.open(target, options);
  try {
    const retries = new Retries(options);
    while (!partial.isFull) {
      try {
        const exchange = await send(target.url, partial.requestHeaders(), options, retries);
        if (!(await partial.accept(exchange))) {
          await exchange.cancel();
          partial.restart();
          continue;
        }
        for await (const chunk of exchange.chunks()) {
          partial.append(chunk);
          retries.progress(chunk.length);
        }
        partial.checkEnd();
      } catch (error) {
        if (!isLoss(error)) throw error;
        await retries.wait(error);
      }
    }
    await partial.finish();
  } finally {
    partial.close();
  }
}

/** The unfinished file with its running hash. */
class Partial {
  readonly #target: Target;
  readonly #options: HttpOptions & BrowserPullOptions;
  readonly #folder: FileSystemDirectoryHandle;
  readonly #key: string;
  readonly #file: SyncFile;
  #hash = new Sha256();
  #doneBytes = 0;
  #totalBytes: number | undefined;
  #etag: string | undefined;
  #ended = false;
  #restarts = 0;

  private constructor(
    target: Target,
    options: BrowserPullOptions,
    folder: FileSystemDirectoryHandle,
    key: string,
    file: SyncFile,
  ) {
    this.#target = target;
    this.#options = options;
    this.#folder = folder;
    this.#key = key;
    this.#file = file;
    this.#totalBytes = target.sizeBytes;
  }

  /** Opens what an earlier try left, if that belongs to the same file, and hashes it; else starts empty. */
  static async open(target: Target, options: BrowserPullOptions): Promise<Partial> {
    const folder = await storeFolder();
    const key = await keyOf(target.name);
    const record = await readKeptRecord(folder, key);
    const file = await openForWriting(folder, `${key}.gguf`, target.name);
    const partial = new Partial(target, options, folder, key, file);
    const sameHash = record?.sha256 === target.sha256 || record?.sha256 === undefined || target.sha256 === undefined;
    if (record && !record.complete && record.url === target.url && sameHash) await partial.#hashExisting(record);
    else file.truncate(0);
    return partial;
  }

  get isFull(): boolean {
    return this.#ended || (this.#doneBytes > 0 && this.#doneBytes === this.#totalBytes);
  }

  async #hashExisting(record: KeptRecord): Promise<void> {
    this.#etag = record.etag;
    this.#totalBytes ??= record.sizeBytes;
    const stored = Math.min(this.#file.getSize(), this.#totalBytes ?? Number.POSITIVE_INFINITY);
    const piece = new Uint8Array(PIECE_BYTES);
    while (this.#doneBytes < stored) {
      this.#options.signal?.throwIfAborted();
      const wanted = piece.subarray(0, Math.min(PIECE_BYTES, stored - this.#doneBytes));
      const read = this.#file.read(wanted, { at: this.#doneBytes });
      if (read === 0) break;
      this.#hash.update(piece.subarray(0, read));
      this.#doneBytes += read;
      this.#report('checking');
    }
  }

  #report(phase: DownloadProgress['phase']): void {
    this.#options.onProgress?.({ phase, doneBytes: this.#doneBytes, totalBytes: this.#totalBytes });
  }

  /** Asks for what is missing. Versions are compared in the answer: If-Range would make browsers ask other origins for permission first. */
  requestHeaders(): Record<string, string> {
    return this.#doneBytes === 0 ? {} : { range: `bytes=${this.#doneBytes}-` };
  }

  /** False: what is here and what the server has do not fit together, so start over. */
  async accept({ response }: Exchange): Promise<boolean> {
    if (response.status === 416) return false;
    const version = versionOf(response);
    let totalBytes = contentLength(response);
    if (response.status === 206) {
      const range = parseContentRange(response.headers.get('content-range'));
      if (range?.start !== undefined && range.start !== this.#doneBytes) return false;
      if (version !== this.#etag) return false;
      totalBytes = range?.total ?? (totalBytes === undefined ? undefined : this.#doneBytes + totalBytes);
    } else if (this.#doneBytes > 0) this.restart();
    const wanted = this.#target.sizeBytes;
    if (/^text\/html\b/i.test(response.headers.get('content-type') ?? '')) {
      await this.#refuse(
        'need a model file, got a web page. Check the URL (on the hub, files have /resolve/ in it, not /blob/).',
      );
    }
    if (wanted !== undefined && totalBytes !== undefined && wanted !== totalBytes) {
      await this.#refuse(`need ${wanted} bytes as listed, the server has ${totalBytes}. Try again later.`);
    }
    this.#etag = version;
    this.#totalBytes = totalBytes ?? this.#totalBytes;
    await this.#checkRoom();
    await this.#writeRecord(false);
    return true;
  }

  async #checkRoom(): Promise<void> {
    if (this.#totalBytes === undefined) return;
    const { quota, usage } = await navigator.storage.estimate();
    if (quota === undefined || usage === undefined) return;
    if (this.#totalBytes - this.#doneBytes > quota - usage) throw this.#full(`${quota - usage} bytes are free`);
  }

  #full(detail: string, cause?: unknown): OnebitError {
    const missing = this.#totalBytes === undefined ? 'more' : `${this.#totalBytes - this.#doneBytes} more bytes`;
    return new OnebitError(
      'io',
      `keep model: the browser's storage for this site is full (${detail}), ${this.#target.name} needs ${missing}. Remove kept models, free disk space, or load without keeping.`,
      { cause },
    );
  }

  append(chunk: Uint8Array<ArrayBuffer>): void {
    if (this.#totalBytes !== undefined && this.#doneBytes + chunk.length > this.#totalBytes) {
      this.#file.truncate(0);
      throw new OnebitError(
        'bad-file',
        `keep model: need ${this.#totalBytes} bytes of ${this.#target.name}, the server sends more. Nothing was kept; try again later.`,
      );
    }
    let written: number;
    try {
      written = this.#file.write(chunk, { at: this.#doneBytes });
    } catch (cause) {
      throw this.#full(messageOf(cause), cause);
    }
    if (written < chunk.length) throw this.#full(`${written} of ${chunk.length} bytes were taken`);
    this.#hash.update(chunk);
    this.#doneBytes += chunk.length;
    this.#report('downloading');
  }

  /** At the end of an answer: a body that is too short is a lost connection; without a stated length its end is the end of the file. */
  checkEnd(): void {
    if (this.#totalBytes === undefined) this.#ended = true;
    else if (this.#doneBytes < this.#totalBytes) {
      throw connectionLost(this.#target.url, `the answer ended after ${this.#doneBytes} of ${this.#totalBytes} bytes`);
    }
  }

  /** Drops what is here and begins at the first byte. */
  restart(): void {
    if (++this.#restarts > MAX_RESTARTS) {
      throw new OnebitError(
        'network',
        `keep model: ${this.#target.name} was started over ${MAX_RESTARTS} times because the file changes on the server. Try again later.`,
      );
    }
    this.#file.truncate(0);
    this.#hash = new Sha256();
    this.#doneBytes = 0;
    this.#totalBytes = this.#target.sizeBytes;
    this.#etag = undefined;
  }

  /** Checks the hash and makes the file count. */
  async finish(): Promise<void> {
    const sha256 = hexOf(this.#hash.digest());
    const wanted = this.#target.sha256?.toLowerCase();
    if (wanted !== undefined && sha256 !== wanted) {
      await this.#refuse(
        `need SHA-256 ${wanted}, got ${sha256}. The bytes were damaged or changed on the way; try again.`,
      );
    }
    this.#totalBytes = this.#doneBytes;
    this.#file.flush();
    await this.#writeRecord(true, sha256);
  }

  close(): void {
    this.#file.flush();
    this.#file.close();
  }

  async #refuse(problem: string): Promise<never> {
    this.#file.truncate(0);
    await this.#folder.removeEntry(`${this.#key}.json`).catch(() => {});
    throw new OnebitError('bad-file', `keep model: ${this.#target.name}: ${problem}`);
  }

  async #writeRecord(complete: boolean, sha256 = this.#target.sha256): Promise<void> {
    const { name, url } = this.#target;
    const date = new Date().toISOString();
    const record: KeptRecord = { name, url, sha256, sizeBytes: this.#totalBytes, etag: this.#etag, date, complete };
    const bytes = new TextEncoder().encode(JSON.stringify(record));
    const file = await openForWriting(this.#folder, `${this.#key}.json`, name);
    let written = 0;
    try {
      file.truncate(0);
      written = file.write(bytes, { at: 0 });
      file.flush();
    } catch (cause) {
      throw this.#full(messageOf(cause), cause);
    } finally {
      file.close();
    }
    if (written < bytes.length) throw this.#full('its record could not be written');
  }
}

async function openForWriting(folder: FileSystemDirectoryHandle, fileName: string, model: string): Promise<SyncFile> {
  try {
    const handle = await folder.getFileHandle(fileName, { create: true });
    return await (handle as unknown as { createSyncAccessHandle(): Promise<SyncFile> }).createSyncAccessHandle();
  } catch (cause) {
    throw new OnebitError(
      'io',
      `keep model: the file of ${model} in the browser's storage cannot be written (${messageOf(cause)}). Close other tabs of this site and try again.`,
      { cause },
    );
  }
}
