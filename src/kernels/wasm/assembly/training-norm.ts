// Owns the gradients of root-mean-square normalisation and of the embedding, and the rotation of position embedding in both directions.
import { madd, sumLanes } from './math';
import { EMBED_COLS, NORM_ROWS } from './training-opcodes';

/**
 * Items are blocks of NORM_ROWS rows. Operands: dX, partial scale gradients [blocks, cols], dOut, x, scale, rows, cols (a multiple of four), eps,
 * accumulate.
 */
export function normBackward(c: usize, from: i32, to: i32): void {
  const rows = load<i32>(c, 24);
  const bytes: usize = <usize>load<i32>(c, 28) * 4;
  const scale: usize = load<usize>(c, 20);
  const accumulate = load<i32>(c, 36) != 0;
  for (let block = from; block < to; block++) {
    const partial: usize = load<usize>(c, 8) + <usize>block * bytes;
    memory.fill(partial, 0, bytes);
    const last = min((block + 1) * NORM_ROWS, rows);
    for (let r = block * NORM_ROWS; r < last; r++) {
      const at: usize = <usize>r * bytes;
      const dX: usize = load<usize>(c, 4) + at;
      const dOut: usize = load<usize>(c, 12) + at;
      const x: usize = load<usize>(c, 16) + at;
      if (accumulate) normRow<i32>(dX, partial, dOut, x, scale, bytes, load<f32>(c, 32));
      else normRow<i8>(dX, partial, dOut, x, scale, bytes, load<f32>(c, 32));
    }
  }
}

/** One row; T is i32 to add to dX, i8 to write it. */
// @ts-ignore: decorator
@inline function normRow<T>(dX: usize, partial: usize, dOut: usize, x: usize, scale: usize, bytes: usize, eps: f32): void {
  let squares = f32x4.splat(0);
  let products = f32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) {
    const v = v128.load(x + i);
    squares = madd(v, v, squares);
    products = madd(f32x4.mul(v128.load(dOut + i), v128.load(scale + i)), v, products);
  }
  const cols = <f32>(bytes >> 2);
  const inverse: f32 = 1 / sqrt<f32>(sumLanes(squares) / cols + eps);
  const pull = f32x4.splat((-sumLanes(products) * inverse * inverse) / cols);
  const factor = f32x4.splat(inverse);
  for (let i: usize = 0; i < bytes; i += 16) {
    const d = v128.load(dOut + i);
    const v = v128.load(x + i);
    v128.store(partial + i, madd(d, f32x4.mul(v, factor), v128.load(partial + i)));
    let g = f32x4.mul(madd(v, pull, f32x4.mul(d, v128.load(scale + i))), factor);
    if (sizeof<T>() == 4) g = f32x4.add(v128.load(dX + i), g);
    v128.store(dX + i, g);
  }
}

/** Items are four columns. Operands: out, x, rows, cols. out[col] += the sum of x[row, col], rows in order. */
export function addRows(c: usize, from: i32, to: i32): void {
  const rows = load<i32>(c, 12);
  const bytes: usize = <usize>load<i32>(c, 16) * 4;
  for (let i = from; i < to; i++) {
    const out: usize = load<usize>(c, 4) + (<usize>i << 4);
    let x: usize = load<usize>(c, 8) + (<usize>i << 4);
    let sum = v128.load(out);
    for (let r = 0; r < rows; r++) {
      sum = f32x4.add(sum, v128.load(x));
      x += bytes;
    }
    v128.store(out, sum);
  }
}

/** Items are rows. Operands: x, table [length][cos, sin], length, heads, headSize, inverse. */
export function rotate(c: usize, from: i32, to: i32): void {
  const length = load<i32>(c, 12);
  const heads = load<i32>(c, 16);
  const half: usize = <usize>load<i32>(c, 20) * 2;
  const sign = f32x4.splat(load<i32>(c, 24) ? -1 : 1);
  for (let r = from; r < to; r++) {
    const cos: usize = load<usize>(c, 8) + <usize>(r % length) * 2 * half;
    let head: usize = load<usize>(c, 4) + <usize>(r * heads) * 2 * half;
    for (let h = 0; h < heads; h++) {
      for (let i: usize = 0; i < half; i += 16) {
        const a = v128.load(head + i);
        const b = v128.load(head + half + i);
        const cosine = v128.load(cos + i);
        const sine = f32x4.mul(v128.load(cos + half + i), sign);
        v128.store(head + i, f32x4.sub(f32x4.mul(a, cosine), f32x4.mul(b, sine)));
        v128.store(head + half + i, f32x4.add(f32x4.mul(a, sine), f32x4.mul(b, cosine)));
      }
      head += 2 * half;
    }
  }
}

/** Items are EMBED_COLS columns. Operands: dTable, dOut, tokens, rows, cols (a multiple of four). */
export function embedBackward(c: usize, from: i32, to: i32): void {
  const rows: usize = load<usize>(c, 16);
  const bytes: usize = load<usize>(c, 20) * 4;
  const tokens: usize = load<usize>(c, 12);
  for (let block = from; block < to; block++) {
    const start: usize = <usize>block * (EMBED_COLS * 4);
    const end = min(start + EMBED_COLS * 4, bytes);
    let dOut: usize = load<usize>(c, 8);
    for (let r: usize = 0; r < rows; r++) {
      const target: usize = load<usize>(c, 4) + load<usize>(tokens + (r << 2)) * bytes;
      for (let i = start; i < end; i += 16) v128.store(target + i, f32x4.add(v128.load(target + i), v128.load(dOut + i)));
      dOut += bytes;
    }
  }
}
