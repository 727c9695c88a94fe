// Byte vectors made by hand from the layouts, then round trips and the reference quantisers' rules.
import { describe, expect, test } from 'vitest';
import { halfToFloat } from '../core/half.ts';
import { Random } from '../core/random.ts';
import { encodedBytes } from './blocks.ts';
import { type Format, type FormatName, formatByName, formats, formatsOfGgmlType } from './formats.ts';

function decode(name: FormatName, bytes: Uint8Array, length: number): Float32Array {
  const out = new Float32Array(length);
  formatByName(name).decode(bytes, out);
  return out;
}

function encode(name: FormatName, values: ArrayLike<number>): Uint8Array {
  const format = formatByName(name);
  const out = new Uint8Array(encodedBytes(format, values.length)).fill(0xaa);
  format.encode(Float32Array.from(values), out);
  return out;
}

/** The weights of encoded bytes as kernels see them. */
function throughKernels(name: FormatName, bytes: Uint8Array, length: number): Float32Array {
  const { recode, tailBytes = 0 } = formatByName(name);
  const target = formatByName(recode!.as);
  const end = bytes.length - tailBytes;
  const padded = Math.ceil(length / target.blockSize) * target.blockSize;
  const out = new Uint8Array(encodedBytes(target, padded));
  recode!.rows(bytes.subarray(0, end), out);
  const values = new Float32Array(padded);
  target.decode(out, values);
  const gain = recode!.gain?.(bytes.subarray(end)) ?? 1;
  return values.subarray(0, length).map((value) => value * gain);
}

/** Zeros of either sign are the same; a test framework's comparison of thousands of arrays takes minutes. */
function expectSame(got: ArrayLike<number>, expected: ArrayLike<number>, where: string): void {
  for (let i = 0; i < expected.length; i++) {
    if (got[i] !== expected[i]) throw new Error(`${where}: ${got[i]} instead of ${expected[i]} at ${i}`);
  }
}

/** Root mean square of the differences, of that of `truth`. */
function relative(values: ArrayLike<number>, truth: ArrayLike<number>): number {
  let [error, size] = [0, 0];
  for (let i = 0; i < truth.length; i++) {
    error += (values[i] - truth[i]) ** 2;
    size += truth[i] ** 2;
  }
  return Math.sqrt(error / size);
}

const block = (format: Format, value: (j: number) => number) =>
  Float32Array.from({ length: format.blockSize }, (_, j) => value(j));

describe('the list', () => {
  test('ggml type ids lead to formats, id 42 to both layouts, ggml’s own first', () => {
    expect(formatsOfGgmlType(41).map((f) => f.name)).toEqual(['q1_0']);
    expect(formatsOfGgmlType(42).map((f) => f.name)).toEqual(['q2_0', 'q2_0-128']);
    expect(formatsOfGgmlType(36).map((f) => f.name)).toEqual(['i2_s', 'i2_s-64']);
    expect(formatsOfGgmlType(10)).toEqual([]);
  });

  test('sizes are those of ggml’s blocks', () => {
    const sizes = Object.fromEntries(formats.map((f) => [f.name, [f.ggmlType, f.blockSize, f.blockBytes]]));
    expect(sizes).toMatchObject({
      f32: [0, 1, 4],
      f16: [1, 1, 2],
      bf16: [30, 1, 2],
      q8_0: [8, 32, 34],
      q1_0: [41, 128, 18],
      q2_0: [42, 64, 18],
      'q2_0-128': [42, 128, 34],
      tq1_0: [34, 256, 54],
      tq2_0: [35, 256, 66],
      pq2_0: [142, 128, 34],
      ptq1_0: [143, 128, 28],
      i2_s: [36, 128, 32],
      'i2_s-64': [36, 64, 16],
      q4_0: [2, 32, 18],
      q4_1: [3, 32, 20],
      q5_0: [6, 32, 22],
      q5_1: [7, 32, 24],
      q4_k: [12, 256, 144],
      q5_k: [13, 256, 176],
      q6_k: [14, 256, 210],
    });
  });
});

