// Owns causal attention over whole sequences and its gradient, by blocks of query rows whose scores fit the cache; all products are the packed
// tiles of training-gemm.ts. Probabilities are not stored: the backward pass computes them again from the log of each row's sum.
// Source: FlashAttention's recomputation (Dao and others 2022, arXiv 2205.14135).
import { exp1, exp4, maxLane, sumLanes } from './math';
import { multiply, packColumns, packRows, setTile } from './training-gemm';
import { ATTEND_ROWS, TILE_BYTES } from './training-opcodes';

/** Floats between rows of scores, in bytes. */
// @ts-ignore: decorator
@inline function scoreStride(length: i32): usize {
  return <usize>((length + 7) & ~7) * 4;
}

/**
 * Items are (sequence, head) pairs. Operands: out, logSums, q, k, v, length, heads << 16 | kvHeads, window (0: none), headSize, scratch, scratch bytes
 * per thread. Scratch: a tile, packed k, packed v, scores, packed q or probabilities.
 */
export function attend(c: usize, from: i32, to: i32, thread: i32): void {
  const length = load<i32>(c, 24);
  const heads = load<i32>(c, 28) >> 16;
  const kvHeads = load<i32>(c, 28) & 0xffff;
  const size = load<i32>(c, 36);
  const scratch: usize = load<usize>(c, 40) + <usize>thread * load<usize>(c, 44);
  const stride = scoreStride(length);
  const keys = scratch + TILE_BYTES;
  const values = keys + stride * size;
  const scores = values + <usize>((size + 7) & ~7) * <usize>length * 4;
  const panels = scores + <usize>ATTEND_ROWS * stride;
  const ldq: usize = <usize>(heads * size) * 4;
  const ldk: usize = <usize>(kvHeads * size) * 4;
  const scale: f32 = 1 / sqrt<f32>(<f32>size);
  const window = load<i32>(c, 32);
  setTile(scratch);
  for (let item = from; item < to; item++) {
    const row = (item / heads) * length;
    const head = item % heads;
    const kv: usize = <usize>row * ldk + <usize>((head / (heads / kvHeads)) * size) * 4;
    packColumns(keys, load<usize>(c, 16) + kv, ldk, 4, length, size);
    packColumns(values, load<usize>(c, 20) + kv, 4, ldk, size, length);
    const first: usize = <usize>row * ldq + <usize>(head * size) * 4;
    for (let i = 0; i < length; i += ATTEND_ROWS) {
      const rows = min(length - i, ATTEND_ROWS);
      const end = i + rows;
      const at = first + <usize>i * ldq;
      packRows(panels, load<usize>(c, 12) + at, ldq, 4, rows, size);
      multiply(scores, stride, scores, stride, panels, keys, <usize>size * 32, rows, end, size, scale, 0);
      let logSum: usize = load<usize>(c, 8) + <usize>((row + i) * heads + head) * 4;
      for (let r = 0; r < rows; r++) {
        hide(scores + <usize>r * stride, i + r + 1, window);
        store<f32>(logSum, softmax(scores + <usize>r * stride, i + r + 1, end));
        logSum += <usize>heads * 4;
      }
      packRows(panels, scores, stride, 4, rows, end);
      const out: usize = load<usize>(c, 4) + at;
      multiply(out, ldq, out, ldq, panels, values, <usize>length * 32, rows, size, end, 1, 0);
    }
  }
}

/** Takes the scores before the last `window` visible ones out of the softmax. */
function hide(scores: usize, visible: i32, window: i32): void {
  if (window == 0) return;
  for (let i = 0; i < visible - window; i++) store<f32>(scores + (<usize>i << 2), -Infinity);
}

