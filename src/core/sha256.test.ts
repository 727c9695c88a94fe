import { expect, test } from 'vitest';
import { hexOf, sha256 } from './digest.ts';
import { Random } from './random.ts';
import { Sha256 } from './sha256.ts';

test('gives the digests of FIPS 180-4', () => {
  const hash = new Sha256();
  hash.update(new TextEncoder().encode('abc'));
  expect(hexOf(hash.digest())).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  expect(hexOf(new Sha256().digest())).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
});

test('agrees with Web Crypto on any length, however it is cut', async () => {
  const random = new Random(3);
  for (let length = 0; length < 300; length += 1 + random.below(4)) {
    const bytes = Uint8Array.from({ length }, () => random.below(256));
    const hash = new Sha256();
    for (let at = 0; at < length; ) {
      const count = random.below(140);
      hash.update(bytes.subarray(at, at + count));
      at += count;
    }
    expect(hexOf(hash.digest()), `${length} bytes`).toBe(hexOf(await sha256(bytes)));
  }
});
