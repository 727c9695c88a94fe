// Owns the numbers that describe a model, read from a file's metadata and checked. Every number comes from the file, none from a table.
// Metadata that would change the result and that the engine does not honour is refused here, by name.
import { OnebitError } from '../errors.ts';
import { metadataNumber, metadataString } from '../gguf/metadata.ts';
import type { Gguf, GgufValue } from '../gguf/types.ts';
import { architectures } from './arch/index.ts';
import type { Architecture, ModelConfig, Pooling } from './architecture.ts';
import { readRotations } from './rope-keys.ts';

export type { ModelConfig } from './architecture.ts';

/** Keys below the architecture's prefix that the engine reads, or that change nothing here. */
const knownKeys = new Set([
  'block_count',
  'context_length',
  'embedding_length',
  'feed_forward_length',
  'vocab_size',
  'attention.head_count',
  'attention.head_count_kv',
  'attention.key_length',
  'attention.value_length',
  'attention.layer_norm_rms_epsilon',
  'pooling_type',
  'rope.dimension_count',
  'rope.freq_base',
  'rope.scale_linear',
  'rope.scaling.type',
  'rope.scaling.factor',
  'rope.scaling.original_context_length',
  'rope.scaling.finetuned',
  'rope.scaling.attn_factor',
  'rope.scaling.yarn_beta_fast',
  'rope.scaling.yarn_beta_slow',
]);
/** Values with which a key that the engine does not honour still changes nothing. */
const neutralValues = new Map<string, readonly unknown[]>([
  ['expert_count', [0]],
  ['expert_used_count', [0]],
  ['attention.sliding_window', [0]],
  ['attention.causal', [true]],
  ['attention.clamp_kqv', [0]],
  ['attention.max_alibi_bias', [0]],
  ['attention.scale', [0]],
  ['attn_logit_softcapping', [0]],
  ['final_logit_softcapping', [0]],
  ['logit_scale', [0, 1]],
  ['residual_scale', [0, 1]],
  ['embedding_scale', [0, 1]],
  ['use_parallel_residual', [false]],
  ['tensor_data_layout', ['Meta AI original pth']],
]);

/**
 * Reads and checks the configuration of the model in `gguf`.
 * @throws OnebitError `unsupported` or `bad-file`, with every problem found in `problems`.
 */
export function readModelConfig(gguf: Gguf): ModelConfig {
  const name = metadataString(gguf, 'general.architecture');
  const architecture = architectures.find((known) => known.name === name);
  if (!architecture) {
    throw new OnebitError(
      'unsupported',
      `load: architecture must be one of ${architectures.map((known) => known.name).join(', ')}, got '${name}'. This engine cannot run the file; look for a conversion to one of these.`,
    );
  }
  if (gguf.metadata.get('general.type') === 'adapter') {
    throw new OnebitError(
      'unsupported',
      'load: the file must be a model, it is an adapter. Name the model it was made for, and the adapter by --lora (in the library: model.addAdapter).',
    );
  }
  refuseUnhonouredKeys(gguf, architecture);
  const required = (key: string, max: number) => metadataNumber(gguf, `${name}.${key}`, { integer: true, min: 1, max });
  const width = required('embedding_length', 1 << 20);
  const heads = required('attention.head_count', 1 << 16);
  const headSize = metadataNumber(gguf, `${name}.attention.key_length`, {
    default: Math.floor(width / heads),
    integer: true,
    min: 1,
    max: 4096,
  });
  const activation = architecture.activation?.(gguf);
  const layers = required('block_count', 4096);
  const feedForwardWidth = required('feed_forward_length', 1 << 22);
  const kvHeads = metadataNumber(gguf, `${name}.attention.head_count_kv`, {
    default: heads,
    integer: true,
    min: 1,
    max: heads,
  });
  const keys = (key: string) => gguf.metadata.get(`${name}.${key}`);
  const sizes = { layers, width, heads, kvHeads, headSize, feedForwardWidth };
  const { local, ...traits } = architecture.traits?.(sizes, keys) ?? {};
  const rotations = readRotations(gguf, architecture, headSize);
  const pooling = readPooling(gguf, name);
  const config: ModelConfig = {
    architecture,
    name: metadataString(gguf, 'general.name', { default: name }),
    layers,
    width,
    feedForwardWidth,
    heads,
    kvHeads,
    headSize,
    vocabulary: gguf.tensors.get('token_embd.weight')?.shape[1] ?? 0,
    contextLength: required('context_length', 1 << 28),
    normEpsilon: metadataNumber(gguf, `${name}.attention.layer_norm_rms_epsilon`, { min: 0, max: 1 }),
    rope: rotations.rope,
    tiedHead: !gguf.tensors.has('output.weight'),
    // Left out where it is the usual one: the digest of a model is made from this, and saved sessions carry it.
    ...(activation === undefined || activation === 'silu' ? {} : { activation }),
    ...traits,
    ...(local ? { local, localRope: rotations.local(local.ropeBase) } : {}),
    ...(architecture.inputNorms && gguf.tensors.has(INPUT_NORM) ? { inputNorms: true } : {}),
    ...(pooling ? { pooling } : {}),
  };
  checkConsistency(gguf, config);
  return config;
}

