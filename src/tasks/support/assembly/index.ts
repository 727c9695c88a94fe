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
