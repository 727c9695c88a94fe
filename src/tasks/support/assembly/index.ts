// Owns the arithmetic of support models: sums of table rows (a bag of features), products with a small matrix, and their updates by one example at a
// time. Rows are latent float32 weights; with `binary` the forward pass sees each group of 128 as mean|x| times the sign, as Q1_0 stores it, and the
// gradient goes straight through to the latents. Widths are multiples of 128. Must not know what features or rows mean.

const GROUP: i32 = 128;

/** mean|x| of the 128 numbers at `x`, rounded as Q1_0's 16-bit scale is when it is stored, closely enough for training. */
// @ts-ignore: decorator
@inline
function groupScale(x: usize): f32 {
  let sum = f32x4.splat(0);
  for (let i: usize = 0; i < <usize>GROUP * 4; i += 16) sum = f32x4.add(sum, f32x4.abs(v128.load(x + i)));
  const total = f32x4.extract_lane(sum, 0) + f32x4.extract_lane(sum, 1) + f32x4.extract_lane(sum, 2) + f32x4.extract_lane(sum, 3);
  return total / <f32>GROUP;
}

/** The bits of `scale` with the sign of x, where -0 counts as +0. */
// @ts-ignore: decorator
@inline
function signed(scale: v128, x: v128): v128 {
  return v128.bitselect(f32x4.neg(scale), scale, f32x4.lt(x, f32x4.splat(0)));
}

/** out[width] += sum of weights[i] * table[ids[i]]. */
export function bagForward(ids: usize, weights: usize, count: i32, table: usize, width: i32, out: usize, binary: bool): void {
  const stride = <usize>width << 2;
  for (let f = 0; f < count; f++) {
    const row = table + <usize>load<u32>(ids + (<usize>f << 2)) * stride;
    const weight = load<f32>(weights + (<usize>f << 2));
    for (let group: usize = 0; group < stride; group += <usize>GROUP * 4) {
      if (binary) {
        const scale = f32x4.splat(weight * groupScale(row + group));
        for (let i = group; i < group + <usize>GROUP * 4; i += 16) {
          v128.store(out + i, f32x4.add(v128.load(out + i), signed(scale, v128.load(row + i))));
        }
      } else {
        const factor = f32x4.splat(weight);
        for (let i = group; i < group + <usize>GROUP * 4; i += 16) {
          v128.store(out + i, f32x4.add(v128.load(out + i), f32x4.mul(factor, v128.load(row + i))));
        }
      }
    }
  }
}

/** table[ids[i]] -= rate * weights[i] * grad / sqrt(squares[ids[i]]), where squares gathers the mean square of each row's gradients. */
export function bagUpdate(
  ids: usize,
  weights: usize,
  count: i32,
  table: usize,
  squares: usize,
  width: i32,
  grad: usize,
  rate: f32,
): void {
  const stride = <usize>width << 2;
  const square = meanSquare(grad, stride);
  if (square == 0) return;
  for (let f = 0; f < count; f++) {
    const id = <usize>load<u32>(ids + (<usize>f << 2));
    const weight = load<f32>(weights + (<usize>f << 2));
    const total = load<f32>(squares + (id << 2)) + square * weight * weight;
    store<f32>(squares + (id << 2), total);
    addScaled(table + id * stride, grad, stride, -rate * weight / sqrt(total));
  }
}

/** out[row] = matrix[row] . x */
export function denseForward(matrix: usize, x: usize, out: usize, rows: i32, width: i32, binary: bool): void {
  const stride = <usize>width << 2;
  for (let r = 0; r < rows; r++) {
    const row = matrix + <usize>r * stride;
    let sum: f32 = 0;
    for (let group: usize = 0; group < stride; group += <usize>GROUP * 4) {
      let part = f32x4.splat(0);
      if (binary) {
        const zero = f32x4.splat(0);
        for (let i = group; i < group + <usize>GROUP * 4; i += 16) {
          const value = v128.load(x + i);
          part = f32x4.add(part, v128.bitselect(f32x4.neg(value), value, f32x4.lt(v128.load(row + i), zero)));
        }
        sum += lanes(part) * groupScale(row + group);
      } else {
        for (let i = group; i < group + <usize>GROUP * 4; i += 16) {
          part = f32x4.add(part, f32x4.mul(v128.load(row + i), v128.load(x + i)));
        }
        sum += lanes(part);
      }
    }
    store<f32>(out + (<usize>r << 2), sum);
  }
}

