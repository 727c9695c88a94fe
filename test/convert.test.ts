// Converting model files: weights stay what they are where the format holds them, and nothing is lost without being said.
import { describe, expect, test } from 'vitest';
import { memorySource } from '../src/bytes/memory-source.ts';
import type { OnebitError } from '../src/errors.ts';
import { type ConvertOptions, planConversion } from '../src/gguf/convert.ts';
import { readGguf } from '../src/gguf/read.ts';
import type { WritableTensor } from '../src/gguf/write.ts';
import { randomWeightBytes } from '../src/kernels/cases.ts';
import { encodedBytes } from '../src/quant/blocks.ts';
import { type FormatName, formatByName } from '../src/quant/formats.ts';
import { tinyModel } from './tiny-model.ts';

async function convert(bytes: Uint8Array, options: ConvertOptions) {
  const source = memorySource(bytes, 'test');
  const conversion = await planConversion(source, await readGguf(source), options);
  const parts: Uint8Array[] = [];
  const tensors = await conversion.write((piece) => void parts.push(piece.slice()));
  return { tensors, bytes: new Uint8Array(Buffer.concat(parts)) };
}

/** Every tensor's format and weights. */
async function weightsOf(bytes: Uint8Array): Promise<Map<string, { format: FormatName; values: Float32Array }>> {
  const { tensors } = await readGguf(memorySource(bytes, 'test'));
  return new Map(
    [...tensors.values()].map(({ name, format, shape, offsetBytes, sizeBytes }) => {
      const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
      formatByName(format).decode(bytes.subarray(offsetBytes, offsetBytes + sizeBytes), values);
      return [name, { format, values }];
    }),
  );
}

/** The first weight that differs, if any: millions are compared. */
function difference(a: Map<string, { values: Float32Array }>, b: Map<string, { values: Float32Array }>) {
  for (const [name, { values }] of a) {
    const other = b.get(name)!.values;
    const at = values.findIndex((value, i) => value !== other[i]);
    if (at >= 0) return `${name} ${at}: ${values[at]} became ${other[at]}`;
  }
  return undefined;
}

/** A model with 256-wide rows, as tq formats need. */
const model = (format: FormatName, tensors?: (list: WritableTensor[]) => WritableTensor[]) =>
  tinyModel({
    format: 'tq2_0',
    layers: 1,
    tensors: (list) => {
      const changed = list.map((tensor, i): WritableTensor => {
        const [cols, rows] = tensor.shape;
        if (tensor.shape.length === 1) return tensor;
        return { ...tensor, format, bytes: () => randomWeightBytes(format, rows, cols, i, 1) };
      });
      return tensors?.(changed) ?? changed;
    },
  });

const ternary = ['q2_0', 'q2_0-128', 'tq1_0', 'tq2_0', 'pq2_0', 'ptq1_0'] as const;

test.each([
  ...ternary.flatMap((from) => (['q2_0', 'tq1_0', 'tq2_0', 'q8_0', 'f16'] as const).map((to) => [from, to] as const)),
  ...(['q4_0', 'q4_1', 'q5_0', 'q5_1'] as const).flatMap(
    (to) =>
      [
        ['tq2_0', to],
        ['q1_0', to],
      ] as const,
  ),
])('%s to %s keeps every weight', async (from, to) => {
  const bytes = await model(from);
  // Blocks of 64 or 128 with scales of their own do not fit blocks of 256.
  const fits = formatByName(to).blockSize <= formatByName(from).blockSize || from === to;
  if (!fits) {
    await expect(convert(bytes, { type: to })).rejects.toThrow(/must fit .* without loss/);
    return;
  }
  const converted = await convert(bytes, { type: to });
  const [before, after] = [await weightsOf(bytes), await weightsOf(converted.bytes)];
  expect(difference(before, after)).toBe(undefined);
  expect([...new Set([...after.values()].map(({ format }) => format))].sort()).toEqual([to, 'f32'].sort());
  expect(converted.tensors.every(({ changed }) => changed === 0)).toBe(true);
});

describe('where a format does not hold the weights', () => {
  test('the file is refused with tensors and sizes of the loss, and rounded when forced', async () => {
    const bytes = await model('q8_0');
    await expect(convert(bytes, { type: 'q2_0' })).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringMatching(/blk\.0\.attn_q\.weight' \(q8_0\): \d+ weights would change, by \d+ %.*--force/),
    });
    const { problems } = (await convert(bytes, { type: 'q2_0' }).catch((error) => error)) as OnebitError;
    expect(problems?.map((problem) => /'(.+?)'/.exec(problem)![1])).toContain('blk.0.ffn_down.weight');
    const { tensors, bytes: forced } = await convert(bytes, { type: 'q2_0', force: true });
    expect(tensors.find(({ name }) => name === 'blk.0.attn_q.weight')!.relativeError).toBeGreaterThan(0.3);
    expect((await weightsOf(forced)).get('blk.0.ffn_up.weight')!.format).toBe('q2_0');
  });

  test('embedding and head stay, and are said to', async () => {
    const bytes = await model('tq2_0', (list) =>
      list.map((tensor): WritableTensor => {
        if (tensor.name !== 'token_embd.weight') return tensor;
        const [cols, rows] = tensor.shape;
        return { ...tensor, format: 'q6_k', bytes: () => randomWeightBytes('q6_k', rows, cols, 3) };
      }),
    );
    const converted = await convert(bytes, { type: 'tq1_0' });
    const embedding = converted.tensors.find(({ name }) => name === 'token_embd.weight')!;
    expect(embedding).toMatchObject({
      from: 'q6_k',
      to: 'q6_k',
      changed: 0,
      kept: 'its weights do not fit tq1_0 without loss',
    });
    expect(difference(await weightsOf(bytes), await weightsOf(converted.bytes))).toBe(undefined);
  });

  test('weights that are no numbers are refused with their tensor', async () => {
    const bytes = await model('f32', (list) =>
      list.map((tensor): WritableTensor => {
        if (tensor.name !== 'blk.0.ffn_up.weight') return tensor;
        const values = new Float32Array(tensor.shape[0] * tensor.shape[1]);
        values[77] = Number.NaN;
        return { ...tensor, bytes: () => new Uint8Array(values.buffer) };
      }),
    );
    const converting = convert(bytes, { type: 'q8_0', force: true });
    await expect(converting).rejects.toMatchObject({ code: 'bad-file', message: expect.stringContaining('ffn_up') });
  });
});

