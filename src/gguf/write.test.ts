import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { memorySource } from '../bytes/memory-source.ts';
import { formatByName } from '../quant/formats.ts';
import { readGguf } from './read.ts';
import { type GgufParts, type WritableTensor, type WritableValue, writableMetadata, writeGguf } from './write.ts';

async function written(parts: GgufParts): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  await writeGguf(parts, (bytes) => void chunks.push(bytes.slice()));
  return new Uint8Array(Buffer.concat(chunks));
}

const noTensors = (entries: [string, WritableValue][]): GgufParts => ({ metadata: new Map(entries), tensors: [] });
const tensor = (change: Partial<WritableTensor> = {}): WritableTensor => ({
  name: 't',
  shape: [128, 2],
  format: 'q1_0',
  bytes: () => new Uint8Array(36).fill(7),
  ...change,
});

describe('round trips', () => {
  test('metadata of every type is read back equal, and written again byte for byte', async () => {
    const entries: [string, WritableValue][] = [
      ['u8', { type: 'u8', value: 255 }],
      ['i8', { type: 'i8', value: -128 }],
      ['u16', { type: 'u16', value: 65535 }],
      ['i16', { type: 'i16', value: -2 }],
      ['u32', { type: 'u32', value: 4294967295 }],
      ['i32', { type: 'i32', value: -2147483648 }],
      ['u64', { type: 'u64', value: 2n ** 64n - 1n }],
      ['i64', { type: 'i64', value: -(2n ** 63n) }],
      ['i64 small', { type: 'i64', value: -1 }],
      ['f32', { type: 'f32', value: 1e6 }],
      ['f64', { type: 'f64', value: 0.1 }],
      ['string', 'Ġ世🎉\0\n'],
      ['bool', true],
      ['strings', ['', 'ä', 'x'.repeat(100)]],
      ['bools', [true, false]],
      ['f32s', new Float32Array([0.5, Number.NEGATIVE_INFINITY])],
      ['u64s', new BigUint64Array([2n ** 63n])],
      ['a view', new Int32Array([1, 2, 3, 4]).subarray(1, 3)],
      ['none', new Float64Array(0)],
    ];
    const bytes = await written(noTensors(entries));
    const gguf = await readGguf(memorySource(bytes));
    const plain = (value: WritableValue) => (typeof value === 'object' && 'type' in value ? value.value : value);
    expect([...gguf.metadata]).toEqual(entries.map(([key, value]) => [key, key === 'f64' ? 0.1 : plain(value)]));
    expect(await written({ metadata: writableMetadata(gguf), tensors: [] })).toEqual(bytes);
  });

  test('tensors keep order, shape, format and bytes, each aligned', async () => {
    for (const alignment of [undefined, 64]) {
      const metadata = new Map<string, WritableValue>(
        alignment ? [['general.alignment', { type: 'u32', value: alignment }]] : [],
      );
      const data = (size: number, fill: number) => () => Promise.resolve(new Uint8Array(size).fill(fill));
      const tensors: WritableTensor[] = [
        { name: 'z', shape: [128, 3], format: 'q1_0', bytes: data(54, 1) },
        { name: 'a', shape: [3], format: 'f32', bytes: data(12, 2) },
        { name: 'm', shape: [32, 2, 3, 2], format: 'q8_0', bytes: data(408, 3) },
        { name: 'h', shape: [1], format: 'bf16', bytes: data(2, 4) },
      ];
      const bytes = await written({ metadata, tensors });
      const gguf = await readGguf(memorySource(bytes));
      expect([...gguf.tensors.keys()]).toEqual(['z', 'a', 'm', 'h']);
      for (const { name, shape, format, bytes: original } of tensors) {
        const found = gguf.tensors.get(name)!;
        expect([found.shape, found.format, found.offsetBytes % (alignment ?? 32)]).toEqual([shape, format, 0]);
        expect(bytes.slice(found.offsetBytes, found.offsetBytes + found.sizeBytes)).toEqual(await original());
      }
      expect(bytes.length % (alignment ?? 32)).toBe(0);
    }
  });

  test.each(['q2_0', 'q2_0-128'] as const)('%s is recognised in what was written', async (format) => {
    const size = (256 * 64 * formatByName(format).blockBytes) / formatByName(format).blockSize;
    const tensors = [tensor({ format, shape: [256, 64], bytes: () => new Uint8Array(size) })];
    const gguf = await readGguf(memorySource(await written({ metadata: new Map(), tensors })));
    expect(gguf.tensors.get('t')?.format).toBe(format);
  });

  const stories = '../shared/models/stories260K.gguf';
  test.skipIf(!existsSync(stories))(
    `a real model is copied with equal header and data (needs ${stories})`,
    async () => {
      const { readFileSync } = await import('node:fs');
      const original = new Uint8Array(readFileSync(stories));
      const gguf = await readGguf(memorySource(original));
      const tensors = [...gguf.tensors.values()].map(({ name, shape, format, offsetBytes, sizeBytes }) => ({
        name,
        shape,
        format,
        bytes: () => original.subarray(offsetBytes, offsetBytes + sizeBytes),
      }));
      const copy = await written({ metadata: writableMetadata(gguf), tensors });
      const again = await readGguf(memorySource(copy));
      expect(again.metadata).toEqual(gguf.metadata);
      expect([...again.tensors.keys()]).toEqual([...gguf.tensors.keys()]);
      for (const { name, offsetBytes, sizeBytes } of again.tensors.values()) {
        const from = gguf.tensors.get(name)!.offsetBytes;
        expect(
          Buffer.compare(
            copy.subarray(offsetBytes, offsetBytes + sizeBytes),
            original.subarray(from, from + sizeBytes),
          ),
        ).toBe(0);
      }
    },
  );
});

