// Owns low-rank adapters as files: GGUF as llama.cpp has them, and PEFT's folders (adapter_config.json, safetensors). All of it is untrusted.
// Sources: llama.cpp's convert_lora_to_gguf.py and llama-adapter.cpp (`general.type`, `adapter.type`, `adapter.lora.alpha`, `NAME.lora_a`, `NAME.lora_b`);
// PEFT's LoraConfig and the names that it saves.
import type { Folder } from '../bytes/folder.ts';
import type { ByteSource } from '../bytes/source.ts';
import { OnebitError } from '../errors.ts';
import { metadataNumber, metadataString } from '../gguf/metadata.ts';
import { readGguf } from '../gguf/read.ts';
import { readNumbers } from '../gguf/read-numbers.ts';
import type { Gguf } from '../gguf/types.ts';
import type { WritableTensor, WritableValue } from '../gguf/write.ts';
import { formatByName } from '../quant/formats.ts';
import type { Json } from './config.ts';
import { readSafetensors, type SafeTensor, type SafeTensorToWrite, writeSafetensors } from './safetensors.ts';
import { FORMATS, renamed, rotatedRows } from './tensors.ts';
import type { WriteFile } from './write.ts';

/** What an adapter adds to one matrix [rows, cols] of GGUF's name: factor · b · a. */
export interface AdapterMatrix {
  readonly name: string;
  readonly rank: number;
  /** [rank, cols] */
  readonly a: Float32Array;
  /** [rows, rank] */
  readonly b: Float32Array;
  readonly factor: number;
}

/** A matrix with its factor multiplied in. */
export function scaled({ factor, b, ...rest }: AdapterMatrix): Omit<AdapterMatrix, 'factor'> {
  return { ...rest, b: b.map((value) => factor * value) };
}

/** What must be known of the model that an adapter is for. */
export interface AdaptedModel {
  /** GGUF's name. */
  readonly architecture: string;
  readonly heads: number;
  readonly kvHeads: number;
}

const MOST_RANK = 4096;
const MOST_CONFIG_BYTES = 1e6;

/** Reads an adapter in GGUF. @throws OnebitError `bad-file` or `unsupported` with what is wrong */
export async function readGgufAdapter(
  source: ByteSource,
  model: AdaptedModel,
  signal?: AbortSignal,
): Promise<AdapterMatrix[]> {
  const gguf = await readGguf(source, { signal });
  const said = ['general.type', 'adapter.type', 'general.architecture'].map((key) =>
    metadataString(gguf, key, { default: '' }),
  );
  if (said[0] !== 'adapter' || said[1] !== 'lora' || said[2] !== model.architecture) {
    throw new OnebitError(
      'unsupported',
      `adapter: ${source.name} must be an adapter of type lora for ${model.architecture}, got ${said.map((text) => `'${text.slice(0, 40)}'`).join(', ')}. Give the model's own adapter.`,
    );
  }
  const alpha = metadataNumber(gguf, 'adapter.lora.alpha', { default: 0 });
  const read = async (name: string) => {
    const tensor = gguf.tensors.get(name);
    if (!tensor) return undefined;
    return { values: await readNumbers(tensor, source, signal), cols: tensor.shape[0] };
  };
  const matrices: AdapterMatrix[] = [];
  for (const name of gguf.tensors.keys()) {
    const base = /^(.+)\.lora_a$/.exec(name)?.[1];
    if (base === undefined) {
      if (/\.lora_b$/.test(name) && gguf.tensors.has(name.replace(/b$/, 'a'))) continue;
      throw unknownTensor(source.name, name);
    }
    const a = await read(name);
    const b = await read(`${base}.lora_b`);
    const rank = b?.cols ?? 0;
    checkFactors(source.name, base, rank, a!.values, b?.values);
    // llama.cpp leaves the factor out where alpha is 0.
    matrices.push({ name: base, rank, a: a!.values, b: b!.values, factor: alpha === 0 ? 1 : alpha / rank });
  }
  return matrices;
}

