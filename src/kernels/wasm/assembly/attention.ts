// Owns attention over the paged cache: a streaming softmax page by page, so that scratch memory does not grow with the context.
// All query heads of a key/value head, of several rows, pass over a page together, so that keys and values are read once for them.
// Every score and every output element is summed in one order, whatever rows share the pass. Source: online softmax, Milakov and
// Gimelshein 2018 (arXiv 1805.02867).
import { partBytes } from './kv';
import { exp1, exp4, half4, HALF_FACTOR, madd, maxLane, sumLanes, sumLanes4 } from './math';
import { KV_F16, KV_F32, PAGE_TOKENS } from './opcodes';

/** 2^56: f16 keys come 2^112 too small; queries and scores each take half of it, so that neither overflows. */
// @ts-ignore: decorator
@inline const HALF_ROOT: f32 = 72057594037927936.0;
/** Bytes of one query's scores of a page. */
// @ts-ignore: decorator
@inline const SCORES: usize = 128;

/**
 * Items are (kvHead, block of rows) pairs. Operands: out, q, pool at the layer, page bytes, kvHeads, headSize, format, heads, scale, rows block,
 * scratch, scratch bytes a thread.
 */
export function attention(c: usize, from: i32, to: i32, thread: i32): void {
  const rows: usize = load<usize>(c, 40);
  const blocks = load<i32>(rows, 20);
  const format = load<i32>(c, 28);
  const scratch: usize = load<usize>(c, 44) + <usize>thread * load<usize>(c, 48);
  for (let item = from; item < to; item++) {
    const kvHead = item / blocks;
    const block: usize = load<usize>(rows, 16) + (<usize>(item % blocks) << 3);
    if (format == KV_F32) attendBlock<f32>(c, kvHead, block, scratch);
    else if (format == KV_F16) attendBlock<u16>(c, kvHead, block, scratch);
    else attendBlock<i8>(c, kvHead, block, scratch);
  }
}

/** Attends with the rows of `block` (first row, rows) and the query heads of `kvHead`. T is the cache's element type. */
function attendBlock<T>(c: usize, kvHead: i32, block: usize, scratch: usize): void {
  const heads = load<i32>(c, 32);
  const headSize = load<i32>(c, 24);
  const group = heads / load<i32>(c, 20);
  const rows: usize = load<usize>(c, 40);
  const first = load<i32>(block);
  const count = load<i32>(block, 4);
  const positions: usize = load<usize>(rows, 8) + (<usize>first << 2);
  const pages: usize = load<usize>(load<usize>(rows, 12) + (<usize>first << 2));
  const queries = count * group;
  const headBytes: usize = <usize>headSize * 4;
  const part = partBytes(load<i32>(c, 28), headSize);

  // Scratch: q and sums [queries, headSize], scores [queries, PAGE_TOKENS], state [queries] of 16 bytes, one expanded part.
  const q = scratch;
  const sums = q + <usize>queries * headBytes;
  const scores = sums + <usize>queries * headBytes;
  const state = scores + <usize>queries * SCORES;
  const expanded = state + (<usize>queries << 4);

  const rowHeads: usize = <usize>(first * heads + kvHead * group) * headBytes;
  loadQueries<T>(q, load<usize>(c, 8) + rowHeads, count, group, heads, headBytes, load<f32>(c, 36));
  memory.fill(sums, 0, <usize>queries * headBytes);
  for (let j: usize = 0; j < <usize>queries; j++) {
    store<f32>(state + (j << 4), -Infinity); // largest score so far
    store<f32>(state + (j << 4), 0, 4); // sum of exponentials
  }

  const length = load<i32>(positions + (<usize>(count - 1) << 2)) + 1;
  const head: usize = load<usize>(c, 12) + <usize>kvHead * 2 * part;
  for (let start = 0; start < length; start += PAGE_TOKENS) {
    const page = load<u32>(pages + (<usize>(start / PAGE_TOKENS) << 2));
    const keys = head + <usize>page * load<usize>(c, 16);
    const tokens = min(length - start, PAGE_TOKENS);
    let source = keys;
    let scales: usize = 0;
    if (sizeof<T>() == 1) {
      expand(expanded, keys, <usize>(tokens * headSize));
      source = expanded;
      scales = keys + <usize>(PAGE_TOKENS * headSize);
    }
    scorePage<T>(source, q, scores, queries, headBytes, tokens, scales);
    if (sizeof<T>() == 1) scales += part;
    for (let j = 0; j < queries; j++) {
      const visible = load<i32>(positions + (<usize>(j / group) << 2)) + 1 - start;
      weigh<T>(scores + <usize>j * SCORES, state + (<usize>j << 4), visible, tokens, scales);
    }
    source = keys + part;
    if (sizeof<T>() == 1) {
      expand(expanded, keys + part, <usize>(tokens * headSize));
      source = expanded;
    }
    addPage<T>(source, sums, scores, state, queries, headBytes, tokens);
  }
  storeSums(load<usize>(c, 4) + rowHeads, sums, state, count, group, heads, headBytes);
}

