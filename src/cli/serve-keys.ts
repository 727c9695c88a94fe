// Owns reading API keys for `onebit serve`: from flags, the environment and a file. Plain keys are hashed at once.
import { OnebitError } from '../errors.ts';
import type { KeyConfig } from '../server/keys.ts';
import { readInputJson } from './read-input.ts';

/**
 * All keys that may ask; none means everybody may.
 * @param tokensPerDay of keys that say nothing of it; 0 for no bound
 * @throws OnebitError `bad-argument` or `io` when the file is not as it should be
 */
export async function serveKeys(
  plain: readonly string[] = [],
  file: string | undefined,
  signal: AbortSignal,
  tokensPerDay?: number,
): Promise<KeyConfig[]> {
  const { hashKey } = await import('../server/keys.ts');
  const fromEnvironment = process.env.ONEBIT_API_KEY ? [process.env.ONEBIT_API_KEY] : [];
  const keys = [...new Set([...plain, ...fromEnvironment])];
  const hashed = keys.map(async (key, i) => ({ name: `key-${i + 1}`, sha256: await hashKey(key) }));
  const all = [...(await Promise.all(hashed)), ...(file === undefined ? [] : await keysOfFile(file, signal))];
  if (tokensPerDay === undefined) return all;
  return all.map((key) => ({ tokensPerDay: tokensPerDay === 0 ? null : tokensPerDay, ...key }));
}

async function keysOfFile(file: string, signal: AbortSignal): Promise<KeyConfig[]> {
  const { keyFile } = await import('../server/schemas/key-file.ts');
  const value = await readInputJson(file, 'read API keys', signal);
  const parsed = keyFile.safeParse(value);
  if (parsed.success) return parsed.data.keys;
  const [issue] = parsed.error.issues;
  throw new OnebitError(
    'bad-argument',
    `api keys: ${file}: ${issue.path.join('.') || 'the document'}: ${issue.message}. It looks like {"keys": [{"name": "shop", "sha256": "…"}]}.`,
  );
}
