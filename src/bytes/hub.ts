// Owns the names of models on the Hugging Face hub, and finding the file that a name means. Must not know the cache or the platform: it runs in
// browsers and Node alike. Source: the hub's API, `/api/models/{repo}/tree/{revision}` and `/{repo}/resolve/{revision}/{file}`.
import { OnebitError } from '../errors.ts';
import type { Folder } from './folder.ts';
import { displayUrl, type HttpOptions, Retries, send } from './http-request.ts';
import { httpSource } from './http-source.ts';

/** A model's name taken apart: `owner/repo[/file.gguf][@revision]`. */
export interface HubName {
  /** `owner/repo`. */
  repo: string;
  /** The file's path in the repository; undefined leaves the choice to `chooseFile`. */
  file?: string;
  /** A branch, tag or commit; `main` unless told. */
  revision: string;
}

/** A file on the hub and what the hub says about it. */
export interface HubFile extends HubName {
  file: string;
  url: string;
  sizeBytes: number;
  /** Lower-case hex; undefined for a file that is not in large-file storage, as small texts. */
  sha256?: string;
  /** Of such a file: Git's name of its content, SHA-1 in lower-case hex. */
  blob?: string;
}

export interface HubOptions extends HttpOptions {
  /** Default `https://huggingface.co`. */
  endpoint?: string;
  /** An access token, sent to the endpoint only. */
  token?: string;
}

export const DEFAULT_ENDPOINT = 'https://huggingface.co';

/** Names become paths on disk, so only plain ones pass: no `..`, nothing hidden, no devices of Windows, no separators or control characters. */
const SEGMENT = /^(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9._+=-]{0,127}$/;
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/** Whether `segment` may be the name of a file or directory everywhere. */
export function isSafeSegment(segment: string): boolean {
  return SEGMENT.test(segment) && !DEVICE.test(segment) && !segment.endsWith('.');
}

function isSafeFile(file: string): boolean {
  const segments = file.split('/');
  const name = segments.pop() ?? '';
  return isSafeSegment(name) && /\.gguf$/i.test(name) && segments.length <= 4 && segments.every(isSafeDirectory);
}

/** Directories that look like model files would hide one model inside the place of another. */
function isSafeDirectory(segment: string): boolean {
  return isSafeSegment(segment) && !/\.gguf$/i.test(segment);
}

/** Takes `owner/repo[/file.gguf][@revision]` apart; undefined when `name` is not of this form or has a part that is not a plain name. */
export function parseHubName(name: string): HubName | undefined {
  const at = name.lastIndexOf('@');
  const revision = at < 0 ? 'main' : name.slice(at + 1);
  const [owner, repo, ...rest] = (at < 0 ? name : name.slice(0, at)).split('/');
  if (repo === undefined || !isSafeDirectory(owner) || !isSafeDirectory(repo)) return undefined;
  const revisionParts = revision.split('/');
  if (revisionParts.length > 4 || !revisionParts.every(isSafeSegment)) return undefined;
  if (rest.length === 0) return { repo: `${owner}/${repo}`, revision };
  const file = rest.join('/');
  return isSafeFile(file) ? { repo: `${owner}/${repo}`, file, revision } : undefined;
}

/** The shortest name that means exactly this file. */
export function formatHubName(name: HubName): string {
  const file = name.file === undefined ? '' : `/${name.file}`;
  return `${name.repo}${file}${name.revision === 'main' ? '' : `@${name.revision}`}`;
}

/**
 * Chooses the model among the `files` of a repository: the only .gguf; of several, the only one with `Q1_0` as a word of its name, else the
 * only one with `Q1_0` in it at all. Vision projectors (`mmproj`) do not count. Throws `bad-argument` with the list when that leaves a choice.
 */
export function chooseFile(repo: string, files: readonly string[]): string {
  const models = files.filter((file) => isSafeFile(file) && !/(^|[/-])mmproj/i.test(file));
  if (models.length === 1) return models[0];
  for (const rule of [/(^|[-./])Q1_0(?=[-.])/i, /Q1_0/i]) {
    const matching = models.filter((file) => rule.test(file));
    if (matching.length === 1) return matching[0];
  }
  if (models.length === 0) {
    const advice = files.includes('config.json')
      ? `It is a folder of Transformers or MLX, which Node reads and pages do not: onebit convert ${repo} -o model.gguf --type same makes a file of it.`
      : 'Check the name.';
    throw new OnebitError('bad-argument', `find model: need a .gguf file in ${repo}, it has none. ${advice}`);
  }
  const shown = models.slice(0, 30).map((file) => `\n  ${repo}/${file}`);
  const more = models.length > shown.length ? `\n  and ${models.length - shown.length} more` : '';
  throw new OnebitError(
    'bad-argument',
    `find model: ${repo} has ${models.length} .gguf files and none stands out. Name one of them:${shown.join('')}${more}`,
  );
}

/** Base URL of the hub without a slash at its end. Throws `bad-argument` when it is no http(s) URL. */
export function hubEndpoint(endpoint: string = DEFAULT_ENDPOINT): string {
  if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol)) {
    throw new OnebitError('bad-argument', `hub: need an http or https URL as endpoint, got ${displayUrl(endpoint)}.`);
  }
  return endpoint.replace(/\/+$/, '');
}

