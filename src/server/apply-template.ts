// Owns /apply-template: the prompt that the model's template makes of messages, in llama.cpp's form.
import { z } from 'zod';
import type { LanguageModel } from '../language-model.ts';
import type { Exchange } from './exchange.ts';
import { mayFit, mostCharacters, textLength, tooLong } from './prompt.ts';
import { chatRequest, messagesOf } from './schemas/chat.ts';

export const applyTemplateRequest = z.object({
  model: chatRequest.shape.model,
  messages: chatRequest.shape.messages,
  tools: chatRequest.shape.tools,
  add_generation_prompt: z.boolean().nullish().describe('End with the opening of an assistant turn. Default true'),
  chat_template_kwargs: chatRequest.shape.chat_template_kwargs,
});

/** The text that the model would read, control tokens included. */
export async function applyTemplate(
  model: LanguageModel,
  { messages, tools, add_generation_prompt, chat_template_kwargs }: z.output<typeof applyTemplateRequest>,
  exchange: Exchange,
): Promise<object> {
  const most = mostCharacters(model);
  const given = messagesOf(messages);
  if (!mayFit(given, model.contextTokens, most)) throw tooLong(model.contextTokens, 'messages');
  if (textLength({ tools, chat_template_kwargs }, most) > most) throw tooLong(model.contextTokens, 'tools');
  // The text is not turned into tokens: four characters count as one.
  await exchange.reserveReading(Math.ceil(textLength(messages, most) / 4));
  const { enable_thinking, ...variables } = chat_template_kwargs ?? {};
  const prompt = model.prompt(given, {
    tools: tools ?? [],
    thinking: enable_thinking === true,
    addGenerationPrompt: add_generation_prompt ?? true,
    variables,
    budget: exchange.budget,
  });
  return { prompt };
}
