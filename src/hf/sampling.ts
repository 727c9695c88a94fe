// Owns how a model wants to be sampled, in generation_config.json and in GGUF's metadata. What it means: model/own-sampling.ts.
import type { GgufValue } from '../gguf/types.ts';
import type { WritableValue } from '../gguf/write.ts';
import type { Json } from './config.ts';

/** Names there and here. */
const NAMES = { temperature: 'temp', top_k: 'top_k', top_p: 'top_p', min_p: 'min_p' } as const;

/** The metadata that a generation_config.json stands for; where it says `do_sample: false`, the likeliest token is taken. */
export function readSampling(config: Json): Map<string, WritableValue> {
  const metadata = new Map<string, WritableValue>();
  for (const [name, ours] of Object.entries(NAMES)) {
    const value = name === 'temperature' && config.do_sample === false ? 0 : config[name];
    if (typeof value !== 'number') continue;
    const type = name === 'top_k' && Number.isInteger(value) ? 'i32' : 'f32';
    metadata.set(`general.sampling.${ours}`, { type, value });
  }
  return metadata;
}

/** The fields of generation_config.json for what the metadata asks; Transformers has no temperature of 0. */
export function writeSampling(metadata: ReadonlyMap<string, GgufValue>): Record<string, number | boolean> {
  const asked = Object.entries(NAMES).flatMap(([name, ours]) => {
    const value = metadata.get(`general.sampling.${ours}`);
    return typeof value === 'number' ? [[name, Number(value.toPrecision(6))] as const] : [];
  });
  const fields = Object.fromEntries(asked);
  if (fields.temperature === undefined) return fields;
  const { temperature, ...others } = fields;
  return temperature === 0 ? { do_sample: false } : { do_sample: true, temperature, ...others };
}