/** Reads a folder of PEFT. @throws OnebitError `bad-file` or `unsupported` with what is wrong */
export async function readPeftAdapter(
  folder: Folder,
  model: AdaptedModel,
  signal?: AbortSignal,
): Promise<AdapterMatrix[]> {
  const config = await readConfig(folder, signal);
  const file = folder.files.find((name) => name === 'adapter_model.safetensors');
  if (!file) {
    throw new OnebitError(
      'bad-file',
      `adapter: ${folder.name} must have adapter_model.safetensors, it has ${folder.files.slice(0, 8).join(', ')}. Save it with safe_serialization=True.`,
    );
  }
  const source = await folder.open(file);
  try {
    const tensors = new Map((await readSafetensors(source, signal)).map((tensor) => [tensor.name, tensor]));
    const matrices: AdapterMatrix[] = [];
    for (const [name, tensor] of tensors) {
      const [, module, part] = /^base_model\.model\.(.+)\.lora_([AB])(?:\.default)?\.weight$/.exec(name) ?? [];
      const ours = module === undefined ? undefined : renamed(module, 'gguf');
      if (!ours) throw unknownTensor(folder.name, name);
      if (part === 'B') continue;
      const other = tensors.get(name.replace('.lora_A.', '.lora_B.'));
      const rank = tensor.shape[0];
      const [a, b] = [await numbers(tensor, signal), other && (await numbers(other, signal))];
      checkFactors(folder.name, `${ours}.weight`, rank, a, b);
      if (rank !== (config.rank ?? rank)) {
        throw new OnebitError(
          'bad-file',
          `adapter: the factors of '${ours}.weight' in ${folder.name} must have the rank r = ${config.rank} of adapter_config.json, got ${rank}. Get it again.`,
        );
      }
      const factor = config.alpha / (config.rsLora ? Math.sqrt(rank) : rank);
      matrices.push({ name: `${ours}.weight`, rank, a, b: rotated(`${ours}.weight`, b!, rank, model, 'gguf'), factor });
    }
    return matrices;
  } finally {
    await source.close();
  }
}

interface PeftConfig {
  readonly alpha: number;
  /** Of all matrices, where it is said. */
  readonly rank?: number;
  readonly rsLora: boolean;
}

async function readConfig(folder: Folder, signal?: AbortSignal): Promise<PeftConfig> {
  const bad = (what: string) =>
    new OnebitError('unsupported', `adapter: adapter_config.json of ${folder.name} must be of a plain LoRA, ${what}.`);
  if (!folder.files.includes('adapter_config.json')) throw bad('it is missing');
  const source = await folder.open('adapter_config.json');
  let config: Json;
  try {
    const bytes = new Uint8Array(Math.min(source.size, MOST_CONFIG_BYTES));
    await source.readInto(bytes, 0, signal);
    config = JSON.parse(new TextDecoder().decode(bytes)) as Json;
  } catch (error) {
    signal?.throwIfAborted();
    throw bad(`it is no JSON (${(error as Error).message.slice(0, 80)})`);
  } finally {
    await source.close();
  }
  const isSet = (value: unknown) => Boolean(value) && (typeof value !== 'object' || Object.keys(value!).length > 0);
  const odd = [
    'use_dora',
    'rank_pattern',
    'alpha_pattern',
    'modules_to_save',
    'layer_replication',
    'megatron_config',
    'lora_bias',
    'eva_config',
    'corda_config',
    'alora_invocation_tokens',
    'trainable_token_indices',
    'use_qalora',
  ];
  const set = odd.filter((key) => isSet(config[key]));
  // The others change the model's own weights before they begin, so that the factors alone say nothing.
  const begun = config.init_lora_weights ?? true;
  if (typeof begun !== 'boolean' && begun !== 'gaussian' && begun !== 'orthogonal')
    set.push(`init_lora_weights ${JSON.stringify(begun)?.slice(0, 40)}`);
  if (config.peft_type !== 'LORA') set.push(`peft_type ${JSON.stringify(config.peft_type)?.slice(0, 40)}`);
  if (config.bias !== undefined && config.bias !== 'none') set.push('bias');
  if (set.length > 0) throw bad(`it has ${set.join(', ')}. Merge it in PEFT and load the result`);
  const alpha = config.lora_alpha;
  if (typeof alpha !== 'number' || !Number.isFinite(alpha)) throw bad('lora_alpha is no number');
  const { r } = config;
  if (r !== undefined && !Number.isInteger(r)) throw bad('r is no whole number');
  return { alpha, rank: r as number | undefined, rsLora: config.use_rslora === true };
}

