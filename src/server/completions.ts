// Owns /v1/completions: prompts as text or tokens, their continuations whole or as a stream.
import type { ChosenToken } from '../generate/session.ts';
import type { LanguageModel } from '../language-model.ts';
import { badField } from './api-error.ts';
import { counted, interleave, roomFor, usageOf } from './choices.ts';
import type { ServerEvent } from './event-stream.ts';
import type { Exchange } from './exchange.ts';
import { textLogprobs } from './logprobs.ts';
import type { CompletionRequest } from './schemas/others.ts';
import { generateOptionsOf } from './schemas/sampling.ts';

/** As OpenAI's documentation has it. */
const DEFAULT_TOKENS = 16;
/** Prompts times choices. */
const MOST_CHOICES = 128;

interface Step {
  readonly index: number;
  readonly text: string;
  readonly tokens: readonly ChosenToken[];
  readonly finish: 'stop' | 'length' | null;
}

/** The whole answer. */
export async function completion(
  model: LanguageModel,
  request: CompletionRequest,
  exchange: Exchange,
): Promise<object> {
  const choices: { text: string; tokens: ChosenToken[]; finish: string | null }[] = [];
  for await (const { index, text, tokens, finish } of run(model, request, exchange)) {
    choices[index] ??= { text: '', tokens: [], finish: null };
    choices[index].text += text;
    choices[index].tokens.push(...tokens);
    choices[index].finish = finish;
  }
  return {
    ...head(exchange),
    choices: choices.map(({ text, tokens, finish }, index) => ({
      index,
      text,
      logprobs: request.logprobs == null ? null : textLogprobs(tokens, model.tokenizer, 0),
      finish_reason: finish,
    })),
    usage: usageOf(exchange),
  };
}

/** The answer as chunks; checks the request before the first one. */
export async function* completionChunks(
  model: LanguageModel,
  request: CompletionRequest,
  exchange: Exchange,
): AsyncGenerator<ServerEvent, void, void> {
  const withUsage = request.stream_options?.include_usage ?? false;
  const shared = { ...head(exchange), ...(withUsage ? { usage: null } : {}) };
  const offsets = new Map<number, number>();
  for await (const { index, text, tokens, finish } of run(model, request, exchange)) {
    const offset = offsets.get(index) ?? 0;
    offsets.set(index, offset + text.length);
    const logprobs = request.logprobs == null ? null : textLogprobs(tokens, model.tokenizer, offset);
    yield { data: { ...shared, choices: [{ index, text, logprobs, finish_reason: finish }] } };
  }
  if (withUsage) yield { data: { ...shared, choices: [], usage: usageOf(exchange) } };
  yield { data: '[DONE]' };
}

function run(model: LanguageModel, request: CompletionRequest, exchange: Exchange): AsyncGenerator<Step, void, void> {
  const prompts = promptsOf(request.prompt).map((prompt) => tokensOf(prompt, model));
  const n = request.n ?? 1;
  if (prompts.length * n > MOST_CHOICES) {
    throw badField('n', `n: prompts times n must be at most ${MOST_CHOICES}, got ${prompts.length * n}.`);
  }
  if (request.echo && request.logprobs != null) {
    throw badField('echo', 'echo: not supported together with logprobs.', 'unsupported');
  }
  const choices = prompts.flatMap((prompt, p) => {
    const wanted = request.max_tokens ?? DEFAULT_TOKENS;
    const maxTokens = roomFor(prompt.length, model.contextTokens, wanted, 'prompt');
    exchange.usage.promptTokens += prompt.length;
    return Array.from({ length: n }, (_, i) => runChoice(model, request, prompt, maxTokens, p * n + i, exchange));
  });
  return interleave(choices);
}

async function* runChoice(
  model: LanguageModel,
  request: CompletionRequest,
  prompt: Int32Array,
  maxTokens: number,
  index: number,
  exchange: Exchange,
): AsyncGenerator<Step, void, void> {
  const generation = model.generate(prompt, {
    ...generateOptionsOf(request, index, model.config.vocabulary),
    maxTokens,
    logprobs: request.logprobs ?? undefined,
    signal: exchange.signal,
  });
  if (request.echo) yield { index, text: model.detokenize(prompt), tokens: [], finish: null };
  const pieces = counted(generation, exchange);
  for (;;) {
    const { value, done } = await pieces.next();
    if (!done) {
      yield { index, text: value.text, tokens: value.tokens, finish: null };
      continue;
    }
    if (index === 0) exchange.finishReason = value.finishReason;
    yield { index, text: '', tokens: [], finish: value.finishReason };
    return;
  }
}

/** A prompt may be a text, texts, token ids, or lists of them. */
export function promptsOf(prompt: CompletionRequest['prompt']): (string | readonly number[])[] {
  if (typeof prompt === 'string') return [prompt];
  return typeof prompt[0] === 'number' ? [prompt as number[]] : (prompt as (string | number[])[]);
}

/** Token ids of a prompt. @throws ApiError 400 for ids that the vocabulary does not have, or nothing at all */
export function tokensOf(prompt: string | readonly number[], model: LanguageModel, param = 'prompt'): Int32Array {
  const tokens = typeof prompt === 'string' ? model.tokenize(prompt) : Int32Array.from(prompt);
  const { vocabularySize } = model.tokenizer;
  const bad = tokens.find((token) => token >= vocabularySize);
  if (bad !== undefined) throw badField(param, `${param}: tokens must be below ${vocabularySize}, got ${bad}.`);
  if (tokens.length === 0) throw badField(param, `${param}: must have at least one token, got none.`);
  return tokens;
}

function head(exchange: Exchange) {
  return {
    id: `cmpl-${exchange.id.slice(4)}`,
    object: 'text_completion',
    created: Math.floor(Date.now() / 1000),
    model: exchange.modelId ?? '',
    system_fingerprint: null,
  };
}
