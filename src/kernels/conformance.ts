// Owns the comparison of a backend's results with the reference's over all cases. Test files of every backend call it.
import type { Backend } from './backend.ts';
import type { KernelCase } from './cases.ts';
import { referenceBackend } from './reference/reference-backend.ts';

export interface CaseResult {
  readonly case: KernelCase;
  /** Root mean square of the differences as a share of the reference's root mean square. */
  readonly rms: number;
  /** Largest difference as a share of the reference's root mean square. */
  readonly max: number;
  readonly passed: boolean;
}

/** Runs one case on `backend` and on the reference and compares them. NaN and infinity where the reference has none never pass. */
export async function checkCase(backend: Backend, kernelCase: KernelCase): Promise<CaseResult> {
  const expected = await kernelCase.run(referenceBackend());
  const actual = await kernelCase.run(backend);
  const { rms, max } = relativeError(actual, expected);
  return { case: kernelCase, rms, max, passed: rms <= kernelCase.bound.rms && max <= kernelCase.bound.max };
}

/** Differences of `actual` from `expected` as shares of the root mean square of `expected` (of 1 where that is zero). Lengths that differ give infinity. */
export function relativeError(actual: Float32Array, expected: Float32Array): { rms: number; max: number } {
  if (actual.length !== expected.length) return { rms: Number.POSITIVE_INFINITY, max: Number.POSITIVE_INFINITY };
  let squares = 0;
  let differences = 0;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i] - expected[i]);
    if (Number.isNaN(difference)) return { rms: Number.NaN, max: Number.NaN };
    squares += expected[i] ** 2;
    differences += difference ** 2;
    largest = Math.max(largest, difference);
  }
  const scale = Math.sqrt(squares / expected.length) || 1;
  return { rms: Math.sqrt(differences / expected.length) / scale, max: largest / scale };
}
