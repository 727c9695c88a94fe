// Owns /apply-template: the prompt that the model's template makes of messages, in llama.cpp's form.
import { z } from 'zod';
import type { LanguageModel } from '../language-model.ts';
import type { Exchange } from './exchange.ts';
import { chatRequest, messagesOf } from './schemas/chat.ts';

export const applyTemplateRequest = z.object({
  model: chatRequest.shape.model,
  messages: chatRequest.shape.messages,
  tools: chatRequest.shape.tools,
  add_generation_prompt: z.boolean().nullish().describe('End with the opening of an assistant turn. Default true'),
  chat_template_kwargs: z
    .record(z.string(), z.unknown())
    .nullish()
    .describe('More variables for the template; enable_thinking lets models that can think do so'),
});

/** The text that the model would read, control tokens included. */
export function applyTemplate(
  model: LanguageModel,
  { messages, tools, add_generation_prompt, chat_template_kwargs }: z.output<typeof applyTemplateRequest>,
  { budget }: Exchange,
): object {
  const { enable_thinking, ...variables } = chat_template_kwargs ?? {};
  const prompt = model.prompt(messagesOf(messages), {
    tools: tools ?? [],
    thinking: enable_thinking === true,
    addGenerationPrompt: add_generation_prompt ?? true,
    variables,
    budget,
  });
  return { prompt };
}
