// Owns the folder of downloaded models: where each one lies, what is recorded about it, finding, listing and removing. Must not know HTTP. Node only.
// Layout: hub/<owner>/<repo>/<revision>/<file> and url/<host>/<hash of the URL>/<file>; beside each file `<file>.json` records where it came from,
// and while it is being fetched there are `<file>.partial`, `<file>.partial.json` and `<file>.lock` instead.
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { OnebitError } from '../errors.ts';
import { fileError, systemCode } from './file-source.ts';
import { chooseFile, formatHubName, type HubName, isSafeSegment, parseHubName } from './hub.ts';
import { isLocked } from './lock.ts';

/** Opening models in Node needs this file and this function; bundlers for pages leave out one file for both. */
export { proxyFetch } from './proxy.ts';

/** What is recorded about a file, finished or not. */
export interface CacheRecord {
  /** The name that finds it again: `owner/repo/file.gguf[@revision]` or a URL; of a file of a folder, the folder's, `owner/repo[@revision]`. */
  name: string;
  url: string;
  revision?: string;
  /** Lower-case hex. Always there once the file is complete. */
  sha256?: string;
  sizeBytes?: number;
  /** ETag or date of change as the server gave it. */
  etag?: string;
  /** When the record was written, ISO 8601. */
  date: string;
}

/** A file in the cache, or a model's folder. */
export interface CacheEntry extends CacheRecord {
  /** The model file, or what there is of it when it is not complete; the folder. */
  path: string;
  /** Bytes on disk. */
  storedBytes: number;
  complete: boolean;
}

/** The cache's folder: ONEBIT_CACHE, else `onebit` in XDG_CACHE_HOME, in LOCALAPPDATA on Windows, or in `~/.cache`. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.ONEBIT_CACHE) return env.ONEBIT_CACHE;
  if (env.XDG_CACHE_HOME) return join(env.XDG_CACHE_HOME, 'onebit');
  if (process.platform === 'win32' && env.LOCALAPPDATA) return join(env.LOCALAPPDATA, 'onebit', 'cache');
  return join(homedir(), '.cache', 'onebit');
}

/** Whether `name` is an http(s) URL. */
export function isUrl(name: string): boolean {
  return /^https?:\/\//i.test(name) && URL.canParse(name);
}

/** The URL without user, password and fragment: what a download is known by, and what may be stored. */
export function urlName(url: string): string {
  const parsed = new URL(url);
  parsed.username = '';
  parsed.password = '';
  parsed.hash = '';
  return parsed.href;
}

function hubFolder(folder: string, name: HubName): string {
  return join(folder, 'hub', ...name.repo.split('/'), encodeURIComponent(name.revision));
}

/** Where the file of a hub name lies or would lie. */
export function hubPath(folder: string, name: HubName & { file: string }): string {
  return join(hubFolder(folder, name), ...name.file.split('/'));
}

/** Where the file of a URL lies or would lie. A last part of the path that is no plain file name is replaced. */
export function urlPath(folder: string, url: string): string {
  const href = urlName(url);
  const { host, pathname } = new URL(href);
  const last = basename(pathname);
  const hash = createHash('sha256').update(href).digest('hex').slice(0, 16);
  return join(folder, 'url', host.replace(/[^A-Za-z0-9.-]/g, '_'), hash, isSafeSegment(last) ? last : 'model.gguf');
}

/** The record in the file at `recordPath`; undefined when it is missing or not one of ours. */
export async function readRecord(recordPath: string): Promise<CacheRecord | undefined> {
  try {
    const found = JSON.parse(await readFile(recordPath, 'utf8')) as Record<string, unknown>;
    const text = (key: string) => (typeof found[key] === 'string' ? found[key] : undefined);
    const [name, url, date] = [text('name'), text('url'), text('date')];
    if (name === undefined || url === undefined || date === undefined) return undefined;
    const sizeBytes = typeof found.sizeBytes === 'number' ? found.sizeBytes : undefined;
    return { name, url, revision: text('revision'), sha256: text('sha256'), sizeBytes, etag: text('etag'), date };
  } catch {
    return undefined;
  }
}

/** Writes a record so that a reader sees the old one or the new one. Throws `io`. */
export async function writeRecord(recordPath: string, record: CacheRecord): Promise<void> {
  const scratch = `${recordPath}.${randomUUID()}`;
  try {
    await writeFile(scratch, `${JSON.stringify(record, null, 2)}\n`);
    await rename(scratch, recordPath);
  } catch (error) {
    await rm(scratch, { force: true });
    throw fileError('write', recordPath, error);
  }
}

/** The finished file at `path`; undefined when it or its record is missing, or its size is not the recorded one. */
export async function readEntry(path: string): Promise<CacheEntry | undefined> {
  const storedBytes = await fileSize(path);
  if (storedBytes === undefined) return undefined;
  const record = await readRecord(`${path}.json`);
  if (!record?.sha256 || record.sizeBytes !== storedBytes) return undefined;
  return { ...record, path, storedBytes, complete: true };
}

