// Owns what config.json says of rotary positions, as keys of GGUF and, of Llama 3's scaling, as the factors of its tensor.
import { exp, log } from '../core/elementary.ts';
import type { WritableValue } from '../gguf/write.ts';
import type { Json } from './json.ts';

const f32 = (value: number): WritableValue => ({ type: 'f32', value });

/** What is read of a config.json by the way. */
export interface RopeReader {
  readonly prefix: string;
  readonly metadata: Map<string, WritableValue>;
  readonly headSize: number;
  /** A number of config.json, or the fallback. @throws OnebitError `bad-file` where it is neither */
  number(key: string, fallback?: number): number;
  /** What this engine does not compute. */
  readonly problems: string[];
}

/** Keys of a scaling by their names in GGUF. */
const SCALING: Readonly<Record<string, string>> = {
  factor: 'rope.scaling.factor',
  original_max_position_embeddings: 'rope.scaling.original_context_length',
  beta_fast: 'rope.scaling.yarn_beta_fast',
  beta_slow: 'rope.scaling.yarn_beta_slow',
};

/**
 * Sets the keys of rotary positions.
 * @param rope `rope_parameters` of Transformers 5, which has all of it, or `rope_scaling` of older ones, which have the base apart
 * @returns the factors of the frequencies, of Llama 3's scaling
 */
export function readRope(rope: Json, usualBase: number, reader: RopeReader): Float32Array | undefined {
  const { prefix, metadata, number, problems } = reader;
  const base = rope.rope_theta ?? number('rope_theta', usualBase);
  if (typeof base !== 'number') {
    problems.push(`rope_theta = ${JSON.stringify(base)?.slice(0, 40)}`);
    return undefined;
  }
  metadata.set(`${prefix}.rope.freq_base`, f32(base));
  const type = rope.rope_type ?? rope.type ?? 'default';
  if (type === 'default') return undefined;
  if (type === 'llama3' && prefix === 'llama') return llama3Factors(rope, base, reader);
  if (type !== 'linear' && type !== 'yarn') {
    problems.push(`rope scaling of type ${JSON.stringify(type)?.slice(0, 40)}`);
    return undefined;
  }
  metadata.set(`${prefix}.rope.scaling.type`, type);
  if (type === 'yarn' && rope.original_max_position_embeddings === undefined)
    metadata.set(`${prefix}.${SCALING.original_max_position_embeddings}`, {
      type: 'u32',
      value: number('max_position_embeddings'),
    });
  for (const [key, value] of Object.entries(rope)) {
    if (['rope_type', 'type', 'rope_theta'].includes(key)) continue;
    const ours = SCALING[key];
    if (!ours || typeof value !== 'number')
      problems.push(`rope scaling's ${key} = ${JSON.stringify(value)?.slice(0, 40)}`);
    else metadata.set(`${prefix}.${ours}`, key.startsWith('original') ? { type: 'u32', value } : f32(value));
  }
  return undefined;
}

/** By what each frequency is divided: 1 of the fast ones, `factor` of the slow ones, between them what is between. Source: Llama 3.1's reference code. */
function llama3Factors(rope: Json, base: number, { headSize, problems }: RopeReader): Float32Array | undefined {
  const names = ['factor', 'low_freq_factor', 'high_freq_factor', 'original_max_position_embeddings'];
  const [factor, low, high, original] = names.map((name) => {
    const value = rope[name];
    if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return value;
    problems.push(`rope scaling's ${name} = ${JSON.stringify(value)?.slice(0, 40)}`);
    return 1;
  });
  return Float32Array.from({ length: headSize / 2 }, (_, i) => {
    const wavelength = 2 * Math.PI * exp(((2 * i) / headSize) * log(base));
    if (wavelength < original / high) return 1;
    if (wavelength > original / low) return factor;
    const fast = (original / wavelength - low) / (high - low);
    return 1 / ((1 - fast) / factor + fast);
  });
}
