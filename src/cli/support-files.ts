// Owns the files that the support commands read and write. Must not know what is done with them.
import { readFile, stat } from 'node:fs/promises';
import { fileError } from '../bytes/file-source.ts';
import { OnebitError } from '../errors.ts';
import { loadSupport, parseRows, type SupportModel, type SupportRow } from '../tasks/support/index.ts';
import { modelPathOf } from './file-identity.ts';

const MOST_BYTES = 400_000_000;

/** The text of a file, or of standard input for `-`. @throws OnebitError `io`, `bad-argument` for what is not UTF-8 or too large */
export async function readText(path: string): Promise<string> {
  try {
    if (path !== '-' && (await stat(path)).size > MOST_BYTES) {
      throw new OnebitError('bad-argument', `read ${path}: it must have at most ${MOST_BYTES} bytes. Split it.`);
    }
    const bytes = path === '-' ? await standardInput() : await readFile(path);
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof OnebitError) throw error;
    if (error instanceof TypeError) {
      throw new OnebitError('bad-argument', `read ${path}: it must be text in UTF-8, it is not. Save it as UTF-8.`, {
        cause: error,
      });
    }
    throw fileError('read queries', path, error);
  }
}

/** Labelled rows of several files; where there are several, errors name rows of the one they are in. */
export async function readRows(paths: readonly string[]): Promise<SupportRow[]> {
  const rows: SupportRow[] = [];
  for (const path of paths) for (const row of parseRows(await readText(path), path)) rows.push(row);
  return rows;
}

/** Loads the model of `-m`. */
export function openSupport(path: string, signal: AbortSignal): Promise<SupportModel> {
  return loadSupport(path, { signal });
}

/** The files that a command on `files` and the model of `-m` reads. */
export async function supportInputs(files: readonly string[], model?: string): Promise<string[]> {
  const path = model === undefined ? undefined : await modelPathOf(model);
  return path === undefined ? [...files] : [...files, path];
}

async function standardInput(): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
