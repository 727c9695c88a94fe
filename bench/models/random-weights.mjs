// Owns random weights in the formats of files, the same bytes for the same seed. Must not know files. Layouts of blocks: ggml's ggml-common.h.

/** Number in the file, weights and bytes of a block. */
export const TYPES = {
  f32: { id: 0, blockSize: 1, blockBytes: 4 },
  f16: { id: 1, blockSize: 1, blockBytes: 2 },
  q8_0: { id: 8, blockSize: 32, blockBytes: 34 },
  tq1_0: { id: 34, blockSize: 256, blockBytes: 54 },
  tq2_0: { id: 35, blockSize: 256, blockBytes: 66 },
  q1_0: { id: 41, blockSize: 128, blockBytes: 18 },
  q2_0: { id: 42, blockSize: 64, blockBytes: 18 },
};
/** Uniform numbers over this span have a deviation of 1: the square root of 12. */
const SPAN = 3.46;

/** Marsaglia's xorshift128, 32 bits per call. */
export class Random {
  #state;

  constructor(seed) {
    this.#state = [(0x9e3779b9 ^ seed) >>> 0, 0x243f6a88, 0xb7e15162, (0xdeadbeef + seed) >>> 0];
  }

  next() {
    const [a, b, c, last] = this.#state;
    let mixed = last ^ (last << 11);
    mixed ^= mixed >>> 8;
    const made = (mixed ^ a ^ (a >>> 19)) >>> 0;
    this.#state = [made, a, b, c];
    return made;
  }

  /** From 0 to 1. */
  fraction() {
    return this.next() / 2 ** 32;
  }
}

/** The bytes of a tensor: norms around 1, matrices of deviation 1/√(row length). */
export function weightBytes(random, shape, type, bytes, padded) {
  const buffer = Buffer.alloc(padded);
  const [rowLength] = shape;
  const deviation = 1 / Math.sqrt(rowLength);
  if (shape.length === 1) {
    for (let i = 0; i < rowLength; i++) buffer.writeFloatLE(0.8 + 0.4 * random.fraction(), 4 * i);
  } else if (type === 'f32') {
    for (let at = 0; at < bytes; at += 4) buffer.writeFloatLE((random.fraction() - 0.5) * SPAN * deviation, at);
  } else {
    const words = new Uint32Array(buffer.buffer, buffer.byteOffset, buffer.length >> 2);
    for (let i = 0; i < words.length; i++) words[i] = random.next();
    if (type === 'f16') {
      const halves = new Uint16Array(buffer.buffer, buffer.byteOffset, bytes / 2);
      const table = Uint16Array.from({ length: 65536 }, (_, i) => half((i / 65536 - 0.5) * SPAN * deviation));
      for (let i = 0; i < halves.length; i++) halves[i] = table[halves[i]];
    } else {
      for (let at = 0; at < bytes; at += TYPES[type].blockBytes) makeBlock(buffer, at, type, deviation);
    }
  }
  return buffer;
}

/** Makes a valid block of random bytes. Scales of blocks differ, as in a trained model. */
function makeBlock(buffer, at, type, deviation) {
  const { blockBytes } = TYPES[type];
  const spread = 0.5 + buffer.readUInt16LE(at + 2) / 65536;
  if (type === 'q2_0') ternaryCodes(buffer, at + 2, at + blockBytes);
  if (type === 'tq2_0') ternaryCodes(buffer, at, at + blockBytes - 2);
  if (type === 'tq1_0') base3Digits(buffer, at);
  const scale = deviation * spread;
  const scaleAt = type.startsWith('tq') ? at + blockBytes - 2 : at;
  buffer.writeUInt16LE(half(type === 'q8_0' ? scale / 74 : scale), scaleAt);
}

/** Two bits each: 0, 1, 2 mean −1, 0, +1. */
function ternaryCodes(buffer, from, to) {
  for (let i = from; i < to; i++) {
    let codes = 0;
    for (let shift = 0; shift < 8; shift += 2) codes |= (((buffer[i] >> shift) & 3) % 3) << shift;
    buffer[i] = codes;
  }
}

/** Five digits of base 3 per byte, in the last four bytes four, as fractions of 256. */
function base3Digits(buffer, at) {
  for (let i = at; i < at + 52; i++) {
    const digits = i < at + 48 ? buffer[i] % 243 : (buffer[i] % 81) * 3;
    buffer[i] = Math.floor((digits * 256 + 242) / 243);
  }
}

const single = new Float32Array(1);
const singleBits = new Uint32Array(single.buffer);

/** A number as a half float, rounded. */
function half(value) {
  single[0] = value;
  const bits = singleBits[0];
  const sign = (bits >>> 16) & 0x8000;
  const exponent = ((bits >>> 23) & 0xff) - 112;
  let mantissa = bits & 0x7fffff;
  if (exponent > 30) return sign | 0x7c00;
  // Without a carry into the exponent: golden files were made so.
  if (exponent > 0) return sign | (exponent << 10) | ((mantissa >> 13) + ((mantissa >> 12) & 1));
  if (exponent < -10) return sign;
  mantissa |= 0x800000;
  const shift = 14 - exponent;
  return sign | ((mantissa >> shift) + ((mantissa >> (shift - 1)) & 1));
}
