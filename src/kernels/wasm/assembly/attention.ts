// Owns attention over the paged cache: a streaming softmax, four pages at a time, so that scratch memory does not grow with the context.
// All query heads of a key/value head, of several rows, pass over the pages together, so that keys and values are read once for them.
// Every score and every output element is summed in one order, whatever rows share the pass. Source: online softmax, Milakov and
// Gimelshein 2018 (arXiv 1805.02867).
// Keys and values are read in the order of their addresses, page by page: a cache that was filled in order is one long stream of each a head.
import { partBytes, VALUE_COLUMNS } from './kv';
import { exp1, expOf, HALF_FACTOR, madd, maxLane, sumLanes, sumLanes4 } from './math';
import { KV_F16, KV_F32, PAGE_TOKENS, SPAN_PAGES } from './opcodes';

/** 2^56: f16 keys come 2^112 too small; queries and scores each take half of it, so that neither overflows. */
// @ts-ignore: decorator
@inline const HALF_ROOT: f32 = 72057594037927936.0;
/** Tokens that share a step of the softmax. */
// @ts-ignore: decorator
@inline const SPAN: i32 = SPAN_PAGES * PAGE_TOKENS;
/** Bytes of one query's scores of a span. */
// @ts-ignore: decorator
@inline const SCORES: usize = <usize>SPAN * 4;
/** Queries that convert keys and values in registers; for more, whole spans are converted first. */
const FEW_QUERIES: i32 = 4;

/**
 * Items are (kvHead, block of rows) pairs. Operands: out, q, pool at the layer, plane bytes, kvHeads, headSize, format, heads, scale, rows block,
 * scratch, scratch bytes per thread. The format shares its word with the window (0: none), from bit 2 on.
 */
export function attention(c: usize, from: i32, to: i32, thread: i32): void {
  const rows: usize = load<usize>(c, 40);
  const blocks = load<i32>(rows, 20);
  const format = load<i32>(c, 28) & 3;
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
  const part = partBytes(load<i32>(c, 28) & 3, headSize);

  // Scratch: q and sums [queries, headSize], scores [queries, SPAN], state [queries] of 16 bytes, addresses of the span's keys (then values) in the
  // cache and as they are read, an expanded span.
  const q = scratch;
  const sums = q + <usize>queries * headBytes;
  const scores = sums + <usize>queries * headBytes;
  const state = scores + <usize>queries * SCORES;
  const parts = state + (<usize>queries << 4);
  const sources = parts + 4 * SPAN_PAGES;
  const expanded = sources + 4 * SPAN_PAGES;

  const rowHeads: usize = <usize>(first * heads + kvHead * group) * headBytes;
  loadQueries<T>(q, load<usize>(c, 8) + rowHeads, count, group, heads, headBytes, load<f32>(c, 36));
  memory.fill(sums, 0, <usize>queries * headBytes);
  for (let j: usize = 0; j < <usize>queries; j++) {
    store<f32>(state + (j << 4), -Infinity); // largest score so far
    store<f32>(state + (j << 4), 0, 4); // sum of exponentials
  }

  const length = load<i32>(positions + (<usize>(count - 1) << 2)) + 1;
  const window = load<i32>(c, 28) >>> 2;
  const begin = window > 0 ? max(0, load<i32>(positions) + 1 - window) : 0;
  const plane = load<usize>(c, 16);
  const keys: usize = load<usize>(c, 12) + <usize>kvHead * 2 * plane;
  const few = sizeof<T>() == 4 || queries <= FEW_QUERIES;
  for (let start = begin / SPAN * SPAN; start < length; start += SPAN) {
    const tokens = min(length - start, SPAN);
    const spanPages = (tokens + PAGE_TOKENS - 1) / PAGE_TOKENS;
    for (let p: usize = 0; p < <usize>spanPages; p++) {
      const at = keys + partOffset(pages, start + <i32>p * PAGE_TOKENS, part);
      store<usize>(parts + (p << 2), at);
      store<usize>(sources + (p << 2), at);
    }
    if (few) scoreSpan<T, T>(sources, parts, q, scores, queries, headSize, tokens);
    else {
      expandSpan<T>(expanded, sources, headSize, headSize, tokens);
      scoreSpan<T, f32>(sources, parts, q, scores, queries, headSize, tokens);
    }
    for (let j = 0; j < queries; j++) {
      const visible = load<i32>(positions + (<usize>(j / group) << 2)) + 1 - start;
      const first = window > 0 ? visible - window : 0;
      weigh<T>(scores + <usize>j * SCORES, state + (<usize>j << 4), first, visible, tokens);
    }
    for (let p: usize = 0; p < <usize>spanPages; p++) {
      const at = load<usize>(parts + (p << 2)) + plane;
      store<usize>(sources + (p << 2), at);
      if (sizeof<T>() == 1) scaleWeights(scores + p * (PAGE_TOKENS * 4), at + <usize>(PAGE_TOKENS * headSize), queries);
    }
    if (few) addPages<T>(sources, sums, scores, state, queries, headSize, tokens);
    else {
      expandSpan<T>(expanded, sources, headSize, VALUE_COLUMNS, tokens);
      addSpan<f32>(sources, sums, scores, state, queries, headSize, tokens);
    }
  }
  storeSums(load<usize>(c, 4) + rowHeads, sums, state, count, group, heads, headBytes);
}

