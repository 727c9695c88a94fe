// Owns opening an adapter, whatever it is given as: a GGUF file, a folder of PEFT, a source of bytes.
import { type OpenOptions, openModelBytes } from './bytes/open.ts';
import type { ByteSource } from './bytes/source.ts';
import { type AdaptedModel, type AdapterMatrix, readGgufAdapter, readPeftAdapter, scaled } from './hf/adapter.ts';
import type { LowRank } from './model/adapter.ts';
import type { ModelConfig } from './model/config.ts';

/** Reads an adapter for a model; factors are multiplied in. @throws OnebitError `bad-file`, `unsupported`, `io` */
export async function openAdapter(
  input: string | ByteSource,
  config: ModelConfig,
  signal?: AbortSignal,
): Promise<LowRank[]> {
  const { architecture, heads, kvHeads } = config;
  const matrices = await readAdapter(input, { architecture: architecture.name, heads, kvHeads }, { signal });
  return matrices.map(scaled);
}

/** The same as the file has it. */
export async function readAdapter(
  input: string | ByteSource,
  model: AdaptedModel,
  options: OpenOptions = {},
): Promise<AdapterMatrix[]> {
  const { signal } = options;
  if (typeof input === 'string' && globalThis.process?.versions?.node) {
    const { diskFolder } = await import('./bytes/disk-folder.ts');
    const folder = await diskFolder(input);
    if (folder) return readPeftAdapter(folder, model, signal);
  }
  const source = typeof input === 'string' ? await openModelBytes(input, options) : input;
  try {
    return await readGgufAdapter(source, model, signal);
  } finally {
    if (typeof input === 'string') await source.close();
  }
}
