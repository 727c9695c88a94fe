// Owns reading a request's JSON safely: size, depth, encoding, then the schema. Everything in it is untrusted.
import type { z } from 'zod';
import { ApiError } from './api-error.ts';

/** Deeper JSON has no use here, and recursion over it must end. */
const MOST_DEPTH = 64;

/** The request's body as `schema` has it. @throws ApiError 400, 413 or 415 */
export async function readBody<Schema extends z.ZodType>(
  request: Request,
  schema: Schema,
  maxBytes: number,
): Promise<z.output<Schema>> {
  const type = request.headers.get('content-type') ?? '';
  if (!/^application\/([\w.+-]+\+)?json\s*(;|$)/i.test(type)) {
    throw new ApiError(415, 'The body must be JSON, with content-type application/json.', {
      code: 'unsupported_media_type',
    });
  }
  return check(schema, parseJson(await readText(request, maxBytes)));
}

/** `value` as `schema` has it. @throws ApiError 400 with the field's name */
export function check<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = deepest(parsed.error.issues[0]);
  const param = issue.path.map(String).join('.');
  throw new ApiError(400, `${param === '' ? 'The body' : param}: ${issue.message}.`, {
    code: 'invalid_value',
    param: param === '' ? undefined : param,
  });
}

/** Of a union the branch that got furthest knows best what is wrong. */
function deepest(issue: z.core.$ZodIssue): { path: PropertyKey[]; message: string } {
  if (issue.code !== 'invalid_union') return issue;
  let best: { path: PropertyKey[]; message: string } = { path: [], message: '' };
  for (const branch of issue.errors) {
    for (const inner of branch.slice(0, 1)) {
      const found = deepest(inner);
      if (found.path.length > best.path.length) best = found;
    }
  }
  if (best.path.length === 0) return { path: issue.path, message: 'Invalid input: of none of the allowed types' };
  return { path: [...issue.path, ...best.path], message: best.message };
}

async function readText(request: Request, maxBytes: number): Promise<string> {
  const tooLarge = () =>
    new ApiError(413, `The body must have at most ${maxBytes} bytes.`, { code: 'request_too_large' });
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw tooLarge();
  if (!request.body) throw new ApiError(400, 'The body must be JSON, got nothing.', { code: 'invalid_json' });
  const parts: Uint8Array[] = [];
  let bytes = 0;
  const reader = request.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes += value.length;
    if (bytes > maxBytes) {
      await reader.cancel();
      throw tooLarge();
    }
    parts.push(value);
  }
  return decode(parts, bytes);
}

function decode(parts: readonly Uint8Array[], bytes: number): string {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(whole);
  } catch (cause) {
    throw new ApiError(400, 'The body must be UTF-8.', { code: 'invalid_json', cause });
  }
}

function parseJson(text: string): unknown {
  checkDepth(text);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ApiError(400, 'The body must be JSON. It cannot be parsed.', { code: 'invalid_json', cause });
  }
}

/** Counts brackets outside of strings. */
function checkDepth(text: string): void {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (inString) {
      if (unit === 0x5c) i++;
      else if (unit === 0x22) inString = false;
    } else if (unit === 0x22) inString = true;
    else if (unit === 0x5b || unit === 0x7b) {
      if (++depth > MOST_DEPTH) {
        throw new ApiError(400, `The body's JSON must be at most ${MOST_DEPTH} levels deep.`, { code: 'invalid_json' });
      }
    } else if (unit === 0x5d || unit === 0x7d) depth--;
  }
}
