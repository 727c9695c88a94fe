// Owns encoding single GGUF values into bytes: the opposite of cursor.ts and values.ts. Source: ggml's docs/gguf.md; all numbers are little-endian.
import { OnebitError } from '../errors.ts';
import type { GgufArray, GgufValueType } from './types.ts';
import { VALUE_TYPES } from './values.ts';

/** The value types that hold one number. */
export type NumberType = Exclude<GgufValueType, 'bool' | 'string' | 'array'>;

/** Ranges of the integer types. */
const RANGES: Partial<Record<NumberType, readonly [bigint, bigint]>> = {
  u8: [0n, 255n],
  i8: [-128n, 127n],
  u16: [0n, 65535n],
  i16: [-32768n, 32767n],
  u32: [0n, 4294967295n],
  i32: [-2147483648n, 2147483647n],
  u64: [0n, 18446744073709551615n],
  i64: [-9223372036854775808n, 9223372036854775807n],
};

const utf8 = new TextEncoder();
/** Most bytes that a UTF-16 unit takes in UTF-8. */
const MOST_UNIT_BYTES = 3;

/** Bytes that grow at the end. */
export class ByteBuilder {
  length = 0;
  #bytes = new Uint8Array(4096);
  #view = new DataView(this.#bytes.buffer);

  /** What was written so far; a view, valid until the next write. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }

  u8(value: number): void {
    const at = this.#grow(1);
    this.#bytes[at] = value;
  }

  u32(value: number): void {
    const at = this.#grow(4);
    this.#view.setUint32(at, value, true);
  }

  /** A 64-bit count, length or offset. */
  size(value: number): void {
    this.#putSize(this.#grow(8), value);
  }

  zeros(count: number): void {
    this.#grow(count);
  }

  raw(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** Its length in bytes, and the text. */
  string(text: string): void {
    const at = this.#grow(8 + MOST_UNIT_BYTES * text.length);
    const length = this.#putText(at + 8, text);
    this.#putSize(at, length);
    this.length = at + 8 + length;
  }

  /** The number of a value type. */
  type(type: GgufValueType): void {
    this.u32(VALUE_TYPES.indexOf(type));
  }

  /** A number as `type`. Throws `bad-argument` when the type cannot hold it; floats are rounded. */
  number(type: NumberType, value: number | bigint, key: string): void {
    const range = RANGES[type];
    if (range) {
      const whole = typeof value === 'bigint' || Number.isInteger(value) ? BigInt(value) : undefined;
      if (whole === undefined || whole < range[0] || whole > range[1]) {
        throw new OnebitError(
          'bad-argument',
          `write GGUF: metadata ${key} must fit ${type}, got ${value}. Use another type.`,
        );
      }
      let rest = BigInt.asUintN(64, whole);
      for (let bits = Number(type.slice(1)); bits > 0; bits -= 8) {
        this.u8(Number(rest & 255n));
        rest >>= 8n;
      }
    } else if (type === 'f32') {
      const at = this.#grow(4);
      this.#view.setFloat32(at, Number(value), true);
    } else {
      const at = this.#grow(8);
      this.#view.setFloat64(at, Number(value), true);
    }
  }

  #putSize(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
    this.#view.setUint32(at + 4, value / 2 ** 32, true);
  }

  /**
   * Writes text as UTF-8; gives its bytes. Vocabularies are hundreds of thousands of strings of a few bytes, for which a call of TextEncoder costs more than
   * encoding: one- and two-byte characters (all of byte-level BPE) are encoded here.
   */
  #putText(start: number, text: string): number {
    const bytes = this.#bytes;
    let at = start;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit < 0x80) bytes[at++] = unit;
      else if (unit < 0x800) {
        bytes[at++] = 0xc0 | (unit >> 6);
        bytes[at++] = 0x80 | (unit & 63);
      } else return utf8.encodeInto(text, bytes.subarray(start)).written;
    }
    return at - start;
  }

  #grow(count: number): number {
    const at = this.length;
    this.length += count;
    if (this.length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.length, 2 * this.#bytes.length));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}

/** Writes element type, count and elements. Throws `bad-argument` when the elements of a plain array differ in type. */
export function writeArray(out: ByteBuilder, values: GgufArray, key: string): void {
  if (ArrayBuffer.isView(values)) {
    out.type(elementType(values));
    out.size(values.length);
    // Typed arrays are little-endian on every platform in use.
    out.raw(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    return;
  }
  const kind = kindOf(values.length > 0 ? values[0] : '');
  if (!kind || !values.every((value) => kindOf(value) === kind)) {
    throw new OnebitError(
      'bad-argument',
      `write GGUF: the array ${key} must hold only strings or only booleans. Use a typed array for numbers.`,
    );
  }
  out.type(kind);
  out.size(values.length);
  for (const value of values) {
    if (typeof value === 'string') out.string(value);
    else out.u8(value ? 1 : 0);
  }
}

function kindOf(value: unknown): 'string' | 'bool' | undefined {
  if (typeof value === 'string') return 'string';
  return typeof value === 'boolean' ? 'bool' : undefined;
}

function elementType(values: Exclude<GgufArray, unknown[]>): NumberType {
  if (values instanceof Uint8Array) return 'u8';
  if (values instanceof Int8Array) return 'i8';
  if (values instanceof Uint16Array) return 'u16';
  if (values instanceof Int16Array) return 'i16';
  if (values instanceof Uint32Array) return 'u32';
  if (values instanceof Int32Array) return 'i32';
  if (values instanceof Float32Array) return 'f32';
  if (values instanceof Float64Array) return 'f64';
  return values instanceof BigUint64Array ? 'u64' : 'i64';
}
