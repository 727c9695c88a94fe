import { crc32 as judge } from 'node:zlib';
import { expect, test } from 'vitest';
import { crc32 } from './crc32.ts';
import { Random } from './random.ts';

test('is what zlib computes', () => {
  const random = new Random(1);
  for (const length of [0, 1, 9, 1000]) {
    const bytes = Uint8Array.from({ length }, () => random.below(256));
    expect(crc32(bytes)).toBe(judge(bytes));
  }
});
