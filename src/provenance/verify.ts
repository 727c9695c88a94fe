// Owns the verdict on something that may be signed: models, other files beside which their signature lies, answers of a server.

import { sha256 } from '@noble/hashes/sha2.js';
import type { ByteSource } from '../bytes/source.ts';
import { checkArgument, checkGiven, checkList, checkOptions } from '../core/check.ts';
import { hexOf } from '../core/digest.ts';
import { OnebitError } from '../errors.ts';
import { type Opened, open, PREDICATES, type Statement, type StatementKind, seal, statementOf } from './envelope.ts';
import { checkSource, hasSignature, type ModelSignature, readModelSignature } from './signed-model.ts';
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
  checkGiven('sealAnswer', 'key', key, 'readSigningKey', ['id', 'privateKey']);
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
    // What this version cannot read it has not signed either: a changed version or type, where there is a signature.
    const isForeign = error instanceof OnebitError && error.code === 'unsupported' && !(await hasSignature(source));
    return isForeign ? { state: 'unsigned', reason: 'The file has no signature.' } : badSignature(error);
  }
  if (!signature) return { state: 'unsigned', reason: 'The file has no signature.' };
  return judge(signature, signature.sha256, trusted, 'model');
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
  return verdictOf(bytes, envelope, trusted, 'file');
}

async function verdictOf(
  bytes: Uint8Array,
  envelope: string | undefined,
  trusted: readonly string[],
  kind: StatementKind,
): Promise<Verification> {
  if (envelope === undefined) return { state: 'unsigned', reason: 'There is no signature.', sha256: digestOf(bytes) };
  try {
    return judge(await open(envelope), digestOf(bytes), trusted, kind);
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
  checkTrusted('verifyAnswer', trusted);
  const { bytes, value } = header === undefined ? streamEnd(body) : { bytes: body, value: header };
  return verdictOf(bytes, value === undefined ? undefined : decodeHeader(value), trusted, 'answer');
}

function checkTrusted(operation: string, trusted: readonly string[]): void {
  checkList(operation, 'trusted', trusted, 'text');
  trusted.forEach(checkKeyId);
}

/** An envelope as the value of a header. */
export function encodeHeader(envelope: string): string {
  checkArgument('encodeHeader', 'envelope', envelope, 'text');
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

const DAMAGED = /[\w-]{60}/;

/** A stream of events without the comment at its end that signs what is before it. */
function streamEnd(body: Uint8Array): { bytes: Uint8Array; value?: string } {
  const tail = Array.from(body.subarray(-8192), (byte) => String.fromCharCode(byte)).join('');
  const found = LAST_COMMENT.exec(tail);
  if (!found) {
    // Behind the last event, which is JSON or [DONE], stands what was a signature once.
    const rest = tail.slice(Math.max(tail.lastIndexOf('}'), tail.lastIndexOf('[DONE]')));
    const isDamaged = rest.includes(PROVENANCE_HEADER) || DAMAGED.test(rest);
    return isDamaged ? { bytes: body, value: '' } : { bytes: body };
  }
  return { bytes: body.subarray(0, body.length - `: ${PROVENANCE_HEADER}: ${found[1]}\n\n`.length), value: found[1] };
}

function judge(
  { statement, keyId }: Opened,
  sha256: string,
  trusted: readonly string[],
  kind: StatementKind,
): Verification {
  // Whoever makes a server say something must not get its key's word for a card.
  if (statement.predicateType !== `${PREDICATES}${kind}/v1`) {
    const reason = `The signature must be about a thing of the kind ${kind}, it is about ${statement.predicateType}.`;
    return { state: 'bad-signature', reason, keyId, sha256, statement };
  }
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
  if (!(error instanceof OnebitError) || !['bad-file', 'unsupported'].includes(error.code)) throw error;
  return { state: 'bad-signature', reason: error.message };
}

function digestOf(bytes: Uint8Array): string {
  return hexOf(sha256(bytes));
}
