// Owns what config.json says of rotary positions, as keys of GGUF and, of Llama 3's scaling, as the factors of its tensor; and back.
import { exp, log } from '../core/elementary.ts';
import { OnebitError } from '../errors.ts';
import type { GgufValue } from '../gguf/types.ts';
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
  const attention = type === 'yarn' ? attentionFactor(rope) : 1;
  if (attention !== 1) metadata.set(`${prefix}.rope.scaling.attn_factor`, f32(attention));
  for (const [key, value] of Object.entries(rope)) {
    if (['rope_type', 'type', 'rope_theta'].includes(key)) continue;
    if (type === 'yarn' && (value === null || ATTENTION.includes(key) || (key === 'truncate' && value === true)))
      continue;
    const ours = SCALING[key];
    if (!ours || typeof value !== 'number')
      problems.push(`rope scaling's ${key} = ${JSON.stringify(value)?.slice(0, 40)}`);
    else metadata.set(`${prefix}.${ours}`, key.startsWith('original') ? { type: 'u32', value } : f32(value));
  }
  return undefined;
}

/** Fields of YaRN that say how cosines and sines are scaled; without them it is by `magnitude`. */
const ATTENTION = ['attention_factor', 'mscale', 'mscale_all_dim'];

/** YaRN's own factor on cosines and sines. */
function magnitude(factor: number, scale = 1): number {
  return factor <= 1 ? 1 : 0.1 * scale * log(factor) + 1;
}

/** What cosines and sines are multiplied by beside YaRN's own factor. */
function attentionFactor({ factor, attention_factor: said, mscale, mscale_all_dim: all }: Json): number {
  if (typeof factor !== 'number') return 1;
  if (typeof said === 'number') return said / magnitude(factor);
  if (typeof mscale !== 'number' || typeof all !== 'number' || mscale === 0 || all === 0) return 1;
  return magnitude(factor, mscale) / magnitude(factor, all) / magnitude(factor);
}

/** The numbers of Llama 3's scaling. */
export interface Llama3Scaling {
  readonly factor: number;
  readonly low: number;
  readonly high: number;
  readonly original: number;
}
const LLAMA3_NAMES = {
  factor: 'factor',
  low: 'low_freq_factor',
  high: 'high_freq_factor',
  original: 'original_max_position_embeddings',
} as const;
/** Where they stand in a GGUF of ours, whose readers need only the factors that follow from them. */
const LLAMA3_KEY = 'onebit.rope.llama3';
/** As all models of Meta's have them. */
const USUAL_LLAMA3 = { low: 1, high: 4, original: 8192 };

/** The factors of the frequencies. */
function llama3Factors(
  rope: Json,
  base: number,
  { headSize, metadata, problems }: RopeReader,
): Float32Array | undefined {
  const number = (name: string) => {
    const value = rope[name];
    if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return value;
    problems.push(`rope scaling's ${name} = ${JSON.stringify(value)?.slice(0, 40)}`);
    return 1;
  };
  const scaling = Object.fromEntries(Object.entries(LLAMA3_NAMES).map(([key, name]) => [key, number(name)]));
  metadata.set(
    LLAMA3_KEY,
    Float32Array.from(Object.keys(LLAMA3_NAMES), (key) => scaling[key]),
  );
  return factorsOf(scaling as unknown as Llama3Scaling, base, headSize);
}

/** By what each frequency is divided: 1 of the fast ones, `factor` of the slow ones, between them what is between. Source: Llama 3.1's reference code. */
function factorsOf({ factor, low, high, original }: Llama3Scaling, base: number, headSize: number): Float32Array {
  return Float32Array.from({ length: headSize / 2 }, (_, i) => {
    const wavelength = 2 * Math.PI * exp(((2 * i) / headSize) * log(base));
    if (wavelength < original / high) return 1;
    if (wavelength > original / low) return factor;
    const fast = (original / wavelength - low) / (high - low);
    return 1 / ((1 - fast) / factor + fast);
  });
}

/** The scaling that a GGUF of ours says its factors come from. */
export function writtenScaling(metadata: ReadonlyMap<string, GgufValue>): Llama3Scaling | undefined {
  const said = metadata.get(LLAMA3_KEY);
  if (!(said instanceof Float32Array) || said.length !== 4) return undefined;
  const [factor, low, high, original] = Array.from(said, (value) => shortest(value)!);
  return { factor, low, high, original };
}

/** What the writer of a config.json knows of rotary positions. */
interface WrittenRope {
  /** A value below the architecture's prefix. */
  value(key: string): GgufValue | undefined;
  readonly headSize: number;
  readonly frequencyFactors?: Float32Array;
  readonly scaling?: Llama3Scaling;
}

/** The fields of config.json for rotary positions. @throws OnebitError `unsupported` for what has no form there */
export function writeRope({ value, headSize, frequencyFactors, scaling }: WrittenRope): Record<string, unknown> {
  const none = (what: string) =>
    new OnebitError('unsupported', `convert: config.json has no form for ${what}. Convert to GGUF instead.`);
  const dims = value('rope.dimension_count') ?? headSize;
  if (dims !== headSize) throw none(`rope.dimension_count, got ${dims} of ${headSize}`);
  const fields: Record<string, unknown> = { rope_theta: shortest(value('rope.freq_base')) ?? 10000 };
  // As rope-keys.ts reads them.
  const factor = shortest(value('rope.scaling.factor') ?? value('rope.scale_linear'));
  const type = value('rope.scaling.type') ?? (factor === undefined ? 'none' : 'linear');
  const attention = Number(value('rope.scaling.attn_factor') ?? 1);
  if (attention !== 1 && type !== 'yarn') throw none(`rope.scaling.attn_factor, got ${attention}`);
  if (type === 'yarn' || type === 'linear') {
    const rope: Record<string, unknown> = { rope_type: type, factor };
    if (type === 'yarn') {
      for (const [name, key] of Object.entries(SCALING)) {
        const said = shortest(value(key));
        if (said !== undefined) rope[name] = said;
      }
      if (attention !== 1) rope.attention_factor = attention * magnitude(factor ?? 1);
    }
    fields.rope_scaling = rope;
  }
  if (!frequencyFactors) return fields;
  const found = scaling ?? { ...USUAL_LLAMA3, factor: shortest(frequencyFactors.reduce((a, b) => Math.max(a, b), 1))! };
  const again = factorsOf(found, Number(fields.rope_theta), headSize);
  const isSame = frequencyFactors.every((value, i) => Math.abs(value - again[i]) <= 1e-6 * again[i]);
  if (!isSame || fields.rope_scaling) throw none('these factors in rope_freqs.weight');
  fields.rope_scaling = {
    rope_type: 'llama3',
    ...Object.fromEntries(Object.entries(LLAMA3_NAMES).map(([key, name]) => [name, found[key as keyof Llama3Scaling]])),
  };
  return fields;
}

/** The number of fewest digits that is the same float32: 1e-6, not 9.999999974752427e-7. */
export function shortest(value: GgufValue | undefined): number | undefined {
  if (typeof value !== 'number') return undefined;
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
}
