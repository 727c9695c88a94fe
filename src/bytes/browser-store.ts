// Owns the models that a site keeps in the browser's private storage (OPFS): where they lie, their records, listing and removing. Must not know HTTP.
// Layout: folder `onebit`, for each model `<key>.gguf` and `<key>.json`, key the start of the SHA-256 of its name. A record without `complete`
// belongs to a download that was interrupted. Source: the File System standard, https://fs.spec.whatwg.org.
import { checkArgument } from '../core/check.ts';
import { hexOf, sha256 } from '../core/digest.ts';
import { OnebitError } from '../errors.ts';
import { chooseFile, formatHubName, parseHubName } from './hub.ts';

/** What is recorded about a kept model. */
export interface KeptRecord {
  /** The name that finds it again: `owner/repo/file.gguf[@revision]` or a URL. */
  readonly name: string;
  readonly url: string;
  /** Lower-case hex; there once the file is complete. */
  readonly sha256?: string;
  readonly sizeBytes?: number;
  /** ETag or date of change as the server gave it. */
  readonly etag?: string;
  /** When the record was written, ISO 8601. */
  readonly date: string;
  readonly complete: boolean;
}

/** A model in the browser's storage, finished or not. */
export interface KeptModel extends KeptRecord {
  /** Bytes that are there. */
  readonly storedBytes: number;
}

const FOLDER = 'onebit';

/** Whether this browser has private storage; it is missing on insecure pages and in some private windows. */
export function hasBrowserStore(): boolean {
  return typeof navigator !== 'undefined' && typeof navigator.storage?.getDirectory === 'function';
}

/** The folder of kept models. Throws `unsupported` where there is no such storage. */
export async function storeFolder(): Promise<FileSystemDirectoryHandle> {
  if (!hasBrowserStore()) {
    throw new OnebitError(
      'unsupported',
      'keep model: the browser must have private storage, this page has none (it needs https or localhost, and no private window). Load without keeping.',
    );
  }
  try {
    const root = await navigator.storage.getDirectory();
    return await root.getDirectoryHandle(FOLDER, { create: true });
  } catch (cause) {
    throw new OnebitError(
      'io',
      `keep model: the browser refuses its private storage (${messageOf(cause)}). Leave the private window, or load without keeping.`,
      { cause },
    );
  }
}

/** What a model's files are called. */
export async function keyOf(name: string): Promise<string> {
  return hexOf(await sha256(name)).slice(0, 32);
}

/** Does `work` while no other tab or worker works on this model. `onWait` is called when somebody else does. */
export async function withModelLock<Result>(
  name: string,
  options: { readonly signal?: AbortSignal; readonly onWait?: () => void },
  work: () => Promise<Result>,
): Promise<Result> {
  if (!navigator.locks) return work();
  const lock = `onebit model ${await keyOf(name)}`;
  const free = await navigator.locks.request(lock, { ifAvailable: true }, async (held) =>
    held ? { result: await work() } : undefined,
  );
  if (free) return free.result;
  options.onWait?.();
  return navigator.locks.request(lock, { signal: options.signal ?? new AbortController().signal }, work);
}

/** Reads the record of a key; undefined when it is missing or not one of ours. */
export async function readKeptRecord(folder: FileSystemDirectoryHandle, key: string): Promise<KeptRecord | undefined> {
  try {
    const file = await (await folder.getFileHandle(`${key}.json`)).getFile();
    const found = JSON.parse(await file.text()) as Record<string, unknown>;
    const text = (field: string) => (typeof found[field] === 'string' ? found[field] : undefined);
    const [name, url, date] = [text('name'), text('url'), text('date')];
    if (name === undefined || url === undefined || date === undefined) return undefined;
    const sizeBytes = typeof found.sizeBytes === 'number' ? found.sizeBytes : undefined;
    const complete = found.complete === true && sizeBytes !== undefined;
    return { name, url, date, sha256: text('sha256'), etag: text('etag'), sizeBytes, complete };
  } catch {
    return undefined;
  }
}

/** All models in the storage, unfinished downloads too, by name. Files without a record are removed. */
export async function listModels(): Promise<KeptModel[]> {
  if (!hasBrowserStore()) return [];
  const folder = await storeFolder();
  const models: KeptModel[] = [];
  for await (const [fileName, handle] of folder.entries()) {
    if (handle.kind !== 'file' || !fileName.endsWith('.gguf')) continue;
    const key = fileName.slice(0, -'.gguf'.length);
    const record = await readKeptRecord(folder, key);
    if (record) models.push({ ...record, storedBytes: await sizeOf(handle as FileSystemFileHandle) });
    else await folder.removeEntry(fileName).catch(() => {}); // being written right now: stays
  }
  return models.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * The finished file that `name` (a hub name or URL) means, without asking the network; undefined when there is none. A hub name without a file means
 * the same choice as on the hub, among what is here. Throws `bad-argument` when that leaves several.
 */
export async function findKept(name: string): Promise<{ record: KeptRecord; file: File } | undefined> {
  if (!hasBrowserStore()) return undefined;
  const hub = parseHubName(name);
  if (!hub || hub.file !== undefined) return openKept(hub ? formatHubName(hub) : name);
  const files = new Map<string, string>();
  for (const model of await listModels()) {
    const own = parseHubName(model.name);
    if (model.complete && own?.repo === hub.repo && own.revision === hub.revision)
      files.set(own.file ?? '', model.name);
  }
  if (files.size === 0) return undefined;
  return openKept(files.get(chooseFile(hub.repo, [...files.keys()]))!);
}

async function openKept(name: string): Promise<{ record: KeptRecord; file: File } | undefined> {
  const folder = await storeFolder();
  const key = await keyOf(name);
  const record = await readKeptRecord(folder, key);
  if (!record?.complete) return undefined;
  try {
    const file = await (await folder.getFileHandle(`${key}.gguf`)).getFile();
    return file.size === record.sizeBytes ? { record, file } : undefined;
  } catch {
    return undefined;
  }
}

/** Removes the model of this name, also an unfinished download. Throws `bad-argument` when there is none, `io` while it is being downloaded. */
export async function removeModel(name: string): Promise<void> {
  checkArgument('remove', 'name', name, 'text');
  const folder = await storeFolder();
  const key = await keyOf(name);
  const remove = async (held: unknown) => {
    if (!held)
      throw new OnebitError('io', `remove: ${name} is being downloaded, here or in another tab. Stop that first.`);
    try {
      await folder.removeEntry(`${key}.gguf`);
    } catch (cause) {
      throw new OnebitError('bad-argument', `remove: ${name} is not kept in this browser. See listModels().`, {
        cause,
      });
    }
    await folder.removeEntry(`${key}.json`).catch(() => {});
  };
  if (navigator.locks) await navigator.locks.request(`onebit model ${key}`, { ifAvailable: true }, remove);
  else await remove(true);
}

async function sizeOf(handle: FileSystemFileHandle): Promise<number> {
  return (await handle.getFile()).size;
}

/** What a caught value says. */
export function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
