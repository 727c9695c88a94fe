// Owns what a model's config.json says, as GGUF metadata, and back. Whatever would change the result and is not understood is refused by name.
import { OnebitError } from '../errors.ts';
import type { GgufValue } from '../gguf/types.ts';
import type { WritableValue } from '../gguf/write.ts';
import { GEMMA3_NEUTRAL, readGemma3, writeGemma3 } from './gemma3.ts';
import { type Json, jsonObject } from './json.ts';
import { type Llama3Scaling, type RopeReader, readRope, shortest, writeRope } from './rope.ts';

export type { Json } from './json.ts';

/** A family of models as Transformers names it, and the architecture of GGUF that computes the same. */
export interface Family {
  /** `architectures[0]` of config.json. */
  readonly hf: string;
  readonly modelType: string;
  /** The architecture that it is read as, first, and others that are written as it. */
  readonly gguf: readonly [string, ...string[]];
  /** Whether GGUF holds the rows of queries and keys in the order of the interleaved rotation, Transformers in that of halves. */
  readonly permuted?: boolean;
  /** Queries, keys and values have biases. */
  readonly biases?: boolean;
  /** Matrices of GGUF may have factors beside them, which are multiplied in where a folder is written. */
  readonly scales?: boolean;
  /** What is added to the weights of its norms, which count from 0 there. */
  readonly normShift?: number;
  /** Where a config.json is silent. */
  readonly usual?: { readonly base?: number; readonly epsilon?: number; readonly tied?: boolean };
  /** As `NEUTRAL`, where that is otherwise; an undefined list: the key is read elsewhere. */
  readonly neutral?: Readonly<Record<string, readonly unknown[] | undefined>>;
  /** What a config.json says in fields of the family's own, in place of `readRope`. @returns `ReadConfig.queryFactor` */
  readonly read?: (config: Json, reader: RopeReader) => number;
  /** Fields of the family's own. */
  readonly write?: (value: ConfigParts['value'], headSize: number) => Record<string, unknown>;
  /** Tensors that other families call otherwise. */
  readonly names?: readonly (readonly [hf: string, gguf: string])[];
}

export const families: readonly Family[] = [
  { hf: 'Qwen3ForCausalLM', modelType: 'qwen3', gguf: ['qwen3'] },
  { hf: 'Qwen2ForCausalLM', modelType: 'qwen2', gguf: ['qwen2'], biases: true },
  { hf: 'LlamaForCausalLM', modelType: 'llama', gguf: ['llama'], permuted: true },
  { hf: 'MistralForCausalLM', modelType: 'mistral', gguf: ['llama'], permuted: true },
  {
    ...{ hf: 'Ernie4_5ForCausalLM', modelType: 'ernie4_5', gguf: ['ernie4_5'] },
    ...{ usual: { base: 500_000, epsilon: 1e-5, tied: true }, neutral: { use_bias: [false] } },
  },
  {
    ...{ hf: 'BitNetForCausalLM', modelType: 'bitnet', gguf: ['bitnet-b1.58', 'bitnet', 'bitnet-25'], scales: true },
    ...{ usual: { base: 500_000, epsilon: 1e-5 }, neutral: { hidden_act: ['relu2', 'silu'] } },
  },
  {
    ...{ hf: 'Gemma3ForCausalLM', modelType: 'gemma3_text', gguf: ['gemma3'], normShift: 1, usual: { tied: true } },
    ...{ neutral: GEMMA3_NEUTRAL, read: readGemma3, write: writeGemma3 },
    names: [
      ['model.layers.#.post_attention_layernorm', 'blk.#.post_attention_norm'],
      ['model.layers.#.pre_feedforward_layernorm', 'blk.#.ffn_norm'],
      ['model.layers.#.post_feedforward_layernorm', 'blk.#.post_ffw_norm'],
    ],
  },
];

/** Values with which a key changes nothing; others are refused. */
const NEUTRAL: Readonly<Record<string, readonly unknown[]>> = {
  hidden_act: ['silu'],
  attention_bias: [false],
  mlp_bias: [false],
  use_sliding_window: [false],
  sliding_window: [null],
  pretraining_tp: [1],
};
const U32: Readonly<Record<string, string>> = {
  num_hidden_layers: 'block_count',
  max_position_embeddings: 'context_length',
  hidden_size: 'embedding_length',
  intermediate_size: 'feed_forward_length',
  num_attention_heads: 'attention.head_count',
};
const u32 = (value: number): WritableValue => ({ type: 'u32', value });
const f32 = (value: number): WritableValue => ({ type: 'f32', value });

