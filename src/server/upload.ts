// Owns reading an uploaded file: multipart/form-data, bounded, one upload in memory at a time. Must not know where it goes.
import type { Budget } from '../core/budget.ts';
import { ApiError, badField } from './api-error.ts';

export interface Upload {
  readonly file: Blob;
  readonly filename: string;
  readonly purpose: string;
  /** Seconds after which it goes. */
  readonly expiresSeconds: number | undefined;
}

/** An upload may take so long, and a second more for each SLOWEST_BYTES. */
const UPLOAD_MS = 60_000;
const SLOWEST_BYTES = 1 << 16;
const PURPOSES = ['batch', 'assistants', 'vision', 'user_data', 'evals', 'fine-tune'];
const LONGEST_NAME = 255;

let last: Promise<unknown> = Promise.resolve();

/** Gives what `use` makes of the upload. @throws ApiError 400, 408, 413, 415 */
export function readUpload<Result>(
  request: Request,
  maxBytes: number,
  budget: Budget,
  use: (upload: Upload) => Promise<Result>,
): Promise<Result> {
  if (!/^multipart\/form-data\s*;/i.test(request.headers.get('content-type') ?? '')) {
    throw new ApiError(415, 'The body must be multipart/form-data, with the fields file and purpose.', {
      code: 'unsupported_media_type',
    });
  }
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw tooLarge(maxBytes);
  const turn = last.catch(() => {});
  const result = turn.then(async () => use(await read(request, maxBytes, budget)));
  last = result;
  return budget.wait('the upload', result);
}

async function read(request: Request, maxBytes: number, { signal }: Budget): Promise<Upload> {
  signal?.throwIfAborted();
  if (!request.body) throw badField('file', 'file: there must be a file, got no body.');
  let bytes = 0;
  const stop = new AbortController();
  let timer = setTimeout(() => stop.abort(tooSlow()), UPLOAD_MS);
  const bounded = request.body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(piece, controller) {
        bytes += piece.length;
        if (bytes > maxBytes) throw tooLarge(maxBytes);
        clearTimeout(timer);
        timer = setTimeout(
          () => stop.abort(tooSlow()),
          Math.max(1000, (piece.length / SLOWEST_BYTES) * 1000 + UPLOAD_MS / 4),
        );
        controller.enqueue(piece);
      },
    }),
    { signal: signal ? AbortSignal.any([signal, stop.signal]) : stop.signal },
  );
  try {
    const form = await new Response(bounded, {
      headers: { 'content-type': request.headers.get('content-type')! },
    }).formData();
    return uploadOf(form);
  } catch (error) {
    signal?.throwIfAborted();
    if (stop.signal.aborted) throw stop.signal.reason;
    if (bytes > maxBytes) throw tooLarge(maxBytes);
    if (error instanceof ApiError) throw error;
    throw new ApiError(400, 'The body must be multipart/form-data. It cannot be read.', {
      code: 'invalid_form',
      cause: error,
    });
  } finally {
    clearTimeout(timer);
  }
}

function uploadOf(form: FormData): Upload {
  const file = form.get('file');
  if (file === null || typeof file === 'string') throw badField('file', 'file: there must be a file.');
  const purpose = form.get('purpose');
  if (typeof purpose !== 'string' || !PURPOSES.includes(purpose)) {
    throw badField('purpose', `purpose: it must be one of ${PURPOSES.join(', ')}.`);
  }
  const seconds = form.get('expires_after[seconds]');
  const expiresSeconds = seconds === null ? undefined : Number(seconds);
  if (
    expiresSeconds !== undefined &&
    !(Number.isInteger(expiresSeconds) && expiresSeconds >= 3600 && expiresSeconds <= 2_592_000)
  ) {
    throw badField('expires_after', 'expires_after.seconds: it must be a whole number from 3600 to 2592000.');
  }
  return { file, filename: file.name.slice(0, LONGEST_NAME), purpose, expiresSeconds };
}

function tooLarge(maxBytes: number): ApiError {
  return new ApiError(413, `The file must have at most ${maxBytes} bytes.`, { code: 'request_too_large' });
}

function tooSlow(): ApiError {
  return new ApiError(408, 'The file took too long to arrive.', { code: 'timeout' });
}
