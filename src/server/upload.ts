// Owns reading an uploaded file: multipart/form-data, bounded, one upload of an owner in memory at a time, two of all, and slow ones give way to those who wait. Must not know where it goes.
import type { Budget } from '../core/budget.ts';
import { ApiError, badField } from './api-error.ts';
import { BodyGate, type Room } from './body-gate.ts';

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

/** Counts uploads, not bytes. */
const gate = new BodyGate(1);

/** What an upload is read within. */
export interface UploadReading {
  readonly owner: string;
  readonly maxBytes: number;
  readonly budget: Budget;
}

/** Gives what `use` makes of the upload. @throws ApiError 400, 408, 413, 415, 503 */
export async function readUpload<Result>(
  request: Request,
  { owner, maxBytes, budget }: UploadReading,
  use: (upload: Upload) => Promise<Result>,
): Promise<Result> {
  if (!/^multipart\/form-data\s*;/i.test(request.headers.get('content-type') ?? '')) {
    throw new ApiError(415, 'The body must be multipart/form-data, with the fields file and purpose.', {
      code: 'unsupported_media_type',
    });
  }
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw tooLarge(maxBytes);
  const stop = new AbortController();
  const cut = (error: ApiError) => stop.abort(error);
  const inTurn = async () => {
    const room = await gate.enter({ owner, bytes: 1, signal: budget.signal, cut });
    try {
      return await use(await read(request, maxBytes, { room, stop, signal: budget.signal }));
    } finally {
      room.leave();
    }
  };
  return budget.wait('the upload', inTurn());
}

async function read(
  request: Request,
  maxBytes: number,
  { room, stop, signal }: { readonly room: Room; readonly stop: AbortController; readonly signal?: AbortSignal },
): Promise<Upload> {
  signal?.throwIfAborted();
  if (!request.body) throw badField('file', 'file: there must be a file, got no body.');
  let bytes = 0;
  let timer = setTimeout(() => stop.abort(tooSlow()), UPLOAD_MS);
  const bounded = request.body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(piece, controller) {
        bytes += piece.length;
        room.arrived(piece.length);
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
    room.complete();
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
  return { file, filename: file.name.slice(0, LONGEST_NAME), purpose, expiresSeconds: expiresOf(form) };
}

/** Seconds after which the file goes: said whole, or not at all. */
function expiresOf(form: FormData): number | undefined {
  if (![...form.keys()].some((name) => name.startsWith('expires_after'))) return undefined;
  if (form.get('expires_after[anchor]') !== 'created_at')
    throw badField('expires_after', 'expires_after.anchor: it must be created_at.');
  const seconds = Number(form.get('expires_after[seconds]') || Number.NaN);
  if (!(Number.isInteger(seconds) && seconds >= 3600 && seconds <= 2_592_000))
    throw badField('expires_after', 'expires_after.seconds: it must be a whole number from 3600 to 2592000.');
  return seconds;
}

function tooLarge(maxBytes: number): ApiError {
  return new ApiError(413, `The file must have at most ${maxBytes} bytes.`, { code: 'request_too_large' });
}

function tooSlow(): ApiError {
  return new ApiError(408, 'The file took too long to arrive.', { code: 'timeout' });
}
