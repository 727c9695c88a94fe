// Owns float32 matrix products: packing into panels, the register tile, blocking. C = beta * base + alpha * A * B.
// A is packed by six rows, B by eight columns, both with k outermost in a panel, so that the inner loop reads forward only.
// Every element is summed over k in one order, in blocks of K_BLOCK, whatever the threads.
import { madd } from './math';
import { GEMM_K_BLOCK as K_BLOCK, GEMM_M_BLOCK as M_BLOCK, TILE_BYTES } from './training-opcodes';

export const PANEL_ROWS: i32 = 6;
export const PANEL_COLS: i32 = 8;

/** Items are panels of eight columns of B. Operands: out, b, n, k, transposed (b is [n, k], else [k, n]). */
export function packCommand(c: usize, from: i32, to: i32): void {
  const n = load<i32>(c, 12);
  const k = load<i32>(c, 16);
  const transposed = load<i32>(c, 20) != 0;
  const b: usize = load<usize>(c, 8);
  for (let panel = from; panel < to; panel++) {
    const out: usize = load<usize>(c, 4) + <usize>panel * <usize>k * 32;
    const first = panel * PANEL_COLS;
    const lines = min(n - first, PANEL_COLS);
    if (transposed) packLines<i8>(out, b + <usize>first * <usize>k * 4, <usize>k * 4, lines, k);
    else copyLines<i8>(out, b + <usize>first * 4, <usize>n * 4, lines, k);
  }
}

/**
 * Items are blocks of C: M_BLOCK rows by `cols` columns, columns innermost. Operands: out, base, a, packed b, m, n, k, scratch bytes per thread, alpha,
 * beta, scratch, columns of a block (a multiple of eight) plus 1 where a is [k, m] instead of [m, k]. Scratch: a tile, packed a.
 */
export function gemmCommand(c: usize, from: i32, to: i32, thread: i32): void {
  const m = load<i32>(c, 20);
  const n = load<i32>(c, 24);
  const k = load<i32>(c, 28);
  const transposed = (load<i32>(c, 48) & 1) != 0;
  const alpha = load<f32>(c, 36);
  const cols = load<i32>(c, 48) & ~7;
  const ldc: usize = <usize>n * 4;
  const across = (n + cols - 1) / cols;
  const scratch: usize = load<usize>(c, 44) + <usize>thread * load<usize>(c, 32);
  const panels = scratch + TILE_BYTES;
  setTile(scratch);
  for (let item = from; item < to; item++) {
    const row = (item / across) * M_BLOCK;
    const col = (item % across) * cols;
    const rows = min(m - row, M_BLOCK);
    const width = min(n - col, cols);
    const at: usize = <usize>row * ldc + <usize>col * 4;
    const out: usize = load<usize>(c, 4) + at;
    let base: usize = load<usize>(c, 8) + at;
    let beta = load<f32>(c, 40);
    for (let k0 = 0; k0 < k; k0 += K_BLOCK) {
      const depth = min(k - k0, K_BLOCK);
      const a: usize = load<usize>(c, 12);
      if (transposed) packRows(panels, a + <usize>(k0 * m + row) * 4, 4, <usize>m * 4, rows, depth);
      else packRows(panels, a + <usize>(row * k + k0) * 4, <usize>k * 4, 4, rows, depth);
      const b: usize = load<usize>(c, 16) + <usize>col * <usize>k * 4 + <usize>k0 * 32;
      multiply(out, ldc, base, ldc, panels, b, <usize>k * 32, rows, width, depth, alpha, beta);
      base = out;
      beta = 1;
    }
  }
}

/** Packs `rows` rows of A by six; a row's elements are `kStride` bytes apart, of which one of both strides is 4. */
export function packRows(out: usize, a: usize, rowStride: usize, kStride: usize, rows: i32, k: i32): void {
  for (let r = 0; r < rows; r += PANEL_ROWS) {
    const lines = min(rows - r, PANEL_ROWS);
    if (kStride == 4) packLines<i16>(out, a + <usize>r * rowStride, rowStride, lines, k);
    else copyLines<i16>(out, a + <usize>r * 4, kStride, lines, k);
    out += <usize>k * 24;
  }
}