export interface ReadConfig {
  readonly family: Family;
  /** Keys of GGUF but those of the tokenizer. */
  readonly metadata: Map<string, WritableValue>;
  readonly heads: number;
  readonly kvHeads: number;
  readonly tiedHead: boolean;
  /** config.json says that the head is no copy of the embedding: a folder without one is not whole. */
  readonly needsHead: boolean;
  /** On the weights of the norm of queries, where they are scaled otherwise than GGUF readers do. */
  readonly queryFactor: number;
  /** By what each frequency of the rotary positions is divided. */
  readonly frequencyFactors?: Float32Array;
  /** MLX's quantisation of the matrices. */
  readonly quantization?: { readonly bits: number; readonly groupSize: number };
  /** Matrices in bytes of four ternary weights, with a factor beside each, by which weights are multiplied or divided. */
  readonly ternary?: { readonly divides: boolean };
}

/** @throws OnebitError `unsupported` with every problem, `bad-file` where numbers are none */
export function readConfig(config: Json, name: string): ReadConfig {
  const architectures = Array.isArray(config.architectures) ? config.architectures : [];
  const family = families.find(({ hf, modelType }) => architectures.includes(hf) || config.model_type === modelType);
  const problems: string[] = [];
  if (!family) {
    throw new OnebitError(
      'unsupported',
      `load ${name}: config.json must name one of ${families.map(({ hf }) => hf).join(', ')}, got ${JSON.stringify(architectures[0] ?? config.model_type)?.slice(0, 60)}. Look for a model of one of these.`,
    );
  }
  for (const [key, values] of Object.entries({ ...NEUTRAL, ...family.neutral })) {
    const value = config[key];
    // A width of the window counts only where the window is used.
    if (key === 'sliding_window' && config.use_sliding_window === false) continue;
    if (value !== undefined && values && !values.includes(value))
      problems.push(`${key} = ${JSON.stringify(value).slice(0, 60)}`);
  }
  const number = (key: string, fallback?: number) => {
    const value = config[key] ?? fallback;
    if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value;
    throw new OnebitError(
      'bad-file',
      `load ${name}: '${key}' of config.json must be a number, got ${JSON.stringify(value)?.slice(0, 60)}. Get the model again.`,
    );
  };
  const whole = (key: string, fallback?: number) => {
    const value = number(key, fallback);
    if (Number.isInteger(value) && value < 2 ** 32) return value;
    throw new OnebitError(
      'bad-file',
      `load ${name}: '${key}' of config.json must be a whole number below 2^32, got ${value}. Get the model again.`,
    );
  };
  const [prefix] = family.gguf;
  const metadata = new Map<string, WritableValue>([['general.architecture', prefix]]);
  for (const [key, ours] of Object.entries(U32)) metadata.set(`${prefix}.${ours}`, u32(whole(key)));
  const { usual = {} } = family;
  const heads = whole('num_attention_heads');
  const kvHeads = whole('num_key_value_heads', heads);
  const headSize = whole('head_dim', Math.floor(whole('hidden_size') / Math.max(1, heads)));
  metadata.set(`${prefix}.attention.head_count_kv`, u32(kvHeads));
  metadata.set(`${prefix}.attention.key_length`, u32(headSize));
  metadata.set(`${prefix}.attention.value_length`, u32(headSize));
  metadata.set(`${prefix}.rope.dimension_count`, u32(headSize));
  metadata.set(`${prefix}.attention.layer_norm_rms_epsilon`, f32(number('rms_norm_eps', usual.epsilon ?? 1e-6)));
  const reader: RopeReader = { prefix, metadata, headSize, number, problems };
  const queryFactor = family.read?.(config, reader) ?? 1;
  const frequencyFactors = family.read ? undefined : readRope(ropeOf(config, problems), usual.base ?? 10_000, reader);
  // Said although it is the usual one: other programs take another where the key is missing.
  if (family.scales) metadata.set(`${prefix}.hidden_activation`, config.hidden_act === 'silu' ? 'silu' : 'relu2');
  const ternary = readTernary(config, problems);
  const tied = config.tie_word_embeddings ?? usual.tied ?? false;
  if (typeof tied !== 'boolean') problems.push(`tie_word_embeddings = ${JSON.stringify(tied)?.slice(0, 40)}`);
  if (problems.length > 0) {
    throw new OnebitError(
      'unsupported',
      `load ${name}: config.json has what this engine does not compute: ${problems.join('; ')}. Ignoring it could give wrong text; use a model without it.`,
      { problems },
    );
  }
  const quantization = readQuantization(config, name);
  const head = { tiedHead: tied === true, needsHead: config.tie_word_embeddings === false };
  return { family, metadata, heads, kvHeads, ...head, quantization, ternary, queryFactor, frequencyFactors };
}

