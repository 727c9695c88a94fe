// Owns storing the results of a tile of 32 rows. Must not know formats.

/** Stores (or adds) rows 4 i .. 4 i + 3 of vector i at `out`, as many of the 32 as `rows` says. */
// @ts-ignore: decorator
@inline export function putTile(
  out: usize, rows: i32, accumulate: i32, f0: v128, f1: v128, f2: v128, f3: v128, f4: v128, f5: v128, f6: v128, f7: v128,
): void {
  put(out, rows, accumulate, f0);
  put(out + 16, rows - 4, accumulate, f1);
  put(out + 32, rows - 8, accumulate, f2);
  put(out + 48, rows - 12, accumulate, f3);
  put(out + 64, rows - 16, accumulate, f4);
  put(out + 80, rows - 20, accumulate, f5);
  put(out + 96, rows - 24, accumulate, f6);
  put(out + 112, rows - 28, accumulate, f7);
}

function put(out: usize, rows: i32, accumulate: i32, f: v128): void {
  if (rows >= 4) v128.store(out, accumulate ? f32x4.add(v128.load(out), f) : f);
  else {
    if (rows > 0) putOne(out, accumulate, f32x4.extract_lane(f, 0));
    if (rows > 1) putOne(out + 4, accumulate, f32x4.extract_lane(f, 1));
    if (rows > 2) putOne(out + 8, accumulate, f32x4.extract_lane(f, 2));
  }
}

function putOne(out: usize, accumulate: i32, f: f32): void {
  store<f32>(out, accumulate ? load<f32>(out) + f : f);
}
