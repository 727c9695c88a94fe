// Owns what a request of /v1/responses says and continues: the conversation before it, items that it refers to, the task, the list of what went in.
import type { LanguageModel } from '../language-model.ts';
import { ApiError } from './api-error.ts';
import { wantsThinking } from './chat-completions.ts';
import { promptFor } from './chat-run.ts';
import type { ChatTask } from './chat-task.ts';
import type { Exchange } from './exchange.ts';
import type { ResponseStore } from './response-store.ts';
import { functionsOf, type InputItem, messagesOfItems, type ResponsesRequest } from './schemas/responses.ts';

/** What was said before and what is said now, without references. @throws ApiError 404 for answers and items that are not kept */
export function conversationOf(
  request: ResponsesRequest,
  owner: string | undefined,
  store: ResponseStore,
): readonly InputItem[] {
  const { input, previous_response_id: previous } = request;
  const now: readonly InputItem[] =
    typeof input === 'string'
      ? [{ role: 'user', content: input }]
      : input.map((item, i) => referred(item, `input.${i}.id`, owner, store));
  if (previous == null) return now;
  const found = store.get(previous, owner);
  if (!found) {
    throw new ApiError(404, 'previous_response_id: there is no such response here (any more).', {
      code: 'previous_response_not_found',
      param: 'previous_response_id',
    });
  }
  return [...found.items, ...now];
}

function referred(item: InputItem, param: string, owner: string | undefined, store: ResponseStore): InputItem {
  if (!('type' in item) || item.type !== 'item_reference' || !('id' in item)) return item;
  const found = store.item(item.id, owner);
  if (found) return found;
  throw new ApiError(404, `${param}: there is no item '${item.id}' here (any more).`, {
    code: 'item_not_found',
    param,
  });
}

/** What `request` asks for, with `items` for its conversation. @throws ApiError 400 */
export function responseTask(request: ResponsesRequest, items: readonly InputItem[]): ChatTask {
  const messages = messagesOfItems(items);
  if (request.instructions) messages.unshift({ role: 'system', content: request.instructions });
  const format = request.text?.format;
  const choice = request.tool_choice ?? 'auto';
  const allowed = typeof choice === 'object' && choice.type === 'allowed_tools' ? choice : undefined;
  return {
    messages,
    sampling: { ...request, n: 1 },
    tools: functionsOf(request),
    toolChoice: allowed?.mode ?? (choice as Exclude<typeof choice, { type: 'allowed_tools' }>),
    allowedTools: allowed?.tools.map((tool) => tool.name),
    parallelToolCalls: request.parallel_tool_calls ?? true,
    format: format?.type === 'json_schema' ? { type: 'json_schema', json_schema: format } : (format ?? undefined),
    thinking: wantsThinking(request.reasoning?.effort),
    truncate: request.truncation === 'auto',
    maxTokens: request.max_output_tokens ?? undefined,
    logprobs: request.include?.includes('message.output_text.logprobs') ? (request.top_logprobs ?? 0) : undefined,
    names: { messages: 'input', format: 'text.format' },
  };
}

/** How many tokens the model would read for `request`. */
export function countInput(
  model: LanguageModel,
  request: ResponsesRequest,
  exchange: Exchange,
  store: ResponseStore,
): object {
  const { prompt } = promptFor(model, responseTask(request, conversationOf(request, exchange.key?.name, store)));
  return { object: 'response.input_tokens', input_tokens: prompt.length };
}

/** Items of a conversation as the API lists them. */
export function inputList(items: readonly InputItem[]): object {
  const data = items.map((item, i) => {
    const listed = { id: `item_${i}`, type: 'message', status: 'completed', ...item };
    if (!('content' in item) || typeof item.content !== 'string') return listed;
    const type = 'role' in item && item.role === 'assistant' ? 'output_text' : 'input_text';
    return { ...listed, content: [{ type, text: item.content }] };
  });
  const ids = data.map(({ id }) => id);
  return { object: 'list', data, first_id: ids[0] ?? null, last_id: ids.at(-1) ?? null, has_more: false };
}