/** How far into a head's keys (or values) the page of the token at `position` is. */
// @ts-ignore: decorator
@inline function partOffset(pages: usize, position: i32, part: usize): usize {
  return <usize>load<u32>(pages + (<usize>(position / PAGE_TOKENS) << 2)) * part;
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

/** Converts the first `tokens` of a span's keys or values, in columns of `columns` elements, to float32, and points `sources` there. */
function expandSpan<T>(out: usize, sources: usize, headSize: i32, columns: i32, tokens: i32): void {
  for (; tokens > 0; tokens -= PAGE_TOKENS) {
    let source = load<usize>(sources);
    store<usize>(sources, out);
    for (let column = 0; column < headSize; column += columns) {
      const width = min(columns, headSize - column);
      expand<T>(out, source, <usize>(((min(tokens, PAGE_TOKENS) + 3) & ~3) * width) << 2);
      out += <usize>(PAGE_TOKENS * width) << 2;
      source += <usize>(PAGE_TOKENS * width) * sizeof<T>();
    }
    sources += 4;
  }
}

/** Converts as many elements as make `bytes`, a multiple of 16. */
function expand<T>(out: usize, source: usize, bytes: usize): void {
  const mask = halfMask(bytes);
  for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, element4<T>(source + size<T>(i), 0, mask));
}

/** 0x8fffffff in every lane, which clears what sign extension left of a half float; V8 would build a constant at every use. */
// @ts-ignore: decorator
@inline function halfMask(size: usize): v128 {
  return i32x4.splat((<i32>size >> 31) | 0x8fffffff);
}

/**
 * Elements 4 n to 4 n + 3 from `p` as float32: f16 comes 2^112 too small, int8 without its scale; scores and weights are scaled instead. Offsets must
 * be literals to become part of the instruction; n (0 to 3) is one, so three of four branches vanish.
 */
// @ts-ignore: decorator
@inline function element4<E>(p: usize, n: i32, mask: v128): v128 {
  if (sizeof<E>() == 2) {
    if (n == 0) return half4(v128.load16x4_s(p), mask);
    if (n == 1) return half4(v128.load16x4_s(p, 8), mask);
    if (n == 2) return half4(v128.load16x4_s(p, 16), mask);
    return half4(v128.load16x4_s(p, 24), mask);
  }
  if (sizeof<E>() == 1) {
    if (n == 0) return byte4(v128.load32_zero(p));
    if (n == 1) return byte4(v128.load32_zero(p, 4));
    if (n == 2) return byte4(v128.load32_zero(p, 8));
    return byte4(v128.load32_zero(p, 12));
  }
  if (n == 0) return v128.load(p);
  if (n == 1) return v128.load(p, 16);
  if (n == 2) return v128.load(p, 32);
  return v128.load(p, 48);
}

/** Half floats, sign-extended to 32 bits, as float32 times 2^-112: exact, subnormals too. */
// @ts-ignore: decorator
@inline function half4(halves: v128, mask: v128): v128 {
  return v128.and(i32x4.shl(halves, 13), mask);
}

