// Owns the angles of rotary positions with the scalings that files ask for: none, linear, YaRN.
// Source: YaRN (arXiv 2309.00071) in the form of Hugging Face's implementation, which ggml's agrees with.
import { exp, log } from '../core/elementary.ts';

export interface YarnScaling {
  /** How many times longer the context became. */
  readonly factor: number;
  /** Context length before scaling, in tokens. */
  readonly originalContext: number;
  readonly betaFast: number;
  readonly betaSlow: number;
}

/** How angles are scaled for contexts longer than those that a model was first trained on. */
export type RopeScaling =
  | { readonly type: 'linear'; readonly factor: number }
  | ({ readonly type: 'yarn' } & YarnScaling);

/** Angles of each position for `dims` numbers of a head, [dims/2] radians, and the factor on cosines and sines. */
export function scaledAngles(
  dims: number,
  base: number,
  scaling: RopeScaling | undefined,
): { readonly frequencies: Float32Array; readonly magnitude: number } {
  const plain = ropeFrequencies(dims, base);
  if (!scaling) return { frequencies: Float32Array.from(plain), magnitude: 1 };
  const { factor } = scaling;
  return scaling.type === 'linear'
    ? { frequencies: Float32Array.from(plain, (frequency) => frequency / factor), magnitude: 1 }
    : { frequencies: Float32Array.from(yarnFrequencies(plain, base, scaling)), magnitude: yarnMagnitude(factor) };
}

/** Angle a position for each of the dims/2 pairs: base^(−2i/dims). [dims/2] radians. */
export function ropeFrequencies(dims: number, base: number): Float64Array {
  return Float64Array.from({ length: dims / 2 }, (_, i) => exp(((-2 * i) / dims) * log(base)));
}

/** YaRN: fast pairs keep their angle, slow pairs are stretched by `factor`, with a linear ramp between. Returns new frequencies. */
export function yarnFrequencies(plain: Float64Array, base: number, yarn: YarnScaling): Float64Array {
  const dims = plain.length * 2;
  const pairOfRotations = (rotations: number) =>
    (dims * log(yarn.originalContext / (rotations * 2 * Math.PI))) / (2 * log(base));
  const low = Math.max(0, Math.floor(pairOfRotations(yarn.betaFast)));
  const high = Math.min(dims - 1, Math.ceil(pairOfRotations(yarn.betaSlow)));
  return plain.map((frequency, i) => {
    const ramp = Math.min(1, Math.max(0, (i - low) / Math.max(0.001, high - low)));
    return (frequency / yarn.factor) * ramp + frequency * (1 - ramp);
  });
}

/** YaRN's factor on cos and sin, so that attention keeps its temperature: 0.1 · ln(factor) + 1. */
export function yarnMagnitude(factor: number): number {
  return factor <= 1 ? 1 : 0.1 * log(factor) + 1;
}
