// Owns the file of an audit log: lines are only ever added, by one process at a time. Must not know what is in them beyond their ends.
import { type FileHandle, open, stat } from 'node:fs/promises';
import { fileError } from '../bytes/file-source.ts';
import { writeAll } from '../bytes/file-write.ts';
import { takeLock } from '../bytes/lock.ts';
import { OnebitError } from '../errors.ts';
import type { AuditSink } from '../server/audit.ts';

/** Longest line that is looked for at the end of a file. */
const LAST_BYTES = 64 << 20;

export interface AuditFile extends AuditSink {
  close(): Promise<void>;
}

/** Opens the log at `path`, or makes it. @throws OnebitError `io`, `busy` while another process writes it, `bad-file` where its last line is cut off */
export async function openAuditFile(path: string): Promise<AuditFile> {
  const lock = await takeLock(`${path}.lock`, {
    onWait: () => {
      throw new OnebitError(
        'busy',
        `audit: ${path} must not be written by another server, it is. Give this one a log of its own.`,
      );
    },
  });
  try {
    const file = await open(path, 'a+', 0o600);
    const last = await lastLine(file, path);
    let { size } = await file.stat();
    return {
      last,
      append: async (line) => {
        await checkThere(file, path, size);
        const bytes = new TextEncoder().encode(`${line}\n`);
        try {
          await writeAll(file, bytes);
        } catch (error) {
          await file.truncate(size).catch(() => {}); // half a line would end the chain
          throw error;
        }
        size += bytes.length;
      },
      close: async () => {
        await file.datasync();
        await file.close();
        await lock.release();
      },
    };
  } catch (error) {
    await lock.release();
    throw error instanceof OnebitError ? error : fileError('open', path, error);
  }
}

/** Lines that go to a file which was moved away, deleted or cut off are lost for whoever looks there. @throws OnebitError `io` */
async function checkThere(file: FileHandle, path: string, size: number): Promise<void> {
  const [there, ours] = await Promise.all([stat(path).catch(() => undefined), file.stat()]);
  const isSame = there?.ino === ours.ino && there.dev === ours.dev;
  if (isSame && ours.size === size) return;
  const how =
    there === undefined ? 'deleted or moved away' : isSame ? 'cut off or written by somebody else' : 'replaced';
  throw new OnebitError(
    'io',
    `audit: ${path} must stay as it is while the server runs, it was ${how}. Start the server again: it begins or goes on with the log that is there.`,
  );
}

async function lastLine(file: FileHandle, path: string): Promise<string | undefined> {
  const { size } = await file.stat();
  if (size === 0) return undefined;
  for (let length = Math.min(size, 1 << 16); ; length = Math.min(size, length * 8)) {
    const bytes = Buffer.alloc(length);
    await file.read(bytes, 0, length, size - length);
    if (bytes[length - 1] !== 0x0a) {
      throw new OnebitError(
        'bad-file',
        `audit: the last line of ${path} must be whole, it is cut off. Look at it, and begin another log.`,
      );
    }
    const at = bytes.lastIndexOf(0x0a, length - 2);
    if (at >= 0 || length === size || length > LAST_BYTES) return bytes.toString('utf8', at + 1, length - 1);
  }
}