/** The lowest four bytes as float32. */
// @ts-ignore: decorator
@inline function byte4(bytes: v128): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(bytes)));
}

/** Bytes of elements that take `bytes` as float32. */
// @ts-ignore: decorator
@inline function size<E>(bytes: usize): usize {
  return sizeof<E>() == 2 ? bytes >> 1 : sizeof<E>() == 1 ? bytes >> 2 : bytes;
}

// @ts-ignore: decorator
@inline function scaled<T>(sums: v128, scales: usize): v128 {
  if (sizeof<T>() == 2) return f32x4.mul(sums, f32x4.splat(HALF_ROOT));
  if (sizeof<T>() == 1) return f32x4.mul(sums, v128.load(scales));
  return sums;
}

/**
 * scores[j, t] = q[j] . key[t], four tokens at a time and up to three beyond `tokens`, whose scores do not count. T is the cache's element type,
 * E the type of what `sources` point to; `parts` are the keys in the cache.
 */
function scoreSpan<T, E>(
  sources: usize, parts: usize, q: usize, scores: usize, queries: i32, headSize: i32, tokens: i32,
): void {
  const headBytes: usize = <usize>headSize << 2;
  const step = size<E>(headBytes);
  for (; tokens > 0; tokens -= PAGE_TOKENS) {
    let k = load<usize>(sources);
    let scale = load<usize>(parts) + <usize>(PAGE_TOKENS * headSize);
    const end = scores + (<usize>min(tokens, PAGE_TOKENS) << 2);
    for (; scores < end; scores += 16) {
      let out = scores;
      let query = q;
      let j = 0;
      for (; j + 2 <= queries; j += 2) {
        score2<T, E>(k, query, headBytes, out, scale);
        query += 2 * headBytes;
        out += 2 * SCORES;
      }
      if (j < queries) score1<T, E>(k, query, headBytes, out, scale);
      k += 4 * step;
      scale += 16;
    }
    sources += 4;
    parts += 4;
  }
}

/** The scores of two queries and the four keys at `k`, which lie as [elements / 4][token][4]. */
function score2<T, E>(k: usize, q: usize, headBytes: usize, out: usize, scale: usize): void {
  const mask = halfMask(headBytes);
  let a0 = f32x4.splat(0);
  let a1 = a0;
  let a2 = a0;
  let a3 = a0;
  let b0 = a0;
  let b1 = a0;
  let b2 = a0;
  let b3 = a0;
  const end = q + headBytes;
  let other = end;
  while (q < end) {
    const x = v128.load(q);
    const y = v128.load(other);
    const v0 = element4<E>(k, 0, mask);
    a0 = madd(v0, x, a0);
    b0 = madd(v0, y, b0);
    const v1 = element4<E>(k, 1, mask);
    a1 = madd(v1, x, a1);
    b1 = madd(v1, y, b1);
    const v2 = element4<E>(k, 2, mask);
    a2 = madd(v2, x, a2);
    b2 = madd(v2, y, b2);
    const v3 = element4<E>(k, 3, mask);
    a3 = madd(v3, x, a3);
    b3 = madd(v3, y, b3);
    k += size<E>(64);
    q += 16;
    other += 16;
  }
  v128.store(out, scaled<T>(sumLanes4(a0, a1, a2, a3), scale));
  v128.store(out, scaled<T>(sumLanes4(b0, b1, b2, b3), scale), SCORES);
}

/** The scores of one query and four keys. */
function score1<T, E>(k: usize, q: usize, headBytes: usize, out: usize, scale: usize): void {
  const mask = halfMask(headBytes);
  let a0 = f32x4.splat(0);
  let a1 = a0;
  let a2 = a0;
  let a3 = a0;
  const end = q + headBytes;
  while (q < end) {
    const x = v128.load(q);
    a0 = madd(element4<E>(k, 0, mask), x, a0);
    a1 = madd(element4<E>(k, 1, mask), x, a1);
    a2 = madd(element4<E>(k, 2, mask), x, a2);
    a3 = madd(element4<E>(k, 3, mask), x, a3);
    k += size<E>(64);
    q += 16;
  }
  v128.store(out, scaled<T>(sumLanes4(a0, a1, a2, a3), scale));
}

