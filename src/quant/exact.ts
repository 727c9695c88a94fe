// Owns encoding weights so that they come back as they were, where a format can hold them, and saying what is lost where it cannot. Must not know files.
import type { Format } from './formats.ts';

/** What encoding changed. */
export interface Loss {
  /** Weights that do not come back as they were. */
  changed: number;
  /** Sums of squares: of what was changed, and of the weights. */
  error: number;
  size: number;
}

export const noLoss = (): Loss => ({ changed: 0, error: 0, size: 0 });

/**
 * Encodes `values` as the format's quantiser does; blocks that would not come back exactly with a scale that other formats have. Adds to `loss`.
 * `decoded` is room for as many values.
 */
export function encodeExactly(
  format: Format,
  values: Float32Array,
  out: Uint8Array,
  decoded: Float32Array,
  loss: Loss,
): void {
  const { blockSize, blockBytes } = format;
  format.encode(values, out);
  format.decode(out, decoded);
  for (let i = 0, at = 0; i < values.length; i += blockSize, at += blockBytes) {
    if (isSame(values, decoded, i, blockSize)) continue;
    if (!format.otherScales || !tryOtherScales(format, values, i, out, at, decoded))
      count(values, decoded, i, blockSize, loss);
  }
  let size = 0;
  for (let i = 0; i < values.length; i++) size += values[i] * values[i];
  loss.size += size;
}

function tryOtherScales(
  format: Format,
  values: Float32Array,
  start: number,
  out: Uint8Array,
  at: number,
  decoded: Float32Array,
): boolean {
  const { blockSize, blockBytes } = format;
  const usual = out.slice(at, at + blockBytes);
  const block = decoded.subarray(start, start + blockSize);
  for (const scale of format.otherScales!(values, start)) {
    format.encodeBlock!(values, start, scale, out, at);
    format.decode(out.subarray(at, at + blockBytes), block);
    if (isSame(values, decoded, start, blockSize)) return true;
  }
  out.set(usual, at);
  format.decode(usual, block);
  return false;
}

function isSame(values: Float32Array, decoded: Float32Array, start: number, count: number): boolean {
  for (let j = start; j < start + count; j++) if (values[j] !== decoded[j]) return false;
  return true;
}

function count(values: Float32Array, decoded: Float32Array, start: number, blockSize: number, loss: Loss): void {
  let changed = 0;
  let error = 0;
  for (let j = start; j < start + blockSize; j++) {
    const change = values[j] - decoded[j];
    changed += Number(change !== 0);
    error += change * change;
  }
  loss.changed += changed;
  loss.error += error;
}
