import { describe, expect, test } from 'vitest';
import { memorySource } from '../bytes/memory-source.ts';
import { Random } from '../core/random.ts';
import { Cursor } from './cursor.ts';
import { FileMetadata, StoredStrings, storedStrings } from './file-metadata.ts';
import { readGguf } from './read.ts';
import { type WritableValue, writableMetadata, writeGguf } from './write.ts';

const words = ['a', '', 'Ġé', '世界', '🎉', '\ufeffx', 'y'.repeat(100), '\0'];

async function written(entries: Iterable<[string, WritableValue]>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const metadata = entries instanceof Map ? entries : new Map(entries);
  await writeGguf({ metadata, tensors: [] }, (bytes) => void chunks.push(bytes.slice()));
  return new Uint8Array(Buffer.concat(chunks));
}

const file = () =>
  written([
    ['before', 'text'],
    ['tokens', words],
    ['none', []],
    ['after', true],
  ]);

describe('arrays of strings', () => {
  test('stay bytes until they are got, and are what was written', async () => {
    const { metadata } = await readGguf(memorySource(await file()));
    expect([metadata.size, metadata.has('tokens'), [...metadata.keys()]]).toEqual([
      ...[4, true],
      ['before', 'tokens', 'none', 'after'],
    ]);
    expect(storedStrings(metadata, 'tokens')?.decode(3)).toEqual(words.slice(0, 3));
    expect(() => structuredClone(metadata)).toThrow(/clone/);
    const tokens = metadata.get('tokens');
    expect(tokens).toEqual(words);
    expect(metadata.get('tokens')).toBe(tokens);
    expect(storedStrings(metadata, 'tokens')).toBeUndefined();
    expect(metadata.get('none')).toEqual([]);
    expect(structuredClone(metadata)).toEqual(new Map(metadata));
  });

  test('come decoded and in order by every way through the map', async () => {
    const expected = [
      ['before', 'text'],
      ['tokens', words],
      ['none', []],
      ['after', true],
    ];
    const ways: ((metadata: ReadonlyMap<string, unknown>) => [string, unknown][])[] = [
      (metadata) => [...metadata],
      (metadata) => [...metadata.entries()],
      (metadata) => [...new Map(metadata)],
      (metadata) => [...metadata.values()].map((value, i) => [[...metadata.keys()][i], value]),
      (metadata) => {
        const all: [string, unknown][] = [];
        metadata.forEach((value, key) => void all.push([key, value]));
        return all;
      },
    ];
    for (const way of ways) {
      const { metadata } = await readGguf(memorySource(await file()));
      expect(way(metadata)).toEqual(expected);
    }
  });

  test('are written again as they are, without being decoded; what is put in their place counts', async () => {
    const bytes = await file();
    const gguf = await readGguf(memorySource(bytes));
    const metadata = writableMetadata(gguf);
    expect(await written(metadata)).toEqual(bytes);
    for (const map of [gguf.metadata, metadata]) expect(storedStrings(map, 'tokens')).toBeDefined();
    metadata.set('tokens', ['other']);
    metadata.delete('none');
    const changed = await readGguf(memorySource(await written(metadata)));
    expect([...changed.metadata]).toEqual([
      ['before', 'text'],
      ['tokens', ['other']],
      ['after', true],
    ]);
    expect(gguf.metadata.get('tokens')).toEqual(words);
  });

  test('that are removed or replaced do not come back', () => {
    const metadata = new FileMetadata<string>();
    const store = () => metadata.store('k', new StoredStrings(1, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 65)));
    store();
    expect([metadata.delete('k'), metadata.get('k')]).toEqual([true, undefined]);
    store();
    expect(metadata.set('k', 'v').get('k')).toBe('v');
    store();
    metadata.clear();
    expect([metadata.size, metadata.get('k'), [...metadata]]).toEqual([0, undefined, []]);
  });

  test('are refused while they are read where one of them is no UTF-8, also where the next would complete it', async () => {
    const bytes = await written([['k', ['ab', 'cd', 'ef']]]);
    const at = bytes.lastIndexOf('c'.charCodeAt(0));
    const damages: [number, number][] = [
      [at, 0xff],
      [at + 1, 0xc3], // of two bytes, the second of which would be a length
      [at, 0xe2],
      [at, 0x80],
    ];
    for (const [place, byte] of damages) {
      const damaged = bytes.slice();
      damaged[place] = byte;
      await expect(readGguf(memorySource(damaged, 'm.gguf'))).rejects.toThrow(
        new RegExp(`metadata k at byte ${at} must be UTF-8, got other bytes in m.gguf`),
      );
    }
    const spilled = await written([['k', ['ab\u00e9', 'cd', 'ef']]]);
    const length = spilled.lastIndexOf('a'.charCodeAt(0)) - 8;
    spilled[length]--; // the string ends within its last character
    await expect(readGguf(memorySource(spilled))).rejects.toThrow(/must be UTF-8|bytes, \d+ are left|below 2/);
  });
});

describe('bytes of strings are taken where they are UTF-8', () => {
  const strict = new TextDecoder('utf-8', { fatal: true });
  const expected = (bytes: Uint8Array) => {
    try {
      strict.decode(bytes);
      return true;
    } catch {
      return false;
    }
  };
  const compare = (bytes: Uint8Array) => {
    const all = Uint8Array.of(bytes.length, 0, 0, 0, 0, 0, 0, 0, ...bytes, 2, 0, 0, 0, 0, 0, 0, 0, 0xc3, 0xa9);
    const cursor = new Cursor('file', all.length);
    cursor.extend(all);
    let isTaken = true;
    try {
      cursor.strings(2, 'strings');
    } catch {
      isTaken = false;
    }
    if (isTaken !== expected(bytes)) expect.fail(`differs from TextDecoder for ${bytes}`);
  };

  test('as TextDecoder says of all sequences of one and two bytes', () => {
    for (let a = 0; a < 256; a++) {
      compare(Uint8Array.of(a));
      for (let b = 0; b < 256; b++) compare(Uint8Array.of(a, b));
    }
  });

  test('as TextDecoder says of three and four bytes at the borders of what is allowed', () => {
    const seconds = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff];
    for (let a = 0xc0; a < 256; a++)
      for (const b of seconds)
        for (const c of seconds) {
          compare(Uint8Array.of(a, b, c));
          for (const d of seconds) compare(Uint8Array.of(a, b, c, d));
        }
  });

  test('as TextDecoder says of texts with a byte changed', () => {
    const random = new Random(22);
    const text = new TextEncoder().encode(words.join(' '));
    for (let i = 0; i < 2000; i++) {
      const bytes = text.slice();
      bytes[random.below(bytes.length)] = random.below(256);
      compare(bytes);
    }
  });
});
