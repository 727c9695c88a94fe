// Exhaustive tests of the 16-bit floats against their definitions, written independently of half.ts by assembling binary32 bits.
import { describe, expect, test } from 'vitest';
import { bfloatToFloat, floatToBfloat, floatToHalf, halfTable, halfToFloat } from './half.ts';

const bits = new DataView(new ArrayBuffer(4));
const fromBits = (b: number) => {
  bits.setUint32(0, b);
  return bits.getFloat32(0);
};
const toBits = (x: number) => {
  bits.setFloat32(0, x);
  return bits.getUint32(0);
};
/** binary16 bits to binary32 bits, by moving fields. */
function widen(h: number): number {
  const sign = (h & 0x8000) << 16;
  let exponent = (h >> 10) & 31;
  let fraction = h & 1023;
  if (exponent === 31) return (sign | 0x7f800000 | (fraction << 13)) >>> 0;
  if (exponent === 0 && fraction === 0) return sign >>> 0;
  if (exponent === 0) {
    exponent = 1;
    for (; fraction < 1024; fraction <<= 1) exponent--;
    fraction &= 1023;
  }
  return (sign | ((exponent + 112) << 23) | (fraction << 13)) >>> 0;
}

describe('binary16', () => {
  test('every half decodes exactly and encodes back to itself', () => {
    let wrong = 0;
    for (let h = 0; h < 65536; h++) {
      const expected = fromBits(widen(h));
      const same = Object.is(halfToFloat(h), expected) && Object.is(halfTable()[h], expected);
      const back = Number.isNaN(expected) ? (floatToHalf(expected) & 0x7fff) > 0x7c00 : floatToHalf(expected) === h;
      if (!same || !back) wrong++;
    }
    expect(wrong).toBe(0);
  });

  test('between every two neighbouring halves it rounds to the nearer, and the midpoint to the even one', () => {
    let wrong = 0;
    for (let h = 0; h < 0x7c00; h++) {
      // Above the largest half comes infinity, where 65536 would be.
      const above = h === 0x7bff ? 65536 : halfToFloat(h + 1);
      const midpoint = Math.fround((halfToFloat(h) + above) / 2);
      const even = h & 1 ? h + 1 : h;
      for (const sign of [0, 0x8000]) {
        const s = sign ? -1 : 1;
        if (floatToHalf(s * midpoint) !== (sign | even)) wrong++;
        if (floatToHalf(s * fromBits(toBits(midpoint) - 1)) !== (sign | h)) wrong++;
        if (floatToHalf(s * fromBits(toBits(midpoint) + 1)) !== (sign | (h + 1))) wrong++;
      }
    }
    expect(wrong).toBe(0);
  });

  test('infinities, NaN, zeros and tiny values', () => {
    expect(floatToHalf(Number.POSITIVE_INFINITY)).toBe(0x7c00);
    expect(floatToHalf(Number.NEGATIVE_INFINITY)).toBe(0xfc00);
    expect(floatToHalf(3.4e38)).toBe(0x7c00);
    expect(floatToHalf(Number.NaN) & 0x7fff).toBeGreaterThan(0x7c00);
    expect(floatToHalf(-0)).toBe(0x8000);
    expect(floatToHalf(-1e-45)).toBe(0x8000);
  });
});

describe('bfloat16', () => {
  test('every bfloat decodes exactly and encodes back to itself', () => {
    let wrong = 0;
    for (let b = 0; b < 65536; b++) {
      const expected = fromBits((b << 16) >>> 0);
      const back = Number.isNaN(expected) ? (floatToBfloat(expected) & 0x7fff) > 0x7f80 : floatToBfloat(expected) === b;
      if (!Object.is(bfloatToFloat(b), expected) || !back) wrong++;
    }
    expect(wrong).toBe(0);
  });

  test('between every two neighbours it rounds to the nearer, and the midpoint to the even one', () => {
    let wrong = 0;
    for (let b = 0; b < 0x7f80; b++) {
      const midpoint = ((b << 16) | 0x8000) >>> 0;
      if (floatToBfloat(fromBits(midpoint)) !== (b & 1 ? b + 1 : b)) wrong++;
      if (floatToBfloat(fromBits(midpoint - 1)) !== b) wrong++;
      if (floatToBfloat(fromBits(midpoint + 1)) !== b + 1) wrong++;
      if (floatToBfloat(-fromBits(midpoint + 1)) !== (0x8000 | (b + 1))) wrong++;
    }
    expect(wrong).toBe(0);
  });
});
