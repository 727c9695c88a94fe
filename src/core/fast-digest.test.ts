import { expect, test } from 'vitest';
import { FastDigest } from './fast-digest.ts';
import { Random } from './random.ts';

const random = new Random(11);
const bytes = Uint8Array.from({ length: 1000 }, () => random.below(256));
const digestOf = (...pieces: Uint8Array[]) => {
  const digest = new FastDigest();
  for (const piece of pieces) digest.update(piece);
  return digest.hex();
};

test('how the bytes are cut makes no difference, wherever they lie', () => {
  const whole = digestOf(bytes);
  for (let round = 0; round < 300; round++) {
    const cuts = [0, ...Array.from({ length: 4 }, () => random.below(1001)).sort((a, b) => a - b), 1000];
    expect(digestOf(...cuts.slice(1).map((to, i) => bytes.subarray(cuts[i], to)))).toBe(whole);
  }
  expect(digestOf(bytes.subarray(3))).toBe(digestOf(bytes.slice(3)));
});

test('every bit, every pair of equal bits, the order and the length count', () => {
  const seen = new Map<string, string>([[digestOf(bytes), 'whole']]);
  const note = (name: string, changed: Uint8Array) => {
    const digest = digestOf(changed);
    expect(seen.get(digest), name).toBeUndefined();
    seen.set(digest, name);
  };
  const flipped = (...bits: number[]) => {
    const copy = bytes.slice();
    for (const bit of bits) copy[bit >> 3] ^= 1 << (bit & 7);
    return copy;
  };
  for (let bit = 0; bit < 1000; bit++) {
    note(`bit ${bit}`, flipped(bit));
    // Two signs of float32 in one lane: the uppermost bit of a product depends on nothing but uppermost bits.
    if (bit % 32 === 31)
      for (const far of [128, 256, 1280]) note(`bits ${bit} and ${bit + far}`, flipped(bit, bit + far));
  }
  for (const length of [0, 1, 15, 16, 17, 999]) note(`length ${length}`, bytes.subarray(0, length));
  for (const zeros of [1, 16, 32, 33]) note(`${zeros} zeros`, new Uint8Array(zeros));
  const swapped = bytes.slice();
  swapped.set(bytes.subarray(0, 16), 16);
  swapped.set(bytes.subarray(16, 32), 0);
  note('blocks swapped', swapped);
});

test('gives these digests in every engine', () => {
  expect([digestOf(), digestOf(bytes.subarray(0, 21)), digestOf(bytes)]).toMatchInlineSnapshot(`
    [
      "8bb08f8f620fe34aaf1fa9f8fec89e92",
      "efb76a04a5948a5fd4d19f17d0b63337",
      "8b6b65b11dfae4a2ccf3833caef52c91",
    ]
  `);
});
