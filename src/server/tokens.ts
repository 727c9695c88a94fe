// Owns /v1/tokenize and /v1/detokenize.
import type { z } from 'zod';
import type { LanguageModel } from '../language-model.ts';
import { badField } from './api-error.ts';
import { tokensOf } from './completions.ts';
import type { detokenizeRequest, tokenizeRequest } from './schemas/others.ts';

/** Token ids of a text. */
export function tokenize(model: LanguageModel, request: z.output<typeof tokenizeRequest>): object {
  const text = request.content ?? request.prompt;
  if (text == null) throw badField('content', 'content: the text must be given, got none.');
  const bos = request.add_special ? undefined : false;
  const tokens = Array.from(model.tokenize(text, { special: request.parse_special ?? false, bos }));
  const pieceOf = (id: number) => ({ id, piece: model.tokenizer.decode([id], { special: true }) });
  return {
    tokens: request.with_pieces ? tokens.map(pieceOf) : tokens,
    count: tokens.length,
    max_model_len: model.contextTokens,
  };
}

/** The text of tokens. */
export function detokenize(model: LanguageModel, request: z.output<typeof detokenizeRequest>): object {
  if (request.tokens.length === 0) return { content: '' };
  return { content: model.detokenize(tokensOf(request.tokens, model, 'tokens')) };
}
