// Owns the operations without arithmetic between elements: SwiGLU, its kin with relu² and gelu, factors, copies, gathering rows.
import { exp1, exp4, expOf } from './math';

/** Items are cache lines of sixteen elements. Operands: out, gate, up, elements. */
export function swiglu(c: usize, from: i32, to: i32): void {
  const out: usize = load<usize>(c, 4);
  const gate: usize = load<usize>(c, 8);
  const up: usize = load<usize>(c, 12);
  const zero = to >> 31;
  const one = i32x4.splat(zero | reinterpret<i32>(<f32>1));
  let i: usize = <usize>from << 6;
  const end: usize = <usize>min(to << 4, load<i32>(c, 16)) << 2;
  for (; i + 16 <= end; i += 16) {
    const g = v128.load(gate + i);
    const silu = f32x4.div(g, f32x4.add(one, expOf(f32x4.neg(g), zero)));
    v128.store(out + i, f32x4.mul(silu, v128.load(up + i)));
  }
  for (; i < end; i += 4) {
    const g = load<f32>(gate + i);
    store<f32>(out + i, (g / (1 + exp1(-g))) * load<f32>(up + i));
  }
}

/** max(gate, 0)² · up. Items and operands as for `swiglu`. */
export function gateRelu2(c: usize, from: i32, to: i32): void {
  const out: usize = load<usize>(c, 4);
  const gate: usize = load<usize>(c, 8);
  const up: usize = load<usize>(c, 12);
  const zero = f32x4.splat(0);
  let i: usize = <usize>from << 6;
  const end: usize = <usize>min(to << 4, load<i32>(c, 16)) << 2;
  for (; i + 16 <= end; i += 16) {
    const g = f32x4.max(v128.load(gate + i), zero);
    v128.store(out + i, f32x4.mul(f32x4.mul(g, g), v128.load(up + i)));
  }
  for (; i < end; i += 4) {
    const g = max<f32>(load<f32>(gate + i), 0);
    store<f32>(out + i, g * g * load<f32>(up + i));
  }
}

/** √(8/π), and the share of the cube, of the approximated gelu. */
// @ts-ignore: decorator
@inline export const GELU: f32 = 1.5957691216057308;
// @ts-ignore: decorator
@inline export const GELU_CUBE: f32 = 0.044715;

/** gate / (1 + exp(-√(8/π) · (gate + 0.044715 · gate³))) · up. Items and operands as for `swiglu`. */
export function gateGelu(c: usize, from: i32, to: i32): void {
  const out: usize = load<usize>(c, 4);
  const gate: usize = load<usize>(c, 8);
  const up: usize = load<usize>(c, 12);
  const one = f32x4.splat(1), factor = f32x4.splat(-GELU), cube = f32x4.splat(GELU_CUBE);
  let i: usize = <usize>from << 6;
  const end: usize = <usize>min(to << 4, load<i32>(c, 16)) << 2;
  for (; i + 16 <= end; i += 16) {
    const g = v128.load(gate + i);
    const w = f32x4.mul(f32x4.mul(g, factor), f32x4.add(one, f32x4.mul(cube, f32x4.mul(g, g))));
    v128.store(out + i, f32x4.mul(f32x4.div(g, f32x4.add(one, exp4(w))), v128.load(up + i)));
  }
  for (; i < end; i += 4) {
    const g = load<f32>(gate + i);
    store<f32>(out + i, (g / (1 + exp1(g * -GELU * (1 + GELU_CUBE * (g * g))))) * load<f32>(up + i));
  }
}

/** out (+)= factor · x. Items as for `swiglu`. Operands: out, x, elements, factor, accumulate. */
export function scale(c: usize, from: i32, to: i32): void {
  const out: usize = load<usize>(c, 4);
  const x: usize = load<usize>(c, 8);
  const factor: f32 = load<f32>(c, 16);
  const factors = f32x4.splat(factor);
  const accumulate = load<i32>(c, 20) != 0;
  let i: usize = <usize>from << 6;
  const end: usize = <usize>min(to << 4, load<i32>(c, 12)) << 2;
  for (; i + 16 <= end; i += 16) {
    const scaled = f32x4.mul(v128.load(x + i), factors);
    v128.store(out + i, accumulate ? f32x4.add(scaled, v128.load(out + i)) : scaled);
  }
  for (; i < end; i += 4) {
    const scaled = load<f32>(x + i) * factor;
    store<f32>(out + i, accumulate ? scaled + load<f32>(out + i) : scaled);
  }
}

/** Items are rows. Operands: out, x, indices, row bytes. */
export function gatherRows(c: usize, from: i32, to: i32): void {
  const out: usize = load<usize>(c, 4);
  const x: usize = load<usize>(c, 8);
  const indices: usize = load<usize>(c, 12);
  const rowBytes: usize = load<usize>(c, 16);
  for (let i: usize = from; i < <usize>to; i++) {
    memory.copy(out + i * rowBytes, x + load<usize>(indices + i * 4) * rowBytes, rowBytes);
  }
}

/** Items are pieces. Operands: out, source, bytes of a piece, bytes from one piece to the next in out, in source. */
export function copy(c: usize, from: i32, to: i32): void {
  const bytes: usize = load<u32>(c, 12);
  for (let i: usize = from; i < <usize>to; i++) {
    memory.copy(load<usize>(c, 4) + i * load<usize>(c, 16), load<usize>(c, 8) + i * load<usize>(c, 20), bytes);
  }
}