async function numbers(tensor: SafeTensor, signal?: AbortSignal): Promise<Float32Array> {
  const format = FORMATS[tensor.type];
  if (!format || tensor.shape.length !== 2) {
    throw new OnebitError(
      'unsupported',
      `adapter: '${tensor.name.slice(0, 80)}' must be a matrix of F32, F16 or BF16, got ${tensor.type} [${tensor.shape}].`,
    );
  }
  const bytes = new Uint8Array(tensor.sizeBytes);
  await tensor.source.readInto(bytes, tensor.offsetBytes, signal);
  const values = new Float32Array(tensor.shape[0] * tensor.shape[1]);
  formatByName(format).decode(bytes, values);
  return values;
}

function checkFactors(file: string, name: string, rank: number, a: Float32Array, b: Float32Array | undefined): void {
  if (b && rank >= 1 && rank <= MOST_RANK && a.length % rank === 0 && b.length % rank === 0) return;
  throw new OnebitError(
    'bad-file',
    `adapter: ${file} must have both factors of '${name.slice(0, 80)}' at a rank from 1 to ${MOST_RANK}, got ${a.length} and ${b?.length ?? 'no'} numbers at rank ${rank}. Get it again.`,
  );
}

function unknownTensor(file: string, name: string): OnebitError {
  return new OnebitError(
    'unsupported',
    `adapter: tensor '${name.slice(0, 80)}' of ${file} is not a factor of a matrix that the engine knows, and ignoring it could give wrong text.`,
  );
}

/** The second factor with its rows in GGUF's order, or in that of Transformers; they differ for queries and keys of a `llama`. */
function rotated(name: string, b: Float32Array, rank: number, model: AdaptedModel, to: 'gguf' | 'hf'): Float32Array {
  const part = /\.attn_([qk])\.weight$/.exec(name)?.[1];
  if (!part || model.architecture !== 'llama') return b;
  return rotatedRows(b, b.length / rank, part === 'q' ? model.heads : model.kvHeads, to);
}

/**
 * What a GGUF of an adapter says of its model: enough to write it elsewhere.
 * @throws OnebitError `bad-argument` for a file that is no adapter, or one that does not say how many heads there are where that counts
 */
export function modelOfAdapter(gguf: Gguf, name: string): AdaptedModel {
  if (gguf.metadata.get('general.type') !== 'adapter') {
    throw new OnebitError(
      'bad-argument',
      `convert: ${name} must be an adapter to be written as one, it is a model. Name its adapter too: --lora adapter.gguf, or write the model --to hf.`,
    );
  }
  const architecture = metadataString(gguf, 'general.architecture');
  const key = `${architecture}.attention.head_count`;
  if (architecture === 'llama' && !gguf.metadata.has(key)) {
    throw new OnebitError(
      'bad-argument',
      `convert: ${name} does not say how many heads its model has, and Transformers has queries and keys in another order. Name the model too: onebit convert MODEL --lora ${name} --to peft -o FOLDER`,
    );
  }
  const heads = metadataNumber(gguf, key, { default: 1 });
  return { architecture, heads, kvHeads: metadataNumber(gguf, `${key}_kv`, { default: heads }) };
}

