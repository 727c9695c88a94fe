// Owns a conversation whose last message is to be continued. Must not know models.
import { OnebitError } from '../errors.ts';
import type { ChatMessage } from './messages.ts';
import type { ChatTemplate, ChatTemplateOptions } from './template.ts';

/** The pieces of a conversation up to the end of what the last message says. @throws OnebitError `unsupported` where the template leaves that out */
export function openEnded(
  messages: readonly ChatMessage[],
  template: ChatTemplate,
  options: ChatTemplateOptions,
): readonly string[] {
  const last = messages[messages.length - 1];
  const mark = `-${crypto.randomUUID()}-`; // nobody can have written it before
  const marked = [...messages.slice(0, -1), { ...last, content: last.content + mark }];
  const pieces = template.render(marked, { ...options, addGenerationPrompt: false });
  const at = pieces.findLastIndex((piece) => piece.includes(mark));
  if (at < 0) {
    throw new OnebitError(
      'unsupported',
      'chat: the template of this model leaves out what the last message says. End with a message of the user.',
    );
  }
  return [...pieces.slice(0, at), pieces[at].slice(0, pieces[at].lastIndexOf(mark))];
}
