// Owns which file a path really means: links followed, and two names of one file recognised. Must not know what files hold.
import { type BigIntStats, fstatSync, realpathSync } from 'node:fs';
import { readlink, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findCached, findCachedFolder } from '../bytes/cache.ts';

/** A file as the system knows it: the same for all its names, links and spellings. */
export type FileIdentity = string;

/** The identity of what is at `path`; undefined where nothing is. */
export async function identityOf(path: string): Promise<FileIdentity | undefined> {
  try {
    return identity(await stat(path, { bigint: true }));
  } catch {
    return undefined;
  }
}

/** Whether what is at `path` is the file or pipe that standard output goes to. */
export async function isStandardOutput(path: string): Promise<boolean> {
  try {
    const found = fstatSync(1, { bigint: true });
    return (found.isFile() || found.isFIFO()) && identity(found) === (await identityOf(path));
  } catch {
    return false;
  }
}

/** The identity of the file that standard input comes from; undefined where it is none. */
export function identityOfStandardInput(): FileIdentity | undefined {
  try {
    const found = fstatSync(0, { bigint: true });
    return found.isFile() ? identity(found) : undefined;
  } catch {
    return undefined;
  }
}

function identity({ dev, ino }: BigIntStats): FileIdentity {
  return `${dev}:${ino}`;
}

const MOST_LINKS = 40;

/**
 * `path` with all links followed, also those that lead to a file that is not there yet. Pipes and devices stay under the name they were given: that of a
 * pipe behind /dev/stdout is none. Throws as `realpath` does where a folder is missing.
 */
export async function realPathOf(path: string): Promise<string> {
  let current = resolve(path);
  const found = await stat(current).catch(() => undefined);
  if (found && !found.isFile() && !found.isDirectory()) return current;
  for (let links = 0; links < MOST_LINKS; links++) {
    try {
      return await realpath(current);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    current = join(await realpath(dirname(current)), basename(current));
    const target = await readlink(current).catch(() => undefined);
    if (target === undefined) return current;
    current = resolve(dirname(current), target);
  }
  return realpathSync(current); // says that it is a loop
}

/** The path that a model's name means here, if it means one. */
export async function modelPathOf(name: string): Promise<string | undefined> {
  if (name.startsWith('file:')) return fileURLToPath(name);
  if ((await identityOf(name)) !== undefined) return name;
  const pulled =
    (await findCached(name).catch(() => undefined)) ?? (await findCachedFolder(name).catch(() => undefined));
  return pulled?.path;
}
