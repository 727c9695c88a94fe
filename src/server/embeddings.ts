// Owns /v1/embeddings: texts or tokens as vectors, in numbers or in base64 of little-endian float32, which is what the official client asks for.

import type { z } from 'zod';
import { lengthOf } from '../core/elementary.ts';
import { endedTokens } from '../generate/embed.ts';
import type { LanguageModel } from '../language-model.ts';
import { badField } from './api-error.ts';
import type { Exchange } from './exchange.ts';
import { likelyTokens, promptsOf, tokensOf } from './prompt.ts';
import type { embeddingRequest } from './schemas/others.ts';

type EmbeddingRequest = z.output<typeof embeddingRequest>;

/** The vectors of all inputs, in their order. */
export function embeddings(model: LanguageModel, request: EmbeddingRequest, exchange: Exchange): Promise<object> {
  return embeddingsWithin(model, request, exchange, model.contextTokens);
}

/** As `embeddings`, of inputs of at most so many tokens. */
export async function embeddingsWithin(
  model: LanguageModel,
  request: EmbeddingRequest,
  exchange: Exchange,
  contextTokens: number,
): Promise<object> {
  const { width } = model.config;
  const dimensions = request.dimensions ?? width;
  if (dimensions > width) {
    throw badField('dimensions', `dimensions: this model gives at most ${width}, got ${dimensions}.`);
  }
  const inputs: Int32Array[] = [];
  const given = promptsOf(request.input);
  await exchange.expectTokens(likelyTokens(given));
  for (const input of given) {
    const tokens = await tokensOf(input, model, exchange.budget, 'input', contextTokens);
    inputs.push(typeof input === 'string' ? endedTokens(tokens, model.tokenizer) : tokens);
  }
  await exchange.reserveReading(inputs.reduce((sum, { length }) => sum + length, 0));
  const data: object[] = [];
  for (const [index, tokens] of inputs.entries()) {
    const vector = shortened(
      await model.embed(tokens, { signal: exchange.signal, owner: exchange.owner, adapter: exchange.adapter }),
      dimensions,
    );
    const embedding = request.encoding_format === 'base64' ? base64(vector) : Array.from(vector);
    data.push({ object: 'embedding', index, embedding });
  }
  const { promptTokens } = exchange.usage;
  return {
    object: 'list',
    model: exchange.modelId,
    data,
    usage: { prompt_tokens: promptTokens, total_tokens: promptTokens },
  };
}

/** The first `dimensions` numbers, of length 1 again. */
function shortened(vector: Float32Array, dimensions: number): Float32Array {
  if (dimensions === vector.length) return vector;
  const first = vector.slice(0, dimensions);
  const length = lengthOf(first);
  return length > 0 ? first.map((value) => value / length) : first;
}

function base64(vector: Float32Array): string {
  const view = new DataView(new ArrayBuffer(4 * vector.length));
  for (const [i, value] of vector.entries()) view.setFloat32(4 * i, value, true);
  let bytes = '';
  for (let i = 0; i < view.byteLength; i++) bytes += String.fromCharCode(view.getUint8(i));
  return btoa(bytes);
}
