// Owns fetching one file to disk so that it can be interrupted at any point: resumed, checked, and only then put under its name. Must not know hub
// names. Node only. Source: RFC 9110, section 13.1.5 (If-Range).
import { createHash, type Hash } from 'node:crypto';
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
import { fileError, systemCode } from './file-source.ts';
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
import { type Lock, takeLock } from './lock.ts';

/** What is to be fetched, and what is known about it beforehand. */
export interface DownloadTarget {
  /** Recorded with the file; see `CacheRecord`. */
  name: string;
  /** Where to fetch it; may hold credentials that the record does not. */
  url: string;
  recordUrl: string;
  /** Where it goes in the end. */
  path: string;
  revision?: string;
  /** Lower-case hex. Without it the hash is recorded and not checked. */
  sha256?: string;
  sizeBytes?: number;
}

/** How far a download is. */
export interface DownloadProgress {
  /** `waiting` for another process that fetches the same, `checking` what an earlier run left, or `downloading`. */
  phase: 'waiting' | 'checking' | 'downloading';
  doneBytes: number;
  totalBytes?: number;
}

export interface DownloadOptions extends HttpOptions {
  onProgress?(progress: DownloadProgress): void;
}

/** How often one download begins again at the first byte before it gives up. */
const MAX_RESTARTS = 3;

/**
 * Fetches the file of `target` and returns its entry. Goes to `<path>.partial`, which an abort, a failure and even a killed process leave in place
 * and the next call continues; size and SHA-256 are checked before it gets its name. Two processes that fetch the same wait for each other. Throws `network`, `io`
 * (disk full: says what is kept), `bad-file` when size or hash are wrong (nothing is kept), or the signal's reason.
 */
export async function download(target: DownloadTarget, options: DownloadOptions = {}): Promise<CacheEntry> {
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
    const partial = await Partial.open(target, options);
    try {
      await fetchRest(partial, lock, options);
      await partial.verify();
      await lock.check();
      return await partial.finish();
    } finally {
      await partial.close();
    }
  } finally {
    await lock.release();
  }
}

/** Brings the partial file to its full length, over as many requests as it takes. */
async function fetchRest(partial: Partial, lock: Lock, options: DownloadOptions): Promise<void> {
  const retries = new Retries(options);
  while (!partial.isFull) {
    try {
      const exchange = await send(partial.target.url, partial.requestHeaders(), options, retries);
      await lock.check();
      if (!(await partial.accept(exchange))) {
        await exchange.cancel();
        await partial.restart();
        continue;
      }
      for await (const chunk of exchange.chunks()) {
        await partial.append(chunk);
        retries.progress(chunk.length);
      }
      partial.checkEnd();
    } catch (error) {
      if (!isLoss(error)) throw error;
      await retries.wait(error);
    }
  }
}

/** Whether what an earlier run left is a part of the wanted file: by its hash, or else by where it came from. */
function belongsTo(record: CacheRecord, storedBytes: number, target: DownloadTarget): boolean {
  if (target.sizeBytes !== undefined && storedBytes > target.sizeBytes) return false;
  if (record.sha256 !== undefined && target.sha256 !== undefined) return record.sha256 === target.sha256;
  return record.url === target.recordUrl && (target.sizeBytes === undefined || record.sizeBytes === target.sizeBytes);
}

/** The unfinished file, its running hash, and what the server said about it. */
class Partial {
  readonly target: DownloadTarget;
  readonly #options: DownloadOptions;
  readonly #path: string;
  #handle: FileHandle;
  #hash: Hash = createHash('sha256');
  #doneBytes = 0;
  #totalBytes: number | undefined;
  #etag: string | undefined;
  #ended = false;
  #restarts = 0;

  private constructor(target: DownloadTarget, options: DownloadOptions, path: string, handle: FileHandle) {
    this.target = target;
    this.#options = options;
    this.#path = path;
    this.#handle = handle;
    this.#totalBytes = target.sizeBytes;
  }

