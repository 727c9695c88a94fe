// Owns the gradients of gates. What the gates compute: elementwise.ts.
import { GELU, GELU_CUBE } from './elementwise';
import { exp4 } from './math';
import { ELEMENT_BLOCK, GATE_GELU, GATE_RELU2 } from './training-opcodes';

/** Items are ELEMENT_BLOCK elements. Operands: dGate, dUp, dOut, gate, up, length (a multiple of four), activation. */
export function gatedBackward(c: usize, from: i32, to: i32): void {
  switch (load<i32>(c, 28)) {
    case GATE_RELU2: relu2Backward(c, from, to); break;
    case GATE_GELU: geluBackward(c, from, to); break;
    default: siluBackward(c, from, to);
  }
}

function siluBackward(c: usize, from: i32, to: i32): void {
  const dGate: usize = load<usize>(c, 4);
  const dUp: usize = load<usize>(c, 8);
  const dOut: usize = load<usize>(c, 12);
  const gate: usize = load<usize>(c, 16);
  const up: usize = load<usize>(c, 20);
  const one = f32x4.splat(1);
  const end: usize = <usize>min(to * ELEMENT_BLOCK, load<i32>(c, 24)) * 4;
  for (let i: usize = <usize>from * (ELEMENT_BLOCK * 4); i < end; i += 16) {
    const g = v128.load(gate + i);
    const d = v128.load(dOut + i);
    const u = v128.load(up + i);
    const sigmoid = f32x4.div(one, f32x4.add(one, exp4(f32x4.neg(g))));
    const silu = f32x4.mul(g, sigmoid);
    const slope = f32x4.mul(sigmoid, f32x4.add(one, f32x4.sub(g, silu)));
    v128.store(dUp + i, f32x4.mul(d, silu));
    v128.store(dGate + i, f32x4.mul(f32x4.mul(d, u), slope));
  }
}

function relu2Backward(c: usize, from: i32, to: i32): void {
  const dGate: usize = load<usize>(c, 4);
  const dUp: usize = load<usize>(c, 8);
  const dOut: usize = load<usize>(c, 12);
  const gate: usize = load<usize>(c, 16);
  const up: usize = load<usize>(c, 20);
  const zero = f32x4.splat(0);
  const end: usize = <usize>min(to * ELEMENT_BLOCK, load<i32>(c, 24)) * 4;
  for (let i: usize = <usize>from * (ELEMENT_BLOCK * 4); i < end; i += 16) {
    const g = f32x4.max(v128.load(gate + i), zero);
    const d = v128.load(dOut + i);
    const u = v128.load(up + i);
    v128.store(dUp + i, f32x4.mul(d, f32x4.mul(g, g)));
    v128.store(dGate + i, f32x4.mul(f32x4.mul(d, u), f32x4.add(g, g)));
  }
}

function geluBackward(c: usize, from: i32, to: i32): void {
  const dGate: usize = load<usize>(c, 4);
  const dUp: usize = load<usize>(c, 8);
  const dOut: usize = load<usize>(c, 12);
  const gate: usize = load<usize>(c, 16);
  const up: usize = load<usize>(c, 20);
  const one = f32x4.splat(1), three = f32x4.splat(3), factor = f32x4.splat(GELU), cube = f32x4.splat(GELU_CUBE);
  const end: usize = <usize>min(to * ELEMENT_BLOCK, load<i32>(c, 24)) * 4;
  for (let i: usize = <usize>from * (ELEMENT_BLOCK * 4); i < end; i += 16) {
    const g = v128.load(gate + i);
    const d = v128.load(dOut + i);
    const u = v128.load(up + i);
    const square = f32x4.mul(cube, f32x4.mul(g, g));
    const inner = f32x4.mul(f32x4.mul(g, factor), f32x4.add(one, square));
    const sigmoid = f32x4.div(one, f32x4.add(one, exp4(f32x4.neg(inner))));
    const gelu = f32x4.mul(g, sigmoid);
    const innerSlope = f32x4.mul(factor, f32x4.add(one, f32x4.mul(three, square)));
    const slope = f32x4.add(sigmoid, f32x4.mul(f32x4.mul(gelu, f32x4.sub(one, sigmoid)), innerSlope));
    v128.store(dUp + i, f32x4.mul(d, gelu));
    v128.store(dGate + i, f32x4.mul(f32x4.mul(d, u), slope));
  }
}
