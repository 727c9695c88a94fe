// Owns signed statements about bytes: an in-toto statement in a DSSE envelope, both as JSON. Must not know where they are kept. Source: in-toto
// attestation framework, Statement v1; DSSE protocol v1 (its "PAE" is what is signed).
import { OnebitError } from '../errors.ts';
import { isSignedBy, type SigningKey, signBytes } from './signing-keys.ts';

/** What is said of something with a digest. */
export interface Statement {
  readonly _type: 'https://in-toto.io/Statement/v1';
  readonly subject: readonly { readonly name: string; readonly digest: { readonly sha256: string } }[];
  readonly predicateType: string;
  readonly predicate: Readonly<Record<string, unknown>>;
}

const STATEMENT = 'https://in-toto.io/Statement/v1';
const PAYLOAD_TYPE = 'application/vnd.in-toto+json';
/** Predicates of this package: `model`, `file`, `answer`. */
export const PREDICATES = 'https://onebit-js.github.io/onebit/provenance/';

/** What a statement is about. */
export type StatementKind = 'model' | 'file' | 'answer';

/** A statement about one subject. */
export function statementOf(
  subject: { readonly name: string; readonly sha256: string },
  kind: StatementKind,
  predicate: Readonly<Record<string, unknown>>,
): Statement {
  const { name, sha256 } = subject;
  const predicateType = `${PREDICATES}${kind}/v1`;
  return { _type: STATEMENT, subject: [{ name, digest: { sha256 } }], predicateType, predicate };
}

/** The envelope of a statement, as JSON. */
export async function seal(statement: Statement, key: SigningKey): Promise<string> {
  const payload = new TextEncoder().encode(JSON.stringify(statement));
  const sig = base64(await signBytes(key, preAuthenticated(payload)));
  return JSON.stringify({ payload: base64(payload), payloadType: PAYLOAD_TYPE, signatures: [{ keyid: key.id, sig }] });
}

/** An envelope that was opened. */
export interface Opened {
  readonly statement: Statement;
  readonly keyId: string;
}

/**
 * The statement of an envelope that is whole and signed by the key that it names. Whether that key is to be trusted, and whether the subject is what one
 * has, is for the caller to check.
 * @throws OnebitError `bad-file` for anything else: also where a byte of it was changed that means nothing
 */
export async function open(envelope: string): Promise<Opened> {
  try {
    const { payload, payloadType, signatures } = JSON.parse(envelope);
    const [{ keyid, sig }] = signatures;
    const canonical = JSON.stringify({ payload, payloadType, signatures: [{ keyid, sig }] });
    if (canonical !== envelope || payloadType !== PAYLOAD_TYPE) throw new Error('it is not written as it should be');
    const bytes = bytesOf(payload);
    const signature = bytesOf(sig);
    if (base64(bytes) !== payload || base64(signature) !== sig) throw new Error('its base64 is not as it should be');
    if (!(await isSignedBy(keyid, preAuthenticated(bytes), signature))) throw new Error('the signature does not fit');
    const statement: Statement = JSON.parse(new TextDecoder().decode(bytes));
    const [subject] = statement.subject;
    if (statement._type !== STATEMENT || statement.subject.length !== 1)
      throw new Error('it is no statement about one subject');
    if (typeof subject.name !== 'string' || typeof subject.digest.sha256 !== 'string')
      throw new Error('it names no subject');
    return { statement, keyId: keyid };
  } catch (cause) {
    throw new OnebitError('bad-file', `verify: the signature must be whole and fit, ${(cause as Error).message}.`, {
      cause,
    });
  }
}

/** What a DSSE signature is over: type and payload, each with its length. */
function preAuthenticated(payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const head = new TextEncoder().encode(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `);
  const all = new Uint8Array(head.length + payload.length);
  all.set(head);
  all.set(payload, head.length);
  return all;
}

export function base64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}

export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
