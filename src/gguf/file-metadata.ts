// Owns metadata whose arrays of strings stay the bytes of the file until somebody asks for them: a vocabulary takes longer to decode than a large file to open, and
// whoever only writes it again needs no text. Everything is checked when it is read. Must not know what keys mean.
import { decodeUtf8 } from './utf8.ts';

/** An array of strings as the file has it: the bytes of its elements, a length and UTF-8 each, known to be whole and valid. */
export class StoredStrings {
  readonly count: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The first strings. A property, so that structuredClone throws instead of making something else of them. */
  readonly decode = (count = this.count): string[] => {
    const { bytes } = this;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const strings: string[] = [];
    for (let i = 0, at = 0; i < count; i++) {
      const start = at + 8;
      at = start + view.getUint32(at, true); // headers are smaller than 4 GB
      strings.push(decodeUtf8(bytes, start, at) as string);
    }
    return strings;
  };

  constructor(count: number, bytes: Uint8Array<ArrayBuffer>) {
    this.count = count;
    this.bytes = bytes;
  }
}

/** A map in which arrays of strings may be stored; they are decoded when they are got, once. */
export class FileMetadata<Value> extends Map<string, Value | string[]> {
  /** Puts an array that is not decoded yet. */
  store(key: string, strings: StoredStrings): void {
    super.set(key, strings as never);
  }

  /** The array's bytes, until it has been decoded. */
  stored(key: string): StoredStrings | undefined {
    const value: unknown = super.get(key);
    return value instanceof StoredStrings ? value : undefined;
  }

  override get(key: string): Value | string[] | undefined {
    const strings = this.stored(key);
    if (strings) this.set(key, strings.decode());
    return super.get(key);
  }

  override entries(): MapIterator<[string, Value | string[]]> {
    for (const key of this.keys()) this.get(key);
    return super.entries();
  }

  override *values(): MapIterator<Value | string[]> {
    for (const [, value] of this.entries()) yield value;
  }

  override [Symbol.iterator](): MapIterator<[string, Value | string[]]> {
    return this.entries();
  }

  override forEach(...given: Parameters<Map<string, Value | string[]>['forEach']>): void {
    this.entries();
    super.forEach(...given);
  }
}

/** What `metadata` holds under a key as the bytes of a file, where it does. */
export function storedStrings(metadata: ReadonlyMap<string, unknown>, key: string): StoredStrings | undefined {
  return metadata instanceof FileMetadata ? metadata.stored(key) : undefined;
}