/** Packs `cols` columns of B by eight; strides as in `packRows`. */
export function packColumns(out: usize, b: usize, colStride: usize, kStride: usize, cols: i32, k: i32): void {
  for (let c = 0; c < cols; c += PANEL_COLS) {
    const lines = min(cols - c, PANEL_COLS);
    if (kStride == 4) packLines<i8>(out, b + <usize>c * colStride, colStride, lines, k);
    else copyLines<i8>(out, b + <usize>c * 4, kStride, lines, k);
    out += <usize>k * 32;
  }
}

/** Lines of a panel: T is i8 for the eight of B, i16 for the six of A (a generic stands for a constant). */
// @ts-ignore: decorator
@inline function linesOf<T>(): i32 {
  return sizeof<T>() == 1 ? PANEL_COLS : PANEL_ROWS;
}

/** A panel from lines whose k elements are contiguous: out[k, line]. */
function packLines<T>(out: usize, x: usize, stride: usize, lines: i32, k: i32): void {
  const bytes: usize = <usize>linesOf<T>() * 4;
  if (lines < linesOf<T>()) {
    packNarrow<T>(out, x, stride, 4, lines, k);
    return;
  }
  const x1 = x + stride;
  const x2 = x1 + stride;
  const x3 = x2 + stride;
  const x4 = x3 + stride;
  const x5 = x4 + stride;
  const x6 = x5 + stride;
  const x7 = x6 + stride;
  let i: usize = 0;
  const end: usize = <usize>(k & ~3) * 4;
  for (; i < end; i += 16) {
    transpose4(out, bytes, v128.load(x + i), v128.load(x1 + i), v128.load(x2 + i), v128.load(x3 + i));
    if (sizeof<T>() == 1) {
      transpose4(out + 16, bytes, v128.load(x4 + i), v128.load(x5 + i), v128.load(x6 + i), v128.load(x7 + i));
    } else {
      const a = v128.load(x4 + i);
      const b = v128.load(x5 + i);
      const low = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
      const high = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
      v128.store64_lane(out, low, 0, 16);
      v128.store64_lane(out + bytes, low, 1, 16);
      v128.store64_lane(out + 2 * bytes, high, 0, 16);
      v128.store64_lane(out + 3 * bytes, high, 1, 16);
    }
    out += 4 * bytes;
  }
  if (k & 3) packNarrow<T>(out, x + i, stride, 4, lines, k & 3);
}

// @ts-ignore: decorator
@inline function transpose4(out: usize, step: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab0 = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
  const ab1 = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  const cd0 = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
  const cd1 = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
  v128.store(out, v128.shuffle<f32>(ab0, cd0, 0, 1, 4, 5));
  v128.store(out + step, v128.shuffle<f32>(ab0, cd0, 2, 3, 6, 7));
  v128.store(out + 2 * step, v128.shuffle<f32>(ab1, cd1, 0, 1, 4, 5));
  v128.store(out + 3 * step, v128.shuffle<f32>(ab1, cd1, 2, 3, 6, 7));
}

/** A panel from lines that lie side by side. */
function copyLines<T>(out: usize, x: usize, kStride: usize, lines: i32, k: i32): void {
  if (lines < linesOf<T>()) {
    packNarrow<T>(out, x, 4, kStride, lines, k);
    return;
  }
  for (let i = 0; i < k; i++) {
    v128.store(out, v128.load(x));
    if (sizeof<T>() == 1) v128.store(out, v128.load(x, 16), 16);
    else store<u64>(out, load<u64>(x, 16), 16);
    out += <usize>linesOf<T>() * 4;
    x += kStride;
  }
}

/** Element by element, with zeros for the lines that are missing. */
function packNarrow<T>(out: usize, x: usize, lineStride: usize, kStride: usize, lines: i32, k: i32): void {
  for (let i = 0; i < k; i++) {
    let at = x;
    for (let line = 0; line < linesOf<T>(); line++) {
      store<f32>(out, line < lines ? load<f32>(at) : 0);
      out += 4;
      at += lineStride;
    }
    x += kStride;
  }
}

/**
 * c[rows, cols] = beta * base + alpha * A * B of packed panels; panels of B are `panelBytes` apart, those of A follow each other. base may be c.
 * Needs `setTile`.
 */
