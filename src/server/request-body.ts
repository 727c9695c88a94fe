// Owns reading a request's JSON safely: its type, its encoding, its size and depth while it arrives. Everything in it is untrusted.
import type { Budget } from '../core/budget.ts';
import { OnebitError } from '../errors.ts';
import { ApiError } from './api-error.ts';
import { FREE_BYTES, type Room } from './body-gate.ts';
import { decompressed } from './decompress.ts';
import { JsonScan } from './json-scan.ts';

/** A body may take so long, and a second more for each SLOWEST_BYTES. */
const BODY_MS = 20_000;
const SLOWEST_BYTES = 1 << 16;

/** What reading a body needs besides the request. */
export interface BodyReading {
  readonly maxBytes: number;
  readonly budget: Budget;
  /** Waits for room for a body of so many bytes, where it is large. */
  readonly enter: (bytes: number) => Promise<Room>;
  /** Told the bytes of the body as they come, decompressed. */
  readonly onBytes?: (bytes: Uint8Array) => void;
}

/** The request's body. @throws ApiError 400, 408, 413, 415 or 503 */
export async function readBody(request: Request, reading: BodyReading): Promise<unknown> {
  const { headers, body } = request;
  const { maxBytes } = reading;
  checkType(headers);
  const length = headers.get('content-length');
  if (Number(length ?? 0) > maxBytes) throw tooLarge(maxBytes);
  if (!body) throw notJson('The body must be JSON, got nothing.');
  const encoding = headers.get('content-encoding');
  const isPlain = encoding === null || encoding === 'identity';
  const mayHave = isPlain && length !== null ? Number(length) : maxBytes;
  const text = await readText(encoding === null ? body : await decompressed(body, encoding), mayHave, reading);
  if (text === '') throw notJson('The body must be JSON, got nothing.');
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw notJson('The body must be JSON. It cannot be parsed.', cause);
  }
}

/**
 * JSON, or what programs send that do not say (`curl -d` calls everything a form). A page can send a form to any server without asking first, so a form
 * is taken only from what is no page: pages say where they come from.
 */
function checkType(headers: Headers): void {
  const type = headers.get('content-type') ?? '';
  if (/^application\/([\w.+-]+\+)?json\s*(;|$)/i.test(type)) return;
  const isUnsaid = type === '' || /^application\/x-www-form-urlencoded\s*(;|$)/i.test(type);
  if (isUnsaid && !headers.has('origin') && !headers.has('sec-fetch-site')) return;
  throw new ApiError(415, 'The body must be JSON, with content-type application/json.', {
    code: 'unsupported_media_type',
  });
}

/** The text of `body`, which may have `mayHave` bytes: the first of them are read at once, the others when there is room. */
async function readText(
  body: ReadableStream<Uint8Array>,
  mayHave: number,
  { maxBytes, budget, enter, onBytes }: BodyReading,
): Promise<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });
  const scan = new JsonScan();
  const pieces: string[] = [];
  const reader = body.getReader();
  let began = performance.now();
  let bytes = 0;
  let room: Room | undefined;
  try {
    for (;;) {
      const read = inTime(reader.read(), began + allowedMs(bytes), budget.signal);
      const { done, value } = await budget.wait('the body', read);
      if (done) break;
      bytes += value.length;
      if (bytes > maxBytes) throw tooLarge(maxBytes);
      if (!room && bytes > FREE_BYTES) {
        const asked = performance.now();
        room = await budget.wait('the body', enter(mayHave));
        began += performance.now() - asked;
      }
      room?.arrived(value.length);
      scan.push(value);
      onBytes?.(value);
      pieces.push(decoder.decode(value, { stream: true }));
      await budget.turn('the body');
    }
    pieces.push(decoder.decode());
  } catch (error) {
    void reader.cancel().catch(() => {}); // a client that does not stop sending is not waited for
    if (error instanceof ApiError || error instanceof OnebitError || budget.signal?.aborted) throw error;
    throw notJson('The body must be UTF-8, and compressed as its header content-encoding says.', error);
  }
  room?.complete();
  await budget.nextTurn('the body');
  return pieces.join('');
}

const allowedMs = (bytes: number) => BODY_MS + (bytes / SLOWEST_BYTES) * 1000;

function inTime<Result>(result: Promise<Result>, endMs: number, signal?: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal?.reason);
    const timer = setTimeout(() => {
      reject(new ApiError(408, 'The body took too long to arrive.', { code: 'timeout' }));
    }, endMs - performance.now());
    signal?.addEventListener('abort', stop);
    result.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
    });
  });
}

function notJson(message: string, cause?: unknown): ApiError {
  return new ApiError(400, message, { code: 'invalid_json', cause });
}

function tooLarge(maxBytes: number): ApiError {
  return new ApiError(413, `The body must have at most ${maxBytes} bytes.`, { code: 'request_too_large' });
}
