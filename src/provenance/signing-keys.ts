// Owns Ed25519 keys: making, reading, naming. Must not know what is signed. Source: RFC 8032; RFC 8037 for keys as JSON (JWK).
import { OnebitError } from '../errors.ts';

/** A key that signs. */
export interface SigningKey {
  /** `ed25519:` and the public key in base64url: whoever knows it can check what the key signed. */
  readonly id: string;
  readonly privateKey: PrivateKey;
}
/** What `crypto.subtle` works with: a type that the DOM's declarations and Node's both have. */
type PrivateKey = Parameters<typeof crypto.subtle.exportKey>[1];

/** An Ed25519 key as JSON (RFC 8037). */
export interface SigningJwk {
  readonly kty?: string;
  readonly crv?: string;
  /** The secret half. */
  readonly d?: string;
  /** The public half. */
  readonly x?: string;
}

const ALGORITHM = 'Ed25519';
const ID = /^ed25519:([A-Za-z0-9_-]{43})$/;

/** A new key as JSON (a JWK), to be kept secret and given to `readSigningKey`. */
export async function newSigningKey(): Promise<SigningJwk> {
  const pair = (await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])) as CryptoKeyPair;
  const { kty, crv, d, x } = await crypto.subtle.exportKey('jwk', pair.privateKey);
  return { kty, crv, d, x };
}

/** @throws OnebitError `bad-argument` for what is no private Ed25519 key as JWK */
export async function readSigningKey(jwk: unknown): Promise<SigningKey> {
  const { kty, crv, d, x } = (jwk ?? {}) as SigningJwk;
  try {
    const privateKey = await crypto.subtle.importKey('jwk', { kty, crv, d, x }, ALGORITHM, false, ['sign']);
    const id = `ed25519:${x}`;
    // The two halves of a key that was tampered with need not fit.
    if (!(await isSignedBy(id, PROBE, await signBytes({ id, privateKey }, PROBE))))
      throw new Error('its halves do not fit');
    return { id, privateKey };
  } catch (cause) {
    throw new OnebitError(
      'bad-argument',
      'signing key: it must be a private Ed25519 key as JSON (JWK with kty, crv, d, x), got something else. Make one with onebit sign --new-key FILE.',
      { cause },
    );
  }
}

const PROBE = new TextEncoder().encode('onebit');

/** Signature [64 bytes] of bytes. */
export async function signBytes(key: SigningKey, bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.sign(ALGORITHM, key.privateKey, bytes));
}

/** Whether the key of this id signed the bytes. False too for what is no id. */
export async function isSignedBy(
  id: string,
  bytes: Uint8Array<ArrayBuffer>,
  signature: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  const x = ID.exec(id)?.[1];
  if (x === undefined) return false;
  try {
    const key = await crypto.subtle.importKey('jwk', { kty: 'OKP', crv: ALGORITHM, x }, ALGORITHM, false, ['verify']);
    return await crypto.subtle.verify(ALGORITHM, key, signature, bytes);
  } catch {
    return false; // no point of the curve
  }
}

/** @throws OnebitError `bad-argument` for what is no id of a key */
export function checkKeyId(id: string): void {
  if (ID.test(id)) return;
  throw new OnebitError(
    'bad-argument',
    'verify: a key must be given by its id, ed25519: and 43 characters, got something else. onebit sign prints it.',
  );
}
