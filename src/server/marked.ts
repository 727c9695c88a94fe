// Owns what a server that marks its answers makes of what a request asks: no request can leave the model without a choice, for there the mark is.
import type { GenerateOptions } from '../generate/options.ts';

const LEAST_TEMPERATURE = 0.5;
const LEAST_TOP_K = 20;
const LEAST_TOP_P = 0.85;
const MOST_MIN_P = 0.1;

/** `options` with the mark, and with sampling that leaves room for it. */
export function marked(options: GenerateOptions, watermark: string): GenerateOptions {
  const { temperature, topK, topP, minP } = options;
  return {
    ...options,
    watermark,
    temperature: temperature === undefined ? undefined : Math.max(LEAST_TEMPERATURE, temperature),
    topK: topK === undefined || topK === 0 ? topK : Math.max(LEAST_TOP_K, topK),
    topP: topP === undefined ? undefined : Math.max(LEAST_TOP_P, topP),
    minP: minP === undefined ? undefined : Math.min(MOST_MIN_P, minP),
  };
}