/**
 * Turns one query's scores of a span into weights exp(score - largest so far), zero before `first` and from `visible` on, and updates its state:
 * largest, sum, and the factor on what was summed before (at byte 8). Where nothing is visible the sums stay as they are: exp makes 0 of NaN.
 */
function weigh<T>(scores: usize, state: usize, first: i32, visible: i32, tokens: i32): void {
  const end: usize = <usize>((tokens + 3) & ~3) << 2;
  // One comparison for both ends: what is before `first` counts as very far behind it.
  const lanes = i32x4.splat(max(0, visible - first));
  const lowest = f32x4.splat(-Infinity);
  let index = i32x4.sub(i32x4(0, 1, 2, 3), i32x4.splat(first));
  let top = lowest;
  for (let i: usize = 0; i < end; i += 16) {
    const s = v128.bitselect(v128.load(scores + i), lowest, i32x4.lt_u(index, lanes));
    v128.store(scores + i, s);
    top = f32x4.pmax(top, s);
    index = i32x4.add(index, i32x4.splat(4));
  }
  const before = load<f32>(state);
  const largest = max(before, maxLane(top));
  const shift = f32x4.splat(largest);
  const zero = tokens >> 31;
  let sum = f32x4.splat(0);
  for (let i: usize = 0; i < end; i += 16) {
    let p = expOf(f32x4.sub(v128.load(scores + i), shift), zero);
    sum = f32x4.add(sum, p);
    if (sizeof<T>() == 2) p = f32x4.mul(p, f32x4.splat(HALF_FACTOR));
    v128.store(scores + i, p);
  }
  const factor = exp1(before - largest);
  store<f32>(state, largest);
  store<f32>(state, load<f32>(state, 4) * factor + sumLanes(sum), 4);
  store<f32>(state, factor, 8);
}

/** Multiplies all queries' weights of a page with the values' scales; those of tokens that are not there count no more than their weights. */
function scaleWeights(scores: usize, scales: usize, queries: i32): void {
  for (let j = 0; j < queries; j++) {
    for (let i: usize = 0; i < <usize>PAGE_TOKENS * 4; i += 16) {
      v128.store(scores + i, f32x4.mul(v128.load(scores + i), v128.load(scales + i)));
    }
    scores += SCORES;
  }
}

/** As addSpan, which reads all pages of a column of elements before the next column, but page by page: the same sums. */
function addPages<E>(
  sources: usize, sums: usize, scores: usize, state: usize, queries: i32, headSize: i32, tokens: i32,
): void {
  for (; tokens > 0; tokens -= PAGE_TOKENS) {
    addSpan<E>(sources, sums, scores, state, queries, headSize, min(tokens, PAGE_TOKENS));
    for (let j: usize = 0; j < <usize>queries; j++) store<f32>(state + (j << 4), 1, 8);
    sources += 4;
    scores += PAGE_TOKENS * 4;
  }
}

/** sums[j] = sums[j] * factor[j] + sum over t of scores[j, t] * value[t]. E is the type of what `sources` point to. */
function addSpan<E>(
  sources: usize, sums: usize, scores: usize, state: usize, queries: i32, headSize: i32, tokens: i32,
): void {
  const headBytes: usize = <usize>headSize << 2;
  const whole: usize = headBytes & ~(VALUE_COLUMNS * 4 - 1);
  for (let column: usize = 0; column < whole; column += VALUE_COLUMNS * 4) {
    const at = size<E>(column * PAGE_TOKENS);
    let j: usize = 0;
    for (; j + 2 <= <usize>queries; j += 2) {
      add2<E>(sources, at, sums + j * headBytes + column, headBytes, scores + j * SCORES, state + (j << 4), tokens);
    }
    if (j < <usize>queries) {
      add1<E>(sources, at, sums + j * headBytes + column, scores + j * SCORES, state + (j << 4), tokens);
    }
  }
  const step = size<E>(headBytes - whole);
  for (let column = whole; column < headBytes; column += 16) {
    const at = size<E>(whole * PAGE_TOKENS + (column - whole));
    for (let j: usize = 0; j < <usize>queries; j++) {
      addNarrow<E>(sources, at, step, sums + j * headBytes + column, scores + j * SCORES, state + (j << 4), tokens);
    }
  }
}

