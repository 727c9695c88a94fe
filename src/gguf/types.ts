// Owns the shapes of a GGUF container in memory: metadata values, tensor descriptions. Source: ggml's docs/gguf.md, version 3.
import type { FormatName } from '../quant/formats.ts';

/** A metadata value. 64-bit integers within ±2⁵³ become numbers, larger ones bigint. Numeric arrays become typed arrays. */
export type GgufValue = number | bigint | boolean | string | GgufArray;
export type GgufArray =
  | string[]
  | boolean[]
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array;

/** The value types of the file format. */
export type GgufValueType =
  | 'u8'
  | 'i8'
  | 'u16'
  | 'i16'
  | 'u32'
  | 'i32'
  | 'f32'
  | 'bool'
  | 'string'
  | 'array'
  | 'u64'
  | 'i64'
  | 'f64';

/** One tensor of a file. */
export interface TensorInfo {
  readonly name: string;
  /** Sizes as GGUF lists them: the input dimension (contiguous) first. */
  readonly shape: readonly number[];
  readonly format: FormatName;
  /** Where its data starts, from the beginning of the file. */
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

/** A checked GGUF header; tensor data stays in the source. */
export interface Gguf {
  readonly version: number;
  readonly alignment: number;
  /** In file order. */
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** The file's type of each metadata value, for writing it back as it was. Absent in headers that were not read from a file. */
  readonly metadataTypes?: ReadonlyMap<string, GgufValueType>;
  /** In file order. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** Where tensor data starts, from the beginning of the file. */
  readonly dataOffsetBytes: number;
}