test('Q2_0 blocks with +2d keep it, in either width', async () => {
  const withTwo = (format: 'q2_0' | 'q2_0-128', weights: number) => {
    const bytes = new Uint8Array(encodedBytes(formatByName(format), weights));
    for (let at = 0; at < bytes.length; at++)
      bytes[at] = [0x00, 0x34][at % formatByName(format).blockBytes] ?? (at * 37) & 255;
    return bytes;
  };
  const bytes = await model('q2_0-128', (list) =>
    list.map((tensor): WritableTensor => {
      if (tensor.shape.length === 1) return tensor;
      return { ...tensor, bytes: () => withTwo('q2_0-128', tensor.shape[0] * tensor.shape[1]) };
    }),
  );
  const converted = await convert(bytes, { type: 'q2_0' });
  expect(difference(await weightsOf(bytes), await weightsOf(converted.bytes))).toBe(undefined);
});

test('I2_S becomes float32 without loss, and TQ2_0 but for the scale’s rounding', async () => {
  const bytes = await model('i2_s');
  expect(difference(await weightsOf(bytes), await weightsOf((await convert(bytes, { type: 'f32' })).bytes))).toBe(
    undefined,
  );
  const { tensors } = await convert(bytes, { type: 'tq2_0', force: true });
  expect(Math.max(...tensors.map(({ relativeError }) => relativeError))).toBeLessThan(2 ** -11);
});

test('metadata stays as it is, types included, but for what is set', async () => {
  const bytes = await model('tq2_0');
  const { bytes: converted } = await convert(bytes, { type: 'same', metadata: new Map([['general.name', 'other']]) });
  const [before, after] = [bytes, converted].map(async (file) => readGguf(memorySource(file, 'test')));
  expect((await after).metadata.get('general.name')).toBe('other');
  expect((await after).metadataTypes).toEqual((await before).metadataTypes);
  expect(difference(await weightsOf(bytes), await weightsOf(converted))).toBe(undefined);
});

test.each(['same', 'q2_0'] as const)(
  'every byte is read once for %s; embedding and head twice where they may stay',
  async (type) => {
    const bytes = await model('tq2_0');
    const whole = memorySource(bytes, 'test');
    const gguf = await readGguf(whole);
    let read = 0;
    const counted = {
      ...whole,
      readInto(target: Uint8Array, offsetBytes: number) {
        read += target.length;
        return whole.readInto(target, offsetBytes);
      },
    };
    const said: number[] = [];
    const onProgress = (done: number, total: number) => void said.push(done, total);
    await (await planConversion(counted, gguf, { type, onProgress })).write(() => {});
    const sizes = [...gguf.tensors.values()].map(({ sizeBytes }) => sizeBytes);
    const twice = type === 'same' ? 0 : gguf.tensors.get('token_embd.weight')!.sizeBytes;
    expect(read).toBe(sizes.reduce((sum, size) => sum + size, twice));
    expect(said.slice(-2)).toEqual([read, read]);
  },
);

test.each(['same', 'q2_0', 'f16'] as const)(
  'to %s: pieces that are written late are what they were when they were given',
  async (type) => {
    const bytes = await model('q1_0', (list) => {
      const [cols, rows] = [2048, 12_000];
      const data = randomWeightBytes('q1_0', rows, cols, 1, 1);
      return [...list, { name: 'long', shape: [cols, rows], format: 'q1_0', bytes: () => data }];
    });
    const source = memorySource(bytes, 'test');
    const conversion = await planConversion(source, await readGguf(source), { type });
    const parts: Uint8Array[] = [];
    let last = Promise.resolve();
    await conversion.write((piece) => {
      last = last.then(async () => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        parts.push(piece.slice());
      });
      return last;
    });
    expect(Buffer.compare(Buffer.concat(parts), (await convert(bytes, { type })).bytes)).toBe(0);
  },
);

test('numbers that are none are refused in tensors that stay as they are, too', async () => {
  const bytes = await model('tq2_0');
  const { tensors } = await readGguf(memorySource(bytes, 'test'));
  for (const name of ['output_norm.weight', 'blk.0.attn_q.weight']) {
    const damaged = bytes.slice();
    const { offsetBytes, sizeBytes } = tensors.get(name)!;
    damaged.fill(0xff, offsetBytes + sizeBytes - 4, offsetBytes + sizeBytes);
    const message = new RegExp(`must be finite, got infinity or NaN in tensor '${name}'`);
    await expect(convert(damaged, { type: 'same' })).rejects.toThrow(message);
  }
  const i2s = await model('i2_s');
  const { offsetBytes, sizeBytes } = (await readGguf(memorySource(i2s, 'test'))).tensors.get('blk.0.attn_q.weight')!;
  i2s.set([0, 0, 0xc0, 0x7f], offsetBytes + sizeBytes - 32);
  await expect(convert(i2s, { type: 'same' })).rejects.toThrow(/finite, got infinity or NaN in tensor 'blk.0.attn_q/);
});
