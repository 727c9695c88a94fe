// Owns what of `onebit convert` has to do with Transformers, MLX and PEFT: their folders, and adapters. Apart from convert.ts, which without them is ready sooner.
import type { ByteSource } from '../bytes/source.ts';
import { readGguf } from '../gguf/read.ts';
import type { I2sLayout } from '../gguf/tensors.ts';
import { modelOfAdapter, writePeftAdapter } from '../hf/adapter.ts';
import { adaptedModelOf, mergedSource } from '../hf/merge.ts';
import { writeFolder } from '../hf/write.ts';
import { readAdapter } from '../load-adapter.ts';
import { openSource } from '../open-source.ts';
import { fillNewFolder } from './new-folder.ts';
import { checkSpace } from './outputs.ts';
import { print, printJson } from './print.ts';
import { progressLine } from './progress.ts';
import { withModelHint } from './suggest.ts';

export interface FolderFlags {
  output: string;
  lora?: string;
  json?: boolean;
  i2sLayout?: I2sLayout;
}

/** Writes an adapter as PEFT saves it: the one that `--lora` names, for the model, or the one that the model's place has. */
export async function toPeft(
  name: string,
  { output, lora, json, i2sLayout }: FolderFlags,
  signal: AbortSignal,
): Promise<void> {
  const source = await openSource(name, { signal });
  try {
    const gguf = await readGguf(source, { signal, i2sLayout });
    const model = lora === undefined ? modelOfAdapter(gguf, name) : adaptedModelOf(gguf);
    const matrices = await readAdapter(lora ?? source, model, { signal });
    if (lora !== undefined) mergedSource(gguf, source, matrices); // says what does not fit
    const files = await fillNewFolder(output, 'convert', (write) => writePeftAdapter(matrices, model, write));
    if (json) printJson({ path: output, files, matrices: matrices.length, lossless: true });
    else print(`${output}: ${files.join(', ')}`);
  } finally {
    await source.close();
  }
}

/** Writes the folder that Transformers loads. */
export async function toFolder(
  name: string,
  { output, to, json, i2sLayout, lora }: FolderFlags & { readonly to: 'hf' | 'mlx' },
  signal: AbortSignal,
): Promise<void> {
  const source = await openMerged(name, { i2sLayout, lora }, signal);
  try {
    const gguf = await readGguf(source, { signal, i2sLayout });
    const line = progressLine();
    let files: string[];
    try {
      const onProgress = (done: number, total: number) => line.update('converting', done, total);
      files = await fillNewFolder(output, 'convert', (write) =>
        writeFolder(gguf, source, write, {
          signal,
          onProgress,
          to,
          onSize: (bytes) => checkSpace(output, output, bytes),
        }),
      );
    } finally {
      line.clear();
    }
    if (json) printJson({ path: output, files, lossless: true });
    else print(`${output}: ${files.join(', ')}`);
  } finally {
    await source.close();
  }
}

/** The model, with the adapter merged where there is one. */
export async function openMerged(
  name: string,
  { lora, i2sLayout }: Pick<FolderFlags, 'lora' | 'i2sLayout'>,
  signal: AbortSignal,
): Promise<ByteSource> {
  const source = await withModelHint(name, 'language', () => openSource(name, { signal }));
  if (lora === undefined) return source;
  try {
    const gguf = await readGguf(source, { signal, i2sLayout });
    return mergedSource(gguf, source, await readAdapter(lora, adaptedModelOf(gguf), { signal }));
  } catch (error) {
    await source.close();
    throw error;
  }
}