describe('layouts, from bytes made by hand', () => {
  test('f32, f16 and bf16 are little-endian', () => {
    expect([...decode('f32', new Uint8Array([0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0]), 2)]).toEqual([1.5, -2]);
    expect([...decode('f16', new Uint8Array([0x00, 0x3e, 0x00, 0xc0]), 2)]).toEqual([1.5, -2]);
    expect([...decode('bf16', new Uint8Array([0xc0, 0x3f, 0x00, 0xc0]), 2)]).toEqual([1.5, -2]);
  });

  test('q8_0 is a half scale and 32 signed bytes', () => {
    const bytes = new Uint8Array(34);
    bytes.set([0x00, 0x38, 127, 0x81, 1, 0xff]); // d = 0.5; 127, -127, 1, -1, then zeros
    expect([...decode('q8_0', bytes, 32)]).toEqual([63.5, -63.5, 0.5, -0.5, ...new Array(28).fill(0)]);
  });

  test('q1_0 is a half scale and 128 bits, lowest first, 1 for +d', () => {
    const bytes = new Uint8Array(18);
    bytes.set([0x00, 0x40, 0b00000101, 0b10000000]); // d = 2; weights 0, 2 and 15 are +2
    bytes[17] = 0x80; // and 127
    const values = decode('q1_0', bytes, 128);
    const plus = [...values.keys()].filter((j) => values[j] === 2);
    expect(plus).toEqual([0, 2, 15, 127]);
    expect(values.filter((v) => v === -2).length).toBe(124);
  });

  test.each(['q2_0', 'q2_0-128'] as const)('%s is a half scale and 2-bit codes, lowest first', (name) => {
    const { blockSize, blockBytes } = formatByName(name);
    const bytes = new Uint8Array(2 * blockBytes).fill(0b01010101);
    bytes.set([0x00, 0x34, 0b11100100]); // d = 0.25; codes 0, 1, 2, 3
    bytes.set([0x00, 0xbc], blockBytes); // the second block has d = -1
    bytes[2 * blockBytes - 1] = 0b10010101; // and code 2 at its end
    const values = decode(name, bytes, 2 * blockSize);
    expect([...values.subarray(0, 6)]).toEqual([-0.25, 0, 0.25, 0.5, 0, 0]);
    expect(values[2 * blockSize - 1]).toBe(-1);
    expect(values.filter((v) => v !== 0).length).toBe(4);
  });

  test('bytes may start at an odd offset of their buffer', () => {
    const bytes = new Uint8Array(9).subarray(1);
    formatByName('f32').encode(new Float32Array([1.5, -2]), bytes);
    expect([...decode('f32', bytes, 2)]).toEqual([1.5, -2]);
  });
});

describe('reference quantisers', () => {
  test('q1_0 takes d = mean|x| and a set bit for x >= 0, also for zero', () => {
    const bytes = encode(
      'q1_0',
      block(formatByName('q1_0'), (j) => (j === 0 ? 0 : j % 2 ? -3 : 1)),
    );
    // 64 × 3 + 63 × 1 = 255, / 128 = 1.9921875 = 0x3ff8
    expect([...bytes]).toEqual([0xf8, 0x3f, ...new Array(16).fill(0b01010101)]);
  });

  test('q8_0 takes d = max|x| / 127 and rounds halves away from zero', () => {
    const values = new Float32Array(32);
    values.set([127, 0.5, -0.5, 1.49, -126.5, 2.5]);
    expect([...encode('q8_0', values).subarray(0, 8)]).toEqual([0x00, 0x3c, 127, 1, 0xff, 1, 0x81, 3]);
  });

  test.each(['q2_0', 'q2_0-128'] as const)('%s takes d = max|x| and packs ternary weights as they are', (name) => {
    const format = formatByName(name);
    const bytes = encode(
      name,
      block(format, (j) => [-0.5, 0, 0.5, 0.25][j % 4]),
    );
    // 0.25 / 0.5 is exactly a half and rounds away from zero.
    expect([...bytes]).toEqual([0x00, 0x38, ...new Array(format.blockSize / 4).fill(0b10100100)]);
  });

  test('all zeros and values below the smallest half encode to blocks that read as zeros', () => {
    for (const format of formats.slice(3)) {
      for (const tiny of [0, 1e-45, -1e-45, 1e-39]) {
        const values = block(format, () => tiny);
        const back = decode(format.name, encode(format.name, values), format.blockSize);
        expect(back.every((v) => v === 0)).toBe(true);
      }
    }
  });
});

