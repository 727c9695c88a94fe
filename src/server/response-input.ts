// Owns what a request of /v1/responses says and continues: the conversation before it, items that it refers to, the task, the list of what went in.
import type { LanguageModel } from '../language-model.ts';
import { ApiError, badField } from './api-error.ts';
import { wantsThinking } from './chat-completions.ts';
import { promptFor } from './chat-run.ts';
import type { ChatTask } from './chat-task.ts';
import type { Exchange } from './exchange.ts';
import type { Responses } from './response-store.ts';
import { formOfFields, formOfFormat } from './schemas/form.ts';
import { functionsOf, type InputItem, messagesOfItems, type ResponsesRequest } from './schemas/responses.ts';

/** What was said before and what is said now, without references. @throws ApiError 404 for answers and items that are not kept */
export async function conversationOf(
  request: ResponsesRequest,
  { owner, budget }: Exchange,
  store: Responses,
): Promise<readonly InputItem[]> {
  const { input, previous_response_id: previous } = request;
  const now: InputItem[] = typeof input === 'string' ? [{ role: 'user', content: input }] : [...input];
  for (const [i, item] of now.entries()) {
    if (isReference(item)) now[i] = await referred(item.id, `input.${i}.id`);
  }
  if (previous == null) return now;
  const found = await store.get(previous, owner, budget);
  if (!found) {
    throw new ApiError(404, 'previous_response_id: there is no such response here (any more).', {
      code: 'previous_response_not_found',
      param: 'previous_response_id',
    });
  }
  const { status } = found.response as { status?: string };
  if (status === 'completed' || status === 'incomplete') return [...found.items, ...now];
  throw badField('previous_response_id', `previous_response_id: that response is ${status}, it must be completed.`);

  async function referred(id: string, param: string): Promise<InputItem> {
    const item = await store.item(id, owner, budget);
    if (item) return item;
    throw new ApiError(404, `${param}: there is no item '${id.slice(0, 100)}' here (any more).`, {
      code: 'item_not_found',
      param,
    });
  }
}

function isReference(item: InputItem): item is InputItem & { readonly id: string } {
  return 'type' in item && item.type === 'item_reference' && 'id' in item;
}

/** What `request` asks for, with `items` for its conversation. @throws ApiError 400 */
export function responseTask(request: ResponsesRequest, items: readonly InputItem[]): ChatTask {
  const messages = messagesOfItems(items);
  if (request.instructions) messages.unshift({ role: 'system', content: request.instructions });
  const format = request.text?.format;
  const own =
    format && formOfFormat(format.type === 'json_schema' ? { type: 'json_schema', json_schema: format } : format);
  const choice = request.tool_choice ?? 'auto';
  const allowed = typeof choice === 'object' && choice.type === 'allowed_tools' ? choice : undefined;
  return {
    messages,
    sampling: { ...request, n: 1 },
    tools: functionsOf(request),
    toolChoice: allowed?.mode ?? (choice as Exclude<typeof choice, { type: 'allowed_tools' }>),
    allowedTools: allowed?.tools.map((tool) => tool.name),
    parallelToolCalls: request.parallel_tool_calls ?? true,
    format: formOfFields(request, own ? { form: own, param: 'text.format' } : undefined),
    thinking: wantsThinking(request.reasoning?.effort),
    truncate: request.truncation === 'auto',
    maxTokens: request.max_output_tokens ?? undefined,
    logprobs: request.include?.includes('message.output_text.logprobs') ? (request.top_logprobs ?? 0) : undefined,
    names: { messages: 'input' },
  };
}

/** How many tokens the model would read for `request`. */
export async function countInput(
  model: LanguageModel,
  request: ResponsesRequest,
  exchange: Exchange,
  store: Responses,
): Promise<object> {
  const task = responseTask(request, await conversationOf(request, exchange, store));
  const { prompt } = await promptFor(model, task, exchange);
  exchange.countReading(prompt.length);
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