/** Copies the block's queries together, scaled. */
function loadQueries<T>(q: usize, x: usize, rows: i32, group: i32, heads: i32, headBytes: usize, scale: f32): void {
  const factor = f32x4.splat(sizeof<T>() == 2 ? scale * HALF_ROOT : scale);
  const bytes: usize = <usize>group * headBytes;
  for (let r = 0; r < rows; r++) {
    for (let i: usize = 0; i < bytes; i += 16) v128.store(q + i, f32x4.mul(v128.load(x + i), factor));
    q += bytes;
    x += <usize>heads * headBytes;
  }
}

function storeSums(out: usize, sums: usize, state: usize, rows: i32, group: i32, heads: i32, headBytes: usize): void {
  for (let r = 0; r < rows; r++) {
    for (let g = 0; g < group; g++) {
      const target = out + <usize>g * headBytes;
      const inverse = f32x4.splat(1 / load<f32>(state, 4));
      for (let i: usize = 0; i < headBytes; i += 16) v128.store(target + i, f32x4.mul(v128.load(sums + i), inverse));
      sums += headBytes;
      state += 16;
    }
    out += <usize>heads * headBytes;
  }
}

/** int8 to float32, `count` a multiple of 4; scales are applied to scores and weights instead. */
function expand(out: usize, source: usize, count: usize): void {
  let i: usize = 0;
  for (; i + 8 <= count; i += 8) {
    const words = v128.load8x8_s(source + i);
    v128.store(out + (i << 2), f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(words)));
    v128.store(out + (i << 2), f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(words)), 16);
  }
  if (i < count) {
    const words = i16x8.extend_low_i8x16_s(v128.load32_zero(source + i));
    v128.store(out + (i << 2), f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(words)));
  }
}

/** Four elements at `p` of a page as float32; f16 comes 2^112 too small. */
// @ts-ignore: decorator
@inline function element4<T>(p: usize): v128 {
  return sizeof<T>() == 2 ? half4(p) : v128.load(p);
}

/** Bytes a vector of `headBytes` float32 bytes takes in a page (q8 pages come expanded). */
// @ts-ignore: decorator
@inline function stride<T>(headBytes: usize): usize {
  return sizeof<T>() == 2 ? headBytes >> 1 : headBytes;
}

// @ts-ignore: decorator
@inline function scaled<T>(sums: v128, scales: usize): v128 {
  if (sizeof<T>() == 2) return f32x4.mul(sums, f32x4.splat(HALF_ROOT));
  if (sizeof<T>() == 1) return f32x4.mul(sums, v128.load(scales));
  return sums;
}

/** scores[j, t] = q[j] . key[t], four tokens at a time and up to three beyond `tokens`, whose scores do not count. */
function scorePage<T>(
  keys: usize, q: usize, scores: usize, queries: i32, headBytes: usize, tokens: i32, scales: usize,
): void {
  const step = stride<T>(headBytes);
  for (let t = 0; t < tokens; t += 4) {
    const k = keys + <usize>t * step;
    const out = scores + (<usize>t << 2);
    const scale = scales + (<usize>t << 2);
    let j = 0;
    for (; j + 2 <= queries; j += 2) {
      score2<T>(k, step, q + <usize>j * headBytes, headBytes, out + <usize>j * SCORES, scale);
    }
    if (j < queries) score1<T>(k, step, q + <usize>j * headBytes, headBytes, out + <usize>j * SCORES, scale);
  }
}