/** dx += matrix^T . grad, then matrix[row] -= rate * grad[row] * x / sqrt(squares[row]). dx 0: no gradient of x is wanted. */
export function denseUpdate(
  matrix: usize,
  squares: usize,
  x: usize,
  grad: usize,
  dx: usize,
  rows: i32,
  width: i32,
  rate: f32,
  binary: bool,
): void {
  const stride = <usize>width << 2;
  const square = meanSquare(x, stride);
  for (let r = 0; r < rows; r++) {
    const row = matrix + <usize>r * stride;
    const g = load<f32>(grad + (<usize>r << 2));
    if (g == 0) continue;
    if (dx) {
      for (let group: usize = 0; group < stride; group += <usize>GROUP * 4) {
        if (binary) {
          const scale = f32x4.splat(g * groupScale(row + group));
          for (let i = group; i < group + <usize>GROUP * 4; i += 16) {
            v128.store(dx + i, f32x4.add(v128.load(dx + i), signed(scale, v128.load(row + i))));
          }
        } else addScaled(dx + group, row + group, <usize>GROUP * 4, g);
      }
    }
    if (rate == 0) continue;
    const total = load<f32>(squares + (<usize>r << 2)) + square * g * g;
    store<f32>(squares + (<usize>r << 2), total);
    addScaled(row, x, stride, -rate * g / sqrt(total + 1e-12));
  }
}

/** table[ids[i]] += weights[i] * x[width] */
export function bagAdd(ids: usize, weights: usize, count: i32, table: usize, width: i32, x: usize): void {
  const stride = <usize>width << 2;
  for (let f = 0; f < count; f++) {
    const row = table + <usize>load<u32>(ids + (<usize>f << 2)) * stride;
    addScaled(row, x, stride, load<f32>(weights + (<usize>f << 2)));
  }
}

/** out = what Q1_0 would store of `groups` groups of 128 numbers. */
export function seenWeights(weights: usize, out: usize, groups: i32): void {
  const end = weights + <usize>groups * <usize>GROUP * 4;
  for (; weights < end; weights += <usize>GROUP * 4, out += <usize>GROUP * 4) {
    const scale = f32x4.splat(groupScale(weights));
    for (let i: usize = 0; i < <usize>GROUP * 4; i += 16) v128.store(out + i, signed(scale, v128.load(weights + i)));
  }
}

/** out[row] = the largest matrix[row] . x[place * step ...] of `count` places; places[row] = which it was. `rows` is even. */
export function slideForward(
  matrix: usize,
  x: usize,
  out: usize,
  places: usize,
  rows: i32,
  width: i32,
  step: i32,
  count: i32,
): void {
  const stride = <usize>width << 2;
  const jump = <usize>step << 2;
  const last = x + <usize>(count - 1) * jump;
  const end = out + (<usize>rows << 2);
  for (; out < end; out += 8, places += 8, matrix += 2 * stride) {
    store<f32>(out, -Infinity);
    store<f32>(out, -Infinity, 4);
    for (let place = 0; place < count; place += 4) {
      // Two rows and four places share their loads; where fewer places are left the last one is looked at again.
      const x0 = x + <usize>place * jump;
      const x1 = min(x0 + jump, last);
      const x2 = min(x1 + jump, last);
      const x3 = min(x2 + jump, last);
      let a0 = f32x4.splat(0);
      let a1 = f32x4.splat(0);
      let a2 = f32x4.splat(0);
      let a3 = f32x4.splat(0);
      let b0 = f32x4.splat(0);
      let b1 = f32x4.splat(0);
      let b2 = f32x4.splat(0);
      let b3 = f32x4.splat(0);
      for (let i: usize = 0; i < stride; i += 16) {
        const a = v128.load(matrix + i);
        const b = v128.load(matrix + stride + i);
        const v0 = v128.load(x0 + i);
        const v1 = v128.load(x1 + i);
        const v2 = v128.load(x2 + i);
        const v3 = v128.load(x3 + i);
        a0 = f32x4.add(a0, f32x4.mul(a, v0));
        b0 = f32x4.add(b0, f32x4.mul(b, v0));
        a1 = f32x4.add(a1, f32x4.mul(a, v1));
        b1 = f32x4.add(b1, f32x4.mul(b, v1));
        a2 = f32x4.add(a2, f32x4.mul(a, v2));
        b2 = f32x4.add(b2, f32x4.mul(b, v2));
        a3 = f32x4.add(a3, f32x4.mul(a, v3));
        b3 = f32x4.add(b3, f32x4.mul(b, v3));
      }
      largest(out, places, lanes(a0), place);
      largest(out, places, lanes(a1), place + 1);
      largest(out, places, lanes(a2), place + 2);
      largest(out, places, lanes(a3), place + 3);
      largest(out + 4, places + 4, lanes(b0), place);
      largest(out + 4, places + 4, lanes(b1), place + 1);
      largest(out + 4, places + 4, lanes(b2), place + 2);
      largest(out + 4, places + 4, lanes(b3), place + 3);
    }
  }
}

