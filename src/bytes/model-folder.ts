// Owns which files of a folder are a model as Transformers and MLX write it, and reading its texts. Must not know what these say, but for where weights are.
import { OnebitError } from '../errors.ts';
import type { Folder } from './folder.ts';

const INDEX = 'model.safetensors.index.json';
/** What stands beside the weights; the first is never missing. */
const TEXTS = [
  'config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'generation_config.json',
  'chat_template.jinja',
];
/** Texts of a folder are no longer than this. */
const MOST_TEXT_BYTES = 64e6;

/** The files that a model's folder is read from: weights first. @throws as `weightFiles` */
export async function modelFiles(folder: Folder, signal?: AbortSignal): Promise<string[]> {
  const weights = await weightFiles(folder, signal);
  return [...weights, ...[INDEX, ...TEXTS].filter((file) => folder.files.includes(file))];
}

/**
 * The files that hold a folder's weights: `model.safetensors`, those that an index names, or the only one.
 * @throws OnebitError `bad-file` where they are not there, `unsupported` where there are pickles only
 */
export async function weightFiles(folder: Folder, signal?: AbortSignal): Promise<string[]> {
  if (folder.files.includes(INDEX)) {
    const { weight_map: map } = await readFolderJson(folder, INDEX, signal);
    const files = new Set(typeof map === 'object' && map !== null ? Object.values(map as Record<string, unknown>) : []);
    for (const file of files) {
      if (typeof file !== 'string' || !file.endsWith('.safetensors') || !folder.files.includes(file))
        throw damagedFolder(folder, `${INDEX} names ${JSON.stringify(file)?.slice(0, 80)}, which is not there`);
    }
    if (files.size === 0) throw damagedFolder(folder, `${INDEX} names no file`);
    return [...files] as string[];
  }
  const files = folder.files.filter((file) => file.endsWith('.safetensors'));
  if (files.includes('model.safetensors')) return ['model.safetensors'];
  if (files.length === 1) return files;
  const pickle = folder.files.find((file) => /\.(bin|pt|pth)$/.test(file));
  if (pickle) throw pickled(`${folder.name}/${pickle}`, pickle);
  throw damagedFolder(folder, `it has ${files.length} files of weights and no ${INDEX}`);
}

/** A JSON object of a folder; `{}` where it is optional and missing. @throws OnebitError `bad-file`, `io` */
export async function readFolderJson(
  folder: Folder,
  file: string,
  signal?: AbortSignal,
  optional = false,
): Promise<Record<string, unknown>> {
  if (!folder.files.includes(file)) {
    if (optional) return {};
    throw damagedFolder(folder, `${file} is missing`);
  }
  try {
    const value = JSON.parse(await readFolderText(folder, file, signal));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch (error) {
    if (error instanceof OnebitError || signal?.aborted) throw error;
  }
  throw damagedFolder(folder, `${file} is no JSON object`);
}

/** A text of a folder. @throws OnebitError `bad-file`, `io` */
export async function readFolderText(folder: Folder, file: string, signal?: AbortSignal): Promise<string> {
  const source = await folder.open(file);
  try {
    if (source.size > MOST_TEXT_BYTES) throw damagedFolder(folder, `${file} has ${source.size} bytes`);
    const bytes = new Uint8Array(source.size);
    await source.readInto(bytes, 0, signal);
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) throw damagedFolder(folder, `${file} is no UTF-8`);
    throw error;
  } finally {
    await source.close();
  }
}

/** What to say of a folder that is no model's. */
export function damagedFolder(folder: Folder, what: string): OnebitError {
  return new OnebitError(
    'bad-file',
    `load ${folder.name}: it must be a model's folder with config.json, safetensors and tokenizer.json, ${what}. Get it again.`,
  );
}

/** What to say of a pickle, which can run any code when it is opened. @param file its name, for the command */
export function pickled(name: string, file = 'pytorch_model.bin'): OnebitError {
  const from = /^[\w.-]+$/.test(file) ? file : 'pytorch_model.bin';
  return new OnebitError(
    'unsupported',
    `read ${name}: weights must be safetensors, this is a pickle, which can run any program when it is opened. Make safetensors of it where you trust it: python -c "import torch,safetensors.torch as s; s.save_file({k:v.contiguous().clone() for k,v in torch.load('${from}',weights_only=True).items()},'model.safetensors')"`,
  );
}
