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
const KEY_TEXT_OR_NUMBER = /"(?:[^"\\]|\\.)*"(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g;

/**
 * JSON text as a Map, empty where the text is; the text itself where it is no object. Numbers keep their form (1.0 is not 1), and fields their order, which
 * JavaScript's objects do not where a name is a number.
 */
function argumentsOf(text: string): unknown {
  if (text.trim() === '') return new Map();
  try {
    const value = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return text;
    const exact = text.replace(KEY_TEXT_OR_NUMBER, (part, colon) => {
      if (colon !== undefined) return `"_${part.slice(1)}`;
      return part[0] === '"' || /^-?\d{1,15}$/.test(part) ? part : `"${NUMBER}${part}"`;
    });
    return JSON.parse(exact, (_, field) =>
      typeof field === 'object' && field !== null && !Array.isArray(field) && !(field instanceof Float)
        ? new Map(Object.entries(field).map(([name, value]) => [name.slice(1), value]))
        : numberIn(field),
    );
  } catch {
    return text;
  }
}

function numberIn(field: unknown): unknown {
  if (typeof field !== 'string' || !/^\uFDD1[-+.\deE]+$/.test(field)) return field;
  const digits = field.slice(1);
  return /^-?\d+$/.test(digits) ? BigInt(digits.slice(0, 1000)) : new Float(Number(digits));
}
