// Owns /v1/responses: its request as a task, its answer as items, whole or as the events by which items grow.
import type { ToolCallPart } from '../chat/answer-parser.ts';
import type { LanguageModel } from '../language-model.ts';
import { type ChatFinish, runChat } from './chat-run.ts';
import type { ServerEvent } from './event-stream.ts';
import type { Exchange } from './exchange.ts';
import { type ChatLogprobs, chatLogprobs } from './logprobs.ts';
import { conversationOf, responseTask } from './response-input.ts';
import type { Responses } from './response-store.ts';
import { functionsOf, type InputItem, type ResponsesRequest } from './schemas/responses.ts';

type Logprobs = ChatLogprobs['content'][number][];
type Part =
  | { type: 'output_text'; text: string; annotations: []; logprobs: Logprobs }
  | { type: 'reasoning_text'; text: string };
/** An item of the answer, while it grows and when it is done. */
interface OutputItem {
  readonly type: 'message' | 'reasoning' | 'function_call';
  readonly id: string;
  status: 'in_progress' | 'completed' | 'incomplete';
  role?: 'assistant';
  summary?: [];
  content?: Part[];
  call_id?: string;
  name?: string;
  arguments?: string;
}

type Event = { readonly type: string } & Record<string, unknown>;

/** The whole answer. */
export async function response(
  model: LanguageModel,
  request: ResponsesRequest,
  exchange: Exchange,
  store: Responses,
): Promise<object> {
  let last: Event | undefined;
  for await (const event of run(model, request, exchange, store)) last = event;
  return last?.response as object;
}

/** The answer as events, numbered. */
export async function* responseEvents(
  model: LanguageModel,
  request: ResponsesRequest,
  exchange: Exchange,
  store: Responses,
): AsyncGenerator<ServerEvent, void, void> {
  let sequence_number = 0;
  for await (const { type, ...fields } of run(model, request, exchange, store)) {
    yield { event: type, data: { type, sequence_number: sequence_number++, ...fields } };
  }
}

async function* run(
  model: LanguageModel,
  request: ResponsesRequest,
  exchange: Exchange,
  store: Responses,
): AsyncGenerator<Event, void, void> {
  const items = await conversationOf(request, exchange, store);
  const task = responseTask(request, items);
  const steps = runChat(model, task, exchange);
  const output = new Output();
  const id = responseId(exchange);
  const isKept = request.store ?? true;
  if (isKept) await store.get(id, exchange.owner, exchange.budget); // a store that is away says so before the work, not after it
  const created_at = Math.floor(Date.now() / 1000);
  let finish: ChatFinish = 'stop';
  const body = (status: string) => {
    const cutBy = finish === 'abstain' ? 'content_filter' : 'max_output_tokens'; // the two that clients know
    return responseBody(request, exchange, { id, created_at, status, cutBy, output: output.items });
  };
  const first = await steps.next(); // before any event, so that a refusal can still become a status
  yield { type: 'response.created', response: body('in_progress') };
  yield { type: 'response.in_progress', response: body('in_progress') };
  /** Of tokens whose text has not come yet. */
  let logprobs: Logprobs = [];
  for (let step = first; !step.done; step = await steps.next()) {
    const { delta, tokens, thinks } = step.value;
    if (thinks) logprobs = [];
    else if (task.logprobs !== undefined) logprobs.push(...chatLogprobs(tokens, model.tokenizer));
    if (delta.reasoning !== undefined) yield* output.text('reasoning', delta.reasoning);
    if (delta.content !== undefined) {
      yield* output.text('message', delta.content, logprobs);
      logprobs = [];
    }
    for (const call of delta.toolCalls ?? []) yield* output.call(call);
    finish = step.value.finish ?? finish;
  }
  exchange.finishReason = finish;
  const status = finish === 'stop' || finish === 'tool_calls' ? 'completed' : 'incomplete';
  yield* output.close(status);
  const final = body(status);
  if (isKept) {
    const kept = { response: final, input: items, items: [...items, ...(output.items as InputItem[])] };
    await exchange.oncePassed(async () => {
      if (!request.background || (await isWanted(id, exchange, store))) await store.put(id, exchange.owner, kept);
    });
  }
  yield { type: `response.${status}`, response: final };
}

/** What the answer of a job is called. */
export function responseId({ id }: Exchange): string {
  return `resp_${id.slice(4).replaceAll('-', '')}`;
}

/** Whether an answer that was made in the background was not cancelled or deleted meanwhile, at whichever replica. */
async function isWanted(id: string, { owner, budget }: Exchange, store: Responses): Promise<boolean> {
  const { status } = ((await store.get(id, owner, budget))?.response ?? {}) as { status?: string };
  return status === 'queued' || status === 'in_progress';
}

