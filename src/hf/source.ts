// Owns a model's folder as Transformers and MLX write it, as the bytes of the GGUF that says the same: whoever reads GGUF reads it. Bytes are made as they
// are asked for. Must not know where folders lie.
import type { Folder } from '../bytes/folder.ts';
import { damagedFolder, readFolderJson, readFolderText, weightFiles } from '../bytes/model-folder.ts';
import type { ByteSource } from '../bytes/source.ts';
import { OnebitError } from '../errors.ts';
import { layoutGguf, type WritableValue } from '../gguf/write.ts';
import { readConfig } from './config.ts';
import { readSafetensors, type SafeTensor } from './safetensors.ts';
import { readSampling } from './sampling.ts';
import { virtualTensors } from './tensors.ts';
import { readTokenizer } from './tokenizer.ts';
import type { VirtualTensor } from './virtual-tensor.ts';

/** Read at once from a tensor. */
const PIECE_BYTES = 4e6;

/**
 * The GGUF that a folder stands for: config.json, safetensors (one file or as model.safetensors.index.json lists them), tokenizer.json.
 * @throws OnebitError `unsupported` for what the engine does not run, `bad-file` for what is damaged, `io`
 */
export async function folderSource(folder: Folder, signal?: AbortSignal): Promise<ByteSource> {
  const opened: ByteSource[] = [];
  try {
    if (folder.files.includes('adapter_config.json') && !folder.files.includes('config.json')) {
      throw new OnebitError(
        'unsupported',
        `load ${folder.name}: the folder must hold a model, it holds an adapter of PEFT. Name the model it was made for, and this folder by --lora.`,
      );
    }
    const config = await readFolderJson(folder, 'config.json', signal);
    const read = readConfig(config, folder.name);
    const weights: SafeTensor[] = [];
    for (const file of await weightFiles(folder, signal)) {
      const source = await folder.open(file);
      opened.push(source);
      weights.push(...(await readSafetensors(source, signal)));
    }
    const names = new Set<string>();
    for (const { name } of weights) {
      if (names.has(name)) throw damagedFolder(folder, `tensor '${name.slice(0, 80)}' is in two files`);
      names.add(name);
    }
    const tensors = await virtualTensors(weights, read, folder.name, signal);
    const rows = tensors.find((tensor) => tensor.name === 'token_embd.weight')?.shape[1];
    if (rows !== undefined && config.vocab_size !== undefined && config.vocab_size !== rows) {
      const said = JSON.stringify(config.vocab_size)?.slice(0, 40);
      throw damagedFolder(folder, `config.json has a vocab_size of ${said}, the embedding ${rows} rows`);
    }
    const generationConfig = await readFolderJson(folder, 'generation_config.json', signal, true);
    const tokenizer = readTokenizer(
      {
        tokenizer: await readFolderJson(folder, 'tokenizer.json', signal),
        tokenizerConfig: await readFolderJson(folder, 'tokenizer_config.json', signal, true),
        generationConfig,
        config,
        template: folder.files.includes('chat_template.jinja')
          ? await readFolderText(folder, 'chat_template.jinja', signal)
          : undefined,
      },
      folder.name,
    );
    const name: [string, WritableValue] = ['general.name', baseName(folder.name)];
    const metadata = new Map<string, WritableValue>([
      ...read.metadata,
      name,
      ...readSampling(generationConfig),
      ...tokenizer,
    ]);
    return virtualFile(folder.name, metadata, tensors, opened);
  } catch (error) {
    await Promise.all(opened.map((source) => source.close()));
    throw error;
  }
}

function baseName(path: string): string {
  return path.split(/[/\\]/).filter(Boolean).at(-1) ?? path;
}

/** The bytes of a GGUF whose tensors are made as they are read. Closing it closes `opened`. */
export function virtualFile(
  name: string,
  metadata: Map<string, WritableValue>,
  tensors: readonly VirtualTensor[],
  opened: readonly ByteSource[],
): ByteSource {
  const parts = {
    metadata,
    tensors: tensors.map((tensor) => ({ ...tensor, bytes: () => tensor.rows(0, tensor.shape[1] ?? 1) })),
  };
  const { header, offsets, sizes, size } = layoutGguf(parts);
  return {
    name,
    size,
    async readInto(target, offsetBytes, signal) {
      signal?.throwIfAborted();
      const end = offsetBytes + target.length;
      if (!(offsetBytes >= 0 && end <= size)) {
        throw new OnebitError('bad-file', `read: need bytes ${offsetBytes}..${end} of ${name}, it has ${size}.`);
      }
      target.fill(0); // between tensors
      copy(target, offsetBytes, header, 0);
      let at = firstEnding(offsets, sizes, offsetBytes);
      for (; at < tensors.length && offsets[at] < end; at++) {
        const tensor = tensors[at];
        const rowBytes = sizes[at] / (tensor.shape[1] ?? 1);
        const last = Math.ceil((Math.min(end, offsets[at] + sizes[at]) - offsets[at]) / rowBytes);
        const step = Math.max(1, Math.floor(PIECE_BYTES / rowBytes));
        for (let row = Math.floor(Math.max(0, offsetBytes - offsets[at]) / rowBytes); row < last; row += step) {
          const bytes = await tensor.rows(row, Math.min(row + step, last), signal);
          copy(target, offsetBytes, bytes, offsets[at] + row * rowBytes);
        }
      }
    },
    async close() {
      await Promise.all(opened.map((source) => source.close()));
    },
  };
}

/** Copies what of `bytes`, which lie at `bytesAt`, falls into `target`, which lies at `targetAt`. */
function copy(target: Uint8Array, targetAt: number, bytes: Uint8Array, bytesAt: number): void {
  const from = Math.max(targetAt, bytesAt);
  const to = Math.min(targetAt + target.length, bytesAt + bytes.length);
  if (from < to) target.set(bytes.subarray(from - bytesAt, to - bytesAt), from - targetAt);
}

/** The first tensor that ends behind `at`. */
function firstEnding(offsets: readonly number[], sizes: readonly number[], at: number): number {
  let low = 0;
  let high = offsets.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (offsets[middle] + sizes[middle] <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}
