// Owns a text as one vector of length 1: of the final states of its tokens the mean, or what the file says. Must not know text.
import { lengthOf } from '../core/elementary.ts';
import { OnebitError } from '../errors.ts';
import type { Adapter } from '../model/adapter.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { CHUNK_STATES } from './request.ts';
import type { Scheduler } from './scheduler.ts';

/** Tokens of a text as models want them for its vector: with the end token where they expect one. */
export function endedTokens(tokens: Int32Array, { addEos, eos }: Pick<Tokenizer, 'addEos' | 'eos'>): Int32Array {
  return addEos && eos !== undefined && tokens.at(-1) !== eos ? Int32Array.of(...tokens, eos) : tokens;
}

/**
 * The vector [width] of `tokens`.
 * @throws OnebitError `bad-argument` for no tokens or more than `contextTokens`, `unsupported` for a model that gives none, `bad-file` for states that are
 * no finite numbers
 */
export async function embedTokens(
  scheduler: Scheduler,
  tokens: ArrayLike<number>,
  contextTokens: number,
  { owner, adapter, signal }: { owner?: string; adapter?: Adapter; signal?: AbortSignal },
): Promise<Float32Array> {
  if (tokens.length === 0 || tokens.length > contextTokens) {
    throw new OnebitError('bad-argument', `embed: need 1 to ${contextTokens} tokens, got ${tokens.length}.`);
  }
  const { engine } = scheduler;
  const { width, vocabulary, pooling = 'mean' } = engine.config;
  if (pooling === 'none') {
    throw new OnebitError(
      'unsupported',
      `embed: the model must have a pooling_type of mean, cls or last, its file says none. Use a model made for vectors, or write another type: onebit convert --set ${engine.config.architecture.name}.pooling_type=u32:1`,
    );
  }
  for (let i = 0; i < tokens.length; i++) {
    if (!(Number.isInteger(tokens[i]) && tokens[i] >= 0 && tokens[i] < vocabulary)) {
      throw new OnebitError('bad-argument', `embed: tokens must be in 0..${vocabulary - 1}, got ${tokens[i]}.`);
    }
  }
  const sums = new Float64Array(width);
  const sequence = engine.newSequence(owner, adapter);
  const request = scheduler.open(sequence, { shared: false, signal });
  try {
    const first = pooling === 'last' ? tokens.length - 1 : 0;
    const end = pooling === 'cls' ? 1 : tokens.length;
    for (let from = 0; from < end; from += CHUNK_STATES) {
      const chunk = Array.prototype.slice.call(tokens, from, Math.min(from + CHUNK_STATES, end)) as number[];
      const unread = Math.max(0, first - from);
      await request.states(chunk, async (states, row) => {
        if (unread >= chunk.length) return;
        const values = await engine.backend.read(
          states,
          (row + unread) * width,
          (chunk.length - unread) * width,
          signal,
        );
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