/** Sixteen elements of two queries. The values are at byte `at` of each source. */
function add2<E>(
  sources: usize, at: usize, sums: usize, headBytes: usize, scores: usize, state: usize, tokens: i32,
): void {
  const mask = halfMask(headBytes);
  const f = v128.load32_splat(state, 8);
  const g = v128.load32_splat(state, 24);
  const other = sums + headBytes;
  let a0 = f32x4.mul(v128.load(sums), f);
  let a1 = f32x4.mul(v128.load(sums, 16), f);
  let a2 = f32x4.mul(v128.load(sums, 32), f);
  let a3 = f32x4.mul(v128.load(sums, 48), f);
  let b0 = f32x4.mul(v128.load(other), g);
  let b1 = f32x4.mul(v128.load(other, 16), g);
  let b2 = f32x4.mul(v128.load(other, 32), g);
  let b3 = f32x4.mul(v128.load(other, 48), g);
  for (; tokens > 0; tokens -= PAGE_TOKENS) {
    let v = load<usize>(sources) + at;
    const end = scores + (<usize>min(tokens, PAGE_TOKENS) << 2);
    for (; scores < end; scores += 4) {
      const p = v128.load32_splat(scores);
      const r = v128.load32_splat(scores, SCORES);
      const v0 = element4<E>(v, 0, mask);
      a0 = madd(v0, p, a0);
      b0 = madd(v0, r, b0);
      const v1 = element4<E>(v, 1, mask);
      a1 = madd(v1, p, a1);
      b1 = madd(v1, r, b1);
      const v2 = element4<E>(v, 2, mask);
      a2 = madd(v2, p, a2);
      b2 = madd(v2, r, b2);
      const v3 = element4<E>(v, 3, mask);
      a3 = madd(v3, p, a3);
      b3 = madd(v3, r, b3);
      v += size<E>(VALUE_COLUMNS * 4);
    }
    sources += 4;
  }
  v128.store(sums, a0);
  v128.store(sums, a1, 16);
  v128.store(sums, a2, 32);
  v128.store(sums, a3, 48);
  v128.store(other, b0);
  v128.store(other, b1, 16);
  v128.store(other, b2, 32);
  v128.store(other, b3, 48);
}

/** Sixteen elements of one query. */
function add1<E>(sources: usize, at: usize, sums: usize, scores: usize, state: usize, tokens: i32): void {
  const mask = halfMask(at);
  const f = v128.load32_splat(state, 8);
  let a0 = f32x4.mul(v128.load(sums), f);
  let a1 = f32x4.mul(v128.load(sums, 16), f);
  let a2 = f32x4.mul(v128.load(sums, 32), f);
  let a3 = f32x4.mul(v128.load(sums, 48), f);
  for (; tokens > 0; tokens -= PAGE_TOKENS) {
    let v = load<usize>(sources) + at;
    const end = scores + (<usize>min(tokens, PAGE_TOKENS) << 2);
    for (; scores < end; scores += 4) {
      const p = v128.load32_splat(scores);
      a0 = madd(element4<E>(v, 0, mask), p, a0);
      a1 = madd(element4<E>(v, 1, mask), p, a1);
      a2 = madd(element4<E>(v, 2, mask), p, a2);
      a3 = madd(element4<E>(v, 3, mask), p, a3);
      v += size<E>(VALUE_COLUMNS * 4);
    }
    sources += 4;
  }
  v128.store(sums, a0);
  v128.store(sums, a1, 16);
  v128.store(sums, a2, 32);
  v128.store(sums, a3, 48);
}

/** Four of the last elements of heads that are no multiple of sixteen. */
function addNarrow<E>(
  sources: usize, at: usize, step: usize, sums: usize, scores: usize, state: usize, tokens: i32,
): void {
  const mask = halfMask(at);
  let a = f32x4.mul(v128.load(sums), v128.load32_splat(state, 8));
  for (; tokens > 0; tokens -= PAGE_TOKENS) {
    let v = load<usize>(sources) + at;
    const end = scores + (<usize>min(tokens, PAGE_TOKENS) << 2);
    for (; scores < end; scores += 4) {
      a = madd(element4<E>(v, 0, mask), v128.load32_splat(scores), a);
      v += step;
    }
    sources += 4;
  }
  v128.store(sums, a);
}
