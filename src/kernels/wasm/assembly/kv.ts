// Owns the paged key/value cache in memory: how vectors are stored in each format, read back, and rotated in place.
// A pool is [layer][kvHead][keys, values][page], a plane of pages for each kind: attention, which takes a head at a time, then reads pages that follow
// each other as one stream. A page's keys (a part) are [tokens / 4][elements / 4][4 tokens][4 elements], its values [column of VALUE_COLUMNS elements][token][element], so that both are read
// in the order of their addresses. q8 parts end with one float32 scale per token.
import { halfValue, maxLane, toHalf4 } from './math';
import { KV_F16, KV_F32, PAGE_TOKENS } from './opcodes';
import { rotateHalf, rotateInterleaved } from './rope';

/** Elements of a value vector that lie together. The last column of other head sizes is narrower. */
// @ts-ignore: decorator
@inline export const VALUE_COLUMNS: i32 = 16;

/** Bytes of the keys (or the values) of one head in one page of one layer. */
export function partBytes(format: i32, headSize: i32): usize {
  if (format == KV_F32) return <usize>(PAGE_TOKENS * headSize) * 4;
  if (format == KV_F16) return <usize>(PAGE_TOKENS * headSize) * 2;
  return <usize>(PAGE_TOKENS * (headSize + 4));
}

/** Items are rows. Operands: k, v, pool at the layer, plane bytes, kvHeads, headSize, format, rows block. */
export function storeKv(c: usize, from: i32, to: i32): void {
  const kvHeads = load<i32>(c, 20);
  const headSize = load<i32>(c, 24);
  const format = load<i32>(c, 28);
  const rows: usize = load<usize>(c, 32);
  const part = partBytes(format, headSize);
  const plane = load<usize>(c, 16);
  const headBytes: usize = <usize>headSize * 4;
  for (let r: usize = from; r < <usize>to; r++) {
    const position = load<i32>(load<usize>(rows, 8) + r * 4);
    const pages: usize = load<usize>(load<usize>(rows, 12) + r * 4);
    const page = load<u32>(pages + (<usize>(position / PAGE_TOKENS) << 2));
    const token = position % PAGE_TOKENS;
    let target: usize = load<usize>(c, 12) + <usize>page * part;
    let k: usize = load<usize>(c, 4) + r * <usize>kvHeads * headBytes;
    let v: usize = load<usize>(c, 8) + r * <usize>kvHeads * headBytes;
    for (let h = 0; h < kvHeads; h++) {
      storeKey(target, token, k, headSize, format);
      storeValue(target + plane, token, v, headSize, format);
      target += 2 * plane;
      k += headBytes;
      v += headBytes;
    }
  }
}

/** Stores float32 x [headSize] as key `token` of the part. */
function storeKey(part: usize, token: i32, x: usize, headSize: i32, format: i32): void {
  const scale = storeScale(part, token, x, headSize, format);
  const first = firstOfKey(token, headSize);
  for (let i = 0; i < headSize; i += 4) storeElements(part, first + 4 * i, x + (<usize>i << 2), 16, format, scale);
}

/** Stores float32 x [headSize] as value `token` of the part. */
function storeValue(part: usize, token: i32, x: usize, headSize: i32, format: i32): void {
  const scale = storeScale(part, token, x, headSize, format);
  for (let column = 0; column < headSize; column += VALUE_COLUMNS) {
    const width = min(headSize - column, VALUE_COLUMNS);
    storeElements(part, column * PAGE_TOKENS + token * width, x + (<usize>column << 2), <usize>width << 2, format, scale);
  }
}

/** Where key `token` begins, in elements; each four of its elements are sixteen further. */
// @ts-ignore: decorator
@inline function firstOfKey(token: i32, headSize: i32): i32 {
  return (token & ~3) * headSize + (token & 3) * 4;
}

