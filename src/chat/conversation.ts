// Owns messages in the form that templates expect: the field names of Hugging Face's transformers. Must not know templates.
import { Float } from './jinja/jinja.ts';
import type { ChatMessage } from './messages.ts';

export interface TurnCall {
  readonly id?: string;
  readonly type: 'function';
  /** Arguments are JSON text until `withArguments`. */
  readonly function: { readonly name: string; readonly arguments: string };
}

/** A message as templates have it. */
export interface Turn {
  readonly role: string;
  readonly content: string | null | readonly { readonly type: string; readonly text: string }[];
  readonly reasoning_content?: string;
  readonly tool_calls?: readonly TurnCall[];
  readonly tool_call_id?: string;
  readonly name?: string;
}

export interface Conversation {
  readonly turns: readonly Turn[];
  readonly tools: readonly unknown[] | null;
  /** Whether arguments of calls stay text. */
  readonly textArguments?: boolean;
}

export function turnsOf(messages: readonly ChatMessage[]): Turn[] {
  return messages.map(({ role, content, reasoning, toolCalls, toolCallId, name }) => ({
    role,
    content,
    ...(reasoning === undefined ? {} : { reasoning_content: reasoning }),
    ...(toolCalls?.length
      ? {
          tool_calls: toolCalls.map(({ id, name, arguments: text }) => ({
            ...(id === undefined ? {} : { id }),
            type: 'function' as const,
            function: { name, arguments: text },
          })),
        }
      : {}),
    ...(toolCallId === undefined ? {} : { tool_call_id: toolCallId }),
    ...(name === undefined ? {} : { name }),
  }));
}

/** The turns with arguments as objects, as templates want them. */
export function withArguments({ turns, textArguments }: Conversation): readonly unknown[] {
  if (textArguments) return turns;
  return turns.map((turn) => {
    if (!turn.tool_calls) return turn;
    const calls = turn.tool_calls.map((call) => {
      return { ...call, function: { ...call.function, arguments: argumentsOf(call.function.arguments) } };
    });
    return { ...turn, tool_calls: calls };
  });
}

/** Begins texts that stand for a number in `argumentsOf`. A noncharacter. */
const NUMBER = '\uFDD1';
const TEXT_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g;

/** JSON text as an object, `{}` where it is empty; the text itself where it is no object. Numbers keep their form: 1.0 is not 1. */
function argumentsOf(text: string): unknown {
  if (text.trim() === '') return {};
  try {
    const value = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return text;
    const exact = text.replace(TEXT_OR_NUMBER, (part) =>
      part[0] === '"' || /^-?\d{1,15}$/.test(part) ? part : `"${NUMBER}${part}"`,
    );
    return exact === text ? value : JSON.parse(exact, (_, field) => numberIn(field));
  } catch {
    return text;
  }
}

function numberIn(field: unknown): unknown {
  if (typeof field !== 'string' || field[0] !== NUMBER) return field;
  const digits = field.slice(1);
  return /^-?\d+$/.test(digits) ? BigInt(digits.slice(0, 1000)) : new Float(Number(digits));
}
