export type { Statement } from './envelope.ts';
export { hasSignature, modelDigest, signModel } from './signed-model.ts';
export { newSigningKey, readSigningKey, type SigningJwk, type SigningKey } from './signing-keys.ts';
export {
  encodeHeader,
  PROVENANCE_HEADER,
  sealAnswer,
  signFile,
  type Verification,
  type VerificationState,
  verifyAnswer,
  verifyBytes,
  verifyModel,
} from './verify.ts';
