// Owns bringing a model's folder of the hub into the cache: which files, one after the other, the one that says that all are there last. Node only.
import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { OnebitError } from '../errors.ts';
import { type CacheEntry, findCachedFolder, hubPath, LAST_OF_FOLDER, readEntry, readFolderEntries } from './cache.ts';
import { downloadToDisk } from './disk-download.ts';
import type { DownloadOptions } from './download.ts';
import { formatHubName, type HubFile, type HubFolder, type HubName, type HubOptions, hubHttpOptions } from './hub.ts';
import { modelFiles } from './model-folder.ts';

/**
 * Brings the files of a model's folder into the cache in `cache`. Where the hub has other ones by now, the folder is not found until all of them are here.
 * @throws OnebitError as `downloadToDisk`, as `modelFiles` for what is no model's folder, `bad-argument` for a hash, which one file has
 */
export async function pullFolder(
  folder: HubFolder,
  name: HubName,
  cache: string,
  options: HubOptions & DownloadOptions & { readonly sha256?: string },
): Promise<{ entry: CacheEntry; how: 'downloaded' | 'present' }> {
  const fullName = formatHubName(name);
  if (options.sha256 !== undefined) {
    throw new OnebitError(
      'bad-argument',
      `pull: --sha256 is the hash of one file, ${fullName} is a folder. Leave it out.`,
    );
  }
  const found = await modelFiles(folder, options.signal);
  const files = [...found.filter((file) => file !== LAST_OF_FOLDER), LAST_OF_FOLDER].map((file) => folder.fileOf(file));
  const missing: HubFile[] = [];
  for (const file of files) if (!(await isCurrent(hubPath(cache, file), file))) missing.push(file);
  if (missing.length > 0) {
    const last = files.at(-1)!;
    await forget(hubPath(cache, last));
    if (!missing.includes(last)) missing.push(last);
  }
  const totalBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let before = totalBytes - missing.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  for (const { url, file, revision, sha256, sizeBytes } of missing) {
    const target = { name: fullName, url, recordUrl: url, path: hubPath(cache, { ...name, file }), revision };
    await downloadToDisk(
      { ...target, sha256, sizeBytes },
      {
        ...options,
        ...hubHttpOptions(options),
        onProgress: ({ phase, doneBytes }) =>
          options.onProgress?.({ phase, doneBytes: before + doneBytes, totalBytes }),
      },
    );
    before += sizeBytes;
  }
  await forgetOthers(cache, name, files);
  const entry = (await findCachedFolder(fullName, cache))!;
  return { entry, how: missing.length > 0 ? 'downloaded' : 'present' };
}

/** Whether the file at `path` is the one that the hub has. */
async function isCurrent(path: string, { sizeBytes, sha256, blob }: HubFile): Promise<boolean> {
  const entry = await readEntry(path);
  if (!entry || entry.sizeBytes !== sizeBytes) return false;
  if (sha256 !== undefined) return entry.sha256 === sha256;
  if (blob === undefined) return true;
  const hash = createHash('sha1').update(`blob ${sizeBytes}\0`);
  return hash.update(await readFile(path)).digest('hex') === blob;
}

/** Removes what an earlier version of the repository had beside its files of today, such as a template. */
async function forgetOthers(cache: string, name: HubName, files: readonly HubFile[]): Promise<void> {
  const known = new Set(files.map((file) => hubPath(cache, file)));
  for (const { path, complete } of await readFolderEntries(name, cache))
    if (complete && !known.has(path)) await forget(path);
}

async function forget(path: string): Promise<void> {
  await rm(`${path}.json`, { force: true });
  await rm(path, { force: true });
}
