// Owns /api/…, which Ollama's clients speak: chat, generate and embed over the same engine, and what they ask about models.
import type { z } from 'zod';
import { completeJson } from '../chat/call-reader.ts';
import type { LanguageModel } from '../language-model.ts';
import { constraintOfForm } from './answer-form.ts';
import { type ChatStep, runChat } from './chat-run.ts';
import { counted, roomFor } from './choices.ts';
import { embeddings } from './embeddings.ts';
import type { ServerEvent } from './event-stream.ts';
import type { Exchange } from './exchange.ts';
import { chatLogprobs } from './logprobs.ts';
import type { ModelShelf } from './model-shelf.ts';
import { tokensOf } from './prompt.ts';
import {
  formOfOllama,
  maxTokensOf,
  type OllamaChatRequest,
  type OllamaGenerateRequest,
  type ollamaEmbedRequest,
  samplingOf,
  taskOfOllama,
} from './schemas/ollama.ts';
import { generateOptionsOf } from './schemas/sampling.ts';

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
  /** Calls that are not complete. */
  let written: { readonly name: string; text: string; done: boolean }[] = [];
  for await (const { delta, tokens, finish } of stepsOf(model, request, exchange)) {
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
    const done_reason = finish === 'length' ? 'length' : 'stop';
    yield { data: { ...head(), ...says(''), done: true, done_reason, ...costOf(exchange) } };
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

/** Texts as vectors. */
export async function ollamaEmbed(
  model: LanguageModel,
  request: z.output<typeof ollamaEmbedRequest>,
  exchange: Exchange,
): Promise<object> {
  const { data } = (await embeddings(model, request, exchange)) as { data: { embedding: number[] }[] };
  const { total_duration, load_duration, prompt_eval_count } = costOf(exchange);
  const vectors = data.map(({ embedding }) => embedding);
  return { model: request.model, embeddings: vectors, total_duration, load_duration, prompt_eval_count };
}

/** The models, as /api/tags lists them; or, as /api/ps does, those that are loaded. */
export async function ollamaModels(shelf: ModelShelf, onlyLoaded: boolean): Promise<object> {
  const loaded = new Map([...shelf.loaded()].map(({ id, model }) => [id, model]));
  const ids = shelf.ids.filter((id) => !onlyLoaded || loaded.has(id));
  const models = ids.map(async (id) => {
    const model = loaded.get(id);
    const size = model?.memoryBytes ?? (await shelf.needBytes(id));
    const modified_at = new Date(0).toISOString(); // nobody needs to know when a file was written
    return { name: id, model: id, modified_at, size, digest: '', details: detailsOf(model) };
  });
  return { models: await Promise.all(models) };
}

/** What is known of a model. */
export function ollamaShow(model: LanguageModel): object {
  const plain = [...model.metadata].filter(([, value]) => typeof value !== 'object' || value === null);
  return {
    license: String(model.metadata.get('general.license') ?? ''),
    modelfile: '',
    parameters: '',
    template: String(model.metadata.get('tokenizer.chat_template') ?? ''),
    details: detailsOf(model),
    model_info: Object.fromEntries(
      plain.map(([name, value]) => [name, typeof value === 'bigint' ? Number(value) : value]),
    ),
    capabilities: ['completion', 'tools', 'embedding', ...(model.knowsThinking ? ['thinking'] : [])],
    modified_at: new Date(0).toISOString(),
  };
}

function detailsOf(model: LanguageModel | undefined): object {
  const family = String(model?.metadata.get('general.architecture') ?? '');
  const families = family === '' ? null : [family];
  return { parent_model: '', format: 'gguf', family, families, parameter_size: '', quantization_level: '' };
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
  const prompt = await tokensOf(request.prompt ?? '', model, exchange.budget);
  const form = formOfOllama(request);
  const constraint = form && (await constraintOfForm(model, form, exchange));
  const wanted = maxTokensOf(request);
  const answerTokens = roomFor(prompt.length, model.contextTokens, wanted, 'prompt');
  const need = { promptTokens: prompt.length, answers: 1, answerTokens, known: wanted !== undefined };
  const logprobs = request.logprobs ? (request.top_logprobs ?? 0) : undefined;
  const { signal, owner } = exchange;
  const pieces = counted(
    model.generate(prompt, {
      ...generateOptionsOf(samplingOf(request), model.config.vocabulary),
      ...{ maxTokens: exchange.reserve(need), constraint, logprobs, signal, owner },
    }),
    exchange,
    logprobs,
  );
  for (;;) {
    const { value, done } = await pieces.next();
    if (done) return yield { delta: {}, tokens: [], finish: value.finishReason };
    yield { delta: value.text === '' ? {} : { content: value.text }, tokens: value.tokens };
  }
}

/** Tokens, and durations in nanoseconds. */
function costOf({ usage, beganMs, firstTokenMs }: Exchange) {
  const now = performance.now();
  const first = firstTokenMs ?? now;
  return {
    total_duration: Math.round((now - beganMs) * 1e6),
    load_duration: 0,
    prompt_eval_count: usage.promptTokens,
    prompt_eval_duration: Math.round((first - beganMs) * 1e6),
    eval_count: usage.completionTokens,
    eval_duration: Math.round((now - first) * 1e6),
  };
}