/** Makes the first `visible` scores probabilities and the rest to `end` zero. Returns the log of the sum of exponentials. */
function softmax(scores: usize, visible: i32, end: i32): f32 {
  let top = f32x4.splat(-Infinity);
  const whole: usize = <usize>(visible & ~3) * 4;
  const all: usize = <usize>visible * 4;
  let i: usize = 0;
  for (; i < whole; i += 16) top = f32x4.max(top, v128.load(scores + i));
  let largest = maxLane(top);
  for (; i < all; i += 4) largest = max(largest, load<f32>(scores + i));
  let sums = f32x4.splat(0);
  for (i = 0; i < whole; i += 16) {
    const p = exp4(f32x4.sub(v128.load(scores + i), f32x4.splat(largest)));
    v128.store(scores + i, p);
    sums = f32x4.add(sums, p);
  }
  let sum = sumLanes(sums);
  for (; i < all; i += 4) {
    const p = exp1(load<f32>(scores + i) - largest);
    store<f32>(scores + i, p);
    sum += p;
  }
  const inverse: f32 = 1 / sum;
  for (i = 0; i < whole; i += 16) v128.store(scores + i, f32x4.mul(v128.load(scores + i), f32x4.splat(inverse)));
  for (; i < all; i += 4) store<f32>(scores + i, load<f32>(scores + i) * inverse);
  memory.fill(scores + all, 0, <usize>(end - visible) * 4);
  return largest + <f32>NativeMath.log(<f64>sum);
}

/**
 * Items are (sequence, key/value head) pairs. Operands: out, logSums, q, k, v, length, heads << 16 | kvHeads, headSize, dOut, dQ, dK, and the
 * address of four more: dV, scratch, scratch bytes per thread, window (0: none).
 */
export function attendBackward(c: usize, from: i32, to: i32, thread: i32): void {
  const kvHeads = load<i32>(c, 28) & 0xffff;
  for (let item = from; item < to; item++) backwardOf(c, item / kvHeads, item % kvHeads, thread);
}

