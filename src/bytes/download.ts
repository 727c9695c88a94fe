// Owns fetching one file so that it can be interrupted at any point: resumed, checked, and only then counted as whole. Where it is kept (a disk, a
// browser's storage) is the business of a `PartialFile`. Must not know the platform. Source: RFC 9110, section 13.1.5 (If-Range).
import { nextTurn } from '../core/event-loop.ts';
import { OnebitError } from '../errors.ts';
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

/** What is to be fetched, and what is known about it beforehand. */
export interface DownloadTarget {
  /** Recorded with the file; see `CacheRecord`. */
  readonly name: string;
  /** Where to fetch it; may hold credentials that the record does not. */
  readonly url: string;
  /** Lower-case hex. Without it the hash is recorded and not checked. */
  readonly sha256?: string;
  readonly sizeBytes?: number;
}

/** How far a download is. */
export interface DownloadProgress {
  /** `waiting` for somebody else who fetches the same, `checking` what an earlier run left, or `downloading`. */
  phase: 'waiting' | 'checking' | 'downloading';
  doneBytes: number;
  totalBytes?: number;
}

export interface DownloadOptions extends HttpOptions {
  onProgress?(progress: DownloadProgress): void;
}

/** What is recorded of a download: the version on the server, and how much and what there is to be. */
export interface DownloadState {
  readonly etag?: string;
  readonly sizeBytes?: number;
  readonly sha256?: string;
}

/** A running SHA-256. */
export interface Hashing {
  update(bytes: Uint8Array): void;
  /** Lower-case hex; nothing may follow. */
  digest(): string;
}

/** Where the bytes of an unfinished download are kept. */
export interface PartialFile {
  /** What messages begin with: `download NAME`. */
  readonly what: string;
  /** Whether the platform shows all headers and sends any: pages see few of other origins, and need a permission for If-Range. */
  readonly seesAllHeaders: boolean;
  /** Bytes that an earlier run left and that belong to the same file, with what was recorded of them. */
  readonly left: { readonly bytes: number; readonly state: DownloadState };
  hashing(): Hashing;
  /** Reads into `piece` what is at `offset`; gives how many bytes. */
  read(piece: Uint8Array<ArrayBuffer>, offset: number): number | Promise<number>;
  /** Takes as many bytes as fit; gives how many. Throws what the platform throws. */
  write(bytes: Uint8Array<ArrayBuffer>, offset: number): number | Promise<number>;
  clear(): void | Promise<void>;
  /** Bytes that still fit, where the platform tells. */
  freeBytes(): Promise<number | undefined>;
  record(state: DownloadState): Promise<void>;
  /** The error that says that nothing more fits, or undefined where `cause` is another failure. */
  full(kept: number, missing: number | undefined, detail: string, cause?: unknown): OnebitError;
  /** Whether a failed write says that nothing more fits. */
  isFull(cause: unknown): boolean;
  /** The error for another failed write. */
  failed(cause: unknown): OnebitError;
  /** Called before what is here is changed after waiting for the network: throws where it has become somebody else's. */
  check?(): Promise<void>;
  /** Makes the file count as whole, durably. */
  finish(state: Required<Pick<DownloadState, 'sizeBytes' | 'sha256'>> & DownloadState): Promise<void>;
  /** Removes everything. */
  discard(): Promise<void>;
}

/** How often one download begins again at the first byte before it gives up. */
const MAX_RESTARTS = 3;
const PIECE_BYTES = 1024 * 1024;

/**
 * Brings `file` to the whole of `target`, over as many requests as it takes. An abort or a failure leaves what has come for the next call. Throws
 * `network`, `io` (full: says what is kept), `bad-file` when size or hash are wrong (nothing is kept), or the signal's reason.
 */
export async function download(file: PartialFile, target: DownloadTarget, options: DownloadOptions): Promise<void> {
  const run = new Download(file, target, options);
  await run.takeUp();
  const retries = new Retries(options);
  while (!run.isFull) {
    try {
      const exchange = await send(target.url, run.requestHeaders(), options, retries);
      await file.check?.();
      if (!(await run.accept(exchange))) {
        await exchange.cancel();
        await run.restart();
        continue;
      }
      for await (const chunk of exchange.chunks()) {
        await run.append(chunk);
        retries.progress(chunk.length);
      }
      run.checkEnd();
    } catch (error) {
      if (!isLoss(error)) throw error;
      await retries.wait(error);
    }
  }
  await run.finish();
}

