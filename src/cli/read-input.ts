// Owns reading the files and the standard input of commands: bounded, and text always by the same rules (core/decode-text.ts). Must not know what is
// read.
import { readFile, stat } from 'node:fs/promises';
import { fileError } from '../bytes/file-source.ts';
import { decodePieces, decodeText } from '../core/decode-text.ts';
import { OnebitError } from '../errors.ts';

/** What JavaScript can hold as one text, with room to work. */
const MOST_BYTES = 400_000_000;

/** The bytes of a file, or of standard input for `-`. `what` says what is done, "read queries". Throws `io`, `bad-argument` for more than 400 MB. */
export async function readInput(path: string, what: string): Promise<Uint8Array> {
  if (path === '-') return readStandardInput(what);
  try {
    const { size } = await stat(path);
    if (size > MOST_BYTES) throw tooLarge(what, path);
    return await readFile(path);
  } catch (error) {
    throw error instanceof OnebitError ? error : fileError(what, path, error);
  }
}

/** The text of a file, or of standard input for `-`. Throws as `readInput`, and `bad-file` for what is no UTF-8 or UTF-16. */
export async function readInputText(path: string, what: string): Promise<string> {
  return decodeText(await readInput(path, what), `${what}: ${nameOf(path)}`);
}

/** A JSON document in a file. Throws as `readInputText`, and `bad-argument` for what is no JSON. */
export async function readInputJson(path: string, what: string): Promise<unknown> {
  const text = await readInputText(path, what);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new OnebitError('bad-argument', `${what}: ${nameOf(path)} must be JSON, got ${(cause as Error).message}.`, {
      cause,
    });
  }
}

/** A JSON schema in a file, for the command `what`. Throws as `readInputJson`. */
export async function readSchema(path: string, what: string): Promise<unknown> {
  try {
    return await readInputJson(path, 'read schema');
  } catch (cause) {
    if (!(cause instanceof OnebitError)) throw cause;
    throw new OnebitError(cause.code, `${what}: ${path} must be a JSON schema. ${cause.message}`, { cause });
  }
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

async function readStandardInput(what: string): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of process.stdin) {
    bytes += part.length;
    if (bytes > MOST_BYTES) throw tooLarge(what, '-');
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function tooLarge(what: string, path: string): OnebitError {
  return new OnebitError('bad-argument', `${what}: ${nameOf(path)} must have at most ${MOST_BYTES} bytes. Split it.`);
}

function nameOf(path: string): string {
  return path === '-' ? 'standard input' : path;
}
