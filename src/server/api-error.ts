// Owns errors as the API answers them: `{error:{message,type,code,param}}` with a status. Knows which of the package's errors mean which status.
import { OnebitError } from '../errors.ts';

export interface ApiErrorOptions {
  /** A word for programs, such as `model_not_found`. */
  readonly code?: string;
  /** The field of the request that is wrong. */
  readonly param?: string;
  readonly retryAfterSeconds?: number;
  /** The methods that the route takes. */
  readonly allow?: string;
  readonly cause?: unknown;
}

const TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  429: 'rate_limit_error',
};
/** How long a client should wait when the server cannot say how long it will be busy. */
const RETRY_SECONDS = 1;

/** Whose clients read an error. */
export type ErrorForm = 'openai' | 'anthropic' | 'ollama';

/** An answer with a status of 400 or more. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string | null;
  readonly param: string | null;
  readonly retryAfterSeconds: number | undefined;
  private readonly allow: string | undefined;

  constructor(status: number, message: string, options: ApiErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ApiError';
    this.status = status;
    this.code = options.code ?? null;
    this.param = options.param ?? null;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.allow = options.allow;
  }

  /** The body of the answer. */
  toJSON(): { error: { message: string; type: string; code: string | null; param: string | null } } {
    const type = TYPES[this.status] ?? (this.status < 500 ? 'invalid_request_error' : 'server_error');
    return { error: { message: this.message, type, code: this.code, param: this.param } };
  }

  /** The body that clients of `form` expect. */
  bodyIn(form: ErrorForm): object {
    if (form === 'ollama') return { error: this.message };
    return form === 'anthropic' ? { type: 'error', ...this.toJSON() } : this.toJSON();
  }

  /** The answer. */
  toResponse(form: ErrorForm = 'openai'): Response {
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    if (this.retryAfterSeconds !== undefined) headers['retry-after'] = String(Math.ceil(this.retryAfterSeconds));
    if (this.allow !== undefined) headers.allow = this.allow;
    if (this.status === 401) headers['www-authenticate'] = 'Bearer';
    return new Response(JSON.stringify(this.bodyIn(form)), { status: this.status, headers });
  }
}

/** A field of the request that cannot be answered. */
export function badField(param: string, message: string, code = 'invalid_value'): ApiError {
  return new ApiError(400, message, { param, code });
}

/** A request whose address is none, mostly because of its header Host. */
export function invalidUrl(): ApiError {
  return new ApiError(400, 'The request has no valid URL or header Host.', { code: 'bad_request' });
}

/** What the API answers to anything that was thrown. Causes that are not the caller's business stay in `cause`. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (!(error instanceof OnebitError)) {
    return new ApiError(500, 'The server failed to answer. Its log says why.', {
      code: 'internal_error',
      cause: error,
    });
  }
  const options = { code: error.code, cause: error };
  const busy = { ...options, retryAfterSeconds: RETRY_SECONDS };
  switch (error.code as string) {
    case 'bad-argument':
    case 'too-long':
    case 'unsupported':
    case 'over-budget':
      return new ApiError(400, error.message, options);
    case 'busy':
      return new ApiError(429, error.message, { ...busy, code: 'queue_full' });
    case 'out-of-memory':
    case 'disposed':
      return new ApiError(503, error.message, busy);
    default:
      return new ApiError(500, 'The model failed. The log of the server says why.', options);
  }
}
