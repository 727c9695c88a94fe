// Owns what a request's texts are as tokens: their length is looked at before the work, then they are read within the request's budget.
import type { ChatMessage } from '../chat/messages.ts';
import type { ChatTemplateOptions } from '../chat/template.ts';
import type { Budget } from '../core/budget.ts';
import { OnebitError } from '../errors.ts';
import type { LanguageModel } from '../language-model.ts';
import { ApiError, badField } from './api-error.ts';

/** A prompt with more tokens than the context has. */
export function tooLong(contextTokens: number, param: string, promptTokens?: number): ApiError {
  const has = promptTokens === undefined ? 'more tokens than fit' : `${promptTokens} tokens`;
  const message = `The prompt has ${has}, the context of this model ${contextTokens}. Shorten it.`;
  return new ApiError(400, message, { code: 'context_length_exceeded', param });
}

/** Tokens of prompt and answer: those of the model's context, or fewer where the request wants fewer. */
export function contextTokensOf({ contextTokens }: LanguageModel, wanted: number | null | undefined): number {
  return Math.min(contextTokens, wanted ?? contextTokens);
}

/** Characters of the longest text that could fit the context, whatever it says. */
export function mostCharacters({ contextTokens, tokenizer }: LanguageModel): number {
  return contextTokens * tokenizer.longestToken;
}

/** A prompt may be a text, texts, token ids, or lists of them. */
export function promptsOf(
  prompt: string | readonly (string | number | readonly number[])[],
): (string | readonly number[])[] {
  if (typeof prompt === 'string') return [prompt];
  return typeof prompt[0] === 'number' ? [prompt as number[]] : (prompt as (string | number[])[]);
}

/**
 * Token ids of a prompt that fits the context.
 * @throws ApiError 400 for one that does not, for ids that the vocabulary does not have, or nothing at all
 */
export async function tokensOf(
  prompt: string | readonly number[],
  model: LanguageModel,
  budget: Budget,
  param = 'prompt',
  contextTokens = model.contextTokens,
): Promise<Int32Array> {
  const { tokenizer } = model;
  const isText = typeof prompt === 'string';
  if (prompt.length > (isText ? mostCharacters(model) : contextTokens)) {
    throw tooLong(contextTokens, param, isText ? undefined : prompt.length);
  }
  const options = { bos: tokenizer.addBos, maxTokens: contextTokens, budget };
  const tokens = isText ? await unlessTooLong(tokenizer.encodeAsync(prompt, options)) : idsOf(prompt, model, param);
  if (!tokens) throw tooLong(contextTokens, param);
  if (tokens.length === 0) throw badField(param, `${param}: must have at least one token, got none.`);
  return tokens;
}

/** Tokens that prompts likely are, before they are read: four characters count as one. */
export function likelyTokens(prompts: readonly (string | readonly number[])[]): number {
  const tokens = prompts.reduce((sum, one) => sum + (typeof one === 'string' ? one.length / 4 : one.length), 0);
  return Math.ceil(tokens);
}

/** Token ids as the model wants them. @throws ApiError 400 for those that the vocabulary does not have */
export function idsOf(ids: readonly number[], { tokenizer }: LanguageModel, param: string): Int32Array {
  const tokens = Int32Array.from(ids);
  const bad = tokens.find((token) => token >= tokenizer.vocabularySize);
  if (bad === undefined) return tokens;
  throw badField(param, `${param}: tokens must be below ${tokenizer.vocabularySize}, got ${bad}.`);
}

export interface ConversationBounds {
  readonly budget: Budget;
  /** The field that holds the messages, for errors. */
  readonly param: string;
  /** Leave the oldest messages out where the context cannot hold all. */
  readonly truncate: boolean;
  /** End in what the last message says. */
  readonly continueLast: boolean;
  /** Tokens that come first. */
  readonly before?: readonly number[];
  /** Tokens that fit, at most those of the model's context. */
  readonly contextTokens: number;
}

