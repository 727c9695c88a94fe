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
  const name = String(input);
  if (!globalThis.process?.versions?.node) {
    // Nothing but the page itself keeps its own model
    return input === EMBEDDED_MODEL ? openUrl(name, options) : openModelBytes(name, options);
  }
  const { openFolder, openHubFolder } = await import('./open-folder.ts');
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
