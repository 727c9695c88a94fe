// Owns opening what models are named by: a path, a URL, a name of the hub, a folder, bytes. Apart from load.ts, so that who only reads or writes files need not
// wait for the engine's modules.
import { blobSource } from './bytes/blob-source.ts';
import { memorySource } from './bytes/memory-source.ts';
import { type OpenOptions, openModelBytes, openUrl } from './bytes/open.ts';
import { packaged } from './bytes/packaged.ts';
import type { ByteSource } from './bytes/source.ts';
import { OnebitError } from './errors.ts';

/** The model that the package brings: the seedling, which books tables, hotels and taxis. Its card: models/README.md. */
export const EMBEDDED_MODEL = /* @__PURE__ */ packaged(
  () => new URL('../models/seedling.gguf', import.meta.url),
  'seedling.gguf',
);

/** A file or Blob, bytes, any `ByteSource`, or a name: a path, a URL, a hub name; a folder with config.json, safetensors and tokenizer.json too. */
export type ModelInput = string | URL | Uint8Array | Blob | ByteSource;

/** Opens what `load` accepts, to look into a file without loading it. */
export async function openSource(input: ModelInput, options: OpenOptions = {}): Promise<ByteSource> {
  if (input instanceof Uint8Array) return memorySource(input);
  if (input instanceof Blob) return blobSource(input);
  if (typeof input === 'object' && 'readInto' in input) return input;
  // Nothing but the page itself keeps its own model
  if (input === EMBEDDED_MODEL && !globalThis.process?.versions?.node) return openUrl(String(input), options);
  const name = String(input);
  const folder = await openFolder(name, options.signal);
  if (folder) return folder;
  try {
    return await openModelBytes(name, options);
  } catch (error) {
    const wanted = error instanceof OnebitError && error.code === 'bad-argument';
    const source = wanted ? await openHubFolder(name, options) : undefined;
    if (source) return source;
    throw error;
  }
}

/**
 * A repository on the hub that holds no GGUF but a folder of Transformers or MLX: as it was pulled, else read by ranges; undefined where there is none, or
 * no network.
 */
async function openHubFolder(name: string, options: OpenOptions): Promise<ByteSource | undefined> {
  const { hubFolder, parseHubName } = await import('./bytes/hub.ts');
  const hub = parseHubName(name);
  if (!hub || hub.file !== undefined || !globalThis.process?.versions?.node) return undefined;
  const { hubFromEnvironment } = await import('./bytes/pull.ts');
  const { findCachedFolder, proxyFetch } = await import('./bytes/cache.ts');
  const pulled = await findCachedFolder(name, options.folder);
  if (pulled) return openFolder(pulled.path, options.signal, name);
  try {
    const reach = { ...hubFromEnvironment(), ...options, fetch: options.fetch ?? (await proxyFetch()) };
    const folder = await hubFolder(hub, reach);
    if (!folder) return undefined;
    const { folderSource } = await import('./hf/source.ts');
    return await folderSource(folder, options.signal);
  } catch (error) {
    // Who is offline hears what to do about the name.
    if (error instanceof OnebitError && error.code === 'network') return undefined;
    throw error;
  }
}

/** A model's folder as Transformers or MLX write it, as the bytes of a GGUF; undefined where there is no folder. */
async function openFolder(path: string, signal?: AbortSignal, name = path): Promise<ByteSource | undefined> {
  if (!globalThis.process?.versions?.node) return undefined;
  const { diskFolder } = await import('./bytes/disk-folder.ts');
  const folder = await diskFolder(path);
  if (!folder) return undefined;
  const { folderSource } = await import('./hf/source.ts');
  return folderSource({ ...folder, name }, signal);
}
