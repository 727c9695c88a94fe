// Owns the forms of answers, for the OpenAPI document. Answers are made elsewhere; tests hold them to these forms.
import { z } from 'zod';

const nullableText = z.string().nullable();
const finish = z.enum(['stop', 'length', 'loop', 'abstain', 'tool_calls']).nullable();
const usage = z.object({
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  total_tokens: z.int(),
  prompt_tokens_details: z.object({ cached_tokens: z.int() }).optional(),
  completion_tokens_details: z.object({ reasoning_tokens: z.int() }).optional(),
});
const logprob = z.object({ token: z.string(), logprob: z.number(), bytes: z.array(z.int()) });
const toolCall = z.object({
  id: z.string(),
  type: z.literal('function'),
  function: z.object({ name: z.string(), arguments: z.string() }),
});
const head = { id: z.string(), created: z.int(), model: z.string(), system_fingerprint: nullableText };

export const errorAnswer = z.object({
  error: z.object({ message: z.string(), type: z.string(), code: nullableText, param: nullableText }),
});

export const chatAnswer = z.object({
  ...head,
  object: z.literal('chat.completion'),
  choices: z.array(
    z.object({
      index: z.int(),
      message: z.object({
        role: z.literal('assistant'),
        content: nullableText,
        refusal: z.null(),
        reasoning_content: z.string().optional(),
        tool_calls: z.array(toolCall).optional(),
      }),
      logprobs: z
        .object({ content: z.array(z.object({ ...logprob.shape, top_logprobs: z.array(logprob) })), refusal: z.null() })
        .nullable(),
      finish_reason: finish,
    }),
  ),
  usage,
});

export const completionAnswer = z.object({
  ...head,
  object: z.literal('text_completion'),
  choices: z.array(
    z.object({
      index: z.int(),
      text: z.string(),
      logprobs: z
        .object({
          tokens: z.array(z.string()),
          token_logprobs: z.array(z.number().nullable()),
          top_logprobs: z.array(z.record(z.string(), z.number()).nullable()),
          text_offset: z.array(z.int()),
        })
        .nullable(),
      finish_reason: finish,
    }),
  ),
  usage,
});

export const responsesAnswer = z.object({
  id: z.string(),
  object: z.literal('response'),
  created_at: z.int(),
  status: z.enum(['queued', 'in_progress', 'completed', 'incomplete', 'failed', 'cancelled']),
  model: z.string(),
  output: z.array(z.object({ type: z.enum(['message', 'reasoning', 'function_call']), id: z.string() })),
  usage: z.object({ input_tokens: z.int(), output_tokens: z.int(), total_tokens: z.int() }).nullable(),
});

export const itemsAnswer = z.object({
  object: z.literal('list'),
  data: z.array(z.object({ id: z.string(), type: z.string() })),
  first_id: nullableText,
  last_id: nullableText,
  has_more: z.literal(false),
});
export const inputTokensAnswer = z.object({ object: z.literal('response.input_tokens'), input_tokens: z.int() });

export const messageAnswer = z.object({
  id: z.string(),
  type: z.literal('message'),
  role: z.literal('assistant'),
  model: z.string(),
  content: z.array(z.object({ type: z.enum(['text', 'thinking', 'tool_use']) })),
  stop_reason: z.enum(['end_turn', 'max_tokens', 'stop_sequence', 'tool_use', 'refusal']),
  stop_sequence: nullableText,
  usage: z.object({ input_tokens: z.int(), output_tokens: z.int(), cache_read_input_tokens: z.int() }),
});
export const ollamaAnswer = z.object({
  model: z.string(),
  created_at: z.string(),
  message: z.object({ role: z.literal('assistant'), content: z.string() }).optional(),
  response: z.string().optional(),
  done: z.boolean(),
  done_reason: z.enum(['stop', 'length', 'loop', 'abstain', 'load']).optional(),
  eval_count: z.int().optional(),
  context: z.array(z.int()).optional(),
});
export const ollamaModelsAnswer = z.object({
  models: z.array(z.object({ name: z.string(), model: z.string(), size: z.number(), digest: z.string() })),
});

export const embeddingsAnswer = z.object({
  object: z.literal('list'),
  model: z.string(),
  data: z.array(
    z.object({ object: z.literal('embedding'), index: z.int(), embedding: z.union([z.string(), z.array(z.number())]) }),
  ),
  usage: z.object({ prompt_tokens: z.int(), total_tokens: z.int() }),
});

const model = z.object({ id: z.string(), object: z.literal('model'), created: z.int(), owned_by: z.string() });
export const modelAnswer = model;
export const modelsAnswer = z.object({ object: z.literal('list'), data: z.array(model) });
export const tokenizeAnswer = z.object({
  tokens: z.union([
    z.array(z.int()),
    z.array(z.object({ id: z.int(), piece: z.union([z.string(), z.array(z.int())]) })),
  ]),
  count: z.int(),
  max_model_len: z.int(),
});
export const detokenizeAnswer = z.object({ content: z.string() });
export const healthAnswer = z.object({ status: z.string() });
export const readyAnswer = z.object({ status: z.string(), models: z.array(z.string()) });
