// Owns opening models that are folders, on the disk or on the hub: Node alone, and apart from open-source.ts, so that a page does not carry it.
import type { OpenOptions } from './bytes/open.ts';
import type { ByteSource } from './bytes/source.ts';
import { OnebitError } from './errors.ts';

/**
 * A repository on the hub that holds no GGUF but a folder of Transformers or MLX: as it was pulled, else read by ranges; undefined where there is none, or
 * no network.
 */
export async function openHubFolder(name: string, options: OpenOptions): Promise<ByteSource | undefined> {
  const { hubFolder, parseHubName } = await import('./bytes/hub.ts');
  const hub = parseHubName(name);
  if (!hub || hub.file !== undefined) return undefined;
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
export async function openFolder(path: string, signal?: AbortSignal, name = path): Promise<ByteSource | undefined> {
  const { diskFolder } = await import('./bytes/disk-folder.ts');
  const folder = await diskFolder(path);
  if (!folder) return undefined;
  const { folderSource } = await import('./hf/source.ts');
  return folderSource({ ...folder, name }, signal);
}
