// Owns conversions between float32 and the 16-bit floats of model files. Source: IEEE 754 binary16; bfloat16 is the upper half of binary32.

const scratch = new DataView(new ArrayBuffer(4));

/** The float32 value of IEEE binary16 bits `h` (0..65535). Exact. */
export function halfToFloat(h: number): number {
  const sign = h & 0x8000 ? -1 : 1;
  const exponent = (h >> 10) & 31;
  const fraction = h & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** IEEE binary16 bits of `value` after rounding it to float32, to nearest, ties to even. */
export function floatToHalf(value: number): number {
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x7f800000) return sign | 0x7c00 | (magnitude > 0x7f800000 ? 0x200 : 0);
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // rounds to 65536 or more
  if (magnitude >= 0x38800000) {
    // Normal: rebias the exponent, round the 13 dropped bits.
    const rebased = magnitude - 0x38000000;
    return sign | ((rebased + 0xfff + ((rebased >> 13) & 1)) >> 13);
  }
  if (magnitude < 0x33000000) return sign; // below half of the smallest subnormal
  const shift = 126 - (magnitude >>> 23);
  const mantissa = (magnitude & 0x7fffff) | 0x800000;
  const half = mantissa >> shift;
  const rest = mantissa & ((1 << shift) - 1);
  const midpoint = 1 << (shift - 1);
  return sign | (half + (rest > midpoint || (rest === midpoint && half & 1) ? 1 : 0));
}

/** The float32 value of bfloat16 bits. Exact. */
export function bfloatToFloat(b: number): number {
  scratch.setUint32(0, (b << 16) >>> 0);
  return scratch.getFloat32(0);
}

/** bfloat16 bits of `value` after rounding it to float32, to nearest, ties to even; NaN stays NaN. */
export function floatToBfloat(value: number): number {
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** All 65,536 binary16 values as float32, for loops that decode many. Made once, on first use (256 KB). */
export function halfTable(): Float32Array {
  if (!table) {
    table = new Float32Array(65536);
    for (let h = 0; h < 65536; h++) table[h] = halfToFloat(h);
  }
  return table;
}
let table: Float32Array | undefined;
