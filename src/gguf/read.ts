// Owns reading a GGUF header from any byte source, as untrusted input: nothing is allocated before its size is checked against the bytes that
// exist. Tensor data is not read. Must not know tokenizers or models. Source: ggml's docs/gguf.md, versions 2 and 3.

import type { ByteSource } from '../bytes/source.ts';
import { checkArgument, checkGiven } from '../core/check.ts';
import { OnebitError } from '../errors.ts';
import { Cursor, NeedMoreBytes } from './cursor.ts';
import { FileMetadata, StoredStrings } from './file-metadata.ts';
import { type I2sLayout, type Problems, resolveTensors, type TensorEntry, throwProblems } from './tensors.ts';
import type { Gguf, GgufValue, GgufValueType } from './types.ts';
import { readValue, VALUE_TYPES } from './values.ts';

/** What is fetched first, doubled until the header is complete: most headers of small models fit at once, Bonsai's 6 MB take six reads. */
const FIRST_BYTES = 256 * 1024;
/** Real headers have up to 20 MB and some thousand entries; more than this is refused, since it is all held in memory. */
const MAX_HEADER_BYTES = 64 * 1024 * 1024;
const MAX_ENTRIES = 65536;
const MAX_KEY_BYTES = 65535;
const MAX_NAME_BYTES = 1024;
const MAX_DIMENSIONS = 4;
const MAX_ALIGNMENT = 65536;
/** Fewest bytes a metadata entry and a tensor entry take: what bounds their claimed counts. */
const LEAST_ENTRY_BYTES = 14;
const LEAST_TENSOR_BYTES = 33;

export interface ReadOptions {
  readonly signal?: AbortSignal;
  /** In groups of how many weights a file's I2_S tensors are, where it is not what converters write (128) or rows allow: nothing in a file says so. */
  readonly i2sLayout?: I2sLayout;
  /** Takes what is wrong with tensors and metadata, which is thrown otherwise; what is right is returned. For looking into files, not for running them. */
  readonly problems?: string[];
}

/**
 * Reads and checks a GGUF header. Throws `bad-file` for anything malformed and `unsupported` for what the engine does not run; all problems of
 * tensors come in one error's `problems`. An abort throws the signal's reason.
 */
export async function readGguf(source: ByteSource, options: ReadOptions = {}): Promise<Gguf> {
  checkGiven('readGguf', 'source', source, 'fileSource, blobSource or memorySource', ['name', 'size', 'readInto']);
  checkArgument('readGguf', 'options', options, 'object');
  const { signal } = options;
  signal?.throwIfAborted();
  const cursor = new Cursor(source.name, source.size);
  const header: Header = { metadata: new FileMetadata(), metadataTypes: new Map(), entries: [], end: 0 };
  for (;;) {
    try {
      readHeader(cursor, header);
      return finish(header, cursor, options);
    } catch (error) {
      if (!(error instanceof NeedMoreBytes)) throw error;
      await fetchUpTo(source, cursor, error.end, signal);
    }
  }
}

async function fetchUpTo(source: ByteSource, cursor: Cursor, end: number, signal?: AbortSignal): Promise<void> {
  if (end > MAX_HEADER_BYTES) {
    throw cursor.error(`the header must have at most ${MAX_HEADER_BYTES} bytes, it goes on to ${end}`);
  }
  const have = cursor.bytes.length;
  const want = Math.min(Math.max(end, 2 * have, FIRST_BYTES), source.size, MAX_HEADER_BYTES);
  const bytes = new Uint8Array(want);
  bytes.set(cursor.bytes);
  await source.readInto(bytes.subarray(have), have, signal);
  signal?.throwIfAborted();
  cursor.extend(bytes);
}

/** What has been parsed so far. */
interface Header {
  preamble?: { version: number; tensorCount: number; entryCount: number };
  readonly metadata: FileMetadata<GgufValue>;
  readonly metadataTypes: Map<string, GgufValueType>;
  readonly entries: TensorEntry[];
  /** Where the last complete entry ends. */
  end: number;
}

/** Parses on from the last complete entry, and marks each further one. */
function readHeader(cursor: Cursor, header: Header): void {
  cursor.offset = header.end;
  if (!header.preamble) {
    header.preamble = readPreamble(cursor);
    header.end = cursor.offset;
  }
  const { tensorCount, entryCount } = header.preamble;
  while (header.metadata.size < entryCount) {
    const { key, type, value } = readEntry(cursor, header.metadata.size);
    if (header.metadata.has(key)) {
      throw cursor.error(`metadata keys must be unique, ${key} is listed twice`, 'Convert the model again.');
    }
    if (value instanceof StoredStrings) header.metadata.store(key, value);
    else header.metadata.set(key, value);
    header.metadataTypes.set(key, type);
    header.end = cursor.offset;
  }
  while (header.entries.length < tensorCount) {
    header.entries.push(readTensorEntry(cursor, header.entries.length));
    header.end = cursor.offset;
  }
}

