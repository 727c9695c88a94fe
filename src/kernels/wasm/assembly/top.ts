// Owns the largest k of many values and the sum of their exponentials. Chunks have a fixed size, so results do not depend on threads.
// A list is its head (see opcodes.ts) and entries of float32 value and index, descending, ties by the lower index.
import { exp1, expOf, sumLanes } from './math';
import { TOP_CHUNK, TOP_HEAD_BYTES } from './opcodes';

/** Items are chunks of TOP_CHUNK values. Operands: x, length, k, lists, list bytes, whether exponentials are summed. */
export function topChunks(c: usize, from: i32, to: i32): void {
  const x: usize = load<usize>(c, 4);
  const length = load<i32>(c, 8);
  const k = min(load<i32>(c, 12), TOP_CHUNK);
  for (let chunk = from; chunk < to; chunk++) {
    const first = chunk * TOP_CHUNK;
    const last = min(first + TOP_CHUNK, length);
    const list: usize = load<usize>(c, 16) + <usize>chunk * load<usize>(c, 20);
    store<i32>(list, 0);
    listTop(list, x, first, last, k);
    const largest = load<f32>(list, TOP_HEAD_BYTES);
    store<f32>(list, largest, 4);
    if (load<i32>(c, 24)) store<f32>(list, sumOfExponentials(x + (<usize>first << 2), last - first, largest), 8);
  }
}

function listTop(list: usize, x: usize, first: i32, last: i32, k: i32): void {
  let i = first;
  for (; i < last && load<i32>(list) < k; i++) insert(list, k, load<f32>(x + (<usize>i << 2)), i);
  const lastEntry = list + TOP_HEAD_BYTES + (<usize>(k - 1) << 3);
  for (; i + 4 <= last; i += 4) {
    const v = v128.load(x + (<usize>i << 2));
    if (!v128.any_true(f32x4.gt(v, v128.load32_splat(lastEntry)))) continue;
    for (let j = i; j < i + 4; j++) {
      const value = load<f32>(x + (<usize>j << 2));
      if (value > load<f32>(lastEntry)) insert(list, k, value, j);
    }
  }
  for (; i < last; i++) {
    const value = load<f32>(x + (<usize>i << 2));
    if (value > load<f32>(lastEntry)) insert(list, k, value, i);
  }
}

/** Inserts behind the entries that are at least `value`; a full list loses its last entry. */
function insert(list: usize, k: i32, value: f32, index: i32): void {
  const count = load<i32>(list);
  const entries = list + TOP_HEAD_BYTES;
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (load<f32>(entries + (<usize>middle << 3)) >= value) low = middle + 1;
    else high = middle;
  }
  const kept = min(count, k - 1);
  const entry = entries + (<usize>low << 3);
  memory.copy(entry + 8, entry, <usize>(kept - low) << 3);
  store<f32>(entry, value);
  store<i32>(entry, index, 4);
  store<i32>(list, kept + 1);
}

function sumOfExponentials(x: usize, count: i32, largest: f32): f32 {
  const shift = f32x4.splat(largest);
  let sums = f32x4.splat(0);
  let i = 0;
  const zero = count >> 31;
  for (; i + 4 <= count; i += 4) {
    sums = f32x4.add(sums, expOf(f32x4.sub(v128.load(x + (<usize>i << 2)), shift), zero));
  }
  let sum = sumLanes(sums);
  for (; i < count; i++) sum += exp1(load<f32>(x + (<usize>i << 2)) - largest);
  return sum;
}

/** One item. Operands: out list, chunks, k, lists, list bytes. */
export function topMerge(c: usize): void {
  const out: usize = load<usize>(c, 4);
  const chunks = load<i32>(c, 8);
  const k = load<i32>(c, 12);
  store<i32>(out, 0);
  const lastEntry = out + TOP_HEAD_BYTES + (<usize>(k - 1) << 3);
  for (let chunk = 0; chunk < chunks; chunk++) {
    const list: usize = load<usize>(c, 16) + <usize>chunk * load<usize>(c, 20);
    const count = load<i32>(list);
    for (let i = 0; i < count; i++) {
      const entry = list + TOP_HEAD_BYTES + (<usize>i << 3);
      const value = load<f32>(entry);
      if (load<i32>(out) == k && !(value > load<f32>(lastEntry))) break;
      insert(out, k, value, load<i32>(entry, 4));
    }
  }
}