/** Stores and gives the scale of a q8 vector. */
function storeScale(part: usize, token: i32, x: usize, headSize: i32, format: i32): f32 {
  if (format == KV_F32 || format == KV_F16) return 0;
  const scale = q8Scale(x, <usize>headSize << 2);
  store<f32>(part + <usize>(PAGE_TOKENS * headSize + (token << 2)), scale);
  return scale;
}

/** Stores float32 x of `bytes` bytes as elements `at` and on of the part. */
function storeElements(part: usize, at: i32, x: usize, bytes: usize, format: i32, scale: f32): void {
  if (format == KV_F32) {
    for (let i: usize = 0; i < bytes; i += 16) v128.store(part + (<usize>at << 2) + i, v128.load(x + i));
  } else if (format == KV_F16) {
    const target = part + (<usize>at << 1);
    for (let i: usize = 0; i < bytes; i += 16) {
      const halves = toHalf4(v128.load(x + i));
      v128.store64_lane(target + (i >> 1), i16x8.narrow_i32x4_u(halves, halves), 0);
    }
  } else {
    const target = part + <usize>at;
    const inverse = f32x4.splat(scale == 0 ? 0 : 1 / scale);
    for (let i: usize = 0; i < bytes; i += 16) {
      const steps = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x + i), inverse)));
      const clamped = i32x4.max_s(i32x4.min_s(steps, i32x4.splat(127)), i32x4.splat(-127));
      const words = i16x8.narrow_i32x4_s(clamped, clamped);
      v128.store32_lane(target + (i >> 2), i8x16.narrow_i16x8_s(words, words), 0);
    }
  }
}

/** What int8 multiples stand for: max|x| / 127, rounded to a half float. */
function q8Scale(x: usize, bytes: usize): f32 {
  let largest = f32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) largest = f32x4.max(largest, f32x4.abs(v128.load(x + i)));
  return halfValue(i32x4.extract_lane(toHalf4(f32x4.splat(maxLane(largest) / 127)), 0));
}

/** Reads key `token` of the part into float32 out [headSize]. */
function loadKey(part: usize, token: i32, out: usize, headSize: i32, format: i32): void {
  const first = firstOfKey(token, headSize);
  const scale: f32 = format == KV_F32 || format == KV_F16 ? 0 : load<f32>(part + <usize>(PAGE_TOKENS * headSize + (token << 2)));
  for (let i = 0; i < headSize; i++) {
    const at: usize = first + 4 * (i & ~3) + (i & 3);
    let x: f32;
    if (format == KV_F32) x = load<f32>(part + (at << 2));
    else if (format == KV_F16) x = halfValue(load<u16>(part + (at << 1)));
    else x = <f32>load<i8>(part + at) * scale;
    store<f32>(out + (<usize>i << 2), x);
  }
}

/**
 * Items are (page, layer, kvHead) triples. Operands: pool, plane bytes, layers * kvHeads, headSize, format, page numbers, pairs, interleaved,
 * table [cos: pairs, sin: pairs], scratch, scratch bytes per thread.
 */
export function shiftKeys(c: usize, from: i32, to: i32, thread: i32): void {
  const layerHeads = load<i32>(c, 12);
  const headSize = load<i32>(c, 16);
  const format = load<i32>(c, 20);
  const pages: usize = load<usize>(c, 24);
  const pairs = load<i32>(c, 28);
  const interleaved = load<i32>(c, 32) != 0;
  const table: usize = load<usize>(c, 36);
  const scratch: usize = load<usize>(c, 40) + <usize>thread * load<usize>(c, 44);
  const part = partBytes(format, headSize);
  for (let item = from; item < to; item++) {
    const page = load<u32>(pages + (<usize>(item / layerHeads) << 2));
    const keys: usize =
      load<usize>(c, 4) + <usize>(item % layerHeads) * 2 * load<usize>(c, 8) + <usize>page * part;
    for (let token = 0; token < PAGE_TOKENS; token++) {
      loadKey(keys, token, scratch, headSize, format);
      if (interleaved) rotateInterleaved(scratch, table, pairs);
      else rotateHalf(scratch, table, pairs);
      storeKey(keys, token, scratch, headSize, format);
    }
  }
}
