// Owns how a model is sampled where nobody says otherwise: as its file asks, under llama.cpp's keys. Must not know what a caller asks.
import { type Metadata, metadataNumber } from '../gguf/metadata.ts';

/** How the next token is chosen where the caller does not say: see `SamplingOptions`. */
export interface SamplingDefaults {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
}

/** For models whose files ask for nothing. */
export const SAMPLING_DEFAULTS: SamplingDefaults = { temperature: 0.5, topK: 20, topP: 0.85, minP: 0 };

/** What the file asks for, and `SAMPLING_DEFAULTS` for the rest. @throws OnebitError `bad-file` for values that mean nothing */
export function ownSampling(gguf: Metadata): SamplingDefaults {
  const { temperature, topK, topP, minP } = SAMPLING_DEFAULTS;
  const asked = (name: string, requirement: { default: number; min: number; max: number; integer?: boolean }) =>
    // float32 in the file: 0.7 again
    Number(metadataNumber(gguf, `general.sampling.${name}`, requirement).toPrecision(6));
  return {
    temperature: asked('temp', { default: temperature, min: 0, max: 100 }),
    // −1 keeps all as 0 does
    topK: Math.max(0, asked('top_k', { default: topK, min: -1, max: 1 << 24, integer: true })),
    topP: asked('top_p', { default: topP, min: 0, max: 1 }),
    minP: asked('min_p', { default: minP, min: 0, max: 1 }),
  };
}
