// Owns the routes of Ollama's clients that answer: chat, generate and embed, over the same engine.
import type { z } from 'zod';
import { completeJson } from '../chat/call-reader.ts';
import type { LanguageModel } from '../language-model.ts';
import { constraintOfForm } from './answer-form.ts';
import { type ChatFinish, type ChatStep, runChat } from './chat-run.ts';
import { counted, roomFor } from './choices.ts';
import { type embeddings, embeddingsWithin } from './embeddings.ts';
import type { ServerEvent } from './event-stream.ts';
import type { Exchange } from './exchange.ts';
import { chatLogprobs } from './logprobs.ts';
import { contextTokensOf, fitting, likelyTokens, tokensOf } from './prompt.ts';
import {
  formOfOllama,
  maxTokensOf,
  type OllamaChatRequest,
  type OllamaGenerateRequest,
  type ollamaEmbeddingRequest,
  type ollamaEmbedRequest,
  samplingOf,
  taskOfOllama,
} from './schemas/ollama.ts';
import { alternativesOf, generateOptionsOf } from './schemas/sampling.ts';

type Request = OllamaChatRequest | OllamaGenerateRequest;
type Step = Pick<ChatStep, 'delta' | 'tokens' | 'finish'>;
interface Call {
  readonly function: { readonly name: string; readonly arguments: unknown };
}

/** The answer line by line, the last one with what it cost. */
export async function* ollamaLines(
  model: LanguageModel,
  request: Request,
  exchange: Exchange,
): AsyncGenerator<ServerEvent, void, void> {
  const head = () => ({ model: request.model, created_at: new Date().toISOString() });
  const says = (text: string, thinking?: string, calls?: readonly Call[]) => {
    const more = { ...(thinking ? { thinking } : {}), ...(calls ? { tool_calls: calls } : {}) };
    return 'messages' in request
      ? { message: { role: 'assistant', content: text, ...more } }
      : { response: text, ...more };
  };
  if (isLoading(request)) {
    yield { data: { ...head(), ...says(''), done: true, done_reason: 'load' } };
    return;
  }
  const answer: number[] = [];
  /** Calls that are not complete. */
  let written: { readonly name: string; text: string; done: boolean }[] = [];
  for await (const { delta, tokens, finish } of stepsOf(model, request, exchange)) {
    for (const { token } of tokens) answer.push(token);
    for (const part of delta.toolCalls ?? []) {
      if (part.name !== undefined) written.push({ name: part.name, text: '', done: false });
      const call = written[written.length - 1];
      call.text += part.arguments;
      call.done = part.done;
    }
    const complete = written.filter((call) => call.done || finish);
    written = written.filter((call) => !complete.includes(call));
    const calls = complete.length === 0 ? undefined : complete.map(({ name, text }) => ({ function: { name, arguments: completeJson(text) } })); // biome-ignore format: short
    const logprobs = request.logprobs && tokens.length > 0 ? { logprobs: chatLogprobs(tokens, model.tokenizer) } : {}; // biome-ignore format: short
    if (delta.content !== undefined || delta.reasoning !== undefined || calls || 'logprobs' in logprobs) {
      yield { data: { ...head(), ...says(delta.content ?? '', delta.reasoning, calls), ...logprobs, done: false } };
    }
    if (!finish) continue;
    exchange.finishReason = finish;
    const done_reason = finish === 'tool_calls' ? 'stop' : finish;
    const context = 'messages' in request ? {} : { context: contextOf(model, exchange, answer, finish) };
    yield { data: { ...head(), ...says(''), done: true, done_reason, ...context, ...costOf(exchange) } };
  }
}

/** The whole answer: the last line with all that the lines say. */
export async function ollamaAnswer(model: LanguageModel, request: Request, exchange: Exchange): Promise<object> {
  const whole = { content: '', thinking: '', tool_calls: [] as Call[], logprobs: [] as unknown[] };
  let last: Line = {};
  for await (const { data } of ollamaLines(model, request, exchange)) {
    last = data as Line;
    const said = last.message ?? last;
    whole.content += last.message?.content ?? last.response ?? '';
    whole.thinking += said.thinking ?? '';
    whole.tool_calls.push(...(said.tool_calls ?? []));
    whole.logprobs.push(...(last.logprobs ?? []));
  }
  const { content, thinking, tool_calls, logprobs } = whole;
  const more = { ...(thinking ? { thinking } : {}), ...(tool_calls.length > 0 ? { tool_calls } : {}) };
  const said =
    'messages' in request ? { message: { role: 'assistant', content, ...more } } : { response: content, ...more };
  return { ...last, ...said, ...(request.logprobs ? { logprobs } : {}) };
}

interface Said {
  readonly thinking?: string;
  readonly tool_calls?: readonly Call[];
}
interface Line extends Said {
  readonly message?: Said & { readonly content: string };
  readonly response?: string;
  readonly logprobs?: readonly unknown[];
}

