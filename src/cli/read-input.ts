// Owns reading the files and the standard input of commands: bounded, and text always by the same rules (core/decode-text.ts). Must not know what is
// read.
import { closeSync, fstat, open, read } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { fileError, READ_AT_ONCE } from '../bytes/file-source.ts';
import { decodePieces, decodeText } from '../core/decode-text.ts';
import { OnebitError } from '../errors.ts';

/** What JavaScript can hold as one text, with room to work. */
const MOST_BYTES = 400_000_000;

/**
 * The bytes of a file or a pipe, or of standard input for `-`. `what` says what is done, "read queries". Throws `io`, `bad-argument` for more than
 * 400 MB, the signal's reason when aborted.
 */
export async function readInput(path: string, what: string, signal: AbortSignal): Promise<Uint8Array> {
  if (path === '-' || path === '/dev/stdin') return readAll(process.stdin, what, path, signal);
  try {
    return await readPath(path, what, signal);
  } catch (error) {
    if (error instanceof OnebitError || signal?.aborted) throw error;
    throw fileError(what, path, error);
  }
}

/** The text of a file, or of standard input for `-`. Throws as `readInput`, and `bad-file` for what is no UTF-8 or UTF-16. */
export async function readInputText(path: string, what: string, signal: AbortSignal): Promise<string> {
  return decodeText(await readInput(path, what, signal), `${what}: ${nameOf(path)}`);
}

/** A JSON document in a file. Throws as `readInputText`, and `bad-argument` for what is no JSON. */
export async function readInputJson(path: string, what: string, signal: AbortSignal): Promise<unknown> {
  const text = await readInputText(path, what, signal);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new OnebitError('bad-argument', `${what}: ${nameOf(path)} must be JSON, got ${(cause as Error).message}.`, {
      cause,
    });
  }
}

/** What the shell hands over as a pipe that is open already: `<(command)`. */
const OPEN_ALREADY = /^\/(?:dev|proc\/self)\/fd\/(\d+)$/;

async function readPath(path: string, what: string, signal: AbortSignal): Promise<Uint8Array> {
  const number = OPEN_ALREADY.exec(path)?.[1];
  const descriptor = number === undefined ? await openAtOnce(path) : Number(number);
  const found = await statOf(descriptor);
  if (found.isFIFO() || found.isSocket()) {
    // Read as the event loop finds bytes there: a thread that waits in a read could not be ended.
    return readAll(new Socket({ fd: descriptor, readable: true, writable: false }), what, path, signal);
  }
  try {
    if (found.isDirectory()) throw Object.assign(new Error('is a directory'), { code: 'EISDIR' });
    if (found.size > MOST_BYTES) throw tooLarge(what, path);
    const parts: Buffer[] = [];
    let bytes = 0;
    for (;;) {
      signal?.throwIfAborted();
      const part = await readSome(descriptor, Math.max(1 << 16, found.size - bytes + 1));
      if (part.length === 0) return parts.length === 1 ? parts[0] : Buffer.concat(parts);
      bytes += part.length;
      if (bytes > MOST_BYTES) throw tooLarge(what, path);
      parts.push(part);
    }
  } finally {
    if (number === undefined) closeSync(descriptor);
  }
}

const openAtOnce = (path: string) => promisify(open)(path, READ_AT_ONCE);
const statOf = (descriptor: number) => promisify(fstat)(descriptor);

async function readSome(descriptor: number, most: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(Math.min(most, 1 << 24));
  const { bytesRead } = await promisify(read)(descriptor, buffer, 0, buffer.length, null);
  return buffer.subarray(0, bytesRead);
}

/** A JSON schema in a file, for the command `what`. Throws as `readInputJson`. */
export async function readSchema(path: string, what: string, signal: AbortSignal): Promise<unknown> {
  try {
    return await readInputJson(path, 'read schema', signal);
  } catch (cause) {
    if (!(cause instanceof OnebitError)) throw cause;
    throw new OnebitError(cause.code, `${what}: ${path} must be a JSON schema. ${cause.message}`, { cause });
  }
}

/** Whether something may come by standard input that nobody types: a pipe, or a file that is not empty. */
export async function isInputGiven(): Promise<boolean> {
  const found = await statOf(0).catch(() => undefined);
  return Boolean(found && (found.isFIFO() || found.isSocket() || (found.isFile() && found.size > 0)));
}

/** The lines of standard input, each as soon as it is there. Throws `bad-file` for what is no UTF-8 or UTF-16, the signal's reason when aborted. */
export async function* inputLines(what: string, signal: AbortSignal): AsyncGenerator<string, void> {
  const stop = () => process.stdin.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    let rest = '';
    for await (const piece of decodePieces(process.stdin, `${what}: standard input`)) {
      const lines = `${rest}${piece}`.split(/\r\n|\n|\r(?!\n|$)/);
      rest = lines.pop() ?? '';
      yield* lines;
    }
    if (rest !== '') yield rest.replace(/\r$/, '');
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
  signal.throwIfAborted();
}

async function readAll(stream: Readable, what: string, path: string, signal?: AbortSignal): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  let bytes = 0;
  const stop = () => stream.destroy();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    for await (const part of stream) {
      bytes += part.length;
      if (bytes > MOST_BYTES) throw tooLarge(what, path);
      parts.push(part);
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
  signal?.throwIfAborted();
  return Buffer.concat(parts);
}

function tooLarge(what: string, path: string): OnebitError {
  return new OnebitError('bad-argument', `${what}: ${nameOf(path)} must have at most ${MOST_BYTES} bytes. Split it.`);
}

function nameOf(path: string): string {
  return path === '-' ? 'standard input' : path;
}
