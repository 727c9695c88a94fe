// Owns writing GGUF files, tensor by tensor so that only one is in memory. Must not know where the bytes go (bytes/file-write.ts does files) nor
// what keys mean, but for general.alignment. Source: ggml's docs/gguf.md, version 3.
import { checkArgument, checkGiven } from '../core/check.ts';
import { OnebitError } from '../errors.ts';
import { encodedBytes } from '../quant/blocks.ts';
import { type FormatName, formatByName } from '../quant/formats.ts';
import { FileMetadata, StoredStrings, storedStrings } from './file-metadata.ts';
import type { Gguf, GgufArray, GgufValue, GgufValueType } from './types.ts';
import { ByteBuilder, type NumberType, writeArray } from './value-bytes.ts';

/** A number with its type in the file. Readers such as llama.cpp insist on the type of each key: counts and ids are u32, the rest mostly f32. */
export interface TypedNumber {
  readonly type: NumberType;
  readonly value: number | bigint;
}

/** A metadata value to write. Typed arrays keep their element type; an empty plain array becomes one of strings. */
export type WritableValue = string | boolean | GgufArray | TypedNumber;

/** A tensor to write. */
export interface WritableTensor {
  readonly name: string;
  /** The input dimension (contiguous) first. */
  readonly shape: readonly number[];
  readonly format: FormatName;
  /** Gives the encoded bytes, whole or in pieces; called once, when it is this tensor's turn. */
  bytes(): Uint8Array | Promise<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** What a file is made of, in file order. */
export interface GgufParts {
  readonly metadata: ReadonlyMap<string, WritableValue>;
  readonly tensors: readonly WritableTensor[];
}

/** Takes the next bytes of the file; done with them when it returns or its promise resolves. */
export type ByteSink = (bytes: Uint8Array) => void | Promise<void>;

const DEFAULT_ALIGNMENT = 32;
/** ggml's GGML_MAX_NAME, which includes a closing zero. */
const MAX_NAME_BYTES = 63;

/**
 * Writes a GGUF file, version 3. Data is aligned to the u32 `general.alignment` in the metadata, else to 32 bytes. Throws `bad-argument` for
 * parts that make no valid file, before anything is written but for tensors whose bytes turn out to have the wrong size.
 */
export async function writeGguf(
  parts: GgufParts,
  sink: ByteSink,
  options: { signal?: AbortSignal } = {},
): Promise<void> {
  checkGiven('writeGguf', 'parts', parts, 'the caller', ['metadata', 'tensors']);
  checkArgument('writeGguf', 'sink', sink, 'function');
  checkArgument('writeGguf', 'options', options, 'object');
  const { signal } = options;
  signal?.throwIfAborted();
  const alignment = alignmentOf(parts);
  const sizes = parts.tensors.map(tensorBytes);
  await sink(header(parts, sizes, alignment));
  for (const [i, tensor] of parts.tensors.entries()) {
    signal?.throwIfAborted();
    let written = 0;
    for await (const bytes of piecesOf(tensor)) {
      written += bytes.length;
      if (written <= sizes[i]) await sink(bytes);
    }
    if (written !== sizes[i]) {
      throw refusal(`tensor ${tensor.name} must have ${sizes[i]} bytes, got ${written}. Encode all of it`);
    }
    const padding = padded(sizes[i], alignment) - sizes[i];
    if (padding > 0) await sink(new Uint8Array(padding));
  }
}

/** Where everything of a file lies that `writeGguf` would write: its header, and each tensor's place. @throws OnebitError as `writeGguf` */
export function layoutGguf(parts: GgufParts): { header: Uint8Array; offsets: number[]; sizes: number[]; size: number } {
  const alignment = alignmentOf(parts);
  const sizes = parts.tensors.map(tensorBytes);
  const bytes = header(parts, sizes, alignment);
  let size = bytes.length;
  const offsets = sizes.map((tensorSize) => {
    const at = size;
    size += padded(tensorSize, alignment);
    return at;
  });
  return { header: bytes, offsets, sizes, size };
}

/** A tensor's bytes, piece by piece; a whole one that has the wrong size is not begun with. */
async function* piecesOf(tensor: WritableTensor): AsyncGenerator<Uint8Array> {
  const bytes = tensor.bytes();
  if (Symbol.asyncIterator in bytes) yield* bytes;
  else yield await bytes;
}

/** The metadata entry of a file's signature: of that very file, so that no other is written with it. */
export const SIGNATURE_KEY = 'onebit.provenance';

/** The metadata entry that says how a model was made, as JSON: digests of its texts, recipe, seed, version of the program. */
export const TRAINING_KEY = 'onebit.training';

/** Metadata by which models that were made here are recognised, a key that GGUF has for whoever quantised a model. */
export const MADE_BY_KEY = 'general.quantized_by';
export const MADE_BY = 'onebit';

/** The metadata of a file that was read, ready to be written again with the same types; without its signature. */
export function writableMetadata(gguf: Gguf): Map<string, WritableValue> {
  checkGiven('writableMetadata', 'gguf', gguf, 'readGguf', ['metadata']);
  const result = new FileMetadata<WritableValue>();
  for (const key of gguf.metadata.keys()) {
    if (key === SIGNATURE_KEY) continue;
    const strings = storedStrings(gguf.metadata, key);
    if (strings) result.store(key, strings);
    else result.set(key, writable(key, gguf.metadata.get(key) as GgufValue, gguf.metadataTypes?.get(key)));
  }
  return result;
}

function writable(key: string, value: GgufValue, type: GgufValueType | undefined): WritableValue {
  if (typeof value !== 'number' && typeof value !== 'bigint') return value;
  if (type === undefined) throw refusal(`the type of metadata ${key} must be known. Take the header from readGguf`);
  return { type: type as NumberType, value };
}

function header(parts: GgufParts, sizes: readonly number[], alignment: number): Uint8Array {
  const out = new ByteBuilder();
  out.u32(0x46554747); // "GGUF"
  out.u32(3);
  out.size(parts.tensors.length);
  out.size(parts.metadata.size);
  for (const key of parts.metadata.keys()) {
    writeEntry(out, key, storedStrings(parts.metadata, key) ?? (parts.metadata.get(key) as WritableValue));
  }
  const names = new Set<string>();
  let offset = 0;
  for (const [i, tensor] of parts.tensors.entries()) {
    if (names.has(tensor.name)) throw refusal(`tensor names must be unique, ${tensor.name} is given twice. Rename one`);
    names.add(tensor.name);
    out.string(tensor.name);
    out.u32(tensor.shape.length);
    for (const size of tensor.shape) out.size(size);
    out.u32(formatByName(tensor.format).ggmlType);
    out.size(offset);
    offset += padded(sizes[i], alignment);
  }
  out.zeros(padded(out.length, alignment) - out.length);
  return out.bytes();
}

function writeEntry(out: ByteBuilder, key: string, value: WritableValue | StoredStrings): void {
  if (key === '' || key.length > 65535)
    throw refusal(`metadata keys must have 1 to 65535 characters, got ${key.length}. Rename it`);
  out.string(key);
  if (value instanceof StoredStrings) {
    out.type('array');
    out.type('string');
    out.size(value.count);
    out.raw(value.bytes);
  } else if (typeof value === 'string') {
    out.type('string');
    out.string(value);
  } else if (typeof value === 'boolean') {
    out.type('bool');
    out.u8(value ? 1 : 0);
  } else if (Array.isArray(value) || ArrayBuffer.isView(value)) {
    out.type('array');
    writeArray(out, value, key);
  } else {
    out.type(value.type);
    out.number(value.type, value.value, key);
  }
}

function tensorBytes(tensor: WritableTensor): number {
  const { name, shape } = tensor;
  const nameBytes = new TextEncoder().encode(name).length;
  if (nameBytes < 1 || nameBytes > MAX_NAME_BYTES) {
    throw refusal(`tensor names must have 1 to ${MAX_NAME_BYTES} bytes, got ${nameBytes} (${name}). Rename it`);
  }
  if (shape.length < 1 || shape.length > 4 || !shape.every((size) => Number.isSafeInteger(size) && size > 0)) {
    throw refusal(`tensor ${name} must have 1 to 4 positive whole sizes, got ${shape.join(' × ')}. Correct its shape`);
  }
  const format = formatByName(tensor.format);
  if (shape[0] % format.blockSize !== 0) {
    throw refusal(
      `tensor ${name}: rows of ${format.name} must be a multiple of ${format.blockSize}, got ${shape[0]}. Use another format`,
    );
  }
  return encodedBytes(
    format,
    shape.reduce((product, size) => product * size, 1),
  );
}

function alignmentOf(parts: GgufParts): number {
  const value = parts.metadata.get('general.alignment');
  if (value === undefined) return DEFAULT_ALIGNMENT;
  const alignment =
    typeof value === 'object' && 'type' in value && value.type === 'u32' ? Number(value.value) : Number.NaN;
  if (!(alignment >= 8 && alignment <= 65536 && (alignment & (alignment - 1)) === 0)) {
    throw refusal('general.alignment must be a u32 power of two from 8 to 65536. Leave it out for 32');
  }
  return alignment;
}

function padded(size: number, alignment: number): number {
  return Math.ceil(size / alignment) * alignment;
}

function refusal(message: string): OnebitError {
  return new OnebitError('bad-argument', `write GGUF: ${message}.`);
}
