export type { Statement } from './envelope.ts';
export { modelDigest, signModel } from './signed-model.ts';
export { newSigningKey, readSigningKey, type SigningKey } from './signing-keys.ts';
export {
  PROVENANCE_HEADER,
  signFile,
  type Verification,
  type VerificationState,
  verifyAnswer,
  verifyBytes,
  verifyModel,
} from './verify.ts';
