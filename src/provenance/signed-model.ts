// Owns the signature of a model in its own GGUF file: one metadata entry, `onebit.provenance`, put before all others. The statement's digest is that of the
// file without the entry, byte for byte the one that was signed; docs/provenance.md says how to check it by hand. Must not know who is to be trusted.

import { sha256 } from '@noble/hashes/sha2.js';
import type { ByteSource } from '../bytes/source.ts';
import { checkArgument, checkOptions, wrong } from '../core/check.ts';
import { hexOf } from '../core/digest.ts';
import { OnebitError } from '../errors.ts';
import { readGguf } from '../gguf/read.ts';
import { type ByteSink, SIGNATURE_KEY } from '../gguf/write.ts';
import { type Opened, open, seal, statementOf } from './envelope.ts';
import type { SigningKey } from './signing-keys.ts';

/** Magic, version, numbers of tensors and of entries. */
const PREAMBLE_BYTES = 24;
const COUNT_OFFSET = 16;
/** Length and text of the key, type of the value (8: text), length of the value. */
const ENTRY_HEAD_BYTES = 8 + SIGNATURE_KEY.length + 4 + 8;
const TEXT_TYPE = 8;
const CHUNK_BYTES = 1 << 22;
const ENVELOPE_START = '{"payload":';

/** Where a file has its signature, and its text. */
interface Found {
  readonly entryBytes: number;
  readonly text: string;
}

/**
 * Writes a model with a signature in it; one that it has is replaced. The weights stay where their alignment wants them.
 * The statement has the model's `name` and whatever else `more` says.
 * @returns the digest that was signed
 * @throws OnebitError `bad-file` for what is no GGUF file
 */
export async function signModel(
  source: ByteSource,
  key: SigningKey,
  facts: { name: string; more?: Readonly<Record<string, unknown>> },
  sink: ByteSink,
  signal?: AbortSignal,
): Promise<{ sha256: string }> {
  checkSource('signModel', source);
  checkArgument('signModel', 'key', key, 'object');
  checkArgument('signModel', 'sink', sink, 'function');
  checkOptions('signModel', facts, { name: 'text', more: 'object' });
  const { name, more = {} } = facts;
  const { alignment, metadata } = await readGguf(source, { signal });
  const found = metadata.has(SIGNATURE_KEY) ? await findSignature(source) : undefined;
  if (metadata.has(SIGNATURE_KEY) && !found) {
    throw new OnebitError('bad-file', `sign: ${SIGNATURE_KEY} must be the first entry of the file, it is a later one.`);
  }
  const digest = await digestWithout(source, found, signal);
  const statement = statementOf({ name, sha256: digest }, 'model', { ...more, time: new Date().toISOString() });
  const entry = entryOf(await seal(statement, key), alignment);
  const preamble = await preambleOf(source);
  countEntries(preamble, found ? 0 : 1);
  await sink(preamble);
  await sink(entry);
  for await (const chunk of chunksFrom(source, PREAMBLE_BYTES + (found?.entryBytes ?? 0), signal)) await sink(chunk);
  return { sha256: digest };
}

/** What a model's signature says, whether or not the file is still what was signed; undefined where it has none. */
export interface ModelSignature extends Opened {
  /** Digest of the file without the signature, as it is now. */
  readonly sha256: string;
}

/** @throws OnebitError `bad-file` for a signature that is damaged or does not fit, and for what is no GGUF file */
export async function readModelSignature(
  source: ByteSource,
  signal?: AbortSignal,
): Promise<ModelSignature | undefined> {
  const { alignment, metadata } = await readGguf(source, { signal });
  if (!metadata.has(SIGNATURE_KEY)) {
    const first = metadata.values().next().value;
    if (typeof first !== 'string' || !first.startsWith(ENVELOPE_START)) return undefined;
    throw new OnebitError('bad-file', `verify: the entry of the signature must be named ${SIGNATURE_KEY}, it is not.`);
  }
  const found = await findSignature(source);
  const envelope = found?.text.trimEnd() ?? '';
  const opened = await open(envelope);
  const { text } = found!;
  if (text !== padded(envelope, alignment)) {
    throw new OnebitError('bad-file', 'verify: the signature must end in spaces alone, it does not.');
  }
  return { ...opened, sha256: await digestWithout(source, found, signal) };
}