/**
 * Token ids of a conversation.
 * @throws ApiError 400 for one that does not fit all the same
 */
export async function conversationTokens(
  messages: readonly ChatMessage[],
  model: LanguageModel,
  options: ChatTemplateOptions,
  { budget, param, truncate, continueLast, before = [], ...bounds }: ConversationBounds,
): Promise<Int32Array> {
  const contextTokens = bounds.contextTokens - before.length;
  if (contextTokens < 1) throw tooLong(bounds.contextTokens, 'context', before.length);
  const first = idsOf(before, model, 'context');
  const most = mostCharacters(model);
  if (textLength(options.tools, most) > most) throw tooLong(contextTokens, 'tools');
  if (textLength(options.variables, most) > most) throw tooLong(contextTokens, 'chat_template_kwargs');
  while (!mayFit(messages, contextTokens, most)) {
    if (!truncate || messages.length === 1) throw tooLong(contextTokens, param);
    messages = withoutOldest(messages);
  }
  for (;;) {
    const maxTokens = truncate ? contextTokens - 1 : contextTokens;
    const tokens = await unlessTooLong(
      model.chatPromptAsync(messages, { ...options, budget, maxTokens, continueLast }),
    );
    if (tokens) return first.length === 0 ? tokens : Int32Array.from([...first, ...unbegun(tokens, model)]);
    if (!truncate || messages.length === 1) throw tooLong(contextTokens, param);
    messages = withoutOldest(messages);
  }
}

/** Without the begin token. */
function unbegun(tokens: Int32Array, { tokenizer }: LanguageModel): Int32Array {
  return tokenizer.addBos && tokens[0] === tokenizer.bos ? tokens.subarray(1) : tokens;
}

/** The beginning of `text` that fits the context: all of it, or as much as is found in some tries. */
export async function fitting(
  text: string,
  { tokenizer }: LanguageModel,
  contextTokens: number,
  budget: Budget,
): Promise<string> {
  let length = Math.min(text.length, contextTokens * tokenizer.longestToken);
  for (;;) {
    const start = text.slice(0, length);
    const options = { bos: tokenizer.addBos, maxTokens: contextTokens, budget };
    if (await unlessTooLong(tokenizer.encodeAsync(start, options))) return start;
    length = Math.floor(length * 0.9);
  }
}

/** Undefined for a text that has more tokens than it may. */
function unlessTooLong(tokens: Promise<Int32Array>): Promise<Int32Array | undefined> {
  return tokens.catch((error) => {
    if (error instanceof OnebitError && error.code === 'too-long') return undefined;
    throw error;
  });
}

/** Whether messages may fit; a template can leave out what an assistant thought, even where that is a part of the text. */
export function mayFit(messages: readonly ChatMessage[], contextTokens: number, most: number): boolean {
  let said = 0;
  let characters = 0;
  let thoughts = 0;
  for (const { role, content, reasoning = '' } of messages) {
    const thought = role === 'assistant' ? Math.max(0, content.lastIndexOf('</think>')) : 0;
    thoughts += thought + reasoning.length;
    characters += content.length - thought;
    if (content !== '') said++;
  }
  return said <= contextTokens && characters <= most && thoughts <= 4 * most;
}

/** Characters of all texts in a value of JSON; stops counting where there are more than `most`. */
export function textLength(value: unknown, most: number): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 0;
  let length = 0;
  for (const [name, part] of Object.entries(value)) {
    length += (Array.isArray(value) ? 0 : name.length) + textLength(part, most);
    if (length > most) break;
  }
  return length;
}

/** Without the first quarter, at least one, of what is neither the system's nor the last. */
function withoutOldest(messages: readonly ChatMessage[]): readonly ChatMessage[] {
  const old = messages.slice(0, -1).filter((message) => message.role !== 'system');
  const dropped = new Set(old.slice(0, Math.ceil(old.length / 4)));
  return dropped.size > 0 ? messages.filter((message) => !dropped.has(message)) : messages.slice(-1);
}
