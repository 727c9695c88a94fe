// Owns random access to a file behind a URL by range requests. Must not know formats, caches or the platform: it runs in browsers and Node alike.
// Source: RFC 9110, sections 14 (ranges) and 8.8 (validators).
import { checkArgument } from '../core/check.ts';
import { OnebitError } from '../errors.ts';
import {
  connectionLost,
  contentLength,
  displayUrl,
  type Exchange,
  type HttpOptions,
  isLoss,
  parseContentRange,
  Retries,
  send,
  splitCredentials,
  versionOf,
} from './http-request.ts';
import { memorySource } from './memory-source.ts';
import type { ByteSource } from './source.ts';

export interface HttpSourceOptions extends HttpOptions {
  /** The largest file in bytes that is taken whole into memory from a server without ranges. Default 512 MiB. */
  maxWholeBytes?: number;
}

/**
 * Opens the file at an http(s) `address`. Learns its size by asking for one byte; a server without ranges is asked for the whole file once, if it is
 * small enough. A file that changes while it is open is an error (`network`), never a mixture of two versions. `callerOptions.signal` ends the
 * source as a whole. Throws `network`, or `bad-argument` when `address` is no http(s) URL.
 */
export async function httpSource(address: string, callerOptions: HttpSourceOptions = {}): Promise<ByteSource> {
  checkArgument('httpSource', 'address', address, 'text');
  checkArgument('httpSource', 'options', callerOptions, 'object');
  if (!/^https?:$/.test(URL.canParse(address) ? new URL(address).protocol : '')) {
    throw new OnebitError('bad-argument', `open: need an http or https URL, got ${displayUrl(address)}.`);
  }
  const { url, headers } = splitCredentials(address);
  const options = { ...callerOptions, headers: { ...callerOptions.headers, ...headers } };
  const first = await send(url, { range: 'bytes=0-0' }, options, new Retries(options));
  if (first.response.status === 200) return memorySource(await readWhole(url, first, options), displayUrl(url));
  await first.cancel();
  const range = parseContentRange(first.response.headers.get('content-range'));
  if (first.response.status === 416) {
    if (range?.total === 0) return memorySource(new Uint8Array(0), displayUrl(url));
    throw new OnebitError(
      'network',
      `open ${displayUrl(url)}: the server refuses a range of one byte. Try another one.`,
    );
  }
  const size = range?.total ?? (await sizeByHead(url, options));
  return new HttpSource(url, size, first.response, options);
}

/** Servers that do not expose Content-Range to a page still show Content-Length, which browsers always let through. */
async function sizeByHead(url: string, options: HttpSourceOptions): Promise<number> {
  const doFetch = options.fetch ?? globalThis.fetch;
  const withHead: HttpSourceOptions = { ...options, fetch: (at, init) => doFetch(at, { ...init, method: 'HEAD' }) };
  const { response } = await send(url, {}, withHead, new Retries(options));
  const size = contentLength(response);
  if (size !== undefined) return size;
  throw new OnebitError(
    'network',
    `open ${displayUrl(url)}: the server does not tell the file's size. Download it first.`,
  );
}

async function readWhole(url: string, first: Exchange, options: HttpSourceOptions): Promise<Uint8Array> {
  const limit = options.maxWholeBytes ?? 512 * 1024 * 1024;
  const retries = new Retries(options);
  for (let exchange = first; ; ) {
    const length = contentLength(exchange.response);
    const tooLarge = () =>
      new OnebitError(
        'network',
        `open ${displayUrl(url)}: the server has no byte ranges, and the file (${length ?? 'unknown'} bytes) passes the ${limit} bytes that are taken whole into memory. Download it first and open the file.`,
      );
    try {
      if (length !== undefined && length > limit) {
        await exchange.cancel();
        throw tooLarge();
      }
      const parts: Uint8Array[] = [];
      let size = 0;
      for await (const chunk of exchange.chunks()) {
        size += chunk.length;
        if (size > limit) throw tooLarge();
        parts.push(chunk);
      }
      if (length !== undefined && size !== length)
        throw connectionLost(url, `the answer ended after ${size} of ${length} bytes`);
      return joined(parts, size);
    } catch (error) {
      if (!isLoss(error)) throw error;
      await retries.wait(error);
      exchange = await send(url, {}, options, retries);
    }
  }
}