function score2<T>(k: usize, step: usize, q: usize, headBytes: usize, out: usize, scale: usize): void {
  let a0 = f32x4.splat(0);
  let a1 = a0;
  let a2 = a0;
  let a3 = a0;
  let b0 = a0;
  let b1 = a0;
  let b2 = a0;
  let b3 = a0;
  const k1 = k + step;
  const k2 = k1 + step;
  const k3 = k2 + step;
  for (let i: usize = 0; i < headBytes; i += 16) {
    const at = stride<T>(i);
    const x = v128.load(q + i);
    const y = v128.load(q + headBytes + i);
    const v0 = element4<T>(k + at);
    a0 = madd(v0, x, a0);
    b0 = madd(v0, y, b0);
    const v1 = element4<T>(k1 + at);
    a1 = madd(v1, x, a1);
    b1 = madd(v1, y, b1);
    const v2 = element4<T>(k2 + at);
    a2 = madd(v2, x, a2);
    b2 = madd(v2, y, b2);
    const v3 = element4<T>(k3 + at);
    a3 = madd(v3, x, a3);
    b3 = madd(v3, y, b3);
  }
  v128.store(out, scaled<T>(sumLanes4(a0, a1, a2, a3), scale));
  v128.store(out + SCORES, scaled<T>(sumLanes4(b0, b1, b2, b3), scale));
}

function score1<T>(k: usize, step: usize, q: usize, headBytes: usize, out: usize, scale: usize): void {
  let a0 = f32x4.splat(0);
  let a1 = a0;
  let a2 = a0;
  let a3 = a0;
  const k1 = k + step;
  const k2 = k1 + step;
  const k3 = k2 + step;
  for (let i: usize = 0; i < headBytes; i += 16) {
    const at = stride<T>(i);
    const x = v128.load(q + i);
    a0 = madd(element4<T>(k + at), x, a0);
    a1 = madd(element4<T>(k1 + at), x, a1);
    a2 = madd(element4<T>(k2 + at), x, a2);
    a3 = madd(element4<T>(k3 + at), x, a3);
  }
  v128.store(out, scaled<T>(sumLanes4(a0, a1, a2, a3), scale));
}

/**
 * Turns one query's scores of a page into weights exp(score - largest so far), zero from `visible` on, and updates its state: largest, sum, and
 * the factor on what was summed before (at byte 8).
 */
function weigh<T>(scores: usize, state: usize, visible: i32, tokens: i32, scales: usize): void {
  const end: usize = <usize>((tokens + 3) & ~3) << 2;
  const lanes = i32x4.splat(visible);
  const lowest = f32x4.splat(-Infinity);
  let index = i32x4(0, 1, 2, 3);
  let top = lowest;
  for (let i: usize = 0; i < end; i += 16) {
    const s = v128.bitselect(v128.load(scores + i), lowest, i32x4.lt_s(index, lanes));
    v128.store(scores + i, s);
    top = f32x4.max(top, s);
    index = i32x4.add(index, i32x4.splat(4));
  }
  const before = load<f32>(state);
  const largest = max(before, maxLane(top));
  const shift = f32x4.splat(largest);
  let sum = f32x4.splat(0);
  for (let i: usize = 0; i < end; i += 16) {
    let p = exp4(f32x4.sub(v128.load(scores + i), shift));
    sum = f32x4.add(sum, p);
    if (sizeof<T>() == 2) p = f32x4.mul(p, f32x4.splat(HALF_FACTOR));
    if (sizeof<T>() == 1) p = f32x4.mul(p, v128.load(scales + i));
    v128.store(scores + i, p);
  }
  const factor = exp1(before - largest);
  store<f32>(state, largest);
  store<f32>(state, load<f32>(state, 4) * factor + sumLanes(sum), 4);
  store<f32>(state, factor, 8);
}

/** sums[j] = sums[j] * factor[j] + sum over t of scores[j, t] * value[t]. */
function addPage<T>(
  values: usize, sums: usize, scores: usize, state: usize, queries: i32, headBytes: usize, tokens: i32,
): void {
  let j = 0;
  for (; j + 2 <= queries; j += 2) {
    add2<T>(values, sums, scores, state, headBytes, tokens);
    sums += 2 * headBytes;
    scores += 2 * SCORES;
    state += 32;
  }
  if (j < queries) add1<T>(values, sums, scores, state, headBytes, tokens);
}

