// Owns one HTTP request done carefully: bounded retries, a stall limit, aborts, and errors that say what to do. Must not know models, caches or
// the platform: it runs in browsers and Node alike. Source: RFC 9110 (range requests, Retry-After).
import { sleep } from '../core/sleep.ts';
import { OnebitError } from '../errors.ts';

/** What every part of this folder that speaks HTTP accepts. */
export interface HttpOptions {
  /** Replaces the global `fetch`. */
  fetch?: typeof globalThis.fetch;
  /** Sent with every request, but never to another origin than that of the URL. */
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** Wait before the first repetition in milliseconds; doubles each time. Default 500. */
  retryDelayMs?: number;
  /** A connection that delivers nothing for so many milliseconds counts as lost. Default 60,000. */
  stallMs?: number;
  /** Said when the server answers 401 or 403. */
  deniedAdvice?: string;
}

/** A response whose body is read piece by piece. */
export interface Exchange {
  response: Response;
  /** The body. Throws `network` when the connection is lost or stalls; leaving the loop early closes the connection. */
  chunks(): AsyncGenerator<Uint8Array<ArrayBuffer>, void>;
  /** Closes the connection when the body is not wanted. */
  cancel(): Promise<void>;
}

const MAX_FAILURES = 5;
const MAX_WAIT_MS = 60_000;
/** Failures are forgotten only after this much progress, so that a server that trickles bytes cannot keep us busy for ever. */
const PROGRESS_BYTES = 1024 * 1024;

/** Counts the failures of one logical operation (which may take several requests), and waits between them. */
export class Retries {
  readonly #options: HttpOptions;
  #failures = 0;
  #bytes = 0;
  #reached = false;

  constructor(options: HttpOptions) {
    this.#options = options;
  }

  /** Whether the server has answered at all; if not, a name that does not resolve is not worth repeating. */
  get reached(): boolean {
    return this.#reached;
  }

