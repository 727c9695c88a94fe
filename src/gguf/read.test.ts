// The reader against files assembled byte by byte here, so that a mistake shared with the writer cannot hide.
import { describe, expect, test } from 'vitest';
import { memorySource } from '../bytes/memory-source.ts';
import type { ByteSource } from '../bytes/source.ts';
import { OnebitError } from '../errors.ts';
import { type ReadOptions, readGguf } from './read.ts';

const utf8 = new TextEncoder();
const u8 = (n: number) => [n];
const u32 = (n: number) => [...new Uint8Array(new Uint32Array([n]).buffer)];
const u64 = (n: number | bigint) => [...new Uint8Array(new BigUint64Array([BigInt(n)]).buffer)];
const f32 = (n: number) => [...new Uint8Array(new Float32Array([n]).buffer)];
const str = (text: string) => [...u64(utf8.encode(text).length), ...utf8.encode(text)];
const kv = (key: string, type: number, value: number[]) => [...str(key), ...u32(type), ...value];
const kvString = (key: string, text: string) => kv(key, 8, str(text));

interface HandTensor {
  name?: string;
  shape?: (number | bigint)[];
  type?: number;
  offset?: number | bigint;
}
interface HandFile {
  version?: number;
  entries?: number[][];
  tensors?: HandTensor[];
  dataBytes?: number;
  entryCount?: number | bigint;
  tensorCount?: number | bigint;
}

function handFile({
  version = 3,
  entries = [],
  tensors = [],
  dataBytes = 0,
  entryCount,
  tensorCount,
}: HandFile): Uint8Array {
  const bytes = [
    ...utf8.encode('GGUF'),
    ...u32(version),
    ...u64(tensorCount ?? tensors.length),
    ...u64(entryCount ?? entries.length),
  ];
  for (const byte of entries.flat()) bytes.push(byte);
  for (const { name = 't', shape = [4], type = 0, offset = 0 } of tensors) {
    bytes.push(...str(name), ...u32(shape.length), ...shape.flatMap(u64), ...u32(type), ...u64(offset));
  }
  if (dataBytes > 0) while (bytes.length % 32 !== 0) bytes.push(0);
  const result = new Uint8Array(bytes.length + dataBytes);
  result.set(bytes);
  return result;
}

const read = (file: HandFile | Uint8Array, options?: ReadOptions) =>
  readGguf(memorySource(file instanceof Uint8Array ? file : handFile(file), 'm.gguf'), options);

