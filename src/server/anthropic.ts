// Owns /v1/messages, which Anthropic's clients speak: answers as blocks, whole or as the events by which blocks grow.
import { completeJson } from '../chat/call-reader.ts';
import type { LanguageModel } from '../language-model.ts';
import { type ChatStep, promptFor, runChat } from './chat-run.ts';
import type { ServerEvent } from './event-stream.ts';
import type { Exchange } from './exchange.ts';
import { type MessagesRequest, taskOfMessages } from './schemas/anthropic.ts';

type Block =
  | { type: 'text'; text: string }
  | { type: 'thinking'; thinking: string; signature: '' }
  | { type: 'tool_use'; id: string; name: string; input: unknown };
type Event = { readonly type: string } & Record<string, unknown>;

/** The whole answer. */
export async function message(model: LanguageModel, request: MessagesRequest, exchange: Exchange): Promise<object> {
  const blocks = new Blocks();
  let end: ChatStep | undefined;
  for await (const step of runChat(model, taskOfMessages(request), exchange)) {
    for (const _ of blocks.add(step)); // the events are for those who stream
    end = step;
  }
  for (const _ of blocks.close());
  return { ...head(exchange), content: blocks.all, ...reasonOf(end, exchange), usage: usageOf(exchange) };
}

/** The answer as events; checks the request before the first one. */
export async function* messageEvents(
  model: LanguageModel,
  request: MessagesRequest,
  exchange: Exchange,
): AsyncGenerator<ServerEvent, void, void> {
  for await (const event of run(model, request, exchange)) yield { event: event.type, data: event };
}

async function* run(
  model: LanguageModel,
  request: MessagesRequest,
  exchange: Exchange,
): AsyncGenerator<Event, void, void> {
  const steps = runChat(model, taskOfMessages(request), exchange);
  const first = await steps.next(); // before any event, so that a refusal can still become a status
  const nothing = { content: [], stop_reason: null, stop_sequence: null, usage: usageOf(exchange) };
  yield { type: 'message_start', message: { ...head(exchange), ...nothing } };
  const blocks = new Blocks();
  let end: ChatStep | undefined;
  for (let step = first; !step.done; step = await steps.next()) {
    yield* blocks.add(step.value);
    end = step.value;
  }
  yield* blocks.close();
  yield { type: 'message_delta', delta: reasonOf(end, exchange), usage: usageOf(exchange) };
  yield { type: 'message_stop' };
}

/** How many tokens the model would read. */
export async function countTokens(model: LanguageModel, request: MessagesRequest, exchange: Exchange): Promise<object> {
  const { prompt } = await promptFor(model, taskOfMessages(request), exchange);
  exchange.countReading(prompt.length);
  return { input_tokens: prompt.length };
}

function head(exchange: Exchange) {
  const id = `msg_${exchange.id.slice(4).replaceAll('-', '')}`;
  return { id, type: 'message', role: 'assistant', model: exchange.modelId ?? '' };
}

function reasonOf(
  end: ChatStep | undefined,
  exchange: Exchange,
): { stop_reason: string; stop_sequence: string | null } {
  exchange.finishReason = end?.finish ?? 'stop';
  const stop_sequence = end?.stopText ?? null;
  const reasons = { stop: stop_sequence === null ? 'end_turn' : 'stop_sequence', length: 'max_tokens', loop: 'max_tokens', abstain: 'refusal', tool_calls: 'tool_use' }; // biome-ignore format: short
  return { stop_reason: reasons[end?.finish ?? 'stop'], stop_sequence };
}

/** Here, unlike elsewhere, tokens from the cache are not among those of the input. */
function usageOf({ usage }: Exchange): object {
  return {
    input_tokens: usage.promptTokens - usage.cachedTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: usage.cachedTokens,
    output_tokens: usage.completionTokens,
  };
}

/** The blocks of an answer as they grow. */
class Blocks {
  readonly all: Block[] = [];
  private open = false;
  /** JSON of the input of the last block, where that is a call. */
  private input = '';

  *add({ delta }: ChatStep): Generator<Event, void, void> {
    if (delta.reasoning !== undefined) {
      const block = yield* this.begin('thinking', () => ({ type: 'thinking', thinking: '', signature: '' }));
      block.thinking += delta.reasoning;
      yield this.grow({ type: 'thinking_delta', thinking: delta.reasoning });
    }
    if (delta.content !== undefined) {
      const block = yield* this.begin('text', () => ({ type: 'text', text: '' }));
      block.text += delta.content;
      yield this.grow({ type: 'text_delta', text: delta.content });
    }
    for (const { name, arguments: partial_json } of delta.toolCalls ?? []) {
      if (name !== undefined) {
        yield* this.close();
        const id = `toolu_${crypto.randomUUID().replaceAll('-', '').slice(0, 24)}`;
        yield* this.begin('tool_use', () => ({ type: 'tool_use', id, name, input: {} }));
        this.input = '';
      }
      this.input += partial_json;
      if (partial_json !== '') yield this.grow({ type: 'input_json_delta', partial_json });
    }
  }

  /** Ends the last block. */
  *close(): Generator<Event, void, void> {
    const last = this.all.at(-1);
    if (this.open && last?.type === 'tool_use') last.input = completeJson(this.input);
    if (this.open) yield { type: 'content_block_stop', index: this.all.length - 1 };
    this.open = false;
  }

  /** The last block where it is open and of this type, else a new one. */
  private *begin<Type extends Block['type']>(
    type: Type,
    make: () => Extract<Block, { type: Type }>,
  ): Generator<Event, Extract<Block, { type: Type }>, void> {
    const last = this.all.at(-1);
    if (this.open && last?.type === type) return last as Extract<Block, { type: Type }>;
    yield* this.close();
    const block = make();
    this.all.push(block);
    this.open = true;
    yield { type: 'content_block_start', index: this.all.length - 1, content_block: { ...block } };
    return block;
  }

  private grow(delta: object): Event {
    return { type: 'content_block_delta', index: this.all.length - 1, delta };
  }
}