/** Whether what an earlier run left is a part of the wanted file: by its hash, or else by where it came from. */
export function belongsTo(
  record: DownloadState & { readonly url: string },
  storedBytes: number,
  target: Omit<DownloadTarget, 'name'>,
): boolean {
  if (target.sizeBytes !== undefined && storedBytes > target.sizeBytes) return false;
  if (record.sha256 !== undefined && target.sha256 !== undefined) return record.sha256 === target.sha256;
  return record.url === target.url && (target.sizeBytes === undefined || record.sizeBytes === target.sizeBytes);
}

/** The state of one download: how much there is, its running hash, and what the server said about it. */
class Download {
  readonly #file: PartialFile;
  readonly #target: DownloadTarget;
  readonly #options: DownloadOptions;
  #hash: Hashing;
  #doneBytes = 0;
  #totalBytes: number | undefined;
  #etag: string | undefined;
  #ended = false;
  #restarts = 0;

  constructor(file: PartialFile, target: DownloadTarget, options: DownloadOptions) {
    this.#file = file;
    this.#target = target;
    this.#options = options;
    this.#totalBytes = target.sizeBytes;
    this.#hash = file.hashing();
  }

  /** Hashes what an earlier run left. */
  async takeUp(): Promise<void> {
    const { bytes, state } = this.#file.left;
    if (bytes === 0) return this.#file.clear();
    this.#etag = state.etag;
    this.#totalBytes ??= state.sizeBytes;
    const stored = Math.min(bytes, this.#totalBytes ?? bytes);
    const piece = new Uint8Array(PIECE_BYTES);
    while (this.#doneBytes < stored) {
      this.#options.signal?.throwIfAborted();
      const read = await this.#file.read(
        piece.subarray(0, Math.min(PIECE_BYTES, stored - this.#doneBytes)),
        this.#doneBytes,
      );
      if (read === 0) break;
      this.#hash.update(piece.subarray(0, read));
      this.#doneBytes += read;
      this.#report('checking');
      await nextTurn(); // for aborts: some platforms read in the turn of the caller
    }
  }

  get isFull(): boolean {
    return this.#ended || (this.#doneBytes > 0 && this.#doneBytes === this.#totalBytes) || this.#totalBytes === 0;
  }

  #report(phase: DownloadProgress['phase']): void {
    this.#options.onProgress?.({ phase, doneBytes: this.#doneBytes, totalBytes: this.#totalBytes });
  }

  /** Asks for what is missing, where possible on condition that the file is still the same (weak ETags cannot say that). */
  requestHeaders(): Record<string, string> {
    if (this.#doneBytes === 0) return {};
    const range = { range: `bytes=${this.#doneBytes}-` };
    const isStrong = this.#etag !== undefined && !this.#etag.startsWith('W/');
    return this.#file.seesAllHeaders && isStrong ? { ...range, 'if-range': this.#etag! } : range;
  }

  /**
   * Looks at an answer before its body is read. False: what is here and what the server has do not fit together, so start over. Throws `bad-file`
   * when the server's file is not the one wanted, `io` when it does not fit.
   */
  async accept(exchange: Exchange): Promise<boolean> {
    const { response } = exchange;
    if (response.status === 416) return false;
    const version = versionOf(response);
    let totalBytes = contentLength(response);
    if (response.status === 206) {
      const range = parseContentRange(response.headers.get('content-range'));
      if (
        this.#doneBytes === 0 ||
        (range?.start ?? (this.#file.seesAllHeaders ? -1 : this.#doneBytes)) !== this.#doneBytes
      )
        return false;
      if (this.#etag !== undefined && version !== this.#etag) return false;
      totalBytes = range ? range.total : totalBytes && this.#doneBytes + totalBytes;
    } else if (this.#doneBytes > 0) {
      await this.restart();
    }
    await this.#refuseWrong(exchange, totalBytes);
    this.#etag = version;
    this.#totalBytes = totalBytes ?? this.#totalBytes;
    await this.#refuseNoRoom(exchange);
    await this.#file.record(this.#state());
    return true;
  }

  async #refuseWrong(exchange: Exchange, totalBytes: number | undefined): Promise<void> {
    const wanted = this.#target.sizeBytes;
    const isPage = /^text\/html\b/i.test(exchange.response.headers.get('content-type') ?? '');
    const isOther = totalBytes !== undefined && wanted !== undefined && totalBytes !== wanted;
    if (!isPage && !isOther) return;
    await exchange.cancel();
    await this.#refuse(
      isPage
        ? 'need a file, got a web page. Check the URL (on the Hugging Face hub, files have /resolve/ in it, not /blob/).'
        : `need ${wanted} bytes as listed, the server has ${totalBytes}. The file changed just now or the server is wrong; try again later.`,
    );
  }

  async #refuseNoRoom(exchange: Exchange): Promise<void> {
    if (this.#totalBytes === undefined) return;
    const freeBytes = await this.#file.freeBytes();
    if (freeBytes === undefined || this.#totalBytes - this.#doneBytes <= freeBytes) return;
    await exchange.cancel();
    throw this.#full(`${freeBytes} bytes are free`);
  }

  #full(detail: string, cause?: unknown): OnebitError {
    const missing = this.#totalBytes === undefined ? undefined : this.#totalBytes - this.#doneBytes;
    return this.#file.full(this.#doneBytes, missing, detail, cause);
  }

  /** Writes one piece. Throws `bad-file` when there are more bytes than the file should have, `io` when not all of it is taken. */
  async append(chunk: Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.#totalBytes !== undefined && this.#doneBytes + chunk.length > this.#totalBytes) {
      await this.#refuse(`need ${this.#totalBytes} bytes, the server sends more. Nothing was kept; try again later.`);
    }
    for (let at = 0; at < chunk.length; ) {
      let written: number;
      try {
        written = await this.#file.write(chunk.subarray(at), this.#doneBytes + at);
      } catch (cause) {
        if (!this.#file.isFull(cause)) throw this.#file.failed(cause);
        throw this.#full(cause instanceof Error ? cause.message : String(cause), cause);
      }
      if (written === 0) throw this.#full(`${at} of ${chunk.length} bytes were taken`);
      at += written;
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
      throw connectionLost(this.#target.url, reason);
    }
  }

  /** Drops what is here and begins at the first byte. Throws `network` when that happens again and again. */
  async restart(): Promise<void> {
    if (++this.#restarts > MAX_RESTARTS) {
      const why = 'the file keeps changing on the server, or the server has no byte ranges and keeps breaking off';
      throw new OnebitError(
        'network',
        `${this.#file.what}: started over ${MAX_RESTARTS} times, ${why}. Try again later.`,
      );
    }
    await this.#file.clear();
    this.#hash = this.#file.hashing();
    this.#doneBytes = 0;
    this.#totalBytes = this.#target.sizeBytes;
    this.#etag = undefined;
  }

  /** Checks the hash and makes the file count. Throws `bad-file`, and keeps nothing, when the hash is not the wanted one. */
  async finish(): Promise<void> {
    const found = this.#hash.digest();
    const wanted = this.#target.sha256;
    if (wanted !== undefined && found !== wanted) {
      await this.#refuse(
        `need SHA-256 ${wanted}, got ${found}. The bytes were damaged or changed on the way and were deleted; try again.`,
      );
    }
    await this.#file.check?.();
    await this.#file.finish({ ...this.#state(), sizeBytes: this.#doneBytes, sha256: found });
  }

  async #refuse(problem: string): Promise<never> {
    await this.#file.discard();
    throw new OnebitError('bad-file', `${this.#file.what}: ${problem}`);
  }

  #state(): DownloadState {
    return { etag: this.#etag, sizeBytes: this.#totalBytes, sha256: this.#target.sha256 };
  }
}