/** SHA-256 of a model's file without its signature, where it has one: the digest that statements about the model name. */
export async function modelDigest(source: ByteSource, signal?: AbortSignal): Promise<string> {
  checkSource('modelDigest', source);
  return digestWithout(source, await findSignature(source), signal);
}

/** Whether a signature stands where it should, whatever it is worth. */
export async function hasSignature(source: ByteSource): Promise<boolean> {
  checkSource('hasSignature', source);
  return (await findSignature(source)) !== undefined;
}

/** @throws OnebitError `bad-argument` for what gives no bytes */
export function checkSource(operation: string, source: unknown): void {
  const gives = typeof source === 'object' && source !== null && 'readInto' in source;
  if (!gives) throw wrong(operation, 'source', 'be a ByteSource (openModelBytes, memorySource)', source);
}

async function findSignature(source: ByteSource): Promise<Found | undefined> {
  if (source.size < PREAMBLE_BYTES + ENTRY_HEAD_BYTES) return undefined;
  const head = new Uint8Array(ENTRY_HEAD_BYTES);
  await source.readInto(head, PREAMBLE_BYTES);
  const expected = entryHead(0);
  if (expected.some((byte, i) => i < ENTRY_HEAD_BYTES - 8 && byte !== head[i])) return undefined;
  const length = Number(new DataView(head.buffer).getBigUint64(ENTRY_HEAD_BYTES - 8, true));
  if (length > Math.min(source.size, 1 << 17)) return undefined;
  const text = new Uint8Array(length);
  await source.readInto(text, PREAMBLE_BYTES + ENTRY_HEAD_BYTES);
  return { entryBytes: ENTRY_HEAD_BYTES + length, text: new TextDecoder().decode(text) };
}

async function digestWithout(source: ByteSource, found: Found | undefined, signal?: AbortSignal): Promise<string> {
  const hash = sha256.create();
  const preamble = await preambleOf(source);
  if (found) countEntries(preamble, -1);
  hash.update(preamble);
  for await (const chunk of chunksFrom(source, PREAMBLE_BYTES + (found?.entryBytes ?? 0), signal)) hash.update(chunk);
  return hexOf(hash.digest());
}

async function preambleOf(source: ByteSource): Promise<Uint8Array> {
  const preamble = new Uint8Array(Math.min(PREAMBLE_BYTES, source.size));
  await source.readInto(preamble, 0);
  return preamble;
}

function countEntries(preamble: Uint8Array, added: number): void {
  const view = new DataView(preamble.buffer);
  view.setBigUint64(COUNT_OFFSET, view.getBigUint64(COUNT_OFFSET, true) + BigInt(added), true);
}

async function* chunksFrom(source: ByteSource, from: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  for (let at = from; at < source.size; at += CHUNK_BYTES) {
    signal?.throwIfAborted();
    const chunk = new Uint8Array(Math.min(CHUNK_BYTES, source.size - at));
    await source.readInto(chunk, at, signal);
    yield chunk;
  }
}

function entryOf(envelope: string, alignment: number): Uint8Array {
  const text = new TextEncoder().encode(padded(envelope, alignment));
  const entry = new Uint8Array(ENTRY_HEAD_BYTES + text.length);
  entry.set(entryHead(text.length));
  entry.set(text, ENTRY_HEAD_BYTES);
  return entry;
}

/** `envelope` with spaces, so that the whole entry is a multiple of the file's alignment. */
function padded(envelope: string, alignment: number): string {
  const bytes = Math.ceil((ENTRY_HEAD_BYTES + envelope.length) / alignment) * alignment;
  return envelope.padEnd(bytes - ENTRY_HEAD_BYTES);
}

function entryHead(textBytes: number): Uint8Array {
  const head = new Uint8Array(ENTRY_HEAD_BYTES);
  const view = new DataView(head.buffer);
  view.setBigUint64(0, BigInt(SIGNATURE_KEY.length), true);
  head.set(new TextEncoder().encode(SIGNATURE_KEY), 8);
  view.setUint32(8 + SIGNATURE_KEY.length, TEXT_TYPE, true);
  view.setBigUint64(12 + SIGNATURE_KEY.length, BigInt(textBytes), true);
  return head;
}