function add2<T>(values: usize, sums: usize, scores: usize, state: usize, headBytes: usize, tokens: i32): void {
  const step = stride<T>(headBytes);
  const f = v128.load32_splat(state, 8);
  const g = v128.load32_splat(state, 24);
  const other = sums + headBytes;
  let i: usize = 0;
  for (; i + 64 <= headBytes; i += 64) {
    let a0 = f32x4.mul(v128.load(sums + i), f);
    let a1 = f32x4.mul(v128.load(sums + i, 16), f);
    let a2 = f32x4.mul(v128.load(sums + i, 32), f);
    let a3 = f32x4.mul(v128.load(sums + i, 48), f);
    let b0 = f32x4.mul(v128.load(other + i), g);
    let b1 = f32x4.mul(v128.load(other + i, 16), g);
    let b2 = f32x4.mul(v128.load(other + i, 32), g);
    let b3 = f32x4.mul(v128.load(other + i, 48), g);
    let v = values + stride<T>(i);
    for (let t = 0; t < tokens; t++) {
      const p = v128.load32_splat(scores + (<usize>t << 2));
      const r = v128.load32_splat(scores + (<usize>t << 2), 128);
      const v0 = element4<T>(v);
      a0 = madd(v0, p, a0);
      b0 = madd(v0, r, b0);
      const v1 = element4<T>(v + stride<T>(16));
      a1 = madd(v1, p, a1);
      b1 = madd(v1, r, b1);
      const v2 = element4<T>(v + stride<T>(32));
      a2 = madd(v2, p, a2);
      b2 = madd(v2, r, b2);
      const v3 = element4<T>(v + stride<T>(48));
      a3 = madd(v3, p, a3);
      b3 = madd(v3, r, b3);
      v += step;
    }
    v128.store(sums + i, a0);
    v128.store(sums + i, a1, 16);
    v128.store(sums + i, a2, 32);
    v128.store(sums + i, a3, 48);
    v128.store(other + i, b0);
    v128.store(other + i, b1, 16);
    v128.store(other + i, b2, 32);
    v128.store(other + i, b3, 48);
  }
  for (; i < headBytes; i += 16) {
    addNarrow<T>(values + stride<T>(i), step, sums + i, scores, f, tokens);
    addNarrow<T>(values + stride<T>(i), step, other + i, scores + SCORES, g, tokens);
  }
}

function add1<T>(values: usize, sums: usize, scores: usize, state: usize, headBytes: usize, tokens: i32): void {
  const step = stride<T>(headBytes);
  const f = v128.load32_splat(state, 8);
  let i: usize = 0;
  for (; i + 64 <= headBytes; i += 64) {
    let a0 = f32x4.mul(v128.load(sums + i), f);
    let a1 = f32x4.mul(v128.load(sums + i, 16), f);
    let a2 = f32x4.mul(v128.load(sums + i, 32), f);
    let a3 = f32x4.mul(v128.load(sums + i, 48), f);
    let v = values + stride<T>(i);
    for (let t = 0; t < tokens; t++) {
      const p = v128.load32_splat(scores + (<usize>t << 2));
      a0 = madd(element4<T>(v), p, a0);
      a1 = madd(element4<T>(v + stride<T>(16)), p, a1);
      a2 = madd(element4<T>(v + stride<T>(32)), p, a2);
      a3 = madd(element4<T>(v + stride<T>(48)), p, a3);
      v += step;
    }
    v128.store(sums + i, a0);
    v128.store(sums + i, a1, 16);
    v128.store(sums + i, a2, 32);
    v128.store(sums + i, a3, 48);
  }
  for (; i < headBytes; i += 16) addNarrow<T>(values + stride<T>(i), step, sums + i, scores, f, tokens);
}

/** The last elements of heads that are no multiple of 16. */
function addNarrow<T>(v: usize, step: usize, sums: usize, scores: usize, factor: v128, tokens: i32): void {
  let a = f32x4.mul(v128.load(sums), factor);
  for (let t = 0; t < tokens; t++) {
    a = madd(element4<T>(v), v128.load32_splat(scores + (<usize>t << 2)), a);
    v += step;
  }
  v128.store(sums, a);
}
