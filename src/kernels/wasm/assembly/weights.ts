// Owns which product, repacking and decoding function a weight format uses.

/** Items are four rows. Operands: out, x, weight, rows, cols, tokens, accumulate, format. */
export function product(c: usize, from: i32, to: i32, thread: i32): void {
  const out: usize = load<usize>(c, 4);
  const x: usize = load<usize>(c, 8);
  const weight: usize = load<usize>(c, 12);
  const rows = load<i32>(c, 16);
  const cols = load<i32>(c, 20);
  const tokens = load<i32>(c, 24);
  const add = load<i32>(c, 28);
  const last = min(to * 4, rows);
  for (let t = 0; t < tokens; t++) {
    for (let o = from * 4; o < last; o++) {
      let sum: f32 = 0;
      for (let i = 0; i < cols; i++) {
        sum += load<f32>(x + (<usize>(t * cols + i) << 2)) * load<f32>(weight + (<usize>(o * cols + i) << 2));
      }
      const at = out + (<usize>(t * rows + o) << 2);
      store<f32>(at, add ? load<f32>(at) + sum : sum);
    }
  }
}
export function embed(c: usize, from: i32, to: i32): void {
}
export function repack(c: usize, from: i32, to: i32): void {}
export function prepare(c: usize, from: i32, to: i32): void {}
