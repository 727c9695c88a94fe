// Owns reading GGUF's primitive values, one after the other, from the part of a file that has been fetched so far.
// Must not know what the values mean. Source: ggml's docs/gguf.md; all numbers are little-endian.
import { OnebitError } from '../errors.ts';
import { decodeUtf8 } from './utf8.ts';

/** Thrown when a value ends behind the bytes fetched so far but within the file; the reader fetches more and tries again. */
export class NeedMoreBytes {
  readonly end: number;
  constructor(end: number) {
    this.end = end;
  }
}

/** A position in a file of which the first `bytes.length` bytes are in memory. */
export class Cursor {
  offset = 0;
  readonly fileName: string;
  readonly fileSize: number;
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);

  constructor(fileName: string, fileSize: number) {
    this.fileName = fileName;
    this.fileSize = fileSize;
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes;
  }

  /** Continues in a longer prefix of the same file. */
  extend(bytes: Uint8Array<ArrayBuffer>): void {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Bytes from here to the end of the file. */
  get remaining(): number {
    return this.fileSize - this.offset;
  }

  /** A `bad-file` error that names the file. */
  error(problem: string, advice = 'The file is corrupt or cut short; get it again.'): OnebitError {
    return new OnebitError('bad-file', `read GGUF: ${problem} in ${this.fileName}. ${advice}`);
  }

  /** Moves past `count` bytes and gives their start. Throws `bad-file` where the file has fewer, before anything of that size is allocated. */
  take(count: number, what: string): number {
    if (count > this.remaining) {
      throw this.error(`${what} at byte ${this.offset} needs ${count} bytes, ${this.remaining} are left`);
    }
    const start = this.offset;
    if (start + count > this.#bytes.length) throw new NeedMoreBytes(start + count);
    this.offset = start + count;
    return start;
  }

  u8(what: string): number {
    return this.#bytes[this.take(1, what)];
  }
  i8(what: string): number {
    return this.#view.getInt8(this.take(1, what));
  }
  u16(what: string): number {
    return this.#view.getUint16(this.take(2, what), true);
  }
  i16(what: string): number {
    return this.#view.getInt16(this.take(2, what), true);
  }
  u32(what: string): number {
    return this.#view.getUint32(this.take(4, what), true);
  }
  i32(what: string): number {
    return this.#view.getInt32(this.take(4, what), true);
  }
  f32(what: string): number {
    return this.#view.getFloat32(this.take(4, what), true);
  }
  f64(what: string): number {
    return this.#view.getFloat64(this.take(8, what), true);
  }
  u64(what: string): number | bigint {
    return narrow(this.#view.getBigUint64(this.take(8, what), true));
  }
  i64(what: string): number | bigint {
    return narrow(this.#view.getBigInt64(this.take(8, what), true));
  }

  bool(what: string): boolean {
    const byte = this.u8(what);
    if (byte > 1) throw this.error(`${what}: a boolean must be 0 or 1, got ${byte}`);
    return byte === 1;
  }

  /** A 64-bit count, length or offset. Throws `bad-file` from 2⁵³ on, where it can only be corrupt. */
  size(what: string): number {
    const start = this.take(8, what);
    const value = this.#view.getUint32(start, true) + this.#view.getUint32(start + 4, true) * 4294967296;
    if (value > Number.MAX_SAFE_INTEGER) throw this.error(`${what} must be below 2^53, got ${value}`);
    return value;
  }

  /** A length-prefixed UTF-8 string of at most `limit` bytes. Throws `bad-file` for invalid UTF-8. */
  string(what: string, limit = Number.MAX_SAFE_INTEGER): string {
    const length = this.size(what);
    if (length > limit) throw this.error(`${what} must have at most ${limit} bytes, got ${length}`);
    const start = this.take(length, what);
    const text = decodeUtf8(this.#bytes, start, start + length);
    if (text === undefined)
      throw this.error(`${what} at byte ${start} must be UTF-8, got other bytes`, 'Convert the model again.');
    return text;
  }

  /**
   * Moves past `count` strings and gives a copy of their bytes, lengths included. All must be there before any is looked at: an array that is not fetched whole yet
   * is then not checked again and again. Throws `bad-file` for invalid UTF-8.
   */
  strings(count: number, what: string): Uint8Array<ArrayBuffer> {
    const [bytes, view, start] = [this.#bytes, this.#view, this.offset];
    let end = start;
    for (let i = 0; i < count; i++) {
      const text = end + 8;
      const next =
        text <= bytes.length ? text + view.getUint32(end, true) + view.getUint32(end + 4, true) * 2 ** 32 : text;
      if (next <= bytes.length) end = next;
      else {
        this.offset = end;
        this.take(this.size(what), what); // says what is missing
      }
    }
    const texts = bytes.slice(start, end);
    for (let at = 0; at < texts.length; ) {
      const length = view.getUint32(start + at, true); // what is in memory is smaller than 4 GB
      texts.fill(0, at, at + 8); // between zeros no character goes on in the next string
      at += 8 + length;
    }
    if (decodeUtf8(texts, 0, texts.length) === undefined) {
      this.offset = start;
      for (let i = 0; i < count; i++) this.string(what); // says which
    }
    this.offset = end;
    return bytes.slice(start, end);
  }
}

function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