/** Texts as vectors; of those that are too long, the beginning, unless the request says otherwise. */
export async function ollamaEmbed(
  model: LanguageModel,
  request: z.output<typeof ollamaEmbedRequest>,
  exchange: Exchange,
): Promise<object> {
  const texts = typeof request.input === 'string' ? [request.input] : request.input;
  await exchange.expectTokens(likelyTokens(texts));
  const contextTokens = contextTokensOf(model, request.options?.num_ctx);
  const input: string[] = [];
  for (const text of texts)
    input.push(request.truncate === false ? text : await fitting(text, model, contextTokens, exchange.budget));
  const vectors = input.length > 0 ? await vectorsOf(model, { ...request, input }, exchange, contextTokens) : [];
  const { total_duration, load_duration, prompt_eval_count } = costOf(exchange);
  return { model: request.model, embeddings: vectors, total_duration, load_duration, prompt_eval_count };
}

/** One text as a vector, on the route that Ollama's older clients ask. */
export async function ollamaEmbedding(
  model: LanguageModel,
  request: z.output<typeof ollamaEmbeddingRequest>,
  exchange: Exchange,
): Promise<object> {
  const { prompt } = request;
  if (prompt === '') return { embedding: [] };
  await exchange.expectTokens(likelyTokens([prompt]));
  const contextTokens = contextTokensOf(model, request.options?.num_ctx);
  const input = await fitting(prompt, model, contextTokens, exchange.budget);
  const [embedding] = await vectorsOf(model, { ...request, input }, exchange, contextTokens);
  return { embedding };
}

async function vectorsOf(
  model: LanguageModel,
  request: Parameters<typeof embeddings>[1],
  exchange: Exchange,
  contextTokens: number,
): Promise<number[][]> {
  const { data } = (await embeddingsWithin(model, request, exchange, contextTokens)) as {
    data: { embedding: number[] }[];
  };
  return data.map(({ embedding }) => embedding);
}

/** The conversation as tokens, for a request that goes on with it. */
function contextOf(model: LanguageModel, exchange: Exchange, answer: readonly number[], finish: ChatFinish): number[] {
  const { eos } = model.tokenizer;
  const ended = finish !== 'length' && finish !== 'loop' && finish !== 'abstain' && eos !== undefined ? [eos] : [];
  return [...exchange.promptIds, ...answer, ...ended];
}

function isLoading(request: Request): boolean {
  return 'messages' in request ? request.messages.length === 0 : !request.prompt;
}

function stepsOf(model: LanguageModel, request: Request, exchange: Exchange): AsyncGenerator<Step, void, void> {
  const raw = !('messages' in request) && request.raw;
  return raw ? continued(model, request, exchange) : runChat(model, taskOfOllama(request), exchange);
}

/** The prompt continued as it is. */
async function* continued(
  model: LanguageModel,
  request: OllamaGenerateRequest,
  exchange: Exchange,
): AsyncGenerator<Step, void, void> {
  await exchange.expectTokens(likelyTokens([request.prompt ?? '']));
  const contextTokens = contextTokensOf(model, request.options?.num_ctx);
  const prompt = await tokensOf(request.prompt ?? '', model, exchange.budget, 'prompt', contextTokens);
  exchange.promptIds = prompt;
  const form = formOfOllama(request);
  const constraint = form && (await constraintOfForm(model, form, exchange));
  const wanted = maxTokensOf(request);
  const answerTokens = roomFor(prompt.length, contextTokens, wanted, 'prompt');
  const need = { promptTokens: prompt.length, answers: 1, answerTokens, known: wanted !== undefined };
  const logprobs = alternativesOf(request);
  const sampling = generateOptionsOf(samplingOf(request), model.config.vocabulary);
  const options = exchange.allowed({ ...sampling, maxTokens: await exchange.reserve(need), constraint, logprobs });
  const pieces = counted(model.generate(prompt, options), exchange, logprobs);
  for (;;) {
    const { value, done } = await pieces.next();
    if (done) return yield { delta: {}, tokens: [], finish: value.finishReason };
    yield { delta: value.text === '' ? {} : { content: value.text }, tokens: value.tokens };
  }
}

/** Tokens, and durations in nanoseconds. */
function costOf({ usage, beganMs, loadMs, firstTokenMs }: Exchange) {
  const now = performance.now();
  const first = firstTokenMs ?? now;
  return {
    total_duration: Math.round((now - beganMs) * 1e6),
    load_duration: Math.round(loadMs * 1e6),
    prompt_eval_count: usage.promptTokens,
    prompt_eval_duration: Math.round((first - beganMs - loadMs) * 1e6),
    eval_count: usage.completionTokens,
    eval_duration: Math.round((now - first) * 1e6),
  };
}
