// Owns the body of /v1/messages (Anthropic's form), and turning it into a task.
import { z } from 'zod';
import type { ChatMessage } from '../../chat/messages.ts';
import { badField } from '../api-error.ts';
import type { ChatTask } from '../chat-task.ts';
import type { Tool } from './chat.ts';
import { formFields, formOfFields } from './form.ts';
import { unsupportedFields } from './sampling.ts';

const jsonObject = z.record(z.string(), z.unknown());
const textBlock = z.object({ type: z.literal('text'), text: z.string() });
const callBlock = z.object({ type: z.literal('tool_use'), id: z.string(), name: z.string(), input: jsonObject });
const resultBlock = z.object({
  type: z.literal('tool_result'),
  tool_use_id: z.string(),
  content: z.union([z.string(), z.array(z.union([textBlock, z.object({ type: z.string() })])).max(1000)]).nullish(),
});
const thinkingBlock = z.object({ type: z.literal('thinking'), thinking: z.string() });
const otherBlock = z.object({ type: z.string().regex(/^(?!text$|tool_use$|tool_result$|thinking$)/) });
const block = z.union([textBlock, callBlock, resultBlock, thinkingBlock, otherBlock]);
const message = z.object({
  role: z.enum(['user', 'assistant', 'system']),
  content: z.union([z.string(), z.array(block).max(1000)]),
});
const tool = z.object({
  type: z.literal('custom').nullish(),
  name: z.string().regex(/^[\w.-]{1,128}$/, 'Invalid name: 1 to 128 letters, digits, _, - and .'),
  description: z.string().nullish(),
  input_schema: jsonObject,
  strict: z.boolean().nullish(),
});
const otherTool = z.object({ type: z.string().regex(/^(?!custom$)/) });

const outputFormat = z.object({ type: z.literal('json_schema'), schema: jsonObject });

export const messagesRequest = z.object({
  ...formFields,
  ...unsupportedFields,
  model: z.string().nullish(),
  messages: z.array(message).min(1).max(10_000),
  max_tokens: z.int().min(1),
  system: z.union([z.string(), z.array(textBlock).max(1000)]).nullish(),
  stop_sequences: z.array(z.string().min(1).max(1000)).max(16).nullish(),
  stream: z.boolean().nullish(),
  temperature: z.number().min(0).max(1).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.int().min(0).max(1_000_000).nullish(),
  tools: z
    .array(z.union([tool, otherTool]))
    .max(256)
    .nullish()
    .describe('Tools that run on Anthropic’s machines are left out'),
  tool_choice: z
    .object({
      type: z.enum(['auto', 'any', 'tool', 'none']),
      name: z.string().nullish(),
      disable_parallel_tool_use: z.boolean().nullish(),
    })
    .nullish(),
  thinking: z.object({ type: z.enum(['enabled', 'disabled', 'adaptive']) }).nullish(),
  output_config: z.object({ format: outputFormat.nullish() }).nullish(),
  output_format: outputFormat.nullish().describe('An older name of output_config.format'),
});
export type MessagesRequest = z.output<typeof messagesRequest>;
/** For counting nothing needs to be generated. */
export const countRequest = messagesRequest.extend({ max_tokens: z.int().min(1).default(1) });

/** What `request` asks for. @throws ApiError 400 */
export function taskOfMessages(request: MessagesRequest): ChatTask {
  const { tool_choice: choice, temperature, top_p, top_k, stop_sequences: stop } = request;
  if (choice?.type === 'tool' && choice.name == null) {
    throw badField('tool_choice.name', 'tool_choice.name: must be given where type is "tool".');
  }
  const format = request.output_config?.format ?? request.output_format;
  const param = request.output_config?.format ? 'output_config.format' : 'output_format';
  const own = format ? { form: { schema: format.schema }, param } : undefined;
  return {
    messages: conversationOf(request),
    openEnd: 'continue',
    sampling: { temperature, top_p, top_k, stop },
    tools: toolsOf(request),
    toolChoice:
      choice?.type === 'tool' ? { name: choice.name! } : choice?.type === 'any' ? 'required' : (choice?.type ?? 'auto'),
    allowedTools: undefined,
    parallelToolCalls: !choice?.disable_parallel_tool_use,
    format: formOfFields(request, own),
    thinking: request.thinking != null && request.thinking.type !== 'disabled',
    truncate: false,
    maxTokens: request.max_tokens,
    logprobs: undefined,
    names: { messages: 'messages' },
  };
}

function toolsOf({ tools }: MessagesRequest): Tool[] {
  return (tools ?? []).flatMap((tool) => {
    if (!('input_schema' in tool)) return [];
    const { name, description, input_schema: parameters, strict } = tool;
    return [{ type: 'function' as const, function: { name, description, parameters, strict } }];
  });
}

/** Calls stay with the assistant's turn; results, which come in the user's, are turns of their own before what else the user says. */
function conversationOf({ system, messages }: MessagesRequest): ChatMessage[] {
  const first = typeof system === 'string' ? system : (system ?? []).map(({ text }) => text).join('\n');
  const turns: ChatMessage[] = first === '' ? [] : [{ role: 'system', content: first }];
  for (const [i, { role, content }] of messages.entries()) {
    if (typeof content === 'string') {
      turns.push({ role, content });
      continue;
    }
    let text = '';
    let reasoning = '';
    const toolCalls: { name: string; arguments: string }[] = [];
    for (const [j, part] of content.entries()) {
      if ('text' in part) text += part.text;
      else if ('input' in part) toolCalls.push({ name: part.name, arguments: JSON.stringify(part.input) });
      else if ('thinking' in part) reasoning += part.thinking;
      else if ('tool_use_id' in part)
        turns.push({ role: 'tool', content: resultOf(part.content, `messages.${i}.content.${j}`) }); // biome-ignore format: short
      else if (part.type !== 'redacted_thinking') throw notText(`messages.${i}.content.${j}`, part.type);
    }
    if (text === '' && toolCalls.length === 0 && role === 'user') continue;
    turns.push({
      role,
      content: text,
      ...(reasoning ? { reasoning } : {}),
      ...(toolCalls.length ? { toolCalls } : {}),
    });
  }
  return turns;
}

function resultOf(content: z.output<typeof resultBlock>['content'], param: string): string {
  if (content == null || typeof content === 'string') return content ?? '';
  const texts = content.map((part) => {
    if ('text' in part) return part.text;
    throw notText(param, part.type);
  });
  return texts.join('');
}

function notText(param: string, type: string): Error {
  return badField(param, `${param}: only text is understood, got '${type}'.`);
}