describe('refusals', () => {
  test.each<[string, WritableValue, string]>([
    ['300 as u8', { type: 'u8', value: 300 }, 'must fit u8, got 300'],
    ['-1 as u64', { type: 'u64', value: -1 }, 'must fit u64, got -1'],
    ['1.5 as i32', { type: 'i32', value: 1.5 }, 'must fit i32, got 1.5'],
    ['NaN as u32', { type: 'u32', value: Number.NaN }, 'must fit u32, got NaN'],
    ['a mixed array', ['a', true] as unknown as string[], 'must hold only'],
    ['an array of arrays', [['a']] as unknown as string[], 'must hold only'],
    ['numbers in a plain array', [1, 2] as unknown as string[], 'Use a typed array'],
  ])('%s', async (_, value, expected) => {
    await expect(written(noTensors([['k', value]]))).rejects.toThrow(expected);
  });

  test('metadata keys that are empty and alignments that are none', async () => {
    await expect(written(noTensors([['', 'x']]))).rejects.toThrow('1 to 65535');
    await expect(written(noTensors([['general.alignment', { type: 'u32', value: 24 }]]))).rejects.toThrow(
      'power of two',
    );
    await expect(written(noTensors([['general.alignment', { type: 'u64', value: 32 }]]))).rejects.toThrow('u32');
  });

  test.each<[string, WritableTensor[], string]>([
    ['the same name twice', [tensor(), tensor()], 't is given twice'],
    ['a name too long for ggml', [tensor({ name: 'n'.repeat(64) })], '1 to 63 bytes, got 64'],
    ['rows that are no whole blocks', [tensor({ shape: [100] })], 'multiple of 128, got 100'],
    ['five dimensions', [tensor({ shape: [128, 1, 1, 1, 1] })], '1 to 4 positive whole sizes'],
    ['an empty dimension', [tensor({ shape: [128, 0] })], 'got 128 × 0'],
    ['bytes of the wrong size', [tensor({ bytes: () => new Uint8Array(35) })], 'must have 36 bytes, got 35'],
  ])('%s', async (_, tensors, expected) => {
    await expect(written({ metadata: new Map(), tensors })).rejects.toThrow(expected);
  });

  test('an abort between tensors throws the signal’s reason and asks for no more', async () => {
    const abort = new AbortController();
    const reason = new Error('stop');
    let asked = 0;
    const bytes = () => {
      asked++;
      abort.abort(reason);
      return new Uint8Array(36);
    };
    const tensors = [tensor({ bytes }), tensor({ name: 'u', bytes })];
    await expect(writeGguf({ metadata: new Map(), tensors }, () => {}, { signal: abort.signal })).rejects.toBe(reason);
    expect(asked).toBe(1);
  });
});