/** An answer as it is told, whole or not yet. */
export function responseBody(
  request: ResponsesRequest,
  exchange: Exchange,
  answer: { id: string; created_at: number; status: string; cutBy: string; output: readonly OutputItem[] },
): object {
  const { usage } = exchange;
  const done = answer.status === 'completed' || answer.status === 'incomplete';
  return {
    ...{ id: answer.id, object: 'response', created_at: answer.created_at, status: answer.status },
    background: request.background ?? false,
    error: null,
    incomplete_details: answer.status === 'incomplete' ? { reason: answer.cutBy } : null,
    instructions: request.instructions ?? null,
    max_output_tokens: request.max_output_tokens ?? null,
    model: exchange.modelId ?? '',
    output: structuredClone(answer.output),
    parallel_tool_calls: request.parallel_tool_calls ?? true,
    previous_response_id: request.previous_response_id ?? null,
    reasoning: { effort: request.reasoning?.effort ?? null, summary: null },
    store: request.store ?? true,
    temperature: request.temperature ?? null,
    text: { format: request.text?.format ?? { type: 'text' } },
    tool_choice: request.tool_choice ?? 'auto',
    tools: functionsOf(request).map((tool) => ({ type: 'function', ...tool.function })),
    top_p: request.top_p ?? null,
    truncation: request.truncation ?? 'disabled',
    usage: done
      ? {
          input_tokens: usage.promptTokens,
          input_tokens_details: { cached_tokens: usage.cachedTokens },
          output_tokens: usage.completionTokens,
          output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
          total_tokens: usage.promptTokens + usage.completionTokens,
        }
      : null,
    metadata: request.metadata ?? {},
  };
}

/** The items of an answer as they grow. */
class Output {
  readonly items: OutputItem[] = [];

  /** Adds text to the last item, or begins one of another kind. */
  *text(kind: 'message' | 'reasoning', delta: string, logprobs: Logprobs = []): Generator<Event, void, void> {
    let item = this.items.at(-1);
    if (item?.type !== kind) {
      yield* this.close('completed');
      item = yield* this.open(kind);
    }
    const part = item.content![0];
    part.text += delta;
    if (part.type === 'output_text') part.logprobs.push(...logprobs);
    const more = part.type === 'output_text' ? { logprobs } : {};
    yield { type: `response.${part.type}.delta`, ...this.place(item), content_index: 0, delta, ...more };
  }

  /** Begins a call, or adds to the last. */
  *call({ name, arguments: delta }: ToolCallPart): Generator<Event, void, void> {
    if (name !== undefined) {
      yield* this.close('completed');
      const ids = { id: newId('fc'), call_id: newId('call') };
      const item: OutputItem = { type: 'function_call', ...ids, name, arguments: '', status: 'in_progress' };
      this.items.push(item);
      yield { type: 'response.output_item.added', output_index: this.items.length - 1, item: { ...item } };
    }
    const item = this.items[this.items.length - 1];
    item.arguments += delta;
    if (delta !== '') yield { type: 'response.function_call_arguments.delta', ...this.place(item), delta };
  }

  /** Ends the last item. */
  *close(status: 'completed' | 'incomplete'): Generator<Event, void, void> {
    const item = this.items.at(-1);
    if (item?.status !== 'in_progress') return;
    item.status = status;
    if (item.type === 'function_call') {
      const { name, arguments: text } = item;
      yield { type: 'response.function_call_arguments.done', ...this.place(item), name, arguments: text };
    }
    const part = item.content?.[0];
    if (part) {
      const place = { ...this.place(item), content_index: 0 };
      const logprobs = part.type === 'output_text' ? { logprobs: part.logprobs } : {};
      yield { type: `response.${part.type}.done`, ...place, text: part.text, ...logprobs };
      yield { type: 'response.content_part.done', ...place, part: { ...part } };
    }
    yield { type: 'response.output_item.done', output_index: this.items.length - 1, item: structuredClone(item) };
  }

  private *open(kind: 'message' | 'reasoning'): Generator<Event, OutputItem, void> {
    const part: Part =
      kind === 'message'
        ? { type: 'output_text', text: '', annotations: [], logprobs: [] }
        : { type: 'reasoning_text', text: '' };
    const head = kind === 'message' ? { role: 'assistant' as const } : { summary: [] as [] };
    const item: OutputItem = {
      type: kind,
      id: newId(kind === 'message' ? 'msg' : 'rs'),
      ...head,
      content: [],
      status: 'in_progress',
    };
    this.items.push(item);
    yield { type: 'response.output_item.added', output_index: this.items.length - 1, item: structuredClone(item) };
    item.content!.push(part);
    yield { type: 'response.content_part.added', ...this.place(item), content_index: 0, part: { ...part } };
    return item;
  }

  private place(item: OutputItem): { item_id: string; output_index: number } {
    return { item_id: item.id, output_index: this.items.indexOf(item) };
  }
}

function newId(prefix: string): string {
  return `${prefix}_${crypto.randomUUID().replaceAll('-', '')}`;
}
