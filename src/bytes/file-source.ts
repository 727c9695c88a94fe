// Owns reading model bytes from a local file, and the wording of file errors. Must not know formats or the network. Node only.
import { constants, existsSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OnebitError } from '../errors.ts';
import type { ByteSource } from './source.ts';

/** An abort is noticed between pieces, so a piece is what one must at most wait for; larger ones measure no faster. */
const PIECE_BYTES = 64 * 1024 * 1024;

/** To open for reading without waiting: to open a named pipe otherwise waits for its writer, and nothing can end that. */
export const READ_AT_ONCE = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/** Files that the package brings, also under the name that a bundler gave them. */
const PACKAGED = /[/\\](seedling|support-trunk)(?:[.-][\w-]+)?\.gguf$/;

/** The path of a `file:` URL. A bundle lies elsewhere than the package's own files, which are then looked for where the package is installed. */
export function pathOf(url: string): string {
  const path = fileURLToPath(url);
  const name = PACKAGED.exec(path)?.[1];
  if (!name || existsSync(path)) return path;
  try {
    return createRequire(join(process.cwd(), 'package.json')).resolve(`onebit/models/${name}.gguf`);
  } catch {
    return path;
  }
}

/**
 * Opens the file at `path` for random access. Reads go straight into the target, also when it is a view of shared memory (which `node:fs` allows
 * from Node 20 on, although its types say otherwise). Throws `io` when the file is missing, a directory or not readable.
 */
export async function fileSource(path: string): Promise<ByteSource> {
  let handle: FileHandle;
  let size: number;
  try {
    handle = await open(path, READ_AT_ONCE);
  } catch (error) {
    throw fileError('open', path, error);
  }
  try {
    const stat = await handle.stat();
    if (stat.isDirectory()) throw Object.assign(new Error('is a directory'), { code: 'EISDIR' });
    if (!stat.isFile()) throw new Error('it is a pipe or a device, and only a file can be read from any place');
    size = stat.size;
  } catch (error) {
    await handle.close();
    throw fileError('open', path, error);
  }
  let closed = false;
  return {
    name: path,
    size,
    async readInto(target, offsetBytes, signal) {
      signal?.throwIfAborted();
      if (closed) throw new OnebitError('disposed', `read: ${path} was closed. Open it again.`);
      if (!(offsetBytes >= 0 && offsetBytes + target.length <= size)) throw pastEnd(path, offsetBytes, target, size);
      await readPieces(handle, path, target, offsetBytes, signal);
    },
    async close() {
      if (closed) return;
      closed = true;
      await handle.close();
    },
  };
}

async function readPieces(
  handle: FileHandle,
  path: string,
  target: Uint8Array,
  offsetBytes: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  let done = 0;
  while (done < target.length) {
    signal?.throwIfAborted();
    const wanted = Math.min(PIECE_BYTES, target.length - done);
    let bytesRead: number;
    try {
      ({ bytesRead } = await handle.read(target as Uint8Array<ArrayBuffer>, done, wanted, offsetBytes + done));
    } catch (error) {
      throw fileError('read', path, error);
    }
    if (bytesRead === 0) throw pastEnd(path, offsetBytes, target, offsetBytes + done);
    done += bytesRead;
  }
  signal?.throwIfAborted();
}

function pastEnd(path: string, offsetBytes: number, target: Uint8Array, size: number): OnebitError {
  return new OnebitError(
    'bad-file',
    `read: need bytes ${offsetBytes}..${offsetBytes + target.length} of ${path}, it has ${size}. The file is cut short; get it again.`,
  );
}

/** The error code of a failed system call (`ENOENT` and so on), or undefined. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

const ADVICE: Record<string, string> = {
  ENOENT: 'there is no such file. Check the path.',
  ENOTDIR: 'a part of the path is not a directory. Check the path.',
  EISDIR: 'it is a directory. Name the file in it.',
  EACCES: 'permission is denied. Check the rights on the file and its directories.',
  EPERM: 'permission is denied. Check the rights on the file and its directories.',
  EROFS: 'the disk is read-only. Choose another place.',
  ENOSPC: 'the disk is full. Free some space or choose another disk.',
  EDQUOT: 'your disk quota is used up. Free some space or choose another disk.',
  EMFILE: 'too many files are open. Close some sources or raise the limit (ulimit -n).',
  ENAMETOOLONG: 'the name is too long. Choose a shorter one.',
};

/** An `io` error in plain words for a failed operation on `path`. */
export function fileError(operation: string, path: string, error: unknown): OnebitError {
  const code = systemCode(error);
  const reason = error instanceof Error ? error.message : String(error);
  const advice = (code && ADVICE[code]) || `it failed (${code ?? reason}). Check the disk and the path.`;
  return new OnebitError('io', `${operation} ${path}: ${advice}`, { cause: error });
}
