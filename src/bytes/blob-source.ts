// Owns reading from a Blob or File: what a visitor dropped, or what the browser's storage holds. Must not know where the blob came from. Browsers and Node.
import { checkArgument, checkGiven } from '../core/check.ts';
import { OnebitError } from '../errors.ts';
import type { ByteSource } from './source.ts';

/** Bytes fetched from the blob at a time: what must be copied once more than the target. */
const PIECE_BYTES = 16 * 1024 * 1024;

/** A source over `blob`, which is read piece by piece and never whole. Reading throws `io` when the file behind it has changed or gone. */
export function blobSource(blob: Blob, name = nameOf(blob)): ByteSource {
  checkGiven('blobSource', 'blob', blob, 'a page or Node (a Blob)', ['size', 'slice']);
  checkArgument('blobSource', 'name', name, 'text');
  return {
    name,
    size: blob.size,
    async readInto(target, offsetBytes, signal) {
      if (!(offsetBytes >= 0 && offsetBytes + target.length <= blob.size)) {
        throw new OnebitError(
          'bad-file',
          `read: need bytes ${offsetBytes}..${offsetBytes + target.length} of ${name}, it has ${blob.size}. The file is cut short; get it again.`,
        );
      }
      for (let at = 0; at < target.length; at += PIECE_BYTES) {
        signal?.throwIfAborted();
        const end = Math.min(target.length, at + PIECE_BYTES);
        target.set(await pieceOf(blob, name, offsetBytes + at, offsetBytes + end), at);
      }
    },
    async close() {},
  };
}

async function pieceOf(blob: Blob, name: string, start: number, end: number): Promise<Uint8Array> {
  try {
    return new Uint8Array(await blob.slice(start, end).arrayBuffer());
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new OnebitError('io', `read: ${name} can no longer be read (${reason}). Choose the file again.`, { cause });
  }
}

function nameOf(blob: unknown): string {
  return typeof blob === 'object' && blob !== null && 'name' in blob ? String(blob.name) : 'file';
}
