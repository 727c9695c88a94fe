// Owns what the block formats share: their sizes, the checks at their edges, and little-endian halves inside byte arrays. Must not know any one format.
import { OnebitError } from '../errors.ts';

/** What is needed of a format to count bytes. */
interface Layout {
  readonly name: string;
  readonly blockSize: number;
  readonly blockBytes: number;
  readonly tailBytes?: number;
}

/** Bytes that a tensor of `weights` values takes. Throws `bad-argument` unless `weights` is a multiple of the block. */
export function encodedBytes(layout: Layout, weights: number): number {
  if (weights % layout.blockSize !== 0) {
    throw new OnebitError(
      'bad-argument',
      `${layout.name}: the number of weights must be a multiple of ${layout.blockSize}, got ${weights}. Pass whole rows.`,
    );
  }
  return (weights / layout.blockSize) * layout.blockBytes + (layout.tailBytes ?? 0);
}

/** Checks a decode call. Throws `bad-argument` when `out` is not whole blocks or `bytes` holds fewer than it needs. */
export function checkDecode(layout: Layout, bytes: Uint8Array, out: Float32Array): void {
  const need = encodedBytes(layout, out.length);
  if (bytes.length < need) {
    throw new OnebitError(
      'bad-argument',
      `decode ${layout.name}: ${out.length} weights need ${need} bytes, got ${bytes.length}. Pass the whole blocks.`,
    );
  }
}

/** Checks an encode call. Throws `bad-argument` for partial blocks, a small `out`, and the first value that is not finite. */
export function checkEncode(layout: Layout, values: Float32Array, out: Uint8Array): void {
  const need = encodedBytes(layout, values.length);
  if (out.length < need) {
    throw new OnebitError(
      'bad-argument',
      `encode ${layout.name}: ${values.length} weights need ${need} bytes, got room for ${out.length}. Make the output larger.`,
    );
  }
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) {
      throw new OnebitError(
        'bad-argument',
        `encode ${layout.name}: weights must be finite, got ${values[i]} at index ${i}. The model it comes from is broken.`,
      );
    }
  }
}

/** The error for finite weights that the format's 16-bit float cannot hold: they would read back as infinity. */
export function tooLarge(layout: Layout, what: string, value: number, index: number): OnebitError {
  return new OnebitError(
    'bad-argument',
    `encode ${layout.name}: ${what} must fit its 16-bit float, got ${value} at index ${index}. Scale the weights down.`,
  );
}

/** The 16 bits at `offset`. */
export function readU16(bytes: Uint8Array, offset: number): number {
  return bytes[offset] | (bytes[offset + 1] << 8);
}

/** Stores 16 bits at `offset`. */
export function writeU16(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value & 255;
  bytes[offset + 1] = value >>> 8;
}

/** Scales of which few levels may all be multiples, those of weights that were binary or ternary: the least distance of a block's weights from `origin`, its half and its third. */
export function scalesOfFewLevels(values: Float32Array, start: number, count: number, origin = 0): number[] {
  let least = 0;
  for (let j = start; j < start + count; j++) {
    const distance = Math.abs(values[j] - origin);
    if (distance > 0 && (least === 0 || distance < least)) least = distance;
  }
  return [least, least / 2, least / 3];
}
