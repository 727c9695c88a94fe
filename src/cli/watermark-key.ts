// Owns how commands are given the secret key of a watermark: as it is, or in a file, where the list of processes does not show it.
import { readFileSync } from 'node:fs';
import { fileError } from '../bytes/file-source.ts';
import { decodeText } from '../core/decode-text.ts';
import { checkWatermarkKey } from '../generate/watermark-key.ts';

/** A parser of option values: a key, or `@` and the path of a file that holds one. */
export function watermarkKey(given: string): string {
  const key = given.startsWith('@') ? keyOfFile(given.slice(1)) : given;
  checkWatermarkKey(key);
  return key;
}

function keyOfFile(path: string): string {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw fileError('read watermark key', path, error);
  }
  return decodeText(bytes, `read watermark key: ${path}`).trim();
}
