// Owns a text as one vector: the mean of the final states of its tokens, of length 1. Must not know text.
import { lengthOf } from '../core/elementary.ts';
import { OnebitError } from '../errors.ts';
import type { Adapter } from '../model/adapter.ts';
import { CHUNK_STATES } from './request.ts';
import type { Scheduler } from './scheduler.ts';

/** The vector [width] of `tokens`. @throws OnebitError `bad-argument` for no tokens or more than `contextTokens`, `bad-file` for states that are no finite numbers */
export async function embedTokens(
  scheduler: Scheduler,
  tokens: ArrayLike<number>,
  contextTokens: number,
  adapter: Adapter | undefined,
  signal?: AbortSignal,
): Promise<Float32Array> {
  if (tokens.length === 0 || tokens.length > contextTokens) {
    throw new OnebitError('bad-argument', `embed: need 1 to ${contextTokens} tokens, got ${tokens.length}.`);
  }
  const { engine } = scheduler;
  const { width, vocabulary } = engine.config;
  for (let i = 0; i < tokens.length; i++) {
    if (!(Number.isInteger(tokens[i]) && tokens[i] >= 0 && tokens[i] < vocabulary)) {
      throw new OnebitError('bad-argument', `embed: tokens must be in 0..${vocabulary - 1}, got ${tokens[i]}.`);
    }
  }
  const sums = new Float64Array(width);
  const sequence = engine.newSequence(undefined, adapter);
  const request = scheduler.open(sequence, { shared: false, signal });
  try {
    for (let from = 0; from < tokens.length; from += CHUNK_STATES) {
      const chunk = Array.prototype.slice.call(tokens, from, from + CHUNK_STATES) as number[];
      await request.states(chunk, async (states, row) => {
        const values = await engine.backend.read(states, row * width, chunk.length * width, signal);
        for (const [i, value] of values.entries()) sums[i % width] += value;
      });
    }
  } finally {
    request.close();
    sequence.dispose();
  }
  const length = lengthOf(sums);
  if (!Number.isFinite(length)) {
    throw new OnebitError(
      'bad-file',
      `embed: states must be finite numbers, got ${length}. The model's weights are damaged or far too large.`,
    );
  }
  return Float32Array.from(sums, (sum) => sum / (length || 1));
}
