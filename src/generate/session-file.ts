// Owns the bytes of a saved session: magic, checksum, header as JSON, tokens, cache pages. All of it is untrusted when read. The checksum and the
// identity of weights and tokens are there against damage and mistakes: whoever may write the file may write any cache into it.
import { FastDigest } from '../core/fast-digest.ts';
import { OnebitError } from '../errors.ts';
import { KV_PAGE } from '../kernels/backend.ts';
import type { Engine } from '../model/engine.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';

const MAGIC = 0x564b424f; // "OBKV", little-endian
/** 3: with a checksum, and the digest of the weights in place of the model's name; 4: with the digest of the tokens' texts. */
const VERSION = 4;
/** Digits of the digest that the checksum is, in ASCII. */
const CHECKSUM_BYTES = 32;
const CHECKSUM_AT = 8;
const LENGTH_AT = CHECKSUM_AT + CHECKSUM_BYTES;
const FIXED_BYTES = LENGTH_AT + 4;

/** Says which texts a model's tokens are: other texts, other digest. */
export function tokensDigest(tokenizer: Tokenizer): string {
  const digest = new FastDigest();
  for (let token = 0; token < tokenizer.vocabularySize; token++) {
    const bytes = tokenizer.bytesOf(token);
    digest.update(Uint8Array.of(bytes.length, bytes.length >> 8, tokenizer.isSpecial(token) ? 1 : 0));
    digest.update(bytes);
  }
  return digest.hex();
}

/** What a session has of its own that its cache depends on. */
export interface SessionIdentity {
  /** Digest of the tokens' texts. */
  readonly texts: string;
  /** Digest of the adapter. */
  readonly adapter: string | undefined;
}

/** magic, version (u32 each), checksum of all that follows it, header length (u32), header JSON, tokens (i32), pages; all little-endian. */
export function packSession(
  engine: Engine,
  own: SessionIdentity,
  tokens: readonly number[],
  pages: readonly Uint8Array[],
): Uint8Array {
  const header = new TextEncoder().encode(JSON.stringify({ ...identity(engine, own), tokens: tokens.length }));
  const pageBytes = pages.reduce((sum, page) => sum + page.length, 0);
  const bytes = new Uint8Array(FIXED_BYTES + header.length + tokens.length * 4 + pageBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, VERSION, true);
  view.setUint32(LENGTH_AT, header.length, true);
  bytes.set(header, FIXED_BYTES);
  let at = FIXED_BYTES + header.length;
  for (const token of tokens) {
    view.setInt32(at, token, true);
    at += 4;
  }
  for (const page of pages) {
    bytes.set(page, at);
    at += page.length;
  }
  bytes.set(new TextEncoder().encode(checksumOf(bytes)), CHECKSUM_AT);
  return bytes;
}

function checksumOf(bytes: Uint8Array): string {
  const digest = new FastDigest();
  digest.update(bytes.subarray(LENGTH_AT));
  return digest.hex();
}

/** @throws OnebitError `bad-file` when `bytes` are damaged, or were saved with other weights or tokens, another backend or KV format. */
export function unpackSession(
  engine: Engine,
  own: SessionIdentity,
  bytes: Uint8Array,
  contextTokens: number,
): { tokens: Int32Array; pages: Uint8Array[] } {
  const refuse = (why: string): never => {
    throw new OnebitError('bad-file', `restore: ${why}. Save the session again with this model.`);
  };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < FIXED_BYTES || view.getUint32(0, true) !== MAGIC) {
    return refuse('the bytes must be a saved session, got something else or the beginning of one');
  }
  const version = view.getUint32(4, true);
  if (version < VERSION) {
    return refuse(
      `version must be ${VERSION}, got ${version}, which does not say which weights and tokens it was saved with`,
    );
  }
  if (version !== VERSION) return refuse(`version must be ${VERSION}, got ${version}`);
  const checksum = new TextDecoder().decode(bytes.slice(CHECKSUM_AT, LENGTH_AT));
  if (checksum !== checksumOf(bytes)) return refuse('the bytes are damaged: the checksum must be theirs, got another');
  const headerBytes = view.getUint32(LENGTH_AT, true);
  if (headerBytes > bytes.length - FIXED_BYTES) return refuse('the header is cut short');
  const header = parseHeader(bytes.subarray(FIXED_BYTES, FIXED_BYTES + headerBytes)) ?? refuse('the header is damaged');
  const expected: Record<string, unknown> = identity(engine, own);
  for (const key of Object.keys(expected)) {
    if (header[key] === expected[key]) continue;
    if (key === 'weights')
      return refuse('the weights and the adapter must be those that the session was saved with, got others');
    if (key === 'texts')
      return refuse("the tokens' texts must be those that the session was saved with, got others: another vocabulary");
    return refuse(`${key} must be ${expected[key]}, got ${String(header[key])}`);
  }
  const count = header.tokens;
  if (typeof count !== 'number' || !Number.isInteger(count) || count < 0 || count > contextTokens) {
    return refuse(`tokens must be 0..${contextTokens}, got ${String(count)}`);
  }
  const pageCount = Math.ceil(count / KV_PAGE);
  const { pageBytes } = engine.pages.pool;
  const start = FIXED_BYTES + headerBytes;
  if (bytes.length !== start + count * 4 + pageCount * pageBytes) return refuse('the length does not fit the header');
  const tokens = Int32Array.from({ length: count }, (_, i) => view.getInt32(start + i * 4, true));
  if (tokens.some((token) => token < 0 || token >= engine.config.vocabulary)) return refuse('a token is out of range');
  const pages = Array.from({ length: pageCount }, (_, i) => {
    const at = start + count * 4 + i * pageBytes;
    return bytes.subarray(at, at + pageBytes);
  });
  return { tokens, pages };
}

/** What must be the same for cached keys and values to mean the same. */
function identity(engine: Engine, { texts, adapter }: SessionIdentity) {
  const { config, backend, pages } = engine;
  return {
    architecture: config.architecture.name,
    layers: config.layers,
    width: config.width,
    kvHeads: config.kvHeads,
    headSize: config.headSize,
    vocabulary: config.vocabulary,
    weights: adapter === undefined ? engine.weightsDigest : `${engine.weightsDigest}+${adapter}`,
    texts,
    backend: backend.name,
    kvFormat: pages.pool.format,
    pageTokens: KV_PAGE,
  };
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
