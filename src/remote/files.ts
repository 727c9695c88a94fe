// Owns models as files in the worker: what is in one before it is loaded, and keeping it in the browser's storage.
import type { ByteSource } from '../bytes/source.ts';
import { readGguf } from '../gguf/read.ts';
import { defaultContextTokens, EMBEDDED_MODEL, openSource, residentBytesOf } from '../load.ts';
import { readModelConfig } from '../model/config.ts';
import { memoryNeed } from '../model/memory.ts';
import { checkTensors } from '../model/weights.ts';
import type { ModelOutline, RemoteInput, RemoteLoadOptions, RemoteProgress } from './protocol.ts';

/** Brings a model into the browser's storage, if it is not there, and opens it. */
export async function keptSource(
  name: string,
  { token, endpoint }: RemoteLoadOptions,
  onProgress: (progress: RemoteProgress) => void,
  signal: AbortSignal,
): Promise<ByteSource> {
  const { pullModel } = await import('../bytes/browser-pull.ts');
  return pullModel(name, { token, endpoint, signal, onProgress });
}

/** Reads a file's header: what it is and what it needs. Throws what `load` would throw for a file that cannot run. */
export async function outlineOf(
  input: RemoteInput,
  options: RemoteLoadOptions,
  signal: AbortSignal,
): Promise<ModelOutline> {
  const { token, endpoint } = options;
  const source = await openSource(input ?? EMBEDDED_MODEL, { signal, token, endpoint });
  try {
    const gguf = await readGguf(source, { signal });
    const config = readModelConfig(gguf);
    checkTensors(gguf, config);
    let parameters = 0;
    for (const { shape } of gguf.tensors.values()) parameters += shape.reduce((a, b) => a * b, 1);
    const contextTokens = options.contextTokens ?? defaultContextTokens(config.contextLength);
    return {
      name: config.name,
      architecture: config.architecture.name,
      fileBytes: source.size,
      parameters,
      contextLength: config.contextLength,
      need: memoryNeed(config, residentBytesOf(gguf), contextTokens, options.kvFormat ?? 'f16', options.parallel),
      kept: typeof input === 'string' && (await isKept(input)),
    };
  } finally {
    await source.close();
  }
}

async function isKept(name: string): Promise<boolean> {
  const { findKept } = await import('../bytes/browser-store.ts');
  return (await findKept(name)) !== undefined;
}
