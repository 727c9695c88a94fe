// Owns the bodies of /api/… (Ollama's form), and turning them into tasks and options. Options that only concern how Ollama runs models are
// taken and change nothing; those that would change the answer are honoured or refused by name.
import { z } from 'zod';
import type { ChatMessage } from '../../chat/messages.ts';
import type { ChatTask } from '../chat-task.ts';
import { toolSchema } from './chat.ts';
import { type AskedForm, formFields, formOfFields } from './form.ts';
import { tokenId } from './others.ts';
import { alternativesOf, type SamplingRequest, samplingFields } from './sampling.ts';

const jsonObject = z.record(z.string(), z.unknown());
const { temperature, top_p, top_k, min_p, seed, stop, presence_penalty, frequency_penalty, repeat_penalty, repeat_last_n } =
  samplingFields; // biome-ignore format: short
/** Options of Ollama about where and how a model runs, and what it keeps when it shifts a full context, which is not done here. */
const RUNNING =
  'num_keep num_batch num_gpu main_gpu num_thread numa use_mmap use_mlock low_vram f16_kv vocab_only draft_num_predict';
const only = <T extends number | boolean>(value: T) => z.literal(value, `Not supported: must be ${value}`).nullish();
const options = z
  .object({
    ...Object.fromEntries(RUNNING.split(' ').map((name) => [name, z.unknown().optional()])),
    ...{
      temperature,
      top_p,
      top_k,
      min_p,
      seed,
      stop,
      presence_penalty,
      frequency_penalty,
      repeat_penalty,
      repeat_last_n,
    },
    num_predict: z.int().min(-2).nullish().describe('-1 and -2: as many as the context holds'),
    num_ctx: z
      .int()
      .min(1)
      .nullish()
      .describe('Tokens of prompt and answer; at most those that the server was started with'),
    ...{ mirostat: only(0), mirostat_eta: z.number().nullish(), mirostat_tau: z.number().nullish() },
    ...{ tfs_z: only(1), typical_p: only(1), penalize_newline: only(true) },
  })
  .catchall(z.null('Not supported: no option of this name is known'));
const noImages = z.array(z.unknown()).max(0, 'Not supported: must be empty').nullish();
const shared = {
  ...formFields,
  model: z.string(),
  stream: z.boolean().nullish().describe('Default true'),
  format: z
    .union([z.enum(['', 'json']), jsonObject])
    .nullish()
    .describe('json, or a JSON Schema'),
  options: options.nullish(),
  think: z.union([z.boolean(), z.enum(['low', 'medium', 'high'])]).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  truncate: z
    .boolean()
    .nullish()
    .describe('Leave the oldest messages out where the context cannot hold all. Default true'),
};
const message = z.object({
  role: z.enum(['system', 'user', 'assistant', 'tool']),
  content: z.string().nullish(),
  thinking: z.string().nullish(),
  images: noImages,
  tool_calls: z
    .array(z.object({ function: z.object({ name: z.string(), arguments: jsonObject }) }))
    .max(128)
    .nullish(),
});

export const ollamaChatRequest = z.object({
  ...shared,
  messages: z.array(message).max(10_000).default([]).describe('Empty: the model is loaded'),
  tools: z.array(toolSchema).max(128).nullish(),
});
export const ollamaGenerateRequest = z.object({
  ...shared,
  prompt: z.string().nullish().describe('Empty: the model is loaded'),
  system: z.string().nullish(),
  suffix: z.string().max(0, 'Not supported: must be empty').nullish(),
  template: z.string().max(0, 'Not supported: must be empty').nullish(),
  raw: z.boolean().nullish().describe('Continue the prompt instead of answering it'),
  context: z
    .array(tokenId)
    .max(1_000_000)
    .nullish()
    .describe('What an earlier answer gave as context, to go on with it'),
  images: noImages,
});
export const ollamaEmbedRequest = z.object({
  model: z.string(),
  input: z.union([z.string(), z.array(z.string()).max(2048)]),
  truncate: z.boolean().nullish().describe('Take the beginning of a text that is too long. Default true'),
  dimensions: z.int().min(1).nullish(),
  options: options.nullish(),
});
export const ollamaEmbeddingRequest = z.object({
  model: z.string(),
  prompt: z.string().default(''),
  options: options.nullish(),
});
export const ollamaShowRequest = z
  .object({
    model: z.string().optional(),
    name: z.string().optional().describe('As older clients call the model'),
  })
  .refine(({ model, name }) => model !== undefined || name !== undefined, { path: ['model'], error: 'Required' });
export type OllamaChatRequest = z.output<typeof ollamaChatRequest>;
export type OllamaGenerateRequest = z.output<typeof ollamaGenerateRequest>;

/** What a request for a conversation, or for the answer to a prompt, asks for. */
export function taskOfOllama(request: OllamaChatRequest | OllamaGenerateRequest): ChatTask {
  const isChat = 'messages' in request;
  return {
    messages: isChat ? request.messages.map(messageOf) : messagesOfPrompt(request),
    openEnd: 'continue', // as Ollama does
    before: isChat ? undefined : (request.context ?? undefined),
    sampling: samplingOf(request),
    tools: (isChat && request.tools) || [],
    toolChoice: 'auto',
    allowedTools: undefined,
    parallelToolCalls: true,
    format: formOfOllama(request),
    thinking: request.think != null && request.think !== false,
    truncate: request.truncate ?? true, // as Ollama does
    contextTokens: request.options?.num_ctx ?? undefined,
    maxTokens: maxTokensOf(request),
    logprobs: alternativesOf(request),
    names: { messages: isChat ? 'messages' : 'prompt' },
  };
}

/** How a prompt is continued as it is. */
export function samplingOf({ options }: Pick<OllamaChatRequest, 'options'>): SamplingRequest {
  return { ...(options as SamplingRequest | undefined) };
}

/** Undefined for as many as the context holds. */
export function maxTokensOf({ options }: Pick<OllamaChatRequest, 'options'>): number | undefined {
  const wanted = options?.num_predict;
  return wanted == null || wanted < 0 ? undefined : Math.max(1, wanted);
}

function messagesOfPrompt({ system, prompt }: OllamaGenerateRequest): ChatMessage[] {
  const first = system ? [{ role: 'system' as const, content: system }] : [];
  return [...first, { role: 'user', content: prompt ?? '' }];
}

function messageOf({ role, content, thinking, tool_calls }: OllamaChatRequest['messages'][number]): ChatMessage {
  const toolCalls = (tool_calls ?? []).map(({ function: { name, arguments: given } }) => ({
    name,
    arguments: JSON.stringify(given),
  }));
  return {
    role,
    content: content ?? '',
    ...(thinking ? { reasoning: thinking } : {}),
    ...(toolCalls.length > 0 ? { toolCalls } : {}),
  };
}

/** The form that a request asks for. @throws ApiError 400 where several fields ask for one */
export function formOfOllama(request: OllamaChatRequest | OllamaGenerateRequest): AskedForm | undefined {
  const { format } = request;
  if (format == null || format === '') return formOfFields(request);
  return formOfFields(request, { form: { schema: format === 'json' ? { type: 'object' } : format }, param: 'format' });
}
