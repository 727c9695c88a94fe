// Owns turning what a user names (a path, a URL, a model's name) into bytes. The one file here that runs on every platform and still knows files:
// those parts are loaded only in Node.
import { checkArgument } from '../core/check.ts';
import { OnebitError } from '../errors.ts';
import { blobSource } from './blob-source.ts';
import { type HttpSourceOptions, httpSource } from './http-source.ts';
import type { HubOptions } from './hub.ts';
import { memorySource } from './memory-source.ts';
import type { ByteSource } from './source.ts';

export interface OpenOptions extends HttpSourceOptions, HubOptions {
  /** Node: the cache's folder; default as `cacheFolder` says. */
  folder?: string;
}

/**
 * Opens a model's bytes. In Node: an existing file's path or file URL; an http(s) URL (the downloaded copy if `onebit pull` made one, else by ranges); the name of
 * a pulled model, without touching the network. In a browser: a URL, also a relative one, or a hub name: the kept copy if there is one, else by ranges.
 * Throws `io` when there is no such file, `bad-argument` when the name is none of these or was not pulled, and what `httpSource` throws.
 */
export async function openModelBytes(nameOrPathOrUrl: string, options: OpenOptions = {}): Promise<ByteSource> {
  checkArgument('openModelBytes', 'nameOrPathOrUrl', nameOrPathOrUrl, 'text');
  checkArgument('openModelBytes', 'options', options, 'object');
  const name = nameOrPathOrUrl;
  if (globalThis.process?.versions?.node) return openInNode(name, options);
  const { hubHttpOptions, parseHubName, resolveHubFile } = await import('./hub.ts');
  const { findKept } = await import('./browser-store.ts');
  const hub = parseHubName(name);
  const kept = await findKept(hub ? name : new URL(name, globalThis.location.href).href);
  if (kept) return blobSource(kept.file, kept.record.name);
  if (!hub) return openUrl(new URL(name, globalThis.location.href).href, options);
  return httpSource((await resolveHubFile(hub, options)).url, { ...options, ...hubHttpOptions(options) });
}

/** Files up to this size are fetched at once: a model has dozens of tensors, and each would be a request. */
const SMALL_BYTES = 8e6;

/** Opens an address in a browser, wherever it is kept besides. */
export async function openUrl(url: string, options: OpenOptions = {}): Promise<ByteSource> {
  const source = await httpSource(url, options);
  if (source.size > SMALL_BYTES) return source;
  const bytes = new Uint8Array(source.size);
  await source.readInto(bytes, 0);
  await source.close();
  return memorySource(bytes, source.name);
}

async function openInNode(name: string, options: OpenOptions): Promise<ByteSource> {
  const { fileSource, pathOf } = await import('./file-source.ts');
  const { fileSize, findCached, proxyFetch } = await import('./cache.ts');
  if (name.startsWith('file:')) return fileSource(pathOf(name));
  if ((await fileSize(name)) !== undefined) return fileSource(name);
  const entry = await findCached(name, options.folder);
  if (entry) return fileSource(entry.path);
  if (/^https?:\/\//i.test(name)) {
    return httpSource(name, { ...options, fetch: options.fetch ?? (await proxyFetch()) });
  }
  const { parseHubName } = await import('./hub.ts');
  if (!parseHubName(name)) return fileSource(name); // Says what is wrong with the path.
  throw new OnebitError(
    'bad-argument',
    `open: ${name} is neither a file here nor a model in the cache. Get it with: onebit pull ${name}`,
  );
}