/** The rank and the factor of all matrices. @throws OnebitError where they have several, or numbers that are none */
function commonOf(matrices: readonly AdapterMatrix[]): { rank: number; factor: number } {
  const [first] = matrices;
  if (!first) throw new OnebitError('bad-file', 'convert: the adapter must have matrices, it has none. Get it again.');
  for (const { name, rank, factor, a, b } of matrices) {
    if (!Number.isFinite(factor) || !a.every(Number.isFinite) || !b.every(Number.isFinite)) {
      throw new OnebitError(
        'bad-file',
        `convert: the adapter's '${name.slice(0, 80)}' must have finite numbers. Train or download it again.`,
      );
    }
    if (rank !== first.rank || factor !== first.factor) {
      throw new OnebitError(
        'unsupported',
        `convert: all matrices of the adapter must have one rank to be written, '${name.slice(0, 80)}' has ${rank} and '${first.name.slice(0, 80)}' ${first.rank}. Merge it instead: onebit convert MODEL --lora ADAPTER`,
      );
    }
  }
  return first;
}

/** Metadata and tensors of an adapter's GGUF. All matrices have one rank. */
export function ggufAdapter(
  matrices: readonly AdapterMatrix[],
  model: AdaptedModel,
  name: string,
): { metadata: Map<string, WritableValue>; tensors: WritableTensor[] } {
  const { rank, factor } = matrices[0];
  const tensor = (name: string, cols: number, values: Float32Array): WritableTensor => ({
    name,
    shape: [cols, values.length / cols],
    format: 'f32',
    bytes: () => floatBytes(values),
  });
  return {
    metadata: new Map<string, WritableValue>([
      ['general.architecture', model.architecture],
      ['general.type', 'adapter'],
      ['general.name', name],
      ['adapter.type', 'lora'],
      [`${model.architecture}.attention.head_count`, { type: 'u32', value: model.heads }],
      [`${model.architecture}.attention.head_count_kv`, { type: 'u32', value: model.kvHeads }],
      ['adapter.lora.alpha', { type: 'f32', value: factor * rank }],
    ]),
    tensors: matrices.flatMap(({ name, a, b }) => [
      tensor(`${name}.lora_a`, a.length / rank, a),
      tensor(`${name}.lora_b`, rank, b),
    ]),
  };
}

/**
 * Writes an adapter as PEFT saves it.
 * @returns names of the files
 * @throws OnebitError naming the matrix that has numbers that are none, another rank, or no name there
 */
export async function writePeftAdapter(
  matrices: readonly AdapterMatrix[],
  model: AdaptedModel,
  write: WriteFile,
): Promise<string[]> {
  const { rank, factor } = commonOf(matrices);
  const modules = new Set<string>();
  const tensors = matrices.flatMap(({ name, a, b }): SafeTensorToWrite[] => {
    const module = name.endsWith('.weight') ? renamed(name.slice(0, -'.weight'.length), 'hf') : undefined;
    if (!module) {
      throw new OnebitError(
        'unsupported',
        `convert: the adapter's '${name.slice(0, 80)}' has no name in PEFT. Use the adapter as it is: --lora.`,
      );
    }
    modules.add(module.split('.').at(-1)!);
    const part = (letter: string, shape: number[], values: Float32Array): SafeTensorToWrite => ({
      name: `base_model.model.${module}.lora_${letter}.weight`,
      type: 'F32',
      shape,
      produce: (append) => append(floatBytes(values)),
    });
    return [
      part('A', [rank, a.length / rank], a),
      part('B', [b.length / rank, rank], rotated(name, b, rank, model, 'hf')),
    ];
  });
  const config = {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    r: rank,
    lora_alpha: factor * rank,
    target_modules: [...modules],
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
  };
  await write('adapter_model.safetensors', (append) => writeSafetensors(tensors, append));
  await write('adapter_config.json', (append) =>
    append(new TextEncoder().encode(`${JSON.stringify(config, null, 2)}\n`)),
  );
  return ['adapter_model.safetensors', 'adapter_config.json'];
}

function floatBytes(values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  formatByName('f32').encode(values, bytes);
  return bytes;
}