/** Transformers 5 writes `rope_parameters`, older ones `rope_scaling`; which of two that differ is meant depends on who reads. */
function ropeOf(config: Json, problems: string[]): Json {
  const [newer, older] = ['rope_parameters', 'rope_scaling'].map((key) => jsonObject(config, key, problems));
  if (Object.keys(newer).length === 0) return older;
  const differs = Object.entries(older).some(([key, value]) => value !== newer[key]);
  if (differs) problems.push('rope_scaling that differs from rope_parameters');
  return newer;
}

/** Transformers' quantisation `bitnet`: which of its two linear layers the weights are for. */
function readTernary(config: Json, problems: string[]): ReadConfig['ternary'] {
  const found = config.quantization_config;
  if (found === undefined || found === null) return undefined;
  const { quant_method: method, linear_class: linear = 'bitlinear', ...rest } = found as Json;
  const { quantization_mode: mode = 'offline', use_rms_norm: norm = false } = rest;
  const isKnown = linear === 'bitlinear' || linear === 'autobitlinear';
  if (method === 'bitnet' && mode === 'offline' && norm === false && isKnown)
    return { divides: linear === 'bitlinear' };
  problems.push(`quantization_config = ${JSON.stringify(found).slice(0, 120)}`);
  return undefined;
}

function readQuantization(config: Json, name: string): ReadConfig['quantization'] {
  const { quantization } = config;
  if (quantization === undefined || quantization === null) return undefined;
  const { bits, group_size: groupSize, mode = 'affine' } = quantization as Json;
  if ((bits === 1 || bits === 2) && (groupSize === 64 || groupSize === 128) && mode === 'affine')
    return { bits, groupSize };
  throw new OnebitError(
    'unsupported',
    `load ${name}: MLX's quantisation must have 1 or 2 bits in groups of 64 or 128, got ${JSON.stringify(quantization).slice(0, 120)}. Use the weights before quantisation.`,
  );
}

/** What a model's GGUF says that its config.json is written from. */
export interface ConfigParts {
  /** GGUF's name. */
  readonly architecture: string;
  /** A value of the file below the architecture's prefix. */
  value(key: string): GgufValue | undefined;
  /** Rows of the embedding. */
  readonly vocabulary: number;
  readonly tiedHead: boolean;
  /** Of the rotary positions, and the scaling that they come from where the file says so. */
  readonly frequencyFactors?: Float32Array;
  readonly scaling?: Llama3Scaling;
}

/** The family that a GGUF's architecture is written as. @throws OnebitError `unsupported` where there is none */
export function familyOf(architecture: string): Family {
  const family = families.find(({ gguf }) => gguf.includes(architecture));
  if (family) return family;
  throw new OnebitError(
    'unsupported',
    `convert: the architecture must be one of ${families.flatMap(({ gguf }) => gguf).join(', ')}, got '${architecture.slice(0, 40)}'. Convert to GGUF instead.`,
  );
}

/** The config.json of a model from its GGUF metadata. @throws OnebitError `unsupported` for what has no form there */
export function writeConfig(family: Family, parts: ConfigParts): Record<string, unknown> {
  const { value, architecture } = parts;
  const config: Record<string, unknown> = {
    architectures: [family.hf],
    model_type: family.modelType,
    vocab_size: parts.vocabulary,
    tie_word_embeddings: parts.tiedHead,
    hidden_act: 'silu',
    attention_bias: false,
    torch_dtype: 'float32',
  };
  for (const [key, ours] of Object.entries(U32)) config[key] = value(ours);
  config.num_key_value_heads = value('attention.head_count_kv') ?? value('attention.head_count');
  const headSize = Number(
    value('attention.key_length') ?? Number(value('embedding_length')) / Number(value('attention.head_count')),
  );
  config.head_dim = headSize;
  config.rms_norm_eps = shortest(value('attention.layer_norm_rms_epsilon'));
  if (family.scales) config.hidden_act = value('hidden_activation') ?? (architecture === 'bitnet' ? 'silu' : 'relu2');
  Object.assign(config, writeRope({ ...parts, headSize }));
  Object.assign(config, family.write?.(value, headSize));
  return config;
}
