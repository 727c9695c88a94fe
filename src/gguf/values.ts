// Owns decoding one metadata value. Must not know what any key means. Source: ggml's docs/gguf.md, gguf_metadata_value_type.
import type { Cursor } from './cursor.ts';
import { StoredStrings } from './file-metadata.ts';
import type { GgufArray, GgufValue, GgufValueType } from './types.ts';

/** Names of the value types, by their number in the file. */
export const VALUE_TYPES: readonly GgufValueType[] = [
  'u8',
  'i8',
  'u16',
  'i16',
  'u32',
  'i32',
  'f32',
  'bool',
  'string',
  'array',
  'u64',
  'i64',
  'f64',
];

/** What bounds the memory of arrays that are not typed: twice what the largest vocabularies and merge lists have. */
const MAX_PLAIN_ELEMENTS = 2 ** 20;

/** Reads the value of type `type` (its number in the file) at the cursor; arrays of strings are checked and not decoded. `what` names it in errors. */
export function readValue(cursor: Cursor, type: number, what: string): GgufValue | StoredStrings {
  const name = VALUE_TYPES[type];
  if (name === undefined) throw cursor.error(`${what} has the unknown value type ${type}`);
  if (name === 'array') return readArray(cursor, what);
  return cursor[name](what);
}

/** Fewest bytes that one element takes in the file: what bounds a claimed count. */
const LEAST_BYTES: Record<Exclude<GgufValueType, 'array'>, number> = {
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  f32: 4,
  bool: 1,
  string: 8,
  u64: 8,
  i64: 8,
  f64: 8,
};

function readArray(cursor: Cursor, what: string): GgufArray | StoredStrings {
  const type = cursor.u32(what);
  const count = cursor.size(what);
  const name = VALUE_TYPES[type];
  if (name === undefined) throw cursor.error(`${what} has the unknown element type ${type}`);
  if (name === 'array') {
    throw cursor.error(`${what} is an array of arrays, which ggml does not read either`, 'Convert the model again.');
  }
  const least = count * LEAST_BYTES[name];
  if (least > cursor.remaining) {
    throw cursor.error(`${what} claims ${count} elements, at least ${least} bytes, ${cursor.remaining} are left`);
  }
  if (name === 'string' || name === 'bool') {
    if (count > MAX_PLAIN_ELEMENTS) {
      throw cursor.error(`${what} must have at most ${MAX_PLAIN_ELEMENTS} elements, got ${count}`);
    }
    if (name === 'string') return new StoredStrings(count, cursor.strings(count, what));
    return readEach(count, () => cursor.bool(what));
  }
  const start = cursor.take(least, what);
  // A copy, because elements need not be aligned in the file. Like all platforms with typed arrays in use, little-endian.
  const buffer = cursor.bytes.buffer.slice(start, start + least);
  return new NUMERIC_ARRAYS[name](buffer);
}

/** Grows the array as elements turn up, so that a claimed count alone allocates nothing. */
function readEach<T>(count: number, read: () => T): T[] {
  const values: T[] = [];
  for (let i = 0; i < count; i++) values.push(read());
  return values;
}

const NUMERIC_ARRAYS = {
  u8: Uint8Array,
  i8: Int8Array,
  u16: Uint16Array,
  i16: Int16Array,
  u32: Uint32Array,
  i32: Int32Array,
  f32: Float32Array,
  u64: BigUint64Array,
  i64: BigInt64Array,
  f64: Float64Array,
} as const;
