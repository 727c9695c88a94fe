// Owns what a model's config.json says, as GGUF metadata, and back. Whatever would change the result and is not understood is refused by name.
import { OnebitError } from '../errors.ts';
import type { WritableValue } from '../gguf/write.ts';
import { GEMMA3_NEUTRAL, readGemma3 } from './gemma3.ts';
import type { Json } from './json.ts';
import { type RopeReader, readRope } from './rope.ts';

export type { Json } from './json.ts';

/** A family of models as Transformers names it, and the architecture of GGUF that computes the same. */
export interface Family {
  /** `architectures[0]` of config.json. */
  readonly hf: string;
  readonly modelType: string;
  readonly gguf: string;
  /** Whether GGUF holds the rows of queries and keys in the order of the interleaved rotation. */
  readonly permuted: boolean;
  /** What is added to the weights of its norms, which count from 0 there. */
  readonly normShift?: number;
  /** As `NEUTRAL`, where that is otherwise; an undefined list: the key is read elsewhere. */
  readonly neutral?: Readonly<Record<string, readonly unknown[] | undefined>>;
  /** Tensors that other families call otherwise. */
  readonly names?: readonly (readonly [hf: string, gguf: string])[];
}

export const families: readonly Family[] = [
  { hf: 'Qwen3ForCausalLM', modelType: 'qwen3', gguf: 'qwen3', permuted: false },
  { hf: 'LlamaForCausalLM', modelType: 'llama', gguf: 'llama', permuted: true },
];

/** Microsoft's BitNet, which is read only: as GGUF its matrices have factors beside them. */
const bitnet: Family = {
  ...{ hf: 'BitNetForCausalLM', modelType: 'bitnet', gguf: 'bitnet-b1.58', permuted: false },
  neutral: { hidden_act: ['relu2'] },
};
/** Gemma 3 without pictures, which is read only as well. */
const gemma3: Family = {
  ...{ hf: 'Gemma3ForCausalLM', modelType: 'gemma3_text', gguf: 'gemma3', permuted: false, normShift: 1 },
  neutral: GEMMA3_NEUTRAL,
  names: [
    ['model.layers.#.post_attention_layernorm', 'blk.#.post_attention_norm'],
    ['model.layers.#.pre_feedforward_layernorm', 'blk.#.ffn_norm'],
    ['model.layers.#.post_feedforward_layernorm', 'blk.#.post_ffw_norm'],
  ],
};
const readable: readonly Family[] = [...families, bitnet, gemma3];

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
  const family = readable.find(({ hf, modelType }) => architectures.includes(hf) || config.model_type === modelType);
  const problems: string[] = [];
  if (!family) {
    throw new OnebitError(
      'unsupported',
      `load ${name}: config.json must name one of ${readable.map(({ hf }) => hf).join(', ')}, got ${JSON.stringify(architectures[0] ?? config.model_type)?.slice(0, 60)}. Look for a model of one of these.`,
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
  const prefix = family.gguf;
  const metadata = new Map<string, WritableValue>([['general.architecture', prefix]]);
  for (const [key, ours] of Object.entries(U32)) metadata.set(`${prefix}.${ours}`, u32(number(key)));
  const heads = number('num_attention_heads');
  const kvHeads = number('num_key_value_heads', heads);
  const headSize = number('head_dim', Math.floor(number('hidden_size') / heads));
  metadata.set(`${prefix}.attention.head_count_kv`, u32(kvHeads));
  metadata.set(`${prefix}.attention.key_length`, u32(headSize));
  metadata.set(`${prefix}.attention.value_length`, u32(headSize));
  metadata.set(`${prefix}.rope.dimension_count`, u32(headSize));
  metadata.set(`${prefix}.attention.layer_norm_rms_epsilon`, f32(number('rms_norm_eps', 1e-6)));
  const reader: RopeReader = { prefix, metadata, headSize, number, problems };
  const rope = (config.rope_parameters ?? config.rope_scaling ?? {}) as Json;
  const frequencyFactors =
    family === gemma3 ? readGemma3(config, reader) : readRope(rope, family === bitnet ? 500_000 : 10_000, reader);
  const ternary = readTernary(config, problems);
  if (problems.length > 0) {
    throw new OnebitError(
      'unsupported',
      `load ${name}: config.json has what this engine does not compute: ${problems.join('; ')}. Ignoring it could give wrong text; use a model without it.`,
      { problems },
    );
  }
  const quantization = readQuantization(config, name);
  // Gemma's heads are tied unless it is said otherwise.
  const tiedHead = (config.tie_word_embeddings ?? family === gemma3) === true;
  return { family, metadata, heads, kvHeads, tiedHead, quantization, ternary, frequencyFactors };
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

/**
 * The config.json of a model from its GGUF metadata.
 * @param value a number or text of the file below the architecture's prefix
 */
export function writeConfig(
  family: Family,
  value: (key: string) => number | string | undefined,
  { vocabulary, tiedHead }: { readonly vocabulary: number; readonly tiedHead: boolean },
): Record<string, unknown> {
  const config: Record<string, unknown> = {
    architectures: [family.hf],
    model_type: family.modelType,
    vocab_size: vocabulary,
    tie_word_embeddings: tiedHead,
    hidden_act: 'silu',
    attention_bias: false,
    torch_dtype: 'float32',
  };
  for (const [key, ours] of Object.entries(U32)) config[key] = value(ours);
  config.num_key_value_heads = value('attention.head_count_kv') ?? value('attention.head_count');
  config.head_dim =
    value('attention.key_length') ?? Number(value('embedding_length')) / Number(value('attention.head_count'));
  config.rms_norm_eps = shortest(value('attention.layer_norm_rms_epsilon'));
  config.rope_theta = shortest(value('rope.freq_base')) ?? 10000;
  const attention = value('rope.scaling.attn_factor') ?? 1;
  if (attention !== 1) {
    throw new OnebitError(
      'unsupported',
      `convert: config.json has no form for rope.scaling.attn_factor, got ${attention}. Convert to GGUF instead.`,
    );
  }
  // As rope-keys.ts reads them.
  const factor = value('rope.scaling.factor') ?? value('rope.scale_linear');
  const type = value('rope.scaling.type') ?? (factor === undefined ? 'none' : 'linear');
  if (type === 'yarn' || type === 'linear') {
    const scaling: Record<string, unknown> = { rope_type: type, factor: shortest(factor) };
    const original = value('rope.scaling.original_context_length');
    if (type === 'yarn' && original !== undefined) scaling.original_max_position_embeddings = original;
    config.rope_scaling = scaling;
  }
  return config;
}

/** The number of fewest digits that is the same float32: 1e-6, not 9.999999974752427e-7. */
function shortest(value: number | string | undefined): number | undefined {
  if (typeof value !== 'number') return undefined;
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
}
