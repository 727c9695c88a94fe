// Owns the verdict on something that may be signed: models, other files beside which their signature lies, answers of a server.

import { sha256 } from '@noble/hashes/sha2.js';
import type { ByteSource } from '../bytes/source.ts';
import { checkArgument, checkList, checkOptions } from '../core/check.ts';
import { hexOf } from '../core/digest.ts';
import { OnebitError } from '../errors.ts';
import { type Opened, open, type Statement, seal, statementOf } from './envelope.ts';
import { checkSource, type ModelSignature, readModelSignature } from './signed-model.ts';
import { checkKeyId, type SigningKey } from './signing-keys.ts';

/** The header of answers of a server that signs; a stream of events ends with it as a comment. */
export const PROVENANCE_HEADER = 'x-onebit-provenance';

/**
 * `signed`: unchanged since the key signed it. `changed`: signed, but not this. `bad-signature`: the signature itself is damaged or false. `other-key`: signed by another key
 * than those that were to be trusted. `unsigned`: nothing says that it was ever signed.
 */
export type VerificationState = 'signed' | 'changed' | 'bad-signature' | 'other-key' | 'unsigned';

export interface Verification {
  readonly state: VerificationState;
  /** In a sentence. */
  readonly reason: string;
  /** Who signed. */
  readonly keyId?: string;
  /** Whether the key is one of those that were to be trusted; undefined where none was named. */
  readonly isTrusted?: boolean;
  /** SHA-256 of what was looked at. */
  readonly sha256?: string;
  /** What was signed. */
  readonly statement?: Statement;
}

/** The signature of any file, to lie beside it as `FILE.intoto.json`. */
export async function signFile(bytes: Uint8Array, name: string, key: SigningKey): Promise<string> {
  checkArgument('signFile', 'bytes', bytes, 'bytes');
  checkArgument('signFile', 'name', name, 'text');
  checkArgument('signFile', 'key', key, 'object');
  return seal(statementOf({ name, sha256: digestOf(bytes) }, 'file', { time: new Date().toISOString() }), key);
}

/** The envelope of a server's answer. @param sha256 of the bytes that are sent */
export async function sealAnswer(
  sha256: string,
  of: { request: string; model: string; modelSha256?: string },
  key: SigningKey,
): Promise<string> {
  checkArgument('sealAnswer', 'sha256', sha256, 'text');
  checkOptions('sealAnswer', of, { request: 'text', model: 'text', modelSha256: 'text' });
  checkArgument('sealAnswer', 'key', key, 'object');
  const { request, model, modelSha256 } = of;
  const predicate = { time: new Date().toISOString(), request, model: { name: model, sha256: modelSha256 } };
  return seal(statementOf({ name: 'answer', sha256 }, 'answer', predicate), key);
}

/** Whether a GGUF file is what its signature says. @param trusted ids of keys; none: any key will do, and `isTrusted` is undefined */
export async function verifyModel(
  source: ByteSource,
  trusted: readonly string[] = [],
  signal?: AbortSignal,
): Promise<Verification> {
  checkSource('verifyModel', source);
  checkTrusted('verifyModel', trusted);
  let signature: ModelSignature | undefined;
  try {
    signature = await readModelSignature(source, signal);
  } catch (error) {
    return badSignature(error);
  }
  if (!signature) return { state: 'unsigned', reason: 'The file has no signature.' };
  return judge(signature, signature.sha256, trusted);
}

/** Whether `bytes` are what a signature that lies apart from them says; undefined for no signature. */
export async function verifyBytes(
  bytes: Uint8Array,
  envelope: string | undefined,
  trusted: readonly string[] = [],
): Promise<Verification> {
  checkArgument('verifyBytes', 'bytes', bytes, 'bytes');
  checkArgument('verifyBytes', 'envelope', envelope, 'text', false);
  checkTrusted('verifyBytes', trusted);
  if (envelope === undefined) return { state: 'unsigned', reason: 'There is no signature.', sha256: digestOf(bytes) };
  try {
    return judge(await open(envelope), digestOf(bytes), trusted);
  } catch (error) {
    return badSignature(error);
  }
}

/** Whether the body of an answer is what the server signed. @param header value of `PROVENANCE_HEADER`; of a stream of events: undefined, it is in its end */
export async function verifyAnswer(
  body: Uint8Array,
  header: string | undefined,
  trusted: readonly string[] = [],
): Promise<Verification> {
  checkArgument('verifyAnswer', 'body', body, 'bytes');
  checkArgument('verifyAnswer', 'header', header, 'text', false);
  const { bytes, value } = header === undefined ? streamEnd(body) : { bytes: body, value: header };
  if (value === undefined) return verifyBytes(bytes, undefined, trusted);
  return verifyBytes(bytes, decodeHeader(value), trusted);
}

function checkTrusted(operation: string, trusted: readonly string[]): void {
  checkList(operation, 'trusted', trusted, 'text');
  trusted.forEach(checkKeyId);
}

/** An envelope as the value of a header. */
export function encodeHeader(envelope: string): string {
  return btoa(envelope).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

function decodeHeader(value: string): string {
  try {
    const envelope = atob(value.replaceAll('-', '+').replaceAll('_', '/'));
    return encodeHeader(envelope) === value ? envelope : '';
  } catch {
    return '';
  }
}

const LAST_COMMENT = new RegExp(`(?:^|\n\n): ${PROVENANCE_HEADER}: (\\S+)\n\n$`);

/** A stream of events without the comment at its end that signs what is before it. */
function streamEnd(body: Uint8Array): { bytes: Uint8Array; value?: string } {
  const tail = Array.from(body.subarray(-8192), (byte) => String.fromCharCode(byte)).join('');
  const found = LAST_COMMENT.exec(tail);
  if (!found) return { bytes: body };
  return { bytes: body.subarray(0, body.length - `: ${PROVENANCE_HEADER}: ${found[1]}\n\n`.length), value: found[1] };
}

function judge({ statement, keyId }: Opened, sha256: string, trusted: readonly string[]): Verification {
  const isTrusted = trusted.length === 0 ? undefined : trusted.includes(keyId);
  const facts = { keyId, isTrusted, sha256, statement };
  if (statement.subject[0].digest.sha256 !== sha256) {
    return {
      state: 'changed',
      reason: 'It was changed after it was signed, or the signature is of something else.',
      ...facts,
    };
  }
  if (isTrusted === false)
    return { state: 'other-key', reason: 'It is signed by another key than those given.', ...facts };
  return { state: 'signed', reason: 'It is as it was signed.', ...facts };
}

function badSignature(error: unknown): Verification {
  if (!(error instanceof OnebitError) || error.code !== 'bad-file') throw error;
  return { state: 'bad-signature', reason: error.message };
}

function digestOf(bytes: Uint8Array): string {
  return hexOf(sha256(bytes));
}