/** HTTP options for requests to the hub: the token and what to say when access is denied. */
export function hubHttpOptions(options: HubOptions): HttpOptions {
  const { fetch, signal, retryDelayMs, stallMs, headers, token } = options;
  return {
    fetch,
    signal,
    retryDelayMs,
    stallMs,
    headers: token ? { ...headers, authorization: `Bearer ${token}` } : headers,
    deniedAdvice: token
      ? 'The token in HF_TOKEN has no access. Check the name, accept the terms of the model on the hub, and check the token.'
      : 'The name is wrong, or the model is private or gated. Check the name; otherwise set HF_TOKEN to an access token of yours.',
  };
}

/**
 * Finds the file that `name` means by asking the hub for the repository's list of files. Throws `network` when the hub cannot be reached or refuses,
 * `bad-argument` when the repository has no such file or the choice is not clear.
 */
export async function resolveHubFile(name: HubName, options: HubOptions = {}): Promise<HubFile> {
  const endpoint = hubEndpoint(options.endpoint);
  const entries = await listFiles(endpoint, name, hubHttpOptions(options));
  const file = name.file ?? chooseFile(name.repo, [...entries.keys()]);
  const entry = entries.get(file);
  if (!entry) {
    const models = [...entries.keys()].filter(isSafeFile).slice(0, 30);
    throw new OnebitError(
      'bad-argument',
      `find model: ${name.repo}@${name.revision} has no file ${file}. Its .gguf files: ${models.join(', ') || 'none'}.`,
    );
  }
  return { ...name, file, url: fileUrl(endpoint, name, file), ...entry };
}

/** A repository without a GGUF that holds a model's folder. */
export interface HubFolder extends Folder {
  /** What the hub says of one of its files. */
  fileOf(file: string): HubFile;
}

/**
 * The files of a repository as a folder, read by ranges; undefined where it has no config.json, or a .gguf, which is a file to be named or pulled.
 * @throws OnebitError `network` when the hub cannot be reached or refuses
 */
export async function hubFolder(name: HubName, options: HubOptions = {}): Promise<HubFolder | undefined> {
  const endpoint = hubEndpoint(options.endpoint);
  const http = hubHttpOptions(options);
  const entries = await listFiles(endpoint, name, http);
  if (!entries.has('config.json') || [...entries.keys()].some(isSafeFile)) return undefined;
  return {
    name: formatHubName(name),
    files: [...entries.keys()].filter(isSafeSegment),
    open: (file) => httpSource(fileUrl(endpoint, name, file), http),
    fileOf: (file) => ({ ...name, file, url: fileUrl(endpoint, name, file), ...entries.get(file)! }),
  };
}

function fileUrl(endpoint: string, { repo, revision }: HubName, file: string): string {
  return `${endpoint}/${repo}/resolve/${encodeURIComponent(revision)}/${encodePath(file)}`;
}

function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

type TreeEntry = Pick<HubFile, 'sizeBytes' | 'sha256' | 'blob'>;

const MAX_PAGES = 20;
const MAX_PAGE_BYTES = 8 * 1024 * 1024;

async function listFiles(endpoint: string, name: HubName, options: HttpOptions): Promise<Map<string, TreeEntry>> {
  const entries = new Map<string, TreeEntry>();
  const start = `${endpoint}/api/models/${name.repo}/tree/${encodeURIComponent(name.revision)}?recursive=true`;
  let url: string | undefined = start;
  for (let page = 0; url !== undefined && page < MAX_PAGES; page++) {
    const { json, next } = await fetchPage(url, options);
    if (!Array.isArray(json)) throw badAnswer(url, 'a list of files');
    for (const item of json) addEntry(entries, item);
    // The token goes where we send it, so only to the hub itself.
    url = next && new URL(next, url).origin === new URL(endpoint).origin ? new URL(next, url).href : undefined;
  }
  return entries;
}

async function fetchPage(url: string, options: HttpOptions): Promise<{ json: unknown; next?: string }> {
  const exchange = await send(url, { accept: 'application/json' }, options, new Retries(options));
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of exchange.chunks()) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > MAX_PAGE_BYTES) throw badAnswer(url, `at most ${MAX_PAGE_BYTES} bytes`);
  }
  const next = /<([^<>]{1,2000})>;\s*rel="next"/.exec(exchange.response.headers.get('link') ?? '')?.[1];
  try {
    return { json: JSON.parse(text + decoder.decode()), next };
  } catch {
    throw badAnswer(url, 'JSON');
  }
}

function addEntry(entries: Map<string, TreeEntry>, item: unknown): void {
  if (typeof item !== 'object' || item === null) return;
  const { type, path, size, lfs, oid } = item as Record<string, unknown>;
  if (type !== 'file' || typeof path !== 'string' || path.length > 1000) return;
  const large = typeof lfs === 'object' && lfs !== null ? (lfs as Record<string, unknown>) : undefined;
  const sizeBytes = large?.size ?? size;
  if (typeof sizeBytes !== 'number' || !Number.isSafeInteger(sizeBytes) || sizeBytes < 0) return;
  const sha256 =
    typeof large?.oid === 'string' && /^[0-9a-f]{64}$/i.test(large.oid) ? large.oid.toLowerCase() : undefined;
  const blob = !large && typeof oid === 'string' && /^[0-9a-f]{40}$/i.test(oid) ? oid.toLowerCase() : undefined;
  entries.set(path, { sizeBytes, sha256, blob });
}

function badAnswer(url: string, wanted: string): OnebitError {
  return new OnebitError(
    'network',
    `find model: need ${wanted} from ${displayUrl(url)}, got something else. Check the endpoint.`,
  );
}