/** The size of the file at `path` in bytes; undefined when there is none. */
export async function fileSize(path: string): Promise<number | undefined> {
  try {
    const found = await stat(path);
    return found.isFile() ? found.size : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The finished file that `name` (a hub name or URL) means, without asking the network; undefined when there is none. A hub name without a file
 * means the same choice as on the hub, among what is here. Throws `bad-argument` when that leaves several.
 */
export async function findCached(name: string, folder: string = cacheFolder()): Promise<CacheEntry | undefined> {
  if (isUrl(name)) return readEntry(urlPath(folder, name));
  const hub = parseHubName(name);
  if (!hub) return undefined;
  if (hub.file !== undefined) return readEntry(hubPath(folder, { ...hub, file: hub.file }));
  const entries = (await entriesUnder(hubFolder(folder, hub))).filter((entry) => entry.complete && !folderOf(entry));
  if (entries.length <= 1) return entries[0];
  const byFile = new Map(entries.map((entry) => [parseHubName(entry.name)?.file ?? entry.name, entry]));
  return byFile.get(chooseFile(hub.repo, [...byFile.keys()]));
}

/** The folder that a hub name means, without asking the network; undefined where there is none or it is not whole. */
export async function findCachedFolder(name: string, folder: string = cacheFolder()): Promise<CacheEntry | undefined> {
  const hub = parseHubName(name);
  if (!hub || hub.file !== undefined) return undefined;
  const [found] = inFolders(await readFolderEntries(hub, folder));
  return found?.complete ? found : undefined;
}

/** The files of the folder that a hub name means, unfinished ones too. */
export async function readFolderEntries(name: HubName, folder: string): Promise<CacheEntry[]> {
  return (await entriesUnder(hubFolder(folder, name))).filter(folderOf);
}

/** All that is in the cache, unfinished downloads too, by name. */
export async function listCache(folder: string = cacheFolder()): Promise<CacheEntry[]> {
  return inFolders(await listFiles(folder));
}

async function listFiles(folder: string): Promise<CacheEntry[]> {
  const entries = [...(await entriesUnder(join(folder, 'hub'))), ...(await entriesUnder(join(folder, 'url')))];
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The file of a folder that is fetched last: where it is, all are. */
export const LAST_OF_FOLDER = 'config.json';

/** The name of the folder that a file belongs to. */
function folderOf({ name }: CacheEntry): HubName | undefined {
  const hub = isUrl(name) ? undefined : parseHubName(name);
  return hub?.file === undefined ? hub : undefined;
}

/** One entry for the files of a folder. */
function inFolders(entries: readonly CacheEntry[]): CacheEntry[] {
  const result = new Map<string, CacheEntry>();
  for (const entry of entries) {
    const hub = folderOf(entry);
    if (!hub) {
      result.set(entry.path, entry);
      continue;
    }
    const path = dirname(entry.path);
    const storedBytes = entry.storedBytes + (result.get(path)?.storedBytes ?? 0);
    const complete = result.get(path)?.complete || basename(entry.path) === LAST_OF_FOLDER;
    const { name, url, revision, date } = entry;
    const sizeBytes = complete ? storedBytes : undefined;
    result.set(path, { name, url: dirname(url), revision, date, path, storedBytes, sizeBytes, complete });
  }
  return [...result.values()];
}

async function entriesUnder(folder: string): Promise<CacheEntry[]> {
  let names: string[];
  try {
    names = await readdir(folder, { recursive: true });
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw fileError('list', folder, error);
  }
  const entries: CacheEntry[] = [];
  for (const name of names) {
    if (!name.endsWith('.json')) continue;
    const path = join(folder, name.slice(0, -'.json'.length));
    const entry = path.endsWith('.partial') ? await readPartialEntry(path) : await readEntry(path);
    if (entry) entries.push(entry);
  }
  return entries;
}

async function readPartialEntry(path: string): Promise<CacheEntry | undefined> {
  const record = await readRecord(`${path}.json`);
  return record && { ...record, path, storedBytes: (await fileSize(path)) ?? 0, complete: false };
}

/**
 * Removes what `name` means from the cache, unfinished downloads too: one file, or with a hub name without a file all of that repository
 * and revision. Returns what was removed. Throws `bad-argument` when there is nothing of that name, `io` when it is being downloaded now.
 */
export async function removeCached(name: string, folder: string = cacheFolder()): Promise<CacheEntry[]> {
  const hub = parseHubName(name);
  const wanted = isUrl(name) ? urlName(name) : hub && formatHubName(hub);
  const matches = (entry: CacheEntry) => {
    if (entry.name === wanted) return true;
    const own = hub && !hub.file ? parseHubName(entry.name) : undefined;
    return own !== undefined && own.repo === hub?.repo && own.revision === hub.revision;
  };
  const entries = (await listFiles(folder)).filter(matches);
  if (entries.length === 0) {
    throw new OnebitError(
      'bad-argument',
      `remove: ${name} is not in the cache (${folder}). See the names with: onebit pull --list`,
    );
  }
  for (const entry of entries) {
    const final = entry.complete ? entry.path : entry.path.slice(0, -'.partial'.length);
    if (await isLocked(`${final}.lock`)) {
      throw new OnebitError('io', `remove: ${entry.name} is being downloaded. Stop that first.`);
    }
    try {
      await rm(entry.path, { force: true });
      await rm(`${entry.path}.json`, { force: true });
    } catch (error) {
      throw fileError('remove', entry.path, error);
    }
    await removeEmptyFolders(dirname(entry.path), folder);
  }
  return inFolders(entries);
}

async function removeEmptyFolders(from: string, upTo: string): Promise<void> {
  for (let at = from; at !== upTo && at.startsWith(upTo); at = dirname(at)) {
    try {
      await rmdir(at);
    } catch {
      return;
    }
  }
}

/** Makes the folder of `path`. Throws `io`. */
export async function makeFolderOf(path: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
  } catch (error) {
    throw fileError('make folder', dirname(path), error);
  }
}
