// Owns /v1/tokenize and /v1/detokenize.
import type { z } from 'zod';
import type { Budget } from '../core/budget.ts';
import type { LanguageModel } from '../language-model.ts';
import { badField } from './api-error.ts';
import type { Exchange } from './exchange.ts';
import { idsOf, likelyTokens, mostCharacters, tooLong } from './prompt.ts';
import type { detokenizeRequest, tokenizeRequest } from './schemas/others.ts';

/** Memory of a token with its text, while it is written. */
const PIECE_BYTES = 120;
/** Tokens that are turned into text in one go. */
const STRETCH = 2000;
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Token ids of a text, which may be longer than the context as long as no text of its length is sure to be. */
export async function tokenize(
  model: LanguageModel,
  request: z.output<typeof tokenizeRequest>,
  exchange: Exchange,
): Promise<object> {
  const text = request.content ?? request.prompt;
  if (text == null) throw badField('content', 'content: the text must be given, got none.');
  if (text.length > mostCharacters(model))
    throw tooLong(model.contextTokens, request.content == null ? 'prompt' : 'content');
  await exchange.expectTokens(likelyTokens([text]));
  const { budget } = exchange;
  const { tokenizer } = model;
  const bos = request.add_special === true && tokenizer.addBos;
  const ids = await tokenizer.encodeAsync(text, { special: request.parse_special ?? false, bos, budget });
  exchange.countReading(ids.length);
  const shown: unknown[] = [];
  if (request.with_pieces) budget.hold('tokenize', PIECE_BYTES * ids.length);
  for (let from = 0; from < ids.length; from += STRETCH) {
    const some = Array.from(ids.subarray(from, from + STRETCH));
    const pieceOf = (id: number) => ({ id, piece: pieceText(id, model) });
    shown.push(...(request.with_pieces ? some.map(pieceOf) : some));
    await budget.turn('tokenize');
  }
  return { tokens: shown, count: ids.length, max_model_len: model.contextTokens };
}

/** The text of a token as it stands in the middle of a text; its bytes where they are part of a character. */
function pieceText(id: number, { tokenizer }: LanguageModel): string | number[] {
  if (tokenizer.isSpecial(id)) return tokenizer.decode([id], { special: true });
  const bytes = tokenizer.bytesOf(id);
  try {
    return strict.decode(bytes);
  } catch {
    return Array.from(bytes);
  }
}

/** The text of tokens. */
export async function detokenize(
  model: LanguageModel,
  { tokens }: z.output<typeof detokenizeRequest>,
  exchange: Exchange,
): Promise<object> {
  const ids = idsOf(tokens, model, 'tokens');
  await exchange.reserveReading(ids.length);
  return { content: await textOf(ids, model, exchange.budget) };
}

async function textOf(ids: Int32Array, model: LanguageModel, budget: Budget): Promise<string> {
  if (ids.length <= STRETCH) return model.detokenize(ids);
  const decoder = model.tokenizer.decoder();
  const parts: string[] = [];
  for (const [i, id] of ids.entries()) {
    parts.push(decoder.push(id));
    if (i % STRETCH === 0) await budget.turn('detokenize');
  }
  const text = parts.join('') + decoder.flush();
  // Some vocabularies write a space where a text begins, which is not there.
  const ownSpace = text.startsWith(' ') && !model.detokenize(ids.subarray(0, STRETCH)).startsWith(' ');
  return ownSpace ? text.slice(1) : text;
}
