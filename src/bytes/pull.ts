// Owns bringing a model into the cache by its hub name or URL: what to fetch, and whether it is already here. Node only.
import { OnebitError } from '../errors.ts';
import {
  type CacheEntry,
  cacheFolder,
  findCached,
  findCachedFolder,
  hubPath,
  isUrl,
  readEntry,
  urlName,
  urlPath,
} from './cache.ts';
import { downloadToDisk } from './disk-download.ts';
import type { DownloadOptions } from './download.ts';
import { isLoss, splitCredentials } from './http-request.ts';
import {
  formatHubName,
  type HubName,
  type HubOptions,
  hubEndpoint,
  hubFolder,
  hubHttpOptions,
  parseHubName,
  resolveHubFile,
} from './hub.ts';
import { proxyFetch } from './proxy.ts';
import { pullFolder } from './pull-folder.ts';

export interface PullOptions extends HubOptions, DownloadOptions {
  /** The cache's folder; default as `cacheFolder` says. */
  folder?: string;
  /** The hash that the file must have, hex. Hub names bring their own. */
  sha256?: string;
}

/** A model that is now in the cache, and how it came there: `present` was here and is current, `unchecked` is here but the hub could not be asked. */
export interface PullResult {
  entry: CacheEntry;
  how: 'downloaded' | 'present' | 'unchecked';
}

/** The hub's base URL and access token from HF_ENDPOINT and HF_TOKEN. */
export function hubFromEnvironment(env: NodeJS.ProcessEnv = process.env): Pick<HubOptions, 'endpoint' | 'token'> {
  return { endpoint: env.HF_ENDPOINT || undefined, token: env.HF_TOKEN || undefined };
}

/**
 * Brings the model `name` (`owner/repo[/file.gguf][@revision]` or a URL) into the cache and returns its entry; of a repository without a GGUF that is a
 * model's folder, all files that are read of it. What is here already is not fetched again, unless the hub has another version by now. Throws what `resolveHubFile` and `download` throw, and `bad-argument` for other names.
 */
export async function pullModel(name: string, callerOptions: PullOptions = {}): Promise<PullResult> {
  const options = { ...callerOptions, fetch: callerOptions.fetch ?? (await proxyFetch()) };
  const sha256 = options.sha256?.toLowerCase();
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/.test(sha256)) {
    throw new OnebitError(
      'bad-argument',
      'pull: a SHA-256 has 64 hexadecimal digits, got something else. Copy it again.',
    );
  }
  const folder = options.folder ?? cacheFolder();
  if (isUrl(name)) return pullUrl(name, folder, sha256, options);
  const hub = parseHubName(name);
  if (hub) return pullFromHub(hub, folder, sha256, options);
  throw new OnebitError(
    'bad-argument',
    `pull: need owner/repo, owner/repo/file.gguf (plain names, with @revision if wanted) or an http(s) URL, got ${JSON.stringify(name)}.`,
  );
}

async function pullUrl(
  url: string,
  folder: string,
  sha256: string | undefined,
  options: PullOptions,
): Promise<PullResult> {
  const path = urlPath(folder, url);
  const entry = await readEntry(path);
  if (entry && (sha256 === undefined || sha256 === entry.sha256)) return { entry, how: 'present' };
  const onHub = new URL(url).origin === new URL(hubEndpoint(options.endpoint)).origin;
  const http = onHub ? { ...options, ...hubHttpOptions(options) } : options;
  const recordUrl = urlName(url);
  const headers = { ...http.headers, ...splitCredentials(url).headers };
  const target = { name: recordUrl, url: recordUrl, recordUrl, path, sha256 };
  return { entry: await downloadToDisk(target, { ...http, headers }), how: 'downloaded' };
}

async function pullFromHub(
  name: HubName,
  folder: string,
  sha256: string | undefined,
  options: PullOptions,
): Promise<PullResult> {
  let file: Awaited<ReturnType<typeof resolveHubFile>>;
  try {
    file = await resolveHubFile(name, options);
  } catch (error) {
    const isNone = error instanceof OnebitError && error.code === 'bad-argument' && name.file === undefined;
    const repository = isNone ? await hubFolder(name, options) : undefined;
    if (repository) return pullFolder(repository, name, folder, { ...options, sha256 });
    const known = formatHubName(name);
    const entry = isLoss(error)
      ? ((await findCached(known, folder)) ?? (await findCachedFolder(known, folder)))
      : undefined;
    if (!entry || (sha256 !== undefined && sha256 !== entry.sha256)) throw error;
    return { entry, how: 'unchecked' };
  }
  const fullName = formatHubName(file);
  if (sha256 !== undefined && file.sha256 !== undefined && sha256 !== file.sha256) {
    throw new OnebitError(
      'bad-argument',
      `pull ${fullName}: need SHA-256 ${sha256} as asked, the hub says ${file.sha256}. Check which one is meant.`,
    );
  }
  const wanted = file.sha256 ?? sha256;
  const path = hubPath(folder, file);
  const entry = await readEntry(path);
  if (entry && entry.sizeBytes === file.sizeBytes && (wanted === undefined || wanted === entry.sha256)) {
    return { entry, how: 'present' };
  }
  const { url, revision, sizeBytes } = file;
  const target = { name: fullName, url, recordUrl: url, path, revision, sha256: wanted, sizeBytes };
  return { entry: await downloadToDisk(target, { ...options, ...hubHttpOptions(options) }), how: 'downloaded' };
}
