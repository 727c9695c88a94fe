// Owns seeded random numbers: the same seed gives the same sequence on every machine. Source: xoshiro128** 1.1 (Blackman and Vigna, public domain),
// seeded through splitmix32.
import { cosSin, log } from './elementary.ts';

/** A seeded generator. Its four words of state can be saved and restored exactly. */
export class Random {
  readonly state = new Uint32Array(4);

  /** @param seed any finite number; its 64-bit float representation is what counts, so 1 and 1.5 differ. */
  constructor(seed: number) {
    const words = new Uint32Array(new Float64Array([seed]).buffer);
    let x = (words[0] ^ Math.imul(words[1], 0x9e3779b1)) >>> 0;
    for (let i = 0; i < 4; i++) {
      x = (x + 0x9e3779b9) >>> 0;
      let z = x;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      this.state[i] = (z ^ (z >>> 15)) >>> 0;
    }
  }

  /** A whole number in 0..2³²−1. */
  uint32(): number {
    const s = this.state;
    const five = Math.imul(s[1], 5);
    const result = Math.imul((five << 7) | (five >>> 25), 9) >>> 0;
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 11) | (s[3] >>> 21);
    return result;
  }

  /** A float64 in [0, 1) with 53 random bits. */
  uniform(): number {
    return ((this.uint32() >>> 5) * 67108864 + (this.uint32() >>> 6)) / 9007199254740992;
  }

  /** A whole number in 0..n−1, for n up to 2³². */
  below(n: number): number {
    return Math.floor(this.uniform() * n);
  }

  /** A normally distributed number, mean 0, deviation 1 (Box–Muller; one of the pair is dropped so that the state says all). */
  normal(): number {
    const radius = Math.sqrt(-2 * log(1 - this.uniform()));
    return radius * cosSin(2 * Math.PI * this.uniform())[0];
  }

  /** Puts `items` into random order, in place (Fisher–Yates). */
  shuffle(items: Uint32Array): void {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [items[i], items[j]] = [items[j], items[i]];
    }
  }
}