describe('round trips', () => {
  test('q1_0 blocks with any positive finite scale come back byte for byte', () => {
    const random = new Random(11);
    const bytes = new Uint8Array(18);
    for (let half = 1; half < 0x7c00; half++) {
      bytes[0] = half & 255;
      bytes[1] = half >> 8;
      for (let i = 2; i < 18; i++) bytes[i] = random.below(256);
      const back = encode('q1_0', decode('q1_0', bytes, 128));
      if (!back.every((byte, i) => byte === bytes[i]))
        throw new Error(`scale ${halfToFloat(half)} (0x${half.toString(16)})`);
    }
  });

  test.each(['q2_0', 'q2_0-128'] as const)(
    '%s ternary blocks with any normal scale come back byte for byte',
    (name) => {
      const random = new Random(12);
      const { blockSize, blockBytes } = formatByName(name);
      const bytes = new Uint8Array(blockBytes);
      for (let half = 1; half < 0x7c00; half += 7) {
        bytes[0] = half & 255;
        bytes[1] = half >> 8;
        for (let i = 2; i < blockBytes; i++) bytes[i] = [0b00011010, 0b10100100, 0b01000110][random.below(3)];
        const back = encode(name, decode(name, bytes, blockSize));
        if (!back.every((byte, i) => byte === bytes[i])) throw new Error(`scale 0x${half.toString(16)}`);
      }
    },
  );

  test.each(['tq1_0', 'tq2_0', 'ptq1_0', 'pq2_0', 'i2_s', 'i2_s-64'] as const)(
    '%s: each code at each place of a block comes back byte for byte, and as the same weight where kernels read it',
    (name) => {
      const format = formatByName(name);
      const { blockSize } = format;
      for (let place = 0; place < blockSize; place++) {
        for (const code of [-1, 0, 1]) {
          // Every other weight is another code, so that a mix-up of places shows.
          const values = block(format, (j) => (j === place ? code : ((j * 7) % 3) - 1) * 0.375);
          const bytes = encode(name, values);
          const where = `place ${place}, code ${code}`;
          expectSame(decode(name, bytes, blockSize), values, where);
          expectSame(encode(name, decode(name, bytes, blockSize)), bytes, where);
          expectSame(throughKernels(name, bytes, blockSize), values, where);
        }
      }
    },
  );

  test.each(['tq1_0', 'tq2_0', 'ptq1_0', 'pq2_0', 'q4_0', 'q5_0'] as const)(
    '%s: random blocks with any finite scale of either sign are the same weights where kernels read them',
    (name) => {
      const random = new Random(15);
      const format = formatByName(name);
      const bytes = new Uint8Array(format.blockBytes);
      for (let half = 0; half < 0x10000; half += 13) {
        if ((half & 0x7c00) === 0x7c00) continue;
        for (let i = 0; i < bytes.length; i++) bytes[i] = random.below(256);
        new DataView(bytes.buffer).setUint16(format.halvesAt?.[0] ?? 0, half, true);
        expectSame(throughKernels(name, bytes, format.blockSize), decode(name, bytes, format.blockSize), `${half}`);
      }
    },
  );

  test.each(['q4_1', 'q5_1', 'q4_k', 'q5_k', 'q6_k'] as const)('%s loses under 1 % where kernels read it', (name) => {
    const random = new Random(16);
    const format = formatByName(name);
    const values = Float32Array.from({ length: 16 * 256 }, () => random.normal());
    const own = decode(name, encode(name, values), values.length);
    const read = throughKernels(name, encode(name, values), values.length);
    expect(format.recode?.lossless).toBe(false);
    expect(relative(read, own)).toBeLessThan(0.01);
    expect(relative(own, values)).toBeLessThan({ q4_1: 0.1, q5_1: 0.05, q4_k: 0.11, q5_k: 0.06, q6_k: 0.03 }[name]);
  });

  test('f16 and bf16 bytes come back for every finite value', () => {
    for (const [name, infinity] of [
      ['f16', 0x7c00],
      ['bf16', 0x7f80],
    ] as const) {
      const all = Uint16Array.from({ length: 65536 }, (_, b) => b).filter((b) => (b & 0x7fff) < infinity);
      const bytes = new Uint8Array(all.buffer);
      expect(encode(name, decode(name, bytes, all.length))).toEqual(bytes);
    }
  });

  test('q8_0 is within half a step of normally distributed weights', () => {
    const seed = 13;
    const random = new Random(seed);
    const values = Float32Array.from({ length: 320 }, () => random.normal());
    const back = decode('q8_0', encode('q8_0', values), 320);
    for (let i = 0; i < 320; i += 32) {
      const step = Math.max(...values.subarray(i, i + 32).map(Math.abs)) / 127;
      // The scale is rounded to fp16 after the weights were: up to 127 × 2⁻¹¹ of a step more.
      for (let j = i; j < i + 32; j++) expect(Math.abs(back[j] - values[j]), `seed ${seed}`).toBeLessThan(0.57 * step);
    }
  });
});

describe('refusals', () => {
  test.each(formats)('$name refuses NaN and infinities, naming the index', (format) => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const values = new Float32Array(2 * format.blockSize);
      values[format.blockSize] = bad;
      expect(() => encode(format.name, values)).toThrow(`got ${bad} at index ${format.blockSize}.`);
    }
  });

  test.each(formats.filter((f) => f.name !== 'f32' && !f.tailBytes))(
    '$name refuses weights whose scale overflows',
    (format) => {
      expect(() =>
        encode(
          format.name,
          block(format, (j) => (j % 2 ? -3.4028e38 : 3.4028e38)),
        ),
      ).toThrow('must fit its 16-bit float');
    },
  );

  test.each(formats)('$name refuses partial blocks and buffers that are too small', (format) => {
    const { blockSize } = format;
    const blockBytes = encodedBytes(format, blockSize);
    const short = new Uint8Array(blockBytes - 1);
    expect(() => format.decode(short, new Float32Array(blockSize))).toThrow(`need ${blockBytes} bytes`);
    expect(() => format.encode(new Float32Array(blockSize), short)).toThrow(`need ${blockBytes} bytes`);
    if (blockSize > 1) {
      expect(() => format.decode(new Uint8Array(1000), new Float32Array(blockSize + 1))).toThrow('multiple of');
      expect(() => format.encode(new Float32Array(blockSize - 1), new Uint8Array(1000))).toThrow('multiple of');
    }
  });
});
