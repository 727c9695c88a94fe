// Owns the journal: a file to which records are only ever added, each a line with its checksum, so that whatever ends the process (kill -9, a full disk, a power
// cut) costs at most records that nobody was told are written. Must not know what records mean.
import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { fileError } from '../bytes/file-source.ts';
import { OnebitError } from '../errors.ts';

/** A line is eight digits of CRC-32, a blank, JSON. */
const SUM_BYTES = 9;
const READ_BYTES = 1 << 20;
const NEW_LINE = 0x0a;
/** A power cut costs at most what was written in so long; the end of the process costs nothing. */
const SYNC_MS = 1000;

/** Told of each record when a journal is opened; `place` is for `read`. */
export type OnRecord = (record: unknown, place: Place) => void;

/** Where a record lies in the file. */
export interface Place {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

interface Waiting {
  readonly line: Buffer;
  readonly done: (place: Place) => void;
  readonly failed: (error: unknown) => void;
}

/** A journal that is open for adding and reading. One process at a time. */
export class Journal {
  readonly path: string;
  private readonly file: FileHandle;
  private endBytes: number;
  private waiting: Waiting[] = [];
  private writing: Promise<void> | undefined;
  private failure: unknown;
  private syncedMs = performance.now();

  private constructor(path: string, file: FileHandle, endBytes: number) {
    this.path = path;
    this.file = file;
    this.endBytes = endBytes;
  }

  /**
   * Opens the journal at `path`, or makes it. Lines whose checksum is wrong are passed over; what follows the last whole line is cut off. Throws `io`, also
   * where another file lies there.
   */
  static async open(path: string, onRecord: OnRecord = () => {}): Promise<Journal> {
    let file: FileHandle;
    try {
      file = await open(path, 'r+').catch((error) => {
        if (error.code === 'ENOENT') return open(path, 'wx+');
        throw error;
      });
    } catch (error) {
      throw fileError('open', path, error);
    }
    try {
      const endBytes = await scan(file, onRecord);
      if (endBytes === 0) await refuseForeign(file, path);
      if (endBytes < (await file.stat()).size) await file.truncate(endBytes);
      return new Journal(path, file, endBytes);
    } catch (error) {
      await file.close();
      throw error instanceof OnebitError ? error : fileError('read', path, error);
    }
  }

  /** Adds a record and says where it lies, once the system has it: then the end of the process does not lose it. Throws `io`; afterwards nothing is added any more. */
  append(record: unknown): Promise<Place> {
    const text = JSON.stringify(record);
    const line = Buffer.from(`${sumOf(text)} ${text}\n`);
    return new Promise((done, failed) => {
      this.waiting.push({ line, done, failed });
      this.writing ??= this.write();
    });
  }

  /** Reads a record back. Throws `io`, `bad-file` where it is damaged. */
  async read({ offsetBytes, lengthBytes }: Place): Promise<unknown> {
    const bytes = Buffer.alloc(lengthBytes);
    try {
      await this.file.read(bytes, 0, lengthBytes, offsetBytes);
    } catch (error) {
      throw fileError('read', this.path, error);
    }
    const record = recordIn(bytes.subarray(0, -1));
    if (record !== undefined) return record.value;
    throw new OnebitError(
      'bad-file',
      `read ${this.path}: the record at byte ${offsetBytes} is damaged. Run again with --resume.`,
    );
  }

  /** Brings what was written onto the disk, where a power cut does not lose it. Throws `io`. */
  async sync(): Promise<void> {
    this.syncedMs = performance.now();
    try {
      await this.file.datasync();
    } catch (error) {
      throw fileError('write', this.path, error);
    }
  }

  /** Waits for what is being written, and closes the file. */
  async close(): Promise<void> {
    await this.writing;
    await this.file.close();
  }

  /** Writes what waits, everything that came meanwhile at once. */
  private async write(): Promise<void> {
    await null; // so that `writing` is set before it is cleared, and the records of one turn go together
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0);
      try {
        if (this.failure) throw this.failure;
        await this.writeAll(Buffer.concat(batch.map(({ line }) => line)));
      } catch (error) {
        this.failure = error;
        for (const { failed } of batch) failed(error);
        continue;
      }
      for (const { line, done } of batch) {
        done({ offsetBytes: this.endBytes, lengthBytes: line.length });
        this.endBytes += line.length;
      }
      if (performance.now() - this.syncedMs > SYNC_MS) await this.sync().catch((error) => (this.failure = error));
    }
    this.writing = undefined; // in the same turn as the look at `waiting`: nobody is forgotten
  }

  private async writeAll(bytes: Buffer): Promise<void> {
    try {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await this.file.write(bytes, done, bytes.length - done, this.endBytes + done);
        if (bytesWritten === 0) throw Object.assign(new Error('no byte was taken'), { code: 'ENOSPC' });
        done += bytesWritten;
      }
    } catch (error) {
      await this.file.truncate(this.endBytes).catch(() => {}); // half a line is cut off now or at the next opening
      throw fileError('write', this.path, error);
    }
  }
}

/** A file without a whole record is ours where it begins as one that was cut off. */
async function refuseForeign(file: FileHandle, path: string): Promise<void> {
  const head = Buffer.alloc(SUM_BYTES + 1);
  const { bytesRead } = await file.read(head, 0, head.length, 0);
  if (/^(?:[0-9a-f]{0,8}|[0-9a-f]{8} .?|\0+)$/.test(head.toString('latin1', 0, bytesRead))) return;
  throw new OnebitError(
    'io',
    `open ${path}: it must be a journal of onebit, another file is in its place. Move it away.`,
  );
}

function sumOf(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}

/** Tells of every whole record, and where the last one ends. */
async function scan(file: FileHandle, onRecord: OnRecord): Promise<number> {
  let rest = Buffer.alloc(0);
  let restAt = 0;
  let endBytes = 0;
  for (;;) {
    const piece = Buffer.alloc(READ_BYTES);
    const { bytesRead } = await file.read(piece, 0, READ_BYTES, restAt + rest.length);
    if (bytesRead === 0) return endBytes;
    const bytes = Buffer.concat([rest, piece.subarray(0, bytesRead)]);
    let from = 0;
    for (let end = bytes.indexOf(NEW_LINE); end >= 0; end = bytes.indexOf(NEW_LINE, from)) {
      const record = recordIn(bytes.subarray(from, end));
      const place = { offsetBytes: restAt + from, lengthBytes: end + 1 - from };
      if (record) {
        onRecord(record.value, place);
        endBytes = place.offsetBytes + place.lengthBytes;
      }
      from = end + 1;
    }
    rest = bytes.subarray(from);
    restAt += from;
  }
}

function recordIn(line: Buffer): { readonly value: unknown } | undefined {
  const text = line.subarray(SUM_BYTES).toString('utf8');
  if (line.length <= SUM_BYTES || line.subarray(0, SUM_BYTES - 1).toString('latin1') !== sumOf(text)) return undefined;
  return { value: JSON.parse(text) };
}