function readPreamble(cursor: Cursor): { version: number; tensorCount: number; entryCount: number } {
  const start = cursor.take(Math.min(24, cursor.fileSize), 'the header');
  const head = cursor.bytes.subarray(start, start + 24);
  const magic = String.fromCharCode(...head.subarray(0, 4));
  if (magic !== 'GGUF') {
    throw new OnebitError('bad-file', `read GGUF: ${cursor.fileName} must start with "GGUF", got ${whatItIs(head)}.`);
  }
  cursor.offset = start + 4;
  const version = cursor.u32('the version');
  if (version !== 0 && (version & 0xffff) === 0) {
    throw new OnebitError(
      'unsupported',
      `read GGUF: files must be little-endian, ${cursor.fileName} is big-endian. Convert it with llama.cpp's gguf_convert_endian.py.`,
    );
  }
  if (version !== 2 && version !== 3) {
    throw new OnebitError(
      'unsupported',
      `read GGUF: the version must be 2 or 3, got ${version} in ${cursor.fileName}. Convert the model with a current llama.cpp.`,
    );
  }
  const tensorCount = cursor.size('the tensor count');
  const entryCount = cursor.size('the metadata count');
  if (entryCount * LEAST_ENTRY_BYTES + tensorCount * LEAST_TENSOR_BYTES > cursor.remaining) {
    throw cursor.error(
      `${entryCount} metadata entries and ${tensorCount} tensors cannot fit the ${cursor.fileSize} bytes`,
    );
  }
  if (entryCount > MAX_ENTRIES || tensorCount > MAX_ENTRIES) {
    throw cursor.error(
      `there must be at most ${MAX_ENTRIES} metadata entries and tensors, got ${entryCount} and ${tensorCount}`,
    );
  }
  return { version, tensorCount, entryCount };
}

/** Says what a file without the magic seems to be: the usual mistakes of downloads. */
function whatItIs(head: Uint8Array): string {
  const text = String.fromCharCode(...head);
  if (text.startsWith('version https://git-lfs'))
    return 'a Git LFS pointer. Fetch the file itself (git lfs pull, or download it)';
  if (text.trimStart().startsWith('<')) return 'a web page. Use the address of the file itself';
  if (head.length >= 9 && text[8] === '{') return 'a safetensors file. Convert the model to GGUF';
  if (head.length === 0) return 'an empty file. Get the file again';
  const hex = Array.from(head.subarray(0, 4), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  return `bytes ${hex}. Pass a GGUF model file`;
}

function readEntry(
  cursor: Cursor,
  index: number,
): { key: string; type: GgufValueType; value: GgufValue | StoredStrings } {
  const key = cursor.string(`metadata key ${index}`, MAX_KEY_BYTES);
  if (key === '') throw cursor.error(`metadata key ${index} must not be empty`);
  const type = cursor.u32(`metadata ${key}`);
  const value = readValue(cursor, type, `metadata ${key}`);
  return { key, type: VALUE_TYPES[type], value };
}

function readTensorEntry(cursor: Cursor, index: number): TensorEntry {
  const name = cursor.string(`the name of tensor ${index}`, MAX_NAME_BYTES);
  if (name === '') throw cursor.error(`the name of tensor ${index} must not be empty`);
  const dimensions = cursor.u32(`tensor ${name}`);
  if (dimensions < 1 || dimensions > MAX_DIMENSIONS) {
    throw cursor.error(`tensor ${name} must have 1 to ${MAX_DIMENSIONS} dimensions, got ${dimensions}`);
  }
  const shape: number[] = [];
  for (let i = 0; i < dimensions; i++) shape.push(cursor.size(`a dimension of tensor ${name}`));
  const type = cursor.u32(`tensor ${name}`);
  const offset = cursor.size(`the offset of tensor ${name}`);
  return { name, shape, type, offset };
}

function finish(header: Header, cursor: Cursor, { i2sLayout, problems: found }: ReadOptions): Gguf {
  const { metadata, metadataTypes, entries } = header;
  const alignment = metadata.get('general.alignment') ?? 32;
  if (typeof alignment !== 'number' || !isAlignment(alignment)) {
    throw cursor.error(
      `general.alignment must be a power of two from 8 to ${MAX_ALIGNMENT}, got ${describe(alignment)}`,
      'Convert the model again.',
    );
  }
  const problems: Problems = { badFile: [], unsupported: [] };
  refuseMetadata(metadata, problems);
  const dataOffsetBytes = Math.ceil(cursor.offset / alignment) * alignment;
  const region = { fileName: cursor.fileName, fileSize: cursor.fileSize, dataOffsetBytes, alignment, i2sLayout };
  const tensors = resolveTensors(entries, region, problems);
  if (found) found.push(...problems.badFile, ...problems.unsupported);
  else throwProblems(problems, cursor.fileName);
  return { version: header.preamble!.version, alignment, metadata, metadataTypes, tensors, dataOffsetBytes };
}

function isAlignment(value: number): boolean {
  return value >= 8 && value <= MAX_ALIGNMENT && (value & (value - 1)) === 0;
}

function describe(value: GgufValue): string {
  return typeof value === 'object' ? 'an array' : String(value).slice(0, 40);
}

/** Metadata that changes what the tensors mean: a reader that ignores it produces gibberish without an error. */
function refuseMetadata(metadata: ReadonlyMap<string, GgufValue>, problems: Problems): void {
  const rotated = [...metadata.keys()].find((key) => key.startsWith('prism.hadamard.'));
  if (rotated) {
    problems.unsupported.push(
      `metadata ${rotated}: the weights are stored in a Hadamard-rotated basis, which is not supported; used as they are they give gibberish. Get the model without rotation.`,
    );
  }
  const split = metadata.get('split.count');
  if (typeof split === 'number' && split > 1) {
    problems.unsupported.push(
      `metadata split.count: the model is split into ${split} files, which is not supported. Join them with llama.cpp's llama-gguf-split --merge.`,
    );
  }
}
