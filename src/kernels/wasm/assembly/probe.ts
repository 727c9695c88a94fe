// Owns the known answers by which a build is accepted: engines have compiled relaxed instructions to wrong numbers.
import { madd } from './math';

/** True when the instructions that differ between builds give the expected numbers. */
export function probe(): bool {
  let sum = f32x4.splat(0);
  for (let i = 1; i <= 16; i++) sum = madd(f32x4.splat(<f32>i), f32x4(1, 2, 3, -4), sum);
  const expected = f32x4(136, 272, 408, -544);
  return v128.bitmask<i32>(f32x4.eq(sum, expected)) == 15;
}
