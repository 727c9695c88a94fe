// Owns the safetensors container: its header read and checked as untrusted input, and written. Must not know models.
// Source: the format's own description, https://github.com/huggingface/safetensors#format: u64 length, JSON header, then data without gaps.
import { pickled } from '../bytes/model-folder.ts';
import type { ByteSource } from '../bytes/source.ts';
import { OnebitError } from '../errors.ts';

/** Bytes of a number of each type. Sub-byte types are not read. */
const TYPE_BYTES: Readonly<Record<string, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
};
/** As the reference reader: no header is longer. */
const MOST_HEADER_BYTES = 100_000_000;
const MOST_TENSORS = 200_000;
const MOST_DIMENSIONS = 8;

/** One tensor of a file. */
export interface SafeTensor {
  readonly name: string;
  /** `F32`, `BF16`, … */
  readonly type: string;
  /** Sizes, the outermost first: [rows, columns] for a matrix. */
  readonly shape: readonly number[];
  /** Where its data starts, from the beginning of the file. */
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  readonly source: ByteSource;
}

/**
 * Reads the header of a safetensors file.
 * @throws OnebitError `bad-file` for a header that is none: too long, no JSON, absurd shapes, data that overlap, leave gaps or pass the end
 */
export async function readSafetensors(source: ByteSource, signal?: AbortSignal): Promise<SafeTensor[]> {
  const bad = (what: string) =>
    new OnebitError('bad-file', `read ${source.name}: it must be a safetensors file, ${what}. Get it again.`);
  if (source.size < 10) throw bad(`it has ${source.size} bytes`);
  const prefix = new Uint8Array(8);
  await source.readInto(prefix, 0, signal);
  // So may a length begin as well: of the header's, one in thirty-two does.
  const looksPickled = prefix[0] === 0x80 || (prefix[0] === 0x50 && prefix[1] === 0x4b);
  const length = Number(new DataView(prefix.buffer).getBigUint64(0, true));
  if (length > MOST_HEADER_BYTES || length < 2 || 8 + length > source.size)
    throw looksPickled ? pickled(source.name) : bad(`its header claims ${length} bytes`);
  const bytes = new Uint8Array(length);
  await source.readInto(bytes, 8, signal);
  const header = parse(bytes);
  if (!header) throw looksPickled ? pickled(source.name) : bad('its header is no JSON object');
  const entries = Object.entries(header).filter(([name]) => name !== '__metadata__');
  if (entries.length > MOST_TENSORS) throw bad(`it has ${entries.length} tensors, at most ${MOST_TENSORS} are read`);
  const tensors = entries.map(([name, entry]) => {
    const tensor = checked(name, entry, 8 + length, source);
    if (typeof tensor === 'string') throw bad(`tensor '${name.slice(0, 80)}' ${tensor}`);
    return tensor;
  });
  tensors.sort((a, b) => a.offsetBytes - b.offsetBytes || a.sizeBytes - b.sizeBytes);
  let end = 8 + length;
  for (const { name, offsetBytes, sizeBytes } of tensors) {
    if (offsetBytes !== end) throw bad(`the data of '${name.slice(0, 80)}' overlap others or leave a gap`);
    end += sizeBytes;
  }
  if (end !== source.size) throw bad(`it has ${source.size} bytes where its header speaks of ${end}`);
  return tensors;
}

function parse(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function checked(name: string, entry: unknown, start: number, source: ByteSource): SafeTensor | string {
  const { dtype, shape, data_offsets: range } = (entry ?? {}) as Record<string, unknown>;
  if (typeof dtype !== 'string' || !Object.hasOwn(TYPE_BYTES, dtype))
    return `has the type ${JSON.stringify(dtype)?.slice(0, 40)}`;
  const whole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
  if (!Array.isArray(shape) || shape.length > MOST_DIMENSIONS || !shape.every(whole)) return 'has no shape';
  if (!Array.isArray(range) || range.length !== 2 || !range.every(whole)) return 'has no place in the file';
  const [from, to] = range as [number, number];
  const sizeBytes = shape.reduce((product, size) => product * size, 1) * TYPE_BYTES[dtype];
  if (to - from !== sizeBytes) return `has ${to - from} bytes, its shape and type take ${sizeBytes}`;
  if (start + to > source.size) return 'passes the end of the file';
  return { name, type: dtype, shape: shape as number[], offsetBytes: start + from, sizeBytes, source };
}

/** A tensor to be written. */
export interface SafeTensorToWrite {
  readonly name: string;
  readonly type: 'F32' | 'F16' | 'BF16' | 'I32' | 'U32';
  readonly shape: readonly number[];
  /** Writes the data piece by piece; a piece may be used again when the next but one is given. */
  produce(append: (bytes: Uint8Array) => Promise<void>): Promise<void>;
}

/** Writes a safetensors file, tensor by tensor. */
export async function writeSafetensors(
  tensors: readonly SafeTensorToWrite[],
  append: (bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let at = 0;
  for (const { name, type, shape } of tensors) {
    const size = shape.reduce((product, size) => product * size, 1) * TYPE_BYTES[type];
    header[name] = { dtype: type, shape, data_offsets: [at, at + size] };
    at += size;
  }
  const text = JSON.stringify(header);
  // Data begin at a multiple of 8; the format allows spaces behind the header.
  const json = new TextEncoder().encode(text);
  const bytes = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(bytes.length - 8), true);
  bytes.set(json, 8);
  await append(bytes);
  for (const tensor of tensors) await tensor.produce(append);
}
