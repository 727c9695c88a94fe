// Owns root-mean-square normalisation. Meaning: kernels/reference. Float32 sums in sixteen lanes, added in a fixed order.
import { madd, sumLanes } from './math';

/** Items are rows. Operands: out, x, scale, cols, eps. */
export function rmsNorm(c: usize, from: i32, to: i32): void {
  const scale: usize = load<usize>(c, 12);
  const cols = load<i32>(c, 16);
  const eps = load<f32>(c, 20);
  const rowBytes: usize = <usize>cols * 4;
  for (let r = from; r < to; r++) {
    const x: usize = load<usize>(c, 8) + <usize>r * rowBytes;
    const out: usize = load<usize>(c, 4) + <usize>r * rowBytes;
    const inverse: f32 = 1 / sqrt<f32>(sumOfSquares(x, rowBytes) / <f32>cols + eps);
    const factor = f32x4.splat(inverse);
    let i: usize = 0;
    for (; i + 16 <= rowBytes; i += 16) {
      v128.store(out + i, f32x4.mul(f32x4.mul(v128.load(x + i), factor), v128.load(scale + i)));
    }
    for (; i < rowBytes; i += 4) store<f32>(out + i, load<f32>(x + i) * inverse * load<f32>(scale + i));
  }
}

function sumOfSquares(x: usize, bytes: usize): f32 {
  let a = f32x4.splat(0);
  let b = a;
  let c = a;
  let d = a;
  let i: usize = 0;
  for (; i + 64 <= bytes; i += 64) {
    const v0 = v128.load(x + i);
    const v1 = v128.load(x + i, 16);
    const v2 = v128.load(x + i, 32);
    const v3 = v128.load(x + i, 48);
    a = madd(v0, v0, a);
    b = madd(v1, v1, b);
    c = madd(v2, v2, c);
    d = madd(v3, v3, d);
  }
  for (; i + 16 <= bytes; i += 16) {
    const v = v128.load(x + i);
    a = madd(v, v, a);
  }
  let sum = sumLanes(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)));
  for (; i < bytes; i += 4) {
    const v = load<f32>(x + i);
    sum += v * v;
  }
  return sum;
}
