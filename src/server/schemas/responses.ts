// Owns the body of /v1/responses, and turning its items into messages.
import { z } from 'zod';
import type { ChatMessage, ToolCall } from '../../chat/messages.ts';
import { badField } from '../api-error.ts';
import type { Tool } from './chat.ts';
import { formFields } from './form.ts';
import { metadata, samplingFields, unsupportedFields } from './sampling.ts';

const jsonObject = z.record(z.string(), z.unknown());
const part = z.object({ type: z.string(), text: z.string().nullish(), refusal: z.string().nullish() });
const content = z.union([z.string(), z.array(part).max(1000)]);
const messageItem = z.object({
  type: z.literal('message').nullish(),
  role: z.enum(['system', 'developer', 'user', 'assistant']),
  content,
});
const callItem = z.object({
  type: z.literal('function_call'),
  call_id: z.string(),
  name: z.string(),
  arguments: z.string(),
});
const resultItem = z.object({ type: z.literal('function_call_output'), call_id: z.string(), output: content });
const reasoningItem = z.object({
  type: z.literal('reasoning'),
  content: z.array(part).nullish(),
  summary: z.array(part).nullish(),
});
const referenceItem = z.object({ type: z.literal('item_reference'), id: z.string() });
const otherItem = z.object({
  type: z.string().regex(/^(?!message$|function_call$|function_call_output$|reasoning$|item_reference$)/),
});
const item = z.union([messageItem, callItem, resultItem, reasoningItem, referenceItem, otherItem]);
export type InputItem = z.output<typeof item>;

const textFormat = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text') }),
  z.object({ type: z.literal('json_object') }),
  z.object({
    type: z.literal('json_schema'),
    name: z.string().nullish(),
    schema: jsonObject,
    strict: z.boolean().nullish(),
  }),
]);
const functionTool = z.object({
  type: z.literal('function'),
  name: z.string().regex(/^[\w.-]{1,64}$/, 'Invalid name: 1 to 64 letters, digits, _, - and .'),
  description: z.string().nullish(),
  parameters: jsonObject.nullish(),
  strict: z.boolean().nullish(),
});
const otherTool = z.object({ type: z.string().regex(/^(?!function$)/) });
const namedTool = z.object({ type: z.literal('function'), name: z.string() });
const allowedTools = z.object({
  type: z.literal('allowed_tools'),
  mode: z.enum(['auto', 'required']),
  tools: z.array(namedTool).min(1).max(256),
});

export const responsesRequest = z.object({
  ...formFields,
  ...samplingFields,
  ...unsupportedFields,
  n: z.literal(1, 'Not supported: must be 1').nullish(),
  input: z.union([z.string(), z.array(item).max(10_000)]),
  instructions: z.string().nullish(),
  max_output_tokens: z.int().min(1).nullish(),
  tools: z
    .array(z.union([functionTool, otherTool]))
    .max(256)
    .nullish(),
  tool_choice: z.union([z.enum(['none', 'auto', 'required']), namedTool, allowedTools]).nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  previous_response_id: z.string().nullish(),
  store: z.boolean().nullish(),
  text: z.object({ format: textFormat.nullish() }).nullish(),
  reasoning: z.object({ effort: z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh']).nullish() }).nullish(),
  include: z.array(z.string()).max(100).nullish().describe('message.output_text.logprobs; others are left out'),
  top_logprobs: z.int().min(0).max(20).nullish(),
  truncation: z.enum(['auto', 'disabled']).nullish(),
  metadata: metadata.nullish(),
  background: z.boolean().nullish().describe('Answer later: GET the response by its id until it is completed'),
  conversation: z.null('Not supported: use previous_response_id').optional(),
  prompt: z.null('Not supported: use input').optional(),
});
export type ResponsesRequest = z.output<typeof responsesRequest>;

/** The functions among the tools, as chat completions have them. Other kinds run on OpenAI's machines; they are left out. */
export function functionsOf(request: ResponsesRequest): Tool[] {
  return (request.tools ?? []).flatMap((tool) => {
    if (!('name' in tool)) return [];
    const { name, description, parameters, strict } = tool;
    return [{ type: 'function' as const, function: { name, description, parameters, strict } }];
  });
}

/** Items as messages: calls join the assistant's turn before them, results are turns of their own. @throws ApiError 400 */
export function messagesOfItems(items: readonly InputItem[]): ChatMessage[] {
  const messages: { -readonly [Field in keyof ChatMessage]: ChatMessage[Field] }[] = [];
  let reasoning: string | undefined;
  const assistant = () => {
    const last = messages.at(-1);
    if (last?.role === 'assistant') return last;
    const added = { role: 'assistant' as const, content: '', ...(reasoning ? { reasoning } : {}) };
    reasoning = undefined;
    messages.push(added);
    return messages[messages.length - 1];
  };
  for (const [i, entry] of items.entries()) {
    const param = `input.${i}`;
    if ('role' in entry) {
      const text = textOf(entry.content, `${param}.content`);
      if (entry.role === 'assistant') assistant().content += text;
      else messages.push({ role: entry.role === 'user' ? 'user' : 'system', content: text });
    } else if (entry.type === 'function_call' && 'name' in entry) {
      const call: ToolCall = { name: entry.name, arguments: entry.arguments };
      const turn = assistant();
      turn.toolCalls = [...(turn.toolCalls ?? []), call];
    } else if (entry.type === 'function_call_output' && 'output' in entry) {
      messages.push({ role: 'tool', content: textOf(entry.output, `${param}.output`) });
    } else if (entry.type === 'reasoning') {
      const parts = 'summary' in entry ? (entry.content ?? entry.summary) : undefined;
      reasoning = parts?.map((one) => one.text ?? '').join('');
    } else {
      throw badField(
        `${param}.type`,
        `${param}.type: items of type '${entry.type}' are not understood.`,
        'unsupported',
      );
    }
  }
  return messages;
}

function textOf(value: z.output<typeof content>, param: string): string {
  if (typeof value === 'string') return value;
  const texts = value.map((one, i) => {
    const text = /^(input_text|output_text|text|refusal)$/.test(one.type) ? (one.text ?? one.refusal) : undefined;
    if (text == null) throw badField(`${param}.${i}`, `${param}.${i}: only text is understood, got '${one.type}'.`);
    return text;
  });
  return texts.join('');
}
