// Owns the plain attention over a paged key/value cache, and what storing in each cache format does to a vector.
import { exp } from '../../core/elementary.ts';
import { floatToHalf, halfToFloat } from '../../core/half.ts';
import { KV_PAGE, type KvFormat, type KvPool, type RopeSpec, type Rows } from '../backend.ts';
import { rotateHead } from './rope.ts';

/** Pages as float32 [pages, layers, key|value, KV_PAGE, kvHeads, headSize], already rounded to the pool's format. */
export interface ReferenceKvPool extends KvPool {
  readonly data: Float32Array;
  readonly pageElements: number;
  /** Where the vector of a position starts; `part` 0 is the key, 1 the value. */
  vectorAt(layer: number, part: number, pageTable: Int32Array, position: number, kvHead: number): number;
}

/**
 * Rounds `vector` [headSize] to what a cache of `format` keeps: f16 rounds each element to nearest even within ±65504; q8 stores one fp16 scale
 * max|x|/127 a vector and int8 multiples of it.
 */
export function roundToKvFormat(vector: Float32Array, format: KvFormat): void {
  if (format === 'f16') {
    for (let i = 0; i < vector.length; i++) {
      vector[i] = halfToFloat(floatToHalf(Math.max(-65504, Math.min(65504, vector[i]))));
    }
  } else if (format === 'q8') {
    let max = 0;
    for (const value of vector) max = Math.max(max, Math.abs(value));
    const scale = halfToFloat(floatToHalf(max / 127));
    for (let i = 0; i < vector.length; i++) {
      const steps = scale === 0 ? 0 : Math.round(vector[i] / scale);
      vector[i] = Math.max(-127, Math.min(127, steps)) * scale;
    }
  }
}

/** out[r, h] = softmax(q[r, h] · Kᵀ · scale) · V over the last `window` of the positions 0..position of the row's sequence. */
export function attend(
  out: Float32Array,
  q: Float32Array,
  pool: ReferenceKvPool,
  layer: number,
  heads: number,
  scale: number,
  rows: Rows,
  window = Number.POSITIVE_INFINITY,
): void {
  const { headSize, kvHeads, data, vectorAt } = pool;
  const group = heads / kvHeads;
  for (let r = 0; r < rows.count; r++) {
    const pages = rows.pageTables[rows.sequence[r]];
    const length = rows.positions[r] + 1;
    const first = Math.max(0, length - window);
    const weights = new Float64Array(length - first);
    for (let h = 0; h < heads; h++) {
      const kvHead = Math.floor(h / group);
      const query = (r * heads + h) * headSize;
      for (let p = first; p < length; p++) {
        const key = vectorAt(layer, 0, pages, p, kvHead);
        let dot = 0;
        for (let i = 0; i < headSize; i++) dot += q[query + i] * data[key + i];
        weights[p - first] = dot * scale;
      }
      softmax(weights);
      const sums = new Float64Array(headSize);
      for (let p = first; p < length; p++) {
        const value = vectorAt(layer, 1, pages, p, kvHead);
        for (let i = 0; i < headSize; i++) sums[i] += weights[p - first] * data[value + i];
      }
      out.set(sums, query);
    }
  }
}

/** Rotates every key of `page`, of one layer or of all, by −`delta` positions and rounds it to the pool's format again. */
export function shiftPageKeys(pool: ReferenceKvPool, page: number, delta: number, rope: RopeSpec, only?: number): void {
  const unscaled = { ...rope, magnitude: 1 }; // the stored keys carry the magnitude already
  const pageTable = Int32Array.of(page);
  for (let layer = only ?? 0; layer < (only === undefined ? pool.layers : only + 1); layer++) {
    for (let token = 0; token < KV_PAGE; token++) {
      for (let h = 0; h < pool.kvHeads; h++) {
        const at = pool.vectorAt(layer, 0, pageTable, token, h);
        const key = pool.data.subarray(at, at + pool.headSize);
        rotateHead(key, -delta, unscaled);
        roundToKvFormat(key, pool.format);
      }
    }
  }
}

function softmax(values: Float64Array): void {
  let max = Number.NEGATIVE_INFINITY;
  for (const value of values) max = Math.max(max, value);
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    values[i] = exp(values[i] - max);
    sum += values[i];
  }
  for (let i = 0; i < values.length; i++) values[i] /= sum;
}
