// Owns /v1/chat/completions: its request as a task, its answer whole or as a stream of chunks.
import type { ToolCallPart } from '../chat/answer-parser.ts';
import type { LanguageModel } from '../language-model.ts';
import { badField } from './api-error.ts';
import { type ChatFinish, type ChatStep, runChat } from './chat-run.ts';
import type { ChatTask } from './chat-task.ts';
import { usageOf } from './choices.ts';
import type { ServerEvent } from './event-stream.ts';
import type { Exchange } from './exchange.ts';
import { type ChatLogprobs, chatLogprobs } from './logprobs.ts';
import { type ChatRequest, messagesOf } from './schemas/chat.ts';
import { formOfFields } from './schemas/form.ts';
import { alternativesOf } from './schemas/sampling.ts';

interface Head {
  readonly id: string;
  readonly created: number;
  readonly model: string;
}

interface ApiToolCall {
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; arguments: string };
}

/** Whether a request wants the model to think before it answers. */
export function wantsThinking(effort: string | null | undefined, explicit?: boolean | null): boolean {
  return explicit ?? (effort != null && effort !== 'none' && effort !== 'minimal');
}

/** What `request` asks for. @throws ApiError 400 */
export function chatTask(request: ChatRequest): ChatTask {
  const choice = request.tool_choice ?? 'auto';
  const allowed = typeof choice === 'object' && choice.type === 'allowed_tools' ? choice.allowed_tools : undefined;
  const { enable_thinking, ...variables } = request.chat_template_kwargs ?? {};
  return {
    messages: messagesOf(request.messages),
    openEnd: openEndOf(request),
    sampling: request,
    tools: request.tools ?? [],
    toolChoice:
      typeof choice === 'string' ? choice : choice.type === 'function' ? choice.function : choice.allowed_tools.mode,
    allowedTools: allowed?.tools.map((tool) => tool.function.name),
    parallelToolCalls: request.parallel_tool_calls ?? true,
    format: formOfFields(request),
    thinking: wantsThinking(request.reasoning_effort, enable_thinking),
    variables,
    truncate: false,
    maxTokens: request.max_completion_tokens ?? request.max_tokens ?? undefined,
    logprobs: alternativesOf(request),
    names: { messages: 'messages' },
  };
}

/** @throws ApiError 400 where there is nothing to go on with */
function openEndOf({ messages, continue_final_message, add_generation_prompt }: ChatRequest): ChatTask['openEnd'] {
  if (!continue_final_message) return add_generation_prompt === false ? 'none' : 'answer';
  const param = 'continue_final_message';
  if (add_generation_prompt) throw badField(param, `${param}: not possible together with add_generation_prompt.`);
  if (messages.at(-1)?.role === 'assistant') return 'continue';
  throw badField(param, `${param}: the last message must be the assistant's, got ${messages.at(-1)?.role}.`);
}

/** The whole answer. */
export async function chatCompletion(model: LanguageModel, request: ChatRequest, exchange: Exchange): Promise<object> {
  const choices = Array.from({ length: request.n ?? 1 }, () => new Choice());
  for await (const step of runChat(model, chatTask(request), exchange)) {
    choices[step.index].add(step, request.logprobs ? chatLogprobs(step.tokens, model.tokenizer) : []);
  }
  exchange.finishReason = choices[0].finish;
  return {
    ...head(exchange, 'chat.completion'),
    choices: choices.map((choice, index) => ({
      index,
      message: choice.message(),
      logprobs: request.logprobs ? { content: choice.logprobs, refusal: null } : null,
      finish_reason: choice.finish,
    })),
    usage: usageOf(exchange),
  };
}

/** Collects the steps of one choice. */
class Choice {
  finish: ChatFinish = 'stop';
  readonly logprobs: ChatLogprobs['content'][number][] = [];
  private content = '';
  private reasoning = '';
  private readonly calls: ApiToolCall[] = [];

  add({ delta, finish }: ChatStep, logprobs: ChatLogprobs['content']): void {
    this.content += delta.content ?? '';
    this.reasoning += delta.reasoning ?? '';
    for (const part of delta.toolCalls ?? []) {
      if (part.name !== undefined) this.calls.push(apiToolCall(part.name));
      this.calls[this.calls.length - 1].function.arguments += part.arguments;
    }
    this.logprobs.push(...logprobs);
    if (finish) this.finish = finish;
  }

  message(): object {
    return {
      role: 'assistant',
      content: this.content === '' && this.calls.length > 0 ? null : this.content,
      refusal: null,
      ...(this.reasoning === '' ? {} : { reasoning_content: this.reasoning }),
      ...(this.calls.length === 0 ? {} : { tool_calls: this.calls }),
    };
  }
}

/** The answer as chunks; checks the request before the first one. */
export async function* chatChunks(
  model: LanguageModel,
  request: ChatRequest,
  exchange: Exchange,
): AsyncGenerator<ServerEvent, void, void> {
  const withUsage = request.stream_options?.include_usage ?? false;
  const shared = { ...head(exchange, 'chat.completion.chunk'), ...(withUsage ? { usage: null } : {}) };
  const begun = new Set<number>();
  const chunk = (index: number, delta: object, logprobs: object | null, finish_reason: ChatFinish | null) => ({
    data: { ...shared, choices: [{ index, delta, logprobs, finish_reason }] },
  });
  for await (const { index, delta, tokens, finish } of runChat(model, chatTask(request), exchange)) {
    if (!begun.has(index)) {
      begun.add(index);
      yield chunk(index, { role: 'assistant', content: '' }, null, null);
    }
    const shown = {
      ...(delta.reasoning === undefined ? {} : { reasoning_content: delta.reasoning }),
      ...(delta.content === undefined ? {} : { content: delta.content }),
      ...(delta.toolCalls === undefined ? {} : { tool_calls: delta.toolCalls.map(callChunk) }),
    };
    const entries = request.logprobs ? chatLogprobs(tokens, model.tokenizer) : [];
    const logprobs: ChatLogprobs | null = entries.length > 0 ? { content: entries, refusal: null } : null;
    if (Object.keys(shown).length > 0 || logprobs) yield chunk(index, shown, logprobs, null);
    if (finish) {
      if (index === 0) exchange.finishReason = finish;
      yield chunk(index, {}, null, finish);
    }
  }
  if (withUsage) yield { data: { ...shared, choices: [], usage: usageOf(exchange) } };
  yield { data: '[DONE]' };
}

function callChunk({ index, name, arguments: text }: ToolCallPart): object {
  if (name === undefined) return { index, function: { arguments: text } };
  const call = apiToolCall(name);
  call.function.arguments = text;
  return { index, ...call };
}

/** A call without its arguments. */
function apiToolCall(name: string): ApiToolCall {
  const id = `call_${crypto.randomUUID().replaceAll('-', '').slice(0, 24)}`;
  return { id, type: 'function', function: { name, arguments: '' } };
}

function head(exchange: Exchange, object: string): Head & { object: string; system_fingerprint: null } {
  return {
    id: `chatcmpl-${exchange.id.slice(4)}`,
    object,
    created: Math.floor(Date.now() / 1000),
    model: exchange.modelId ?? '',
    system_fingerprint: null,
  };
}
