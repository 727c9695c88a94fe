// Owns what a prompt's tokens look at: the attention weights of every layer and head, computed on the host from the queries and keys that the engine
// gives. For looking at, not for speed. Must not know a backend.
import { exp } from '../core/elementary.ts';
import { OnebitError } from '../errors.ts';
import type { Engine } from '../model/engine.ts';
import { CHUNK_ROWS } from '../model/engine.ts';

/** Attention of one prompt. */
export interface AttentionMap {
  readonly tokens: readonly number[];
  /** Each token as text. */
  readonly texts: readonly string[];
  readonly layers: number;
  readonly heads: number;
  /** How much of the row's token's look goes to the column's token. Rows sum to 1; nothing looks ahead. Shape [layers, heads, tokens, tokens]. */
  readonly weights: Float32Array;
}

/** Computes softmax(q · kᵀ / √headSize) of `tokens`. @throws OnebitError `bad-argument` for no tokens or more than 64 */
export async function attentionMap(
  engine: Engine,
  tokens: readonly number[],
  textOf: (token: number) => string,
  signal?: AbortSignal,
): Promise<AttentionMap> {
  if (tokens.length === 0 || tokens.length > CHUNK_ROWS) {
    throw new OnebitError(
      'bad-argument',
      `attention: the prompt must have 1 to ${CHUNK_ROWS} tokens, got ${tokens.length}. Take a shorter one.`,
    );
  }
  const { layers, heads, kvHeads, headSize } = engine.config;
  const count = tokens.length;
  const weights = new Float32Array(layers * heads * count * count);
  const inputs = await engine.attentionInputs(tokens, signal);
  for (const [layer, { queries, keys }] of inputs.entries()) {
    for (let head = 0; head < heads; head++) {
      const kvHead = Math.floor((head * kvHeads) / heads);
      for (let row = 0; row < count; row++) {
        const query = queries.subarray((row * heads + head) * headSize, (row * heads + head + 1) * headSize);
        const out = weights.subarray(((layer * heads + head) * count + row) * count);
        for (let column = 0; column <= row; column++) {
          const at = (column * kvHeads + kvHead) * headSize;
          let sum = 0;
          for (let i = 0; i < headSize; i++) sum += query[i] * keys[at + i];
          out[column] = sum / Math.sqrt(headSize);
        }
        softmax(out.subarray(0, row + 1));
      }
    }
  }
  return { tokens: [...tokens], texts: tokens.map(textOf), layers, heads, weights };
}

function softmax(values: Float32Array): void {
  const largest = values.reduce((a, b) => Math.max(a, b));
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    values[i] = exp(values[i] - largest);
    sum += values[i];
  }
  for (let i = 0; i < values.length; i++) values[i] /= sum;
}