  /** Opens what an earlier run left, if that belongs to the same file, and hashes it; else starts empty. */
  static async open(target: DownloadTarget, options: DownloadOptions): Promise<Partial> {
    const path = `${target.path}.partial`;
    const record = await readRecord(`${path}.json`);
    const storedBytes = (await fileSize(path)) ?? 0;
    const usable = record !== undefined && belongsTo(record, storedBytes, target);
    let handle: FileHandle;
    try {
      handle = await open(path, usable && storedBytes > 0 ? 'r+' : 'w+');
    } catch (error) {
      throw fileError('open', path, error);
    }
    const partial = new Partial(target, options, path, handle);
    if (!usable || storedBytes === 0) return partial;
    try {
      partial.#etag = record.etag;
      partial.#totalBytes ??= record.sizeBytes;
      await partial.#hashExisting(storedBytes);
    } catch (error) {
      await handle.close();
      throw error;
    }
    return partial;
  }

  get isFull(): boolean {
    return this.#ended || (this.#doneBytes > 0 && this.#doneBytes === this.#totalBytes) || this.#totalBytes === 0;
  }

  async #hashExisting(storedBytes: number): Promise<void> {
    const piece = new Uint8Array(1024 * 1024);
    while (this.#doneBytes < storedBytes) {
      this.#options.signal?.throwIfAborted();
      const { bytesRead } = await this.#handle.read(piece, 0, piece.length, this.#doneBytes);
      if (bytesRead === 0) break;
      this.#hash.update(piece.subarray(0, bytesRead));
      this.#doneBytes += bytesRead;
      this.#report('checking');
    }
  }

  #report(phase: DownloadProgress['phase']): void {
    this.#options.onProgress?.({ phase, doneBytes: this.#doneBytes, totalBytes: this.#totalBytes });
  }

  /** Asks for what is missing, on condition that the file is still the same (weak ETags cannot say that). */
  requestHeaders(): Record<string, string> {
    if (this.#doneBytes === 0) return {};
    const range = { range: `bytes=${this.#doneBytes}-` };
    return this.#etag && !this.#etag.startsWith('W/') ? { ...range, 'if-range': this.#etag } : range;
  }

  /**
   * Looks at an answer before its body is read. False: what is here and what the server has do not fit together, so start over. Throws `bad-file`
   * when the server's file is not the one wanted.
   */
  async accept(exchange: Exchange): Promise<boolean> {
    const { response } = exchange;
    if (response.status === 416) return false;
    const range = parseContentRange(response.headers.get('content-range'));
    const version = versionOf(response);
    let totalBytes = contentLength(response);
    if (response.status === 206) {
      if (this.#doneBytes === 0 || range?.start !== this.#doneBytes) return false;
      if (this.#etag !== undefined && version !== this.#etag) return false;
      totalBytes = range.total;
    } else if (this.#doneBytes > 0) {
      await this.restart();
    }
    await this.#refuseWrong(exchange, totalBytes);
    await this.#refuseNoRoom(exchange, totalBytes);
    this.#etag = version;
    this.#totalBytes = totalBytes ?? this.#totalBytes;
    await writeRecord(`${this.#path}.json`, this.#record());
    return true;
  }

  async #refuseWrong(exchange: Exchange, totalBytes: number | undefined): Promise<void> {
    const type = exchange.response.headers.get('content-type') ?? '';
    const wanted = this.target.sizeBytes;
    let problem: string | undefined;
    if (/^text\/html\b/i.test(type)) {
      problem =
        'need a file, got a web page. Check the URL (on the Hugging Face hub, files have /resolve/ in it, not /blob/).';
    } else if (totalBytes !== undefined && wanted !== undefined && totalBytes !== wanted) {
      problem = `need ${wanted} bytes as listed, the server has ${totalBytes}. The file changed just now or the server is wrong; try again later.`;
    }
    if (problem === undefined) return;
    await exchange.cancel();
    await this.#discard();
    throw new OnebitError('bad-file', `download ${this.target.name}: ${problem}`);
  }

  async #refuseNoRoom(exchange: Exchange, totalBytes: number | undefined): Promise<void> {
    if (totalBytes === undefined) return;
    let freeBytes: number;
    try {
      const disk = await statfs(dirname(this.#path));
      freeBytes = disk.bavail * disk.bsize;
    } catch {
      return; // Not every file system tells; then a failing write will.
    }
    if (totalBytes - this.#doneBytes <= freeBytes) return;
    await exchange.cancel();
    throw this.#diskFull(`${freeBytes} bytes are free`);
  }

  #diskFull(detail: string, cause?: unknown): OnebitError {
    const missing = this.#totalBytes === undefined ? 'more' : `${this.#totalBytes - this.#doneBytes} more bytes`;
    return new OnebitError(
      'io',
      `download ${this.target.name}: the disk is full (${detail}), need ${missing}. ${this.#doneBytes} bytes are kept in ${this.#path}. Free some space and run the same command again, or set ONEBIT_CACHE to a folder on another disk.`,
      { cause },
    );
  }

  /** Writes one piece. Throws `bad-file` when there are more bytes than the file should have. */
  async append(chunk: Uint8Array): Promise<void> {
    if (this.#totalBytes !== undefined && this.#doneBytes + chunk.length > this.#totalBytes) {
      await this.#discard();
      throw new OnebitError(
        'bad-file',
        `download ${this.target.name}: need ${this.#totalBytes} bytes, the server sends more. Nothing was kept; try again later.`,
      );
    }
    try {
      for (let at = 0; at < chunk.length; ) {
        const { bytesWritten } = await this.#handle.write(chunk, at, chunk.length - at, this.#doneBytes + at);
        at += bytesWritten;
      }
    } catch (error) {
      const code = systemCode(error);
      if (code === 'ENOSPC' || code === 'EDQUOT') throw this.#diskFull(code, error);
      throw fileError('write', this.#path, error);
    }
    this.#hash.update(chunk);
    this.#doneBytes += chunk.length;
    this.#report('downloading');
  }

  /** At the end of an answer: a body that is too short is a lost connection; without a stated length its end is the end of the file. */
  checkEnd(): void {
    if (this.#totalBytes === undefined) this.#ended = true;
    else if (this.#doneBytes < this.#totalBytes) {
      const reason = `the answer ended after ${this.#doneBytes} of ${this.#totalBytes} bytes`;
      throw connectionLost(this.target.url, reason);
    }
  }

  /** Drops what is here and begins at the first byte. Throws `network` when that happens again and again. */
  async restart(): Promise<void> {
    if (++this.#restarts > MAX_RESTARTS) {
      const why = 'the file keeps changing on the server, or the server has no byte ranges and keeps breaking off';
      throw new OnebitError(
        'network',
        `download ${this.target.name}: started over ${MAX_RESTARTS} times, ${why}. Try again later.`,
      );
    }
    await this.#handle.truncate(0);
    this.#hash = createHash('sha256');
    this.#doneBytes = 0;
    this.#totalBytes = this.target.sizeBytes;
    this.#etag = undefined;
  }

  /** Throws `bad-file`, and keeps nothing, when the hash is not the wanted one. */
  async verify(): Promise<void> {
    const sha256 = this.#hash.copy().digest('hex');
    if (this.target.sha256 === undefined || sha256 === this.target.sha256) return;
    await this.#discard();
    throw new OnebitError(
      'bad-file',
      `download ${this.target.name}: need SHA-256 ${this.target.sha256}, got ${sha256}. The bytes were damaged or changed on the way and were deleted; run the same command again.`,
    );
  }

  /** Puts the file under its name, durably, with its record. */
  async finish(): Promise<CacheEntry> {
    const { path } = this.target;
    const record = { ...this.#record(), sizeBytes: this.#doneBytes, sha256: this.#hash.copy().digest('hex') };
    try {
      await this.#handle.sync();
      await this.#handle.close();
      await rename(this.#path, path);
    } catch (error) {
      throw fileError('finish', path, error);
    }
    await writeRecord(`${path}.json`, record);
    await rm(`${this.#path}.json`, { force: true });
    return { ...record, path, storedBytes: this.#doneBytes, complete: true };
  }

  async close(): Promise<void> {
    await this.#handle.close().catch(() => {});
    if ((await fileSize(this.#path)) !== 0) return;
    await this.#discard();
  }

  async #discard(): Promise<void> {
    await this.#handle.close().catch(() => {});
    await rm(this.#path, { force: true });
    await rm(`${this.#path}.json`, { force: true });
  }

  #record(): CacheRecord {
    const { name, recordUrl, revision, sha256 } = this.target;
    const date = new Date().toISOString();
    return { name, url: recordUrl, revision, sha256, sizeBytes: this.#totalBytes, etag: this.#etag, date };
  }
}
