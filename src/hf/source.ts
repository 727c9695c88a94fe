// Owns a model's folder as Transformers and MLX write it, as the bytes of the GGUF that says the same: whoever reads GGUF reads it. Bytes are made as they
// are asked for. Must not know where folders lie.
import type { Folder } from '../bytes/folder.ts';
import type { ByteSource } from '../bytes/source.ts';
import { OnebitError } from '../errors.ts';
import { layoutGguf, type WritableValue } from '../gguf/write.ts';
import { type Json, readConfig } from './config.ts';
import { pickled, readSafetensors, type SafeTensor } from './safetensors.ts';
import { readSampling } from './sampling.ts';
import { virtualTensors } from './tensors.ts';
import { readTokenizer } from './tokenizer.ts';
import type { VirtualTensor } from './virtual-tensor.ts';

/** Texts of a folder are no longer than this. */
const MOST_TEXT_BYTES = 64e6;
/** Read at once from a tensor. */
const PIECE_BYTES = 4e6;

/**
 * The GGUF that a folder stands for: config.json, safetensors (one file or as model.safetensors.index.json lists them), tokenizer.json.
 * @throws OnebitError `unsupported` for what the engine does not run, `bad-file` for what is damaged, `io`
 */
export async function folderSource(folder: Folder, signal?: AbortSignal): Promise<ByteSource> {
  const opened: ByteSource[] = [];
  try {
    const config = await readJson(folder, 'config.json', signal);
    const read = readConfig(config, folder.name);
    const weights: SafeTensor[] = [];
    for (const file of await weightFiles(folder, signal)) {
      const source = await folder.open(file);
      opened.push(source);
      weights.push(...(await readSafetensors(source, signal)));
    }
    const names = new Set<string>();
    for (const { name } of weights) {
      if (names.has(name)) throw damaged(folder, `tensor '${name.slice(0, 80)}' is in two files`);
      names.add(name);
    }
    const tensors = await virtualTensors(weights, read, folder.name, signal);
    const generationConfig = await readJson(folder, 'generation_config.json', signal, true);
    const tokenizer = readTokenizer(
      {
        tokenizer: await readJson(folder, 'tokenizer.json', signal),
        tokenizerConfig: await readJson(folder, 'tokenizer_config.json', signal, true),
        generationConfig,
        config,
        template: folder.files.includes('chat_template.jinja')
          ? await readText(folder, 'chat_template.jinja', signal)
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

async function weightFiles(folder: Folder, signal?: AbortSignal): Promise<string[]> {
  const index = 'model.safetensors.index.json';
  if (folder.files.includes(index)) {
    const { weight_map: map } = await readJson(folder, index, signal);
    const files = [...new Set(Object.values((map ?? {}) as Record<string, unknown>))];
    for (const file of files) {
      if (typeof file !== 'string' || !folder.files.includes(file))
        throw damaged(folder, `${index} names ${JSON.stringify(file)?.slice(0, 80)}, which is not there`);
    }
    if (files.length === 0) throw damaged(folder, `${index} names no file`);
    return files as string[];
  }
  const files = folder.files.filter((file) => file.endsWith('.safetensors'));
  if (files.includes('model.safetensors')) return ['model.safetensors'];
  if (files.length === 1) return files;
  const pickle = folder.files.find((file) => /\.(bin|pt|pth)$/.test(file));
  if (pickle) throw pickled(`${folder.name}/${pickle}`);
  throw damaged(folder, `it has ${files.length} files of weights and no ${index}`);
}

async function readJson(folder: Folder, file: string, signal?: AbortSignal, optional = false): Promise<Json> {
  if (!folder.files.includes(file)) {
    if (optional) return {};
    throw damaged(folder, `${file} is missing`);
  }
  try {
    const value = JSON.parse(await readText(folder, file, signal));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch (error) {
    if (error instanceof OnebitError || signal?.aborted) throw error;
  }
  throw damaged(folder, `${file} is no JSON object`);
}

async function readText(folder: Folder, file: string, signal?: AbortSignal): Promise<string> {
  const source = await folder.open(file);
  try {
    if (source.size > MOST_TEXT_BYTES) throw damaged(folder, `${file} has ${source.size} bytes`);
    const bytes = new Uint8Array(source.size);
    await source.readInto(bytes, 0, signal);
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) throw damaged(folder, `${file} is no UTF-8`);
    throw error;
  } finally {
    await source.close();
  }
}

function damaged(folder: Folder, what: string): OnebitError {
  return new OnebitError(
    'bad-file',
    `load ${folder.name}: it must be a model's folder with config.json, safetensors and tokenizer.json, ${what}. Get it again.`,
  );
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
