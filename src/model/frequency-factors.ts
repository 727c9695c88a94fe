// Owns the factors that files may have for each frequency of the rotary positions (Llama 3.1 and later): numbers in a tensor, not in the metadata.
// Source: Llama 3's scaling as llama.cpp writes it down, `rope_freqs.weight`.
import type { ByteSource } from '../bytes/source.ts';
import { OnebitError } from '../errors.ts';
import { readNumbers } from '../gguf/read-numbers.ts';
import type { Gguf } from '../gguf/types.ts';
import { FREQUENCY_FACTORS, type ModelConfig } from './architecture.ts';

/**
 * The configuration with the angles that the file's factors leave; the same where it has none. `gguf` must have passed `checkTensors`.
 * @throws OnebitError `bad-file` for factors that are no positive numbers
 */
export async function withFrequencyFactors(
  config: ModelConfig,
  gguf: Gguf,
  source: ByteSource,
  signal?: AbortSignal,
): Promise<ModelConfig> {
  const tensor = gguf.tensors.get(FREQUENCY_FACTORS);
  if (!tensor) return config;
  const factors = await readNumbers(tensor, source, signal);
  const wrong = factors.findIndex((factor) => !(factor > 0 && Number.isFinite(factor)));
  if (wrong >= 0) {
    throw new OnebitError(
      'bad-file',
      `load: numbers of '${FREQUENCY_FACTORS}' must be above 0, got ${factors[wrong]} at ${wrong}. The file is damaged; get it again.`,
    );
  }
  const frequencies = config.rope.frequencies.map((frequency, i) => frequency / factors[i]);
  return { ...config, rope: { ...config.rope, frequencies } };
}