  /** Notes that `bytes` arrived. */
  progress(bytes: number): void {
    this.#reached = true;
    this.#bytes += bytes;
    if (this.#bytes < PROGRESS_BYTES) return;
    this.#bytes = 0;
    this.#failures = 0;
  }

  /** Waits before the next try, or throws `failure` when enough was tried or the server wants a longer wait than a minute. */
  async wait(failure: OnebitError, atLeastMs = 0): Promise<void> {
    this.#failures++;
    if (this.#failures >= MAX_FAILURES || atLeastMs > MAX_WAIT_MS) throw failure;
    const backoffMs = (this.#options.retryDelayMs ?? 500) * 2 ** (this.#failures - 1);
    await sleep(Math.min(MAX_WAIT_MS, Math.max(atLeastMs, backoffMs)), this.#options.signal);
  }
}

/** The URL as it may appear in messages: without user, password, query and fragment, which may hold keys. */
export function displayUrl(url: string): string {
  if (!URL.canParse(url)) return url;
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}

/** A URL without user and password, and these as the header that they stand for, because `fetch` refuses URLs with credentials. */
export function splitCredentials(url: string): { url: string; headers: Record<string, string> } {
  const parsed = new URL(url);
  if (!parsed.username && !parsed.password) return { url, headers: {} };
  const pair = new TextEncoder().encode(
    `${decodeURIComponent(parsed.username)}:${decodeURIComponent(parsed.password)}`,
  );
  parsed.username = '';
  parsed.password = '';
  return { url: parsed.href, headers: { authorization: `Basic ${btoa(String.fromCharCode(...pair))}` } };
}

/**
 * Sends a GET to `url` and returns any answer of 200, 206 or 416; repeats on 429, 5xx and lost connections, each of which `retries` counts.
 * Throws `network` on every other answer and when repeating did not help, and the signal's reason when aborted.
 */
export async function send(
  url: string,
  headers: Record<string, string>,
  options: HttpOptions,
  retries: Retries,
): Promise<Exchange> {
  for (;;) {
    options.signal?.throwIfAborted();
    let exchange: Exchange;
    try {
      exchange = await sendOnce(url, headers, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      const failure = lostError(url, error);
      if (!retries.reached && isPermanent(error)) throw failure;
      await retries.wait(failure);
      continue;
    }
    const { status } = exchange.response;
    if (status === 200 || status === 206 || status === 416) {
      await refuseEncoded(url, exchange);
      return exchange;
    }
    await exchange.cancel();
    const failure = statusError(url, status, options);
    if (status !== 429 && status !== 408 && status < 500) throw failure;
    await retries.wait(failure, retryAfterMs(exchange.response));
  }
}

async function sendOnce(url: string, headers: Record<string, string>, options: HttpOptions): Promise<Exchange> {
  const { signal, stallMs = 60_000 } = options;
  const stall = new AbortController();
  const either = signal ? AbortSignal.any([signal, stall.signal]) : stall.signal;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const watch = () => {
    clearTimeout(timer);
    timer = setTimeout(() => stall.abort(new Error(`nothing arrived for ${stallMs / 1000} s`)), stallMs);
  };
  const doFetch = options.fetch ?? globalThis.fetch;
  watch();
  let response: Response;
  try {
    response = await doFetch(url, {
      headers: { ...options.headers, 'accept-encoding': 'identity', ...headers },
      signal: either,
    });
  } finally {
    clearTimeout(timer);
  }
  return {
    response,
    async *chunks() {
      const reader = response.body?.getReader();
      if (!reader) return;
      try {
        for (;;) {
          watch();
          const { done, value } = await reader.read();
          clearTimeout(timer);
          signal?.throwIfAborted();
          if (done) return;
          yield value;
        }
      } catch (error) {
        signal?.throwIfAborted();
        throw lostError(url, error);
      } finally {
        clearTimeout(timer);
        reader.cancel().catch(() => {});
      }
    },
    async cancel() {
      await response.body?.cancel().catch(() => {});
    },
  };
}

/** Byte ranges of a compressed answer are ranges of the compressed bytes, which nobody can use. */
async function refuseEncoded(url: string, exchange: Exchange): Promise<void> {
  const encoding = exchange.response.headers.get('content-encoding');
  if (!encoding || encoding === 'identity') return;
  await exchange.cancel();
  throw new OnebitError(
    'network',
    `request ${displayUrl(url)}: the answer must not be compressed, got content-encoding ${encoding}. Turn compression off for this file on the server.`,
  );
}

function statusError(url: string, status: number, options: HttpOptions): OnebitError {
  let advice = 'Check the URL.';
  if (status === 401 || status === 403) advice = options.deniedAdvice ?? 'The server wants credentials for this file.';
  else if (status === 404 || status === 410) advice = 'There is no such file. Check the name and its spelling.';
  else if (status === 429) advice = 'The server limits requests. Wait a while and try again.';
  else if (status >= 500) advice = 'The server is in trouble. Try again later.';
  return new OnebitError('network', `request ${displayUrl(url)}: the server answered ${status}. ${advice}`);
}

/** Marks the errors after which a repetition makes sense, as opposed to those that state a fact about the file or the server. */
const losses = new WeakSet<object>();

/** Whether `error` says that a connection broke off, so that asking again for the rest makes sense. */
export function isLoss(error: unknown): error is OnebitError {
  return error instanceof OnebitError && losses.has(error);
}

/** A `network` error for a connection that broke off; `isLoss` recognises it. */
export function connectionLost(url: string, reason: string, cause?: unknown): OnebitError {
  const error = new OnebitError(
    'network',
    `request ${displayUrl(url)}: the connection failed (${reason}). Check the network and try again.`,
    { cause },
  );
  losses.add(error);
  return error;
}

function lostError(url: string, error: unknown): OnebitError {
  if (error instanceof OnebitError) return error;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return connectionLost(url, cause instanceof Error ? cause.message : String(cause), error);
}

/** Failures that a second try at once does not cure: wrong host names, closed ports, certificates. */
function isPermanent(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return /^(ENOTFOUND|ECONNREFUSED|ENETUNREACH|EHOSTUNREACH)$|CERT|TLS|SSL|SELF_SIGNED/.test(code);
}

function retryAfterMs(response: Response): number {
  const value = response.headers.get('retry-after');
  if (!value) return 0;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : 0;
}

/** What a `Content-Range` header says; `start` and `end` (exclusive) are absent with 416, `total` when the server does not know it. */
export interface ContentRange {
  start?: number;
  end?: number;
  total?: number;
}

/** Parses a `Content-Range` header; undefined when it is missing (in browsers also when the server does not expose it) or malformed. */
export function parseContentRange(value: string | null): ContentRange | undefined {
  const match = /^bytes (?:(\d{1,15})-(\d{1,15})|\*)\/(\d{1,15}|\*)$/.exec(value ?? '');
  if (!match) return undefined;
  return {
    start: match[1] === undefined ? undefined : Number(match[1]),
    end: match[2] === undefined ? undefined : Number(match[2]) + 1,
    total: match[3] === '*' ? undefined : Number(match[3]),
  };
}

/** The `Content-Length` of a response in bytes, or undefined. */
export function contentLength(response: Response): number | undefined {
  const value = response.headers.get('content-length');
  return value !== null && /^\d{1,15}$/.test(value) ? Number(value) : undefined;
}

/** What identifies the version of a resource: its ETag, else its date of change, else undefined. */
export function versionOf(response: Response): string | undefined {
  return response.headers.get('etag') ?? response.headers.get('last-modified') ?? undefined;
}
