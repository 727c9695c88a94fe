// Owns the body of /v1/chat/completions, and turning its messages into the model's.
import { z } from 'zod';
import type { ChatMessage } from '../../chat/messages.ts';
import { badField } from '../api-error.ts';
import { formFields } from './form.ts';
import { metadata, samplingFields, unsupportedFields } from './sampling.ts';

const textPart = z.object({
  type: z.literal(['text', 'refusal']),
  text: z.string().nullish(),
  refusal: z.string().nullish(),
});
const otherPart = z.object({ type: z.string() });
const content = z.union([z.string(), z.array(z.union([textPart, otherPart])).max(1000)]).nullish();

const toolCall = z.object({
  id: z.string().nullish(),
  type: z.literal('function').nullish(),
  function: z.object({ name: z.string(), arguments: z.string() }),
});
const message = z.object({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
  content,
  reasoning_content: z.string().nullish(),
  tool_calls: z.array(toolCall).max(128).nullish(),
  tool_call_id: z.string().nullish(),
  name: z.string().nullish(),
});
const jsonObject = z.record(z.string(), z.unknown());
/** A function that the model may call. */
export const toolSchema = z.object({
  type: z.literal('function'),
  function: z.object({
    name: z.string().regex(/^[\w.-]{1,64}$/, 'Invalid name: 1 to 64 letters, digits, _, - and .'),
    description: z.string().nullish(),
    parameters: jsonObject.nullish(),
    strict: z.boolean().nullish(),
  }),
});
export type Tool = z.output<typeof toolSchema>;
const namedTool = z.object({ type: z.literal('function'), function: z.object({ name: z.string() }) });
const allowedTools = z.object({
  type: z.literal('allowed_tools'),
  allowed_tools: z.object({ mode: z.enum(['auto', 'required']), tools: z.array(namedTool).min(1).max(128) }),
});

export const chatRequest = z.object({
  ...samplingFields,
  ...unsupportedFields,
  ...formFields,
  messages: z.array(message).min(1).max(10_000),
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  tools: z.array(toolSchema).max(128).nullish(),
  tool_choice: z.union([z.enum(['none', 'auto', 'required']), namedTool, allowedTools]).nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  reasoning_effort: z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh']).nullish(),
  chat_template_kwargs: z
    .looseObject({ enable_thinking: z.boolean().nullish() })
    .nullish()
    .describe('More variables for the template; enable_thinking lets models that can think do so'),
  chat_template: z.null('Not supported: the model’s own is used').optional(),
  echo: z.literal(false, 'Not supported: must be false').nullish(),
  continue_final_message: z.boolean().nullish().describe('Go on with the last message, which must be the assistant’s'),
  add_generation_prompt: z.boolean().nullish().describe('Default true, but for continue_final_message'),
  metadata: metadata.nullish(),
  modalities: z.array(z.literal('text')).nullish(),
  functions: z.undefined('Not supported: use tools').optional(),
  function_call: z.undefined('Not supported: use tool_choice').optional(),
});
export type ChatRequest = z.output<typeof chatRequest>;

/** The conversation as the model knows it. @throws ApiError 400 for content that is not text */
export function messagesOf(messages: ChatRequest['messages']): ChatMessage[] {
  return messages.map(({ role, content, reasoning_content, tool_calls, tool_call_id, name }, i) => ({
    role: role === 'developer' ? 'system' : role,
    content: textOf(content, `messages.${i}.content`),
    ...(reasoning_content ? { reasoning: reasoning_content } : {}),
    ...(tool_calls?.length
      ? { toolCalls: tool_calls.map(({ id, function: call }) => ({ ...call, ...(id ? { id } : {}) })) }
      : {}),
    ...(tool_call_id ? { toolCallId: tool_call_id } : {}),
    ...(name ? { name } : {}),
  }));
}

function textOf(parts: z.output<typeof content>, param: string): string {
  if (parts == null) return '';
  if (typeof parts === 'string') return parts;
  const texts = parts.map((part, i) => {
    if ('text' in part && part.text != null) return part.text;
    if ('refusal' in part && part.refusal != null) return part.refusal;
    throw badField(`${param}.${i}`, `${param}.${i}: only text is understood, got '${part.type}'.`);
  });
  return texts.join('');
}