/** A tensor that says that projections have norms in front. */
const INPUT_NORM = 'blk.0.attn_q_norm_in.weight';
/** By the number in the file; behind them comes `rank`, for models that give no vectors. */
const POOLINGS: readonly Pooling[] = ['none', 'mean', 'cls', 'last'];

function readPooling(gguf: Gguf, name: string): Pooling | undefined {
  const key = `${name}.pooling_type`;
  const said = metadataNumber(gguf, key, { default: -1 });
  if (said === -1) return undefined;
  const pooling = POOLINGS[said];
  if (pooling) return pooling;
  const shown = said === POOLINGS.length ? 'rank' : String(said);
  throw new OnebitError(
    'unsupported',
    `load: '${key}' must be 0 to 3 (${POOLINGS.join(', ')}), got ${shown}. The vectors of this model would be wrong; use a model with one of these.`,
  );
}

function refuseUnhonouredKeys(gguf: Gguf, { name, keys = [] }: Architecture): void {
  const problems: string[] = [];
  for (const key of gguf.metadata.keys()) {
    if (!key.startsWith(`${name}.`)) continue;
    const value = gguf.metadata.get(key) as GgufValue;
    const suffix = key.slice(name.length + 1);
    if (knownKeys.has(suffix) || keys.includes(suffix) || neutralValues.get(suffix)?.includes(value)) continue;
    const shown = typeof value === 'object' ? 'an array' : String(value).slice(0, 40);
    problems.push(
      `load: metadata '${key}' = ${shown} is not honoured by this engine, and ignoring it could give wrong text. Use a model without it.`,
    );
  }
  if (problems.length > 0) throw new OnebitError('unsupported', problems.join('\n'), { problems });
}

function checkConsistency(gguf: Gguf, config: ModelConfig): void {
  const { name } = config.architecture;
  const problems: string[] = [];
  if (config.heads % config.kvHeads !== 0) {
    problems.push(
      `load: query heads must be a multiple of key/value heads, got ${config.heads} and ${config.kvHeads}.`,
    );
  }
  const valueSize = metadataNumber(gguf, `${name}.attention.value_length`, { default: config.headSize });
  if (valueSize !== config.headSize) {
    problems.push(`load: key and value heads must have one size, got ${config.headSize} and ${valueSize}.`);
  }
  if (config.vocabulary < 1) problems.push(`load: tensor 'token_embd.weight' [width, vocabulary] must exist.`);
  if (problems.length > 0) throw new OnebitError('unsupported', problems.join('\n'), { problems });
}