export function multiply(
  c: usize, ldc: usize, base: usize, ldBase: usize, a: usize, b: usize, panelBytes: usize, rows: i32, cols: i32, k: i32,
  alpha: f32, beta: f32,
): void {
  for (let j = 0; j < cols; j += PANEL_COLS) {
    const width = min(cols - j, PANEL_COLS);
    let panel = a;
    for (let i = 0; i < rows; i += PANEL_ROWS) {
      const height = min(rows - i, PANEL_ROWS);
      const at = c + <usize>i * ldc + <usize>j * 4;
      const from = base + <usize>i * ldBase + <usize>j * 4;
      tile(panel, b, k, spare);
      if (height == PANEL_ROWS && width == PANEL_COLS) storeTile(at, ldc, from, ldBase, alpha, beta);
      else storeEdge(at, ldc, from, ldBase, alpha, beta, height, width);
      panel += <usize>k * 24;
    }
    b += panelBytes;
  }
}

/** Where this thread computes tiles. */
let spare: usize = 0;

/** Gives this thread TILE_BYTES bytes for tiles; to be called before `multiply`. */
export function setTile(address: usize): void {
  spare = address;
}

/** c = beta * base + alpha * tile, for a whole tile. */
function storeTile(c: usize, ldc: usize, base: usize, ldBase: usize, alpha: f32, beta: f32): void {
  const a = f32x4.splat(alpha);
  const b = f32x4.splat(beta);
  for (let at = spare; at < spare + 192; at += 32) {
    let x = f32x4.mul(v128.load(at), a);
    let y = f32x4.mul(v128.load(at, 16), a);
    if (beta != 0) {
      x = madd(v128.load(base), b, x);
      y = madd(v128.load(base, 16), b, y);
      base += ldBase;
    }
    v128.store(c, x);
    v128.store(c, y, 16);
    c += ldc;
  }
}

/** The same for what exists of a tile at an edge. */
function storeEdge(c: usize, ldc: usize, base: usize, ldBase: usize, alpha: f32, beta: f32, rows: i32, cols: i32): void {
  for (let i: usize = 0; i < <usize>rows; i++) {
    for (let j: usize = 0; j < <usize>cols; j++) {
      let value = f32x4.mul(v128.load32_zero(spare + i * 32 + j * 4), f32x4.splat(alpha));
      if (beta != 0) value = madd(v128.load32_zero(base + i * ldBase + j * 4), f32x4.splat(beta), value);
      store<f32>(c + i * ldc + j * 4, f32x4.extract_lane(value, 0));
    }
  }
}

/**
 * Six rows by eight columns, stored at `out` one row after the other. Twelve sums, two vectors of B and one element of A are the fifteen registers
 * that V8 gives out, and it keeps them there only in this form: one k a round and plain stores behind the loop make 48 GFLOP/s of a core on Node 20;
 * two k a round, or arithmetic before the stores, puts all loads of a round first and spills: 22.
 */
export function tile(a: usize, b: usize, k: i32, out: usize): void {
  let c00 = f32x4.splat(0), c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00;
  let c30 = c00, c31 = c00, c40 = c00, c41 = c00, c50 = c00, c51 = c00;
  while (k) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load32_splat(a);
    c00 = madd(x, b0, c00);
    c01 = madd(x, b1, c01);
    x = v128.load32_splat(a, 4);
    c10 = madd(x, b0, c10);
    c11 = madd(x, b1, c11);
    x = v128.load32_splat(a, 8);
    c20 = madd(x, b0, c20);
    c21 = madd(x, b1, c21);
    x = v128.load32_splat(a, 12);
    c30 = madd(x, b0, c30);
    c31 = madd(x, b1, c31);
    x = v128.load32_splat(a, 16);
    c40 = madd(x, b0, c40);
    c41 = madd(x, b1, c41);
    x = v128.load32_splat(a, 20);
    c50 = madd(x, b0, c50);
    c51 = madd(x, b1, c51);
    a += 24;
    b += 32;
    k--;
  }
  v128.store(out, c00);
  v128.store(out, c01, 16);
  v128.store(out, c10, 32);
  v128.store(out, c11, 48);
  v128.store(out, c20, 64);
  v128.store(out, c21, 80);
  v128.store(out, c30, 96);
  v128.store(out, c31, 112);
  v128.store(out, c40, 128);
  v128.store(out, c41, 144);
  v128.store(out, c50, 160);
  v128.store(out, c51, 176);
}