async function refusal(file: HandFile | Uint8Array): Promise<OnebitError> {
  const error = await read(file).then(
    () => new Error('was accepted'),
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(OnebitError);
  return error as OnebitError;
}

describe('valid files', () => {
  test('every metadata type arrives as documented', async () => {
    const gguf = await read({
      entries: [
        kv('u8', 0, [200]),
        kv('i8', 1, [0xff]),
        kv('u16', 2, [0, 0x80]),
        kv('i16', 3, [0, 0x80]),
        kv('u32', 4, u32(4e9)),
        kv('i32', 5, [254, 255, 255, 255]),
        kv('f32', 6, f32(0.5)),
        kv('bool', 7, [1]),
        kvString('string', 'grüße 世界 🎉\0'),
        kv('u64 small', 10, u64(2 ** 53 - 1)),
        kv('u64 large', 10, u64(2n ** 63n)),
        kv('i64', 11, u64(2n ** 64n - 5n)),
        kv('f64', 12, [...new Uint8Array(new Float64Array([0.1]).buffer)]),
        kv('strings', 9, [...u32(8), ...u64(3), ...str('a'), ...str(''), ...str('Ġé\ufeff')]),
        kv('bools', 9, [...u32(7), ...u64(2), 1, 0]),
        kv('i32s', 9, [...u32(5), ...u64(2), ...u32(1), 255, 255, 255, 255]),
        kv('f32s', 9, [...u32(6), ...u64(1), ...f32(-2)]),
        kv('u64s', 9, [...u32(10), ...u64(1), ...u64(7)]),
        kv('empty', 9, [...u32(4), ...u64(0)]),
      ],
    });
    expect(Object.fromEntries(gguf.metadata)).toEqual({
      u8: 200,
      i8: -1,
      u16: 32768,
      i16: -32768,
      u32: 4e9,
      i32: -2,
      f32: 0.5,
      bool: true,
      string: 'grüße 世界 🎉\0',
      'u64 small': 2 ** 53 - 1,
      'u64 large': 2n ** 63n,
      i64: -5,
      f64: 0.1,
      strings: ['a', '', 'Ġé\ufeff'],
      bools: [true, false],
      i32s: new Int32Array([1, -1]),
      f32s: new Float32Array([-2]),
      u64s: new BigUint64Array([7n]),
      empty: new Uint32Array(0),
    });
    expect(gguf.metadataTypes?.get('u64 small')).toBe('u64');
    expect(gguf.tensors.size).toBe(0);
  });

  test('tensors get their place in the file, size and format; version 2 reads alike', async () => {
    for (const version of [2, 3]) {
      const gguf = await read({
        version,
        entries: [kv('general.alignment', 4, u32(64))],
        tensors: [
          { name: 'a', shape: [128, 3], type: 41, offset: 64 },
          { name: 'b', shape: [5], type: 0, offset: 0 },
        ],
        dataBytes: 192,
      });
      expect(gguf.version).toBe(version);
      expect(gguf.alignment).toBe(64);
      expect(gguf.dataOffsetBytes % 64).toBe(0);
      expect([...gguf.tensors.values()]).toEqual([
        { name: 'a', shape: [128, 3], format: 'q1_0', offsetBytes: gguf.dataOffsetBytes + 64, sizeBytes: 54 },
        { name: 'b', shape: [5], format: 'f32', offsetBytes: gguf.dataOffsetBytes, sizeBytes: 20 },
      ]);
    }
  });

  test('a header is fetched in growing pieces from the start and no further than needed', async () => {
    const words = Array.from({ length: 60_000 }, (_, i) => `token ${i}`);
    const tokens = kv('tokens', 9, [...u32(8), ...u64(words.length), ...words.flatMap(str)]);
    const bytes = handFile({
      entries: [tokens, kv('after', 0, u8(1))],
      tensors: [{ shape: [2 ** 22] }],
      dataBytes: 2 ** 24,
    });
    const whole = memorySource(bytes);
    const reads: [number, number][] = [];
    const source: ByteSource = {
      ...whole,
      readInto(target, offset) {
        reads.push([offset, target.length]);
        return whole.readInto(target, offset);
      },
    };
    const gguf = await readGguf(source);
    expect(gguf.metadata.get('tokens')).toEqual(words);
    expect(gguf.metadata.get('after')).toBe(1);
    expect(reads[0]).toEqual([0, 256 * 1024]);
    for (let i = 1; i < reads.length; i++) expect(reads[i][0]).toBe(reads[i - 1][0] + reads[i - 1][1]);
    expect(reads.length).toBeLessThan(5);
    expect(reads.reduce((sum, [, length]) => sum + length, 0)).toBeLessThan(2 * gguf.dataOffsetBytes + 256 * 1024);
  });

  test('an aborted read throws the signal’s reason', async () => {
    const reason = new Error('stop');
    await expect(readGguf(memorySource(handFile({})), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

describe('files that are something else', () => {
  test.each([
    ['nothing', '', 'an empty file'],
    ['a web page', '<!doctype html><html>...</html>', 'a web page'],
    ['a Git LFS pointer', 'version https://git-lfs.github.com/spec/v1', 'Git LFS pointer'],
    ['other bytes', 'ggjt1234567890', 'bytes 67 67 6a 74'],
    ['safetensors', '\x40\0\0\0\0\0\0\0{"__metadata__":{}}', 'safetensors'],
  ])('%s is refused with what it seems to be', async (_, text, expected) => {
    const error = await refusal(utf8.encode(text));
    expect(error.code).toBe('bad-file');
    expect(error.message).toContain(expected);
  });

  test('other versions and big-endian files are refused as unsupported', async () => {
    for (const version of [0, 1, 4]) {
      const error = await refusal({ version });
      expect([error.code, error.message]).toEqual(['unsupported', expect.stringContaining(`got ${version}`)]);
    }
    const error = await refusal({ version: 0x03000000 });
    expect([error.code, error.message]).toEqual(['unsupported', expect.stringContaining('big-endian')]);
  });

  test('split models and rotated weights are refused by name, in one error', async () => {
    const error = await refusal({
      entries: [kv('split.count', 2, [3, 0]), kv('prism.hadamard.block_size', 4, u32(128))],
    });
    expect(error.code).toBe('unsupported');
    expect(error.problems).toEqual([
      expect.stringContaining('prism.hadamard.block_size'),
      expect.stringContaining('3 files'),
    ]);
    await read({ entries: [kv('split.count', 2, [1, 0])] });
  });
});

describe('corrupt headers', () => {
  const huge = 2n ** 62n;
  test.each<[string, HandFile, string]>([
    ['a tensor count beyond the file', { tensorCount: 1e9 }, 'cannot fit'],
    ['a metadata count beyond the file', { entryCount: 1e9 }, 'cannot fit'],
    ['a count of 2^62', { entryCount: huge }, 'below 2^53'],
    ['a string longer than the file', { entries: [kv('k', 8, u64(1e12))] }, 'are left'],
    ['a string of 2^62 bytes', { entries: [kv('k', 8, u64(huge))] }, 'below 2^53'],
    ['a key longer than 65535 bytes', { entries: [kvString('k'.repeat(65536), '')] }, 'at most 65535'],
    ['an empty key', { entries: [kvString('', '')] }, 'must not be empty'],
    [
      'an array longer than the file',
      { entries: [kv('k', 9, [...u32(6), ...u64(1e9)])] },
      'claims 1000000000 elements',
    ],
    [
      'an array of strings longer than the file',
      { entries: [kv('k', 9, [...u32(8), ...u64(1e9)])] },
      'claims 1000000000',
    ],
    ['an unknown value type', { entries: [kv('k', 13, [0])] }, 'unknown value type 13'],
    ['an unknown element type', { entries: [kv('k', 9, [...u32(99), ...u64(0)])] }, 'unknown element type 99'],
    [
      'an array of arrays',
      { entries: [kv('k', 9, [...u32(9), ...u64(1), ...u32(0), ...u64(0)])] },
      'an array of arrays',
    ],
    ['a boolean of 2', { entries: [kv('k', 7, [2])] }, '0 or 1, got 2'],
    ['invalid UTF-8', { entries: [kv('k', 8, [...u64(2), 0xc3, 0x28])] }, 'must be UTF-8'],
    ['an overlong UTF-8 character', { entries: [kv('k', 8, [...u64(2), 0xc1, 0x81])] }, 'must be UTF-8'],
    [
      'a UTF-8 character cut by the string’s end',
      { entries: [kv('k', 8, [...u64(1), 0xc3]), kvString('l', '')] },
      'must be UTF-8',
    ],
    ['a key given twice', { entries: [kvString('k', ''), kvString('k', '')] }, 'k is listed twice'],
    ['an alignment of 0', { entries: [kv('general.alignment', 4, u32(0))] }, 'got 0'],
    ['an alignment of 48', { entries: [kv('general.alignment', 4, u32(48))] }, 'got 48'],
    ['an alignment of 2^31', { entries: [kv('general.alignment', 4, u32(2 ** 31))] }, 'got 2147483648'],
    ['an alignment that is a string', { entries: [kvString('general.alignment', '32')] }, 'got 32'],
    ['no dimensions', { tensors: [{ shape: [] }], dataBytes: 32 }, 'got 0'],
    ['five dimensions', { tensors: [{ shape: [1, 1, 1, 1, 1] }], dataBytes: 32 }, 'got 5'],
    ['a dimension of 2^62', { tensors: [{ shape: [huge] }], dataBytes: 32 }, 'below 2^53'],
    ['an offset of 2^62', { tensors: [{ offset: huge }], dataBytes: 32 }, 'below 2^53'],
    ['a tensor without name', { tensors: [{ name: '' }], dataBytes: 32 }, 'must not be empty'],
  ])('%s is refused', async (_, file, expected) => {
    const error = await refusal(file);
    expect(error.code).toBe('bad-file');
    expect(error.message).toContain(expected);
    expect(error.message).toContain('m.gguf');
  });

  test('a file cut at any byte of its header is refused', async () => {
    const bytes = handFile({
      entries: [kvString('key', 'value'), kv('n', 9, [...u32(5), ...u64(2), ...u64(0)])],
      tensors: [{}],
      dataBytes: 16,
    });
    for (let length = 0; length < bytes.length; length++) {
      expect((await refusal(bytes.slice(0, length))).code).toBe('bad-file');
    }
    await read(bytes);
  });
});

describe('tensor tables', () => {
  test('all problems of all tensors come in one error', async () => {
    const error = await refusal({
      tensors: [
        { name: 'zero', shape: [4, 0] },
        { name: 'absurd', shape: [2 ** 30, 2 ** 30] },
        { name: 'crooked', offset: 33 },
        { name: 'k-quant', type: 10, shape: [256] },
        { name: 'ternary', type: 36, shape: [128] },
        { name: 'mystery', type: 999 },
        { name: 'partial', type: 41, shape: [100] },
        { name: 'beyond', offset: 2 ** 40 },
        { name: 'twice', shape: [4], offset: 32 },
        { name: 'twice', shape: [4], offset: 64 },
        { name: 'wide', shape: [16], offset: 96 },
        { name: 'inside', shape: [4], offset: 128 },
        { name: 'cut', shape: [64], offset: 160 },
      ],
      dataBytes: 256,
    });
    expect(error.code).toBe('bad-file');
    expect(error.problems).toHaveLength(11);
    const problemOf = (name: string) => error.problems.find((problem) => problem.includes(`tensor ${name}:`));
    expect(problemOf('zero')).toContain('positive, got 4 × 0');
    expect(problemOf('absurd')).toContain('more than 2^53');
    expect(problemOf('crooked')).toContain('multiple of 32, got 33');
    expect(problemOf('k-quant')).toContain(
      'type id 10 (Q2_K) is not supported. Get the model in Q1_0 or Q8_0, or in another format that onebit lists',
    );
    expect(problemOf('ternary')).toContain("type id 36 (BitNet's I2_S");
    expect(problemOf('mystery')).toContain('type id 999 (unknown to ggml)');
    expect(problemOf('partial')).toContain('multiple of 128 weights, got 100');
    expect(problemOf('beyond')).toContain('cut short');
    expect(problemOf('twice')).toContain('listed twice');
    expect(problemOf('inside')).toContain('overlaps wide');
    expect(problemOf('cut')).toContain('cut short');
  });

  test('I2_S is 128 wide unless a row or the user says otherwise, and takes 32 bytes behind its codes', async () => {
    const file = (cols: number, dataBytes: number) => ({
      tensors: [{ name: 'w', type: 36, shape: [cols, 2] }],
      dataBytes,
    });
    const tensor = async (cols: number, dataBytes: number, options?: ReadOptions) =>
      (await read(file(cols, dataBytes), options)).tensors.get('w');
    expect(await tensor(128, 96)).toMatchObject({ format: 'i2_s', sizeBytes: 96 });
    expect(await tensor(128, 96, { i2sLayout: '64' })).toMatchObject({ format: 'i2_s-64', sizeBytes: 96 });
    expect(await tensor(64, 64)).toMatchObject({ format: 'i2_s-64', sizeBytes: 64 });
    await expect(tensor(64, 64, { i2sLayout: '128' })).rejects.toThrow(
      /groups of 128 must be a multiple.*--i2s-layout/,
    );
    await expect(tensor(128, 144)).rejects.toThrow(/must take 96 bytes as I2_S, the file leaves 144/);
  });

  test('a file whose only fault are types it does not run is unsupported', async () => {
    for (const [type, name] of [
      [36, 'I2_S'],
      [43, 'STQ1_0'],
      [141, 'PQ1_0'],
      [10, 'Q2_K'],
    ] as const) {
      const error = await refusal({ tensors: [{ name: 'w', type, shape: [256] }], dataBytes: 512 });
      expect(error.code).toBe('unsupported');
      expect(error.message).toContain(`tensor w: type id ${type}`);
      expect(error.message).toContain(name);
    }
  });

  test('tensors that overlap are refused, those that touch are not', async () => {
    const tensors = (second: number) => [
      { name: 'a', shape: [16] },
      { name: 'b', shape: [8], offset: second },
    ];
    expect((await refusal({ tensors: tensors(32), dataBytes: 96 })).message).toContain('overlaps a, which ends at');
    expect((await refusal({ tensors: tensors(0), dataBytes: 96 })).message).toContain('overlaps');
    await read({ tensors: tensors(64), dataBytes: 96 });
  });
});

describe('type id 42', () => {
  const padded = (size: number) => Math.ceil(size / 32) * 32;
  /** Two matrices of 128 × 64 weights in blocks of `blockBytes`, then what else is asked for. */
  const file = (blockBytes: number, weightsPerBlock: number, cut = 0): HandFile => {
    const size = (128 * 64 * blockBytes) / weightsPerBlock;
    const tensors = [
      { name: 'a', shape: [128, 64], type: 42 },
      { name: 'norm', shape: [8], type: 0, offset: padded(size) },
      { name: 'b', shape: [128, 64], type: 42, offset: padded(size) + 32 },
    ];
    return { tensors, dataBytes: padded(size) + 32 + size - cut };
  };
  const formatsOf = async (bytes: HandFile) => [...(await read(bytes)).tensors.values()].map((tensor) => tensor.format);

  test('blocks of 64 and 128 weights are told apart by the tensors’ sizes', async () => {
    expect(await formatsOf(file(18, 64))).toEqual(['q2_0', 'f32', 'q2_0']);
    expect(await formatsOf(file(34, 128))).toEqual(['q2_0-128', 'f32', 'q2_0-128']);
  });

  test('rows that are no multiple of 128 can only be blocks of 64', async () => {
    expect(await formatsOf({ tensors: [{ shape: [192, 10], type: 42 }], dataBytes: 540 })).toEqual(['q2_0']);
    expect((await refusal({ tensors: [{ shape: [192, 10], type: 42 }], dataBytes: 510 })).code).toBe('bad-file');
  });

  test('a tensor too small to tell follows the others, and ggml’s layout where all are', async () => {
    const tiny = { name: 'tiny', shape: [128], type: 42 };
    expect(await formatsOf({ tensors: [tiny], dataBytes: 64 })).toEqual(['q2_0']);
    const large = { name: 'large', shape: [128, 64], type: 42, offset: 64 };
    expect(await formatsOf({ tensors: [tiny, large], dataBytes: 64 + 64 * 34 })).toEqual(['q2_0-128', 'q2_0-128']);
  });

  test('a cut file is called cut, in either layout', async () => {
    for (const cut of [file(18, 64, 1000), file(34, 128, 1000)]) {
      const error = await refusal(cut);
      expect(error.problems).toEqual([expect.stringMatching(/tensor b: .* cut short/)]);
    }
  });

  test('sizes that fit neither layout, or two different ones, are refused', async () => {
    const neither = await refusal({ tensors: [{ name: 'w', shape: [128, 64], type: 42 }], dataBytes: 4096 });
    expect(neither.message).toContain(
      'tensor w: type id 42 must take 2304 as q2_0 or 2176 as q2_0-128, the file leaves 4096 bytes',
    );
    const both = await refusal({
      tensors: [
        { name: 'a', shape: [128, 64], type: 42 },
        { name: 'b', shape: [128, 64], type: 42, offset: 2304 },
      ],
      dataBytes: 2304 + 2176,
    });
    expect(both.message).toContain('two different layouts');
  });
});