function backwardOf(c: usize, sequence: i32, kvHead: i32, thread: i32): void {
  const length = load<i32>(c, 24);
  const heads = load<i32>(c, 28) >> 16;
  const kvHeads = load<i32>(c, 28) & 0xffff;
  const size = load<i32>(c, 32);
  const more: usize = load<usize>(c, 48);
  const scratch: usize = load<usize>(more, 4) + <usize>thread * load<usize>(more, 8);
  const stride = scoreStride(length);
  const row = sequence * length;
  const ldq: usize = <usize>(heads * size) * 4;
  const ldk: usize = <usize>(kvHeads * size) * 4;
  const kv: usize = <usize>row * ldk + <usize>(kvHead * size) * 4;
  const dK: usize = load<usize>(c, 44) + kv;
  const dV: usize = load<usize>(more) + kv;
  for (let r: usize = 0; r < <usize>length; r++) {
    memory.fill(dK + r * ldk, 0, <usize>size * 4);
    memory.fill(dV + r * ldk, 0, <usize>size * 4);
  }
  // Scratch: a tile, k and v as columns of scores, k as columns of dQ, q and dOut of the block as columns, scores, their gradients, packed rows.
  const columns = stride * size;
  const keys = scratch + TILE_BYTES;
  const values = keys + columns;
  const keyRows = values + columns;
  const blockQ = keyRows + <usize>((size + 7) & ~7) * <usize>length * 4;
  const blockDOut = blockQ + <usize>ATTEND_ROWS * <usize>((size + 7) & ~7) * 4;
  const scores = blockDOut + <usize>ATTEND_ROWS * <usize>((size + 7) & ~7) * 4;
  const gradients = scores + <usize>ATTEND_ROWS * stride;
  const panels = gradients + <usize>ATTEND_ROWS * stride;
  setTile(scratch);
  packColumns(keys, load<usize>(c, 16) + kv, ldk, 4, length, size);
  packColumns(values, load<usize>(c, 20) + kv, ldk, 4, length, size);
  packColumns(keyRows, load<usize>(c, 16) + kv, 4, ldk, size, length);
  const scale: f32 = 1 / sqrt<f32>(<f32>size);
  const window = load<i32>(more, 12);
  const group = heads / kvHeads;
  for (let head = kvHead * group; head < (kvHead + 1) * group; head++) {
    for (let i = 0; i < length; i += ATTEND_ROWS) {
      const rows = min(length - i, ATTEND_ROWS);
      const end = i + rows;
      const at: usize = <usize>(row + i) * ldq + <usize>(head * size) * 4;
      const q: usize = load<usize>(c, 12) + at;
      const dOut: usize = load<usize>(c, 36) + at;
      packRows(panels, q, ldq, 4, rows, size);
      multiply(scores, stride, scores, stride, panels, keys, <usize>size * 32, rows, end, size, scale, 0);
      packRows(panels, dOut, ldq, 4, rows, size);
      multiply(gradients, stride, gradients, stride, panels, values, <usize>size * 32, rows, end, size, 1, 0);
      const logSums: usize = load<usize>(c, 8) + <usize>((row + i) * heads + head) * 4;
      for (let r = 0; r < rows; r++) {
        const at: usize = <usize>r * stride;
        const delta = dot(dOut + <usize>r * ldq, load<usize>(c, 4) + <usize>(row + i + r) * ldq + <usize>(head * size) * 4, size);
        const logSum = load<f32>(logSums + <usize>(r * heads) * 4);
        hide(scores + at, i + r + 1, window);
        scoreGradients(scores + at, gradients + at, i + r + 1, end, logSum, delta, scale);
      }
      // dV += probabilities' transpose · dOut, dK += score gradients' transpose · q.
      packColumns(blockDOut, dOut, 4, ldq, size, rows);
      packRows(panels, scores, 4, stride, end, rows);
      multiply(dV, ldk, dV, ldk, panels, blockDOut, <usize>rows * 32, end, size, rows, 1, 1);
      packColumns(blockQ, q, 4, ldq, size, rows);
      packRows(panels, gradients, 4, stride, end, rows);
      multiply(dK, ldk, dK, ldk, panels, blockQ, <usize>rows * 32, end, size, rows, 1, 1);
      packRows(panels, gradients, stride, 4, rows, end);
      const dQ: usize = load<usize>(c, 40) + at;
      multiply(dQ, ldq, dQ, ldq, panels, keyRows, <usize>length * 32, rows, size, end, 1, 0);
    }
  }
}

/** Scores become probabilities, their gradients p * (gradient - delta) * scale; zero from `visible` to `end`. */
function scoreGradients(scores: usize, gradients: usize, visible: i32, end: i32, logSum: f32, delta: f32, scale: f32): void {
  const whole: usize = <usize>(visible & ~3) * 4;
  const all: usize = <usize>visible * 4;
  let i: usize = 0;
  for (; i < whole; i += 16) {
    const p = exp4(f32x4.sub(v128.load(scores + i), f32x4.splat(logSum)));
    const d = f32x4.mul(f32x4.sub(v128.load(gradients + i), f32x4.splat(delta)), f32x4.splat(scale));
    v128.store(scores + i, p);
    v128.store(gradients + i, f32x4.mul(p, d));
  }
  for (; i < all; i += 4) {
    const p = exp1(load<f32>(scores + i) - logSum);
    store<f32>(scores + i, p);
    store<f32>(gradients + i, p * ((load<f32>(gradients + i) - delta) * scale));
  }
  memory.fill(scores + all, 0, <usize>(end - visible) * 4);
  memory.fill(gradients + all, 0, <usize>(end - visible) * 4);
}

function dot(x: usize, y: usize, n: i32): f32 {
  let sums = f32x4.splat(0);
  for (let i: usize = 0; i < <usize>n * 4; i += 16) sums = f32x4.add(sums, f32x4.mul(v128.load(x + i), v128.load(y + i)));
  return sumLanes(sums);
}
