// Owns what a key of a watermark must be. What is done with it: watermark.ts, which is loaded when a text is marked.
import { OnebitError } from '../errors.ts';

const LEAST_KEY = 8;

/** @throws OnebitError `bad-argument` for a key of fewer than 8 characters */
export function checkWatermarkKey(key: unknown): asserts key is string {
  if (typeof key === 'string' && key.length >= LEAST_KEY) return;
  const got = typeof key === 'string' ? String(key.length) : typeof key;
  throw new OnebitError(
    'bad-argument',
    `watermark: the key must be a text of at least ${LEAST_KEY} characters, got ${got}. Take a random one, and keep it secret.`,
  );
}
