// Owns metadata whose arrays of strings stay the bytes of the file until somebody asks for them: a vocabulary takes longer to decode than a large file to open, and
// whoever only writes it again needs no text. Everything is checked when it is read. Must not know what keys mean.
import { decodeUtf8 } from './utf8.ts';

/** An array of strings as the file has it: the bytes of its elements, a length and UTF-8 each, known to be whole and valid. */
export class StoredStrings {
  readonly count: number;
  readonly bytes: Uint8Array<ArrayBuffer>;

  constructor(count: number, bytes: Uint8Array<ArrayBuffer>) {
    this.count = count;
    this.bytes = bytes;
  }

  /** The first `count` strings. */
  decode(count = this.count): string[] {
    const { bytes } = this;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const strings: string[] = [];
    for (let i = 0, at = 0; i < count; i++) {
      const start = at + 8;
      at = start + view.getUint32(at, true); // headers are smaller than 4 GB
      strings.push(decodeUtf8(bytes, start, at) as string);
    }
    return strings;
  }
}

/** Stands in the map for what is stored. It cannot be cloned: structuredClone, which asks no method, throws instead of passing over the strings. */
const STORED = Symbol('stored strings');

/** A map in which arrays of strings may be stored; they are decoded when they are got, once. */
export class FileMetadata<Value> extends Map<string, Value | string[]> {
  readonly #stored = new Map<string, StoredStrings>();

  /** Puts an array that is not decoded yet. */
  store(key: string, strings: StoredStrings): void {
    super.set(key, STORED as never);
    this.#stored.set(key, strings);
  }

  /** The array's bytes, until it has been decoded. */
  stored(key: string): StoredStrings | undefined {
    return this.#stored.get(key);
  }

  override get(key: string): Value | string[] | undefined {
    const strings = this.#stored.get(key);
    if (strings) this.set(key, strings.decode());
    return super.get(key);
  }

  override set(key: string, value: Value | string[]): this {
    this.#stored.delete(key);
    return super.set(key, value);
  }

  override delete(key: string): boolean {
    this.#stored.delete(key);
    return super.delete(key);
  }

  override clear(): void {
    this.#stored.clear();
    super.clear();
  }

  override *entries(): Generator<[string, Value | string[]], undefined> {
    for (const key of this.keys()) yield [key, this.get(key) as Value | string[]];
  }

  override *values(): Generator<Value | string[], undefined> {
    for (const [, value] of this.entries()) yield value;
  }

  override [Symbol.iterator](): Generator<[string, Value | string[]], undefined> {
    return this.entries();
  }

  override forEach(
    each: (value: Value | string[], key: string, map: Map<string, Value | string[]>) => void,
    self?: unknown,
  ): void {
    for (const [key, value] of this.entries()) each.call(self, value, key, this);
  }
}

/** What `metadata` holds under a key as the bytes of a file, where it does. */
export function storedStrings(metadata: ReadonlyMap<string, unknown>, key: string): StoredStrings | undefined {
  return metadata instanceof FileMetadata ? metadata.stored(key) : undefined;
}
