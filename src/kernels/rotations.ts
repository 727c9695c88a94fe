// Owns the cosines and sines of rotary positions as the backends read them. Must not know a backend.

import { cosSin } from '../core/elementary.ts';
import type { RopeSpec } from './backend.ts';

/** Where a cosine and a sine come: they are needed for each token, and new objects for each would keep the garbage collector busy. */
const pair = new Float64Array(2);

/** Writes [positions][cos: dims/2, sin: dims/2], times `magnitude`, at element `at`; computed in float64. */
export function writeRotations(
  floats: Float32Array<ArrayBufferLike>,
  at: number,
  positions: ArrayLike<number>,
  rope: Pick<RopeSpec, 'dims' | 'frequencies'>,
  magnitude: number,
): void {
  const pairs = rope.dims / 2;
  for (let r = 0; r < positions.length; r++) {
    for (let i = 0; i < pairs; i++) {
      cosSin(positions[r] * rope.frequencies[i], pair);
      floats[at + i] = pair[0] * magnitude;
      floats[at + pairs + i] = pair[1] * magnitude;
    }
    at += rope.dims;
  }
}
