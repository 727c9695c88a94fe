// Owns how commands are given the secret key of a watermark: as it is, or in a file, where the list of processes does not show it.
import { readFileSync } from 'node:fs';
import { fileError } from '../bytes/file-source.ts';
import { checkWatermarkKey } from '../generate/watermark-key.ts';

/** A parser of option values: a key, or `@` and the path of a file that holds one. */
export function watermarkKey(given: string): string {
  const key = given.startsWith('@') ? keyOfFile(given.slice(1)) : given;
  checkWatermarkKey(key);
  return key;
}

function keyOfFile(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw fileError('read watermark key', path, error);
  }
}