/** Keeps `value` and its place where it is larger. */
// @ts-ignore: decorator
@inline
function largest(out: usize, places: usize, value: f32, place: i32): void {
  if (value <= load<f32>(out)) return;
  store<f32>(out, value);
  store<i32>(places, place);
}

/**
 * What each row's gradient gives to what it saw, x[places[row] * step ...], and to the row: dx += grad[row] * matrix[row] at that place,
 * matrixGradient[row] += grad[row] * x there. dx 0: no gradient of x is wanted. step 0: all rows saw the same.
 */
export function slideBackward(
  matrix: usize,
  matrixGradient: usize,
  x: usize,
  dx: usize,
  grad: usize,
  places: usize,
  rows: i32,
  width: i32,
  step: i32,
): void {
  const stride = <usize>width << 2;
  for (let r = 0; r < rows; r++) {
    const g = load<f32>(grad + (<usize>r << 2));
    if (g == 0) continue;
    const at = step == 0 ? 0 : <usize>load<u32>(places + (<usize>r << 2)) * (<usize>step << 2);
    if (dx) addScaled(dx + at, matrix + <usize>r * stride, stride, g);
    addScaled(matrixGradient + <usize>r * stride, x + at, stride, g);
  }
}

/**
 * One step of AdamW over `count` numbers (a multiple of 4), whose gradient becomes zero. `meanScale`, `squareScale`: 1 / (1 - beta^step).
 * Source: Loshchilov & Hutter 2019 (arXiv:1711.05101).
 */
export function adamStep(
  weights: usize,
  gradient: usize,
  means: usize,
  squares: usize,
  count: i32,
  rate: f32,
  decay: f32,
  meanScale: f32,
  squareScale: f32,
): void {
  const kept = f32x4.splat(1 - rate * decay);
  const zero = f32x4.splat(0);
  for (let i: usize = 0; i < <usize>count << 2; i += 16) {
    const g = v128.load(gradient + i);
    const mean = f32x4.add(f32x4.mul(f32x4.splat(0.9), v128.load(means + i)), f32x4.mul(f32x4.splat(0.1), g));
    const square = f32x4.add(f32x4.mul(f32x4.splat(0.999), v128.load(squares + i)), f32x4.mul(f32x4.splat(0.001), f32x4.mul(g, g)));
    v128.store(means + i, mean);
    v128.store(squares + i, square);
    v128.store(gradient + i, zero);
    const length = f32x4.add(f32x4.sqrt(f32x4.mul(f32x4.splat(squareScale), square)), f32x4.splat(1e-8));
    const step = f32x4.div(f32x4.mul(f32x4.splat(rate * meanScale), mean), length);
    v128.store(weights + i, f32x4.sub(f32x4.mul(kept, v128.load(weights + i)), step));
  }
}

// @ts-ignore: decorator
@inline
function lanes(x: v128): f32 {
  return f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1) + f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3);
}

// @ts-ignore: decorator
@inline
function addScaled(out: usize, x: usize, bytes: usize, factor: f32): void {
  const splat = f32x4.splat(factor);
  for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, f32x4.add(v128.load(out + i), f32x4.mul(splat, v128.load(x + i))));
}

// @ts-ignore: decorator
@inline
function meanSquare(x: usize, bytes: usize): f32 {
  let sum = f32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) sum = f32x4.add(sum, f32x4.mul(v128.load(x + i), v128.load(x + i)));
  return lanes(sum) / <f32>(bytes >> 2);
}
