// Owns a folder on the local disk: its files' names, opening one. Must not know what they hold. Node only.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError, fileSource, pathOf } from './file-source.ts';
import type { Folder } from './folder.ts';

/** The folder at a path or file URL; undefined where something else or nothing is. @throws OnebitError `io` */
export async function diskFolder(pathOrUrl: string): Promise<Folder | undefined> {
  const path = pathOrUrl.startsWith('file:') ? pathOf(pathOrUrl) : pathOrUrl;
  try {
    if (!(await stat(path)).isDirectory()) return undefined;
  } catch {
    return undefined; // who opens it says why
  }
  try {
    const entries = await readdir(path, { withFileTypes: true });
    const files = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
    return { name: path, files, open: (file) => fileSource(join(path, file)) };
  } catch (error) {
    throw fileError('open', path, error);
  }
}
