// Owns what config.json of Gemma 3 (text) says beside what all models say: layers with a window, two bases of angles, a scale of queries.
import type { GgufValue } from '../gguf/types.ts';
import { type Json, jsonObject } from './json.ts';
import { type RopeReader, readRope, shortest } from './rope.ts';

/** Values with which a key changes nothing; others are refused. */
export const GEMMA3_NEUTRAL = {
  sliding_window: undefined,
  hidden_activation: ['gelu_pytorch_tanh'],
  hidden_act: ['gelu_pytorch_tanh'],
  use_bidirectional_attention: [false, null],
  attn_logit_softcapping: [null],
  final_logit_softcapping: [null],
};
/** What GGUF readers take where the file is silent: of six layers the last sees everything, the others a window, with angles of this base. */
const PATTERN = 6;
const LOCAL_BASE = 10_000;
/** Layers of the one model whose queries are scaled by width / heads. */
const LARGEST_LAYERS = 62;

/** Sets the keys. @returns by what queries are multiplied beside what GGUF readers do, which is no key there */
export function readGemma3(config: Json, reader: RopeReader): number {
  const { prefix, metadata, headSize, number, problems } = reader;
  const layers = number('num_hidden_layers');
  const scaledBy =
    layers === LARGEST_LAYERS ? Math.floor(number('hidden_size') / number('num_attention_heads')) : headSize;
  const scalar = number('query_pre_attn_scalar', scaledBy);
  if (scalar === 0) problems.push('query_pre_attn_scalar = 0');
  metadata.set(`${prefix}.attention.sliding_window`, { type: 'u32', value: number('sliding_window') });
  const local = localLayers(config, layers, problems);
  if (local.some((isLocal, layer) => isLocal !== layer % PATTERN < PATTERN - 1))
    metadata.set(`${prefix}.attention.sliding_window_pattern`, local);
  // Transformers 5 has the angles of both kinds of layers in one place.
  const both = jsonObject(config, 'rope_parameters', problems);
  const sliding = jsonObject(both, 'sliding_attention', problems);
  const full = both.full_attention === undefined ? config.rope_scaling : both.full_attention;
  readRope(jsonObject({ rope_scaling: full }, 'rope_scaling', problems), 1_000_000, reader);
  const type = sliding.rope_type ?? 'default';
  if (type !== 'default') problems.push(`rope scaling of layers with a window = ${JSON.stringify(type).slice(0, 40)}`);
  const base = sliding.rope_theta ?? number('rope_local_base_freq', LOCAL_BASE);
  if (typeof base !== 'number') problems.push(`rope_theta = ${JSON.stringify(base)?.slice(0, 40)}`);
  else if (base !== LOCAL_BASE) metadata.set(`${prefix}.rope.freq_base_swa`, { type: 'f32', value: base });
  return Math.sqrt(scaledBy / scalar);
}

/** The fields of config.json that the keys are. @param value a value below the architecture's prefix */
export function writeGemma3(value: (key: string) => GgufValue | undefined, headSize: number): Record<string, unknown> {
  const layers = Number(value('block_count'));
  const window = Number(value('attention.sliding_window') ?? 0);
  const said = value('attention.sliding_window_pattern') ?? PATTERN;
  const isLocal = (layer: number) => {
    if (window === 0) return false;
    if (typeof said === 'object') return Boolean(said[layer]);
    return said === 0 || layer % Number(said) < Number(said) - 1;
  };
  const perHead = Math.floor(Number(value('embedding_length')) / Number(value('attention.head_count')));
  return {
    hidden_act: undefined,
    hidden_activation: 'gelu_pytorch_tanh',
    query_pre_attn_scalar: layers === LARGEST_LAYERS ? perHead : headSize,
    sliding_window: window === 0 ? value('context_length') : window,
    layer_types: Array.from({ length: layers }, (_, i) => (isLocal(i) ? 'sliding_attention' : 'full_attention')),
    rope_local_base_freq: shortest(value('rope.freq_base_swa')) ?? LOCAL_BASE,
  };
}

function localLayers(config: Json, layers: number, problems: string[]): boolean[] {
  const types = config.layer_types;
  if (Array.isArray(types)) {
    const known = types.every((type) => type === 'sliding_attention' || type === 'full_attention');
    if (!known || types.length !== layers) problems.push(`layer_types = ${JSON.stringify(types).slice(0, 60)}`);
    return types.map((type) => type === 'sliding_attention');
  }
  const every = config.sliding_window_pattern ?? PATTERN;
  if (typeof every === 'number' && Number.isInteger(every) && every > 0)
    return Array.from({ length: layers }, (_, layer) => layer % every < every - 1);
  problems.push(`sliding_window_pattern = ${JSON.stringify(every).slice(0, 40)}`);
  return [];
}
