// Owns rotary position embedding of one head. Cosines and sines come from the caller, computed in float64 and rounded once.

/** Items are rows. Operands: x, heads, headSize, pairs, interleaved, table [rows][cos: pairs, sin: pairs]. */
export function rope(c: usize, from: i32, to: i32): void {
  const heads = load<i32>(c, 8);
  const headBytes: usize = <usize>load<i32>(c, 12) * 4;
  const pairs = load<i32>(c, 16);
  const interleaved = load<i32>(c, 20) != 0;
  for (let r = from; r < to; r++) {
    const cos: usize = load<usize>(c, 24) + <usize>r * <usize>pairs * 8;
    let head: usize = load<usize>(c, 4) + <usize>r * <usize>heads * headBytes;
    for (let h = 0; h < heads; h++) {
      if (interleaved) rotateInterleaved(head, cos, pairs);
      else rotateHalf(head, cos, pairs);
      head += headBytes;
    }
  }
}

/** Rotates a head whose element i pairs with i + pairs. */
export function rotateHalf(head: usize, cos: usize, pairs: i32): void {
  const half: usize = <usize>pairs * 4;
  const sin = cos + half;
  let i: usize = 0;
  for (; i + 16 <= half; i += 16) {
    const a = v128.load(head + i);
    const b = v128.load(head + half + i);
    const cosine = v128.load(cos + i);
    const sine = v128.load(sin + i);
    v128.store(head + i, f32x4.sub(f32x4.mul(a, cosine), f32x4.mul(b, sine)));
    v128.store(head + half + i, f32x4.add(f32x4.mul(a, sine), f32x4.mul(b, cosine)));
  }
  for (; i < half; i += 4) rotatePair(head + i, head + half + i, load<f32>(cos + i), load<f32>(sin + i));
}

/** Rotates a head whose element 2i pairs with 2i + 1. */
export function rotateInterleaved(head: usize, cos: usize, pairs: i32): void {
  const half: usize = <usize>pairs * 4;
  const sin = cos + half;
  let i: usize = 0;
  for (; i + 16 <= half; i += 16) {
    const low = v128.load(head + 2 * i);
    const high = v128.load(head + 2 * i, 16);
    const a = v128.shuffle<f32>(low, high, 0, 2, 4, 6);
    const b = v128.shuffle<f32>(low, high, 1, 3, 5, 7);
    const cosine = v128.load(cos + i);
    const sine = v128.load(sin + i);
    const first = f32x4.sub(f32x4.mul(a, cosine), f32x4.mul(b, sine));
    const second = f32x4.add(f32x4.mul(a, sine), f32x4.mul(b, cosine));
    v128.store(head + 2 * i, v128.shuffle<f32>(first, second, 0, 4, 1, 5));
    v128.store(head + 2 * i, v128.shuffle<f32>(first, second, 2, 6, 3, 7), 16);
  }
  for (; i < half; i += 4) rotatePair(head + 2 * i, head + 2 * i + 4, load<f32>(cos + i), load<f32>(sin + i));
}

// @ts-ignore: decorator
@inline function rotatePair(first: usize, second: usize, cosine: f32, sine: f32): void {
  const a = load<f32>(first);
  const b = load<f32>(second);
  store<f32>(first, a * cosine - b * sine);
  store<f32>(second, a * sine + b * cosine);
}
