// Owns a text as one vector: the mean of the final states of its tokens, of length 1. Must not know text.
import { OnebitError } from '../errors.ts';
import { CHUNK_ROWS, type Engine } from '../model/engine.ts';

/** The vector [width] of `tokens`. @throws OnebitError `bad-argument` for no tokens or more than `contextTokens` */
export async function embedTokens(
  engine: Engine,
  tokens: ArrayLike<number>,
  contextTokens: number,
  signal?: AbortSignal,
): Promise<Float32Array> {
  if (tokens.length === 0 || tokens.length > contextTokens) {
    throw new OnebitError('bad-argument', `embed: need 1 to ${contextTokens} tokens, got ${tokens.length}.`);
  }
  const { width, vocabulary } = engine.config;
  const sums = new Float64Array(width);
  const sequence = engine.newSequence();
  try {
    for (let from = 0; from < tokens.length; from += CHUNK_ROWS) {
      const chunk = Array.prototype.slice.call(tokens, from, from + CHUNK_ROWS) as number[];
      const wrong = chunk.find((token) => !(Number.isInteger(token) && token >= 0 && token < vocabulary));
      if (wrong !== undefined) {
        throw new OnebitError('bad-argument', `embed: tokens must be in 0..${vocabulary - 1}, got ${wrong}.`);
      }
      await engine.states(
        sequence,
        chunk,
        async (states) => {
          const values = await engine.backend.read(states, 0, chunk.length * width, signal);
          for (const [i, value] of values.entries()) sums[i % width] += value;
        },
        signal,
      );
    }
  } finally {
    sequence.dispose();
  }
  const length = Math.hypot(...sums) || 1;
  return Float32Array.from(sums, (sum) => sum / length);
}