function joined(parts: readonly Uint8Array[], size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

class HttpSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #url: string;
  /** Where the first answer came from after redirects. Asking there saves a round trip a read; such addresses expire. */
  #direct: string;
  readonly #version: string | undefined;
  readonly #options: HttpSourceOptions;
  #closed = false;

  constructor(url: string, size: number, first: Response, options: HttpSourceOptions) {
    this.name = displayUrl(url);
    this.size = size;
    this.#url = url;
    this.#direct = first.url || url;
    this.#version = versionOf(first);
    this.#options = options;
  }

  async readInto(target: Uint8Array, offsetBytes: number, signal?: AbortSignal): Promise<void> {
    const own = this.#options.signal;
    const options = { ...this.#options, signal: own && signal ? AbortSignal.any([own, signal]) : (own ?? signal) };
    options.signal?.throwIfAborted();
    if (this.#closed) throw new OnebitError('disposed', `read: ${this.name} was closed. Open it again.`);
    const end = offsetBytes + target.length;
    if (!(offsetBytes >= 0 && end <= this.size)) {
      throw new OnebitError(
        'bad-file',
        `read: need bytes ${offsetBytes}..${end} of ${this.name}, it has ${this.size}. The file is cut short; get it again.`,
      );
    }
    const retries = new Retries(options);
    let done = 0;
    while (done < target.length) {
      try {
        const exchange = await this.#request(offsetBytes + done, end, options, retries);
        for await (const chunk of exchange.chunks()) {
          if (done + chunk.length > target.length) throw this.#wrong('more bytes than asked for');
          target.set(chunk, done);
          done += chunk.length;
          retries.progress(chunk.length);
        }
        if (done < target.length)
          throw connectionLost(this.#url, `the answer ended ${target.length - done} bytes early`);
      } catch (error) {
        if (!isLoss(error)) throw error;
        await retries.wait(error);
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  /** Asks for bytes `start`..`end` (exclusive) and checks that exactly these, of the same version, will come. */
  async #request(start: number, end: number, options: HttpSourceOptions, retries: Retries): Promise<Exchange> {
    const range = { range: `bytes=${start}-${end - 1}` };
    let exchange: Exchange;
    if (this.#direct === this.#url) {
      exchange = await send(this.#url, range, options, retries);
    } else {
      try {
        const foreign = new URL(this.#direct).origin !== new URL(this.#url).origin;
        exchange = await send(this.#direct, range, foreign ? { ...options, headers: {} } : options, retries);
      } catch (error) {
        // A refusal (not a loss) from the redirected address most likely means that it expired.
        if (!(error instanceof OnebitError) || isLoss(error)) throw error;
        exchange = await send(this.#url, range, options, retries);
        this.#direct = exchange.response.url || this.#url;
      }
    }
    const problem = this.#problemOf(exchange.response, start, end);
    if (!problem) return exchange;
    await exchange.cancel();
    throw this.#wrong(problem);
  }

  /**
   * What is wrong with an answer, or undefined. The version is compared here instead of with If-Range, because that header makes browsers ask
   * other origins for permission first, which many file servers do not give; the outcome is the same.
   */
  #problemOf(response: Response, start: number, end: number): string | undefined {
    if (response.status === 416) return 'fewer bytes than before';
    if (versionOf(response) !== this.#version) return 'another version of the file than before';
    if (response.status === 200) return 'the whole file instead of a range';
    const range = parseContentRange(response.headers.get('content-range'));
    if (!range) return undefined;
    if (range.total !== undefined && range.total !== this.size)
      return `a file of ${range.total} bytes, before it had ${this.size}`;
    if (range.start !== start || range.end !== end) return `bytes ${range.start}..${range.end}, not ${start}..${end}`;
    return undefined;
  }

  #wrong(what: string): OnebitError {
    return new OnebitError('network', `read ${this.name}: the server sent ${what}. Open the file again.`);
  }
}
