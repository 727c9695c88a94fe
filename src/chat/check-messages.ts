// Owns checking messages as callers give them.
import { checkArgument, checkOptions, type Options, wrong } from '../core/check.ts';
import { OnebitError } from '../errors.ts';
import type { ChatInput, ChatMessage } from './messages.ts';

const ROLES = ['system', 'user', 'assistant', 'tool'] as const;
const MESSAGE: Options = {
  role: ROLES,
  content: 'anything',
  reasoning: 'text',
  toolCalls: 'list',
  toolCallId: 'text',
  name: 'text',
};
const CALL: Options = { name: 'text', arguments: 'text', id: 'text' };

/**
 * The messages with their content as text, in whatever form it was given.
 * @param operation for the message: "chat"
 * @throws OnebitError `bad-argument` with the place of what is wrong: `messages[2].role`
 */
export function checkMessages(operation: string, messages: readonly ChatInput[]): ChatMessage[] {
  checkArgument(operation, 'messages', messages, 'list');
  return messages.map((message, i) => {
    const place = `messages[${i}]`;
    checkArgument(operation, place, message, 'object');
    within(operation, place, () => checkOptions(operation, message, MESSAGE));
    checkArgument(operation, `${place}.role`, message.role, ROLES);
    for (const [k, call] of (message.toolCalls ?? []).entries()) {
      checkArgument(operation, `${place}.toolCalls[${k}]`, call, 'object');
      within(operation, `${place}.toolCalls[${k}]`, () => checkOptions(operation, call, CALL));
      checkArgument(operation, `${place}.toolCalls[${k}].name`, call.name, 'text');
      checkArgument(operation, `${place}.toolCalls[${k}].arguments`, call.arguments, 'text');
    }
    return { ...message, content: textOf(operation, `${place}.content`, message.content) };
  });
}

/**
 * Tools as models are told of them: in OpenAI's form, or the function alone, as some templates want it.
 * @throws OnebitError `bad-argument` with the place of what is wrong: `tools[0]`
 */
export function checkTools(operation: string, tools: readonly unknown[] | undefined): void {
  for (const [i, tool] of (tools ?? []).entries()) {
    const { function: described, name } = tool as { function?: { name?: unknown }; name?: unknown };
    if (typeof (described?.name ?? name) === 'string') continue;
    throw wrong(operation, `tools[${i}]`, "be { type: 'function', function: { name, description, parameters } }", tool);
  }
}

/** Names the place too where an error names only the field. */
function within(operation: string, place: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof OnebitError)) throw error;
    throw new OnebitError('bad-argument', error.message.replace(`${operation}: `, `${operation}: ${place}: `));
  }
}

function textOf(operation: string, place: string, content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) throw wrong(operation, place, 'be a text, or a list of parts { type, text }', content);
  const texts = content.map((part: unknown, i) => {
    checkArgument(operation, `${place}[${i}]`, part, 'object');
    const { type, text } = part as { type?: unknown; text?: unknown };
    if (type !== 'text')
      throw wrong(operation, `${place}[${i}].type`, "be 'text', the only kind of part that the model reads", type);
    checkArgument(operation, `${place}[${i}].text`, text, 'text');
    return text as string;
  });
  return texts.join('');
}
