import { expect, test } from 'vitest';
import { Random } from '../core/random.ts';
import { encodedBytes } from './blocks.ts';
import { directly } from './direct.ts';
import { formatByName } from './formats.ts';

const halves = [0x0000, 0x8000, 0x0001, 0x8001, 0x3c00, 0xbc00, 0x2e66, 0x7bff, 0x03ff];

test.each([
  ['q1_0', 'f16'],
  ['q1_0', 'q2_0'],
  ['q2_0', 'f16'],
  ['q2_0-128', 'f16'],
  ['pq2_0', 'f16'],
] as const)('%s becomes %s with the bytes that decoding and encoding give', (name, other) => {
  const [from, to] = [formatByName(name), formatByName(other)];
  const random = new Random(1);
  for (const half of halves) {
    const isLargest = half === 0x7bff; // of two-bit codes there is no twice that
    const bytes = Uint8Array.from(
      { length: 4 * from.blockBytes },
      () => random.uint32() & (isLargest && name !== 'q1_0' ? 0xaa : 255),
    );
    for (let at = 0; at < bytes.length; at += from.blockBytes) bytes.set([half & 255, half >> 8], at);
    const values = new Float32Array(4 * from.blockSize);
    from.decode(bytes, values);
    const expected = new Uint8Array(encodedBytes(to, values.length));
    to.encode(values, expected);
    for (const offset of [0, 1, 2]) {
      const out = new Uint8Array(expected.length + offset).subarray(offset);
      const given = new Uint8Array(bytes.length + offset).subarray(offset);
      given.set(bytes);
      directly(from, to)!(given, out);
      expect(out).toEqual(expected);
      const decoded = new Float32Array(values.length);
      to.decode(out, decoded);
      expect(decoded.every((value, i) => value === values[i])).toBe(true);
    }
  }
});

test('what F16 does not hold is refused as by its encoder', () => {
  const bytes = new Uint8Array(18).fill(255).fill(0x7b, 1, 2);
  expect(() => directly(formatByName('q2_0'), formatByName('f16'))!(bytes, new Uint8Array(128))).toThrow(
    /f16: a weight must fit/,
  );
});

test('halves of one size become Q1_0, the others only by decoding', () => {
  const [from, to] = [formatByName('f16'), formatByName('q1_0')];
  const values = Float32Array.from({ length: 256 }, (_, i) => (i % 3 === 0 ? -1 : 1) * (i < 128 ? 0.1 : 6e-8));
  const bytes = new Uint8Array(512);
  from.encode(values, bytes);
  from.decode(bytes, values);
  const [expected, out] = [new Uint8Array(36), new Uint8Array(36)];
  to.encode(values, expected);
  expect(directly(from, to)!(bytes, out)).toBe(true);
  expect(out).toEqual(expected);
  for (const place of [128, 255]) {
    for (const half of [0x0000, 0x8000, 0x3c00]) {
      const other = Uint8Array.from(bytes);
      other.set([half & 255, half >> 8], 2 * place);
      expect(directly(from, to)!(other, out)).toBe(false);
    }
  }
  expect(directly(from, to)!(new Uint8Array(512), out)).toBe(false);
});

test('pairs whose weights change with the block have no short way', () => {
  expect(directly(formatByName('q1_0'), formatByName('tq2_0'))).toBeUndefined();
  expect(directly(formatByName('f16'), formatByName('q2_0'))).toBeUndefined();
});
