// Owns the plain rotation of one head by its position. Source: RoFormer (arXiv 2104.09864); pairings as in GPT-NeoX (half) and LLaMA (interleaved).

import { cosSin } from '../../core/elementary.ts';
import type { RopeSpec } from '../backend.ts';

/** Rotates `head` [headSize] in place: pair (a, b) at angle θ becomes (a cos θ − b sin θ, a sin θ + b cos θ), times the magnitude. */
export function rotateHead(head: Float32Array, position: number, rope: RopeSpec): void {
  const pairs = rope.dims / 2;
  for (let i = 0; i < pairs; i++) {
    const first = rope.pairing === 'half' ? i : 2 * i;
    const second = rope.pairing === 'half' ? i + pairs : 2 * i + 1;
    const angle = position * rope.frequencies[i];
    const [cos, sin] = cosSin(angle).map((part) => part * rope.magnitude);
    const [a, b] = [head[first], head[second]];
    head[first] = a * cos - b * sin;
    head[second] = a * sin + b * cos;
  }
}
