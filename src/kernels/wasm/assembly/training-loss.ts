// Owns the loss: softmax cross entropy with its gradient in place, and a teacher's part of it.
import { exp1, exp4, maxLane, sumLanes } from './math';

/** Items are rows. Operands: losses, logits, targets, weights, vocabulary, factor, share. */
export function crossEntropy(c: usize, from: i32, to: i32): void {
  const vocabulary = load<i32>(c, 20);
  const bytes: usize = <usize>vocabulary * 4;
  for (let r = from; r < to; r++) {
    const at: usize = <usize>r << 2;
    const logits: usize = load<usize>(c, 8) + <usize>r * bytes;
    const weight = load<f32>(load<usize>(c, 16) + at);
    const target: usize = logits + (load<usize>(load<usize>(c, 12) + at) << 2);
    const hit = load<f32>(target);
    let top = f32x4.splat(-Infinity);
    let i: usize = 0;
    for (; i + 16 <= bytes; i += 16) top = f32x4.max(top, v128.load(logits + i));
    let largest = maxLane(top);
    for (; i < bytes; i += 4) largest = max(largest, load<f32>(logits + i));
    const sum = exponentials(logits, bytes, largest);
    const logSum: f32 = largest + <f32>NativeMath.log(<f64>sum);
    store<f32>(load<usize>(c, 4) + at, weight != 0 ? weight * (logSum - hit) : 0);
    const factor: f32 = weight * load<f32>(c, 24);
    const each = f32x4.splat(factor / sum);
    for (i = 0; i + 16 <= bytes; i += 16) v128.store(logits + i, f32x4.mul(v128.load(logits + i), each));
    for (; i < bytes; i += 4) store<f32>(logits + i, load<f32>(logits + i) * (factor / sum));
    store<f32>(target, load<f32>(target) - factor * load<f32>(c, 28));
  }
}

/** x becomes exp(x - largest). Returns the sum. */
function exponentials(x: usize, bytes: usize, largest: f32): f32 {
  const shift = f32x4.splat(largest);
  let sums = f32x4.splat(0);
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) {
    const p = exp4(f32x4.sub(v128.load(x + i), shift));
    v128.store(x + i, p);
    sums = f32x4.add(sums, p);
  }
  let sum = sumLanes(sums);
  for (; i < bytes; i += 4) {
    const p = exp1(load<f32>(x + i) - largest);
    store<f32>(x + i, p);
    sum += p;
  }
  return sum;
}

/** Items are rows. Operands: dLogits, tokens, probabilities, weights, vocabulary, k, factor. */
export function subtractTeacher(c: usize, from: i32, to: i32): void {
  const vocabulary: usize = load<usize>(c, 20);
  const k: usize = load<usize>(c, 24);
  for (let r: usize = from; r < <usize>to; r++) {
    const row: usize = load<usize>(c, 4) + r * vocabulary * 4;
    const factor: f32 = load<f32>(load<usize>(c, 16) + (r << 2)) * load<f32>(c, 28);
    for (let i: usize = r * k * 4; i < (r + 1) * k * 4; i += 4) {
      const at: usize = row + (load<usize>(load<usize>(c, 8) + i) << 2);
      store<f32>(at, load<f32>(at) - factor * load<f32>(load<usize>(c, 12) + i));
    }
  }
}
