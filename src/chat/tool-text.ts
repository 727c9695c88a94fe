// Owns how tools, calls and their results are told to models whose template does not know them: as text, calls in Qwen's form, in few words, because
// such models are small and have short contexts. Must not know templates.

import type { Turn } from './conversation.ts';

/** What such a model is told of `tools`, which are in OpenAI's form. */
export function describeTools(tools: unknown): string {
  const functions = (tools as { function?: unknown }[]).map((tool) => JSON.stringify(tool.function ?? tool));
  return `Tools:\n${functions.join('\n')}\nTo call one:\n<tool_call>\n{"name": NAME, "arguments": {...}}\n</tool_call>`;
}

/**
 * `messages` without calls and results: both are written into the content, results as a user's turn.
 * @param tools the text that describes the tools, for the system's turn; '' for none
 */
export function writeToolsAsText(messages: readonly Turn[], tools: string): Turn[] {
  const plain: Turn[] = [];
  let results = '';
  const giveResults = () => {
    if (results !== '') plain.push({ role: 'user', content: results });
    results = '';
  };
  for (const message of messages) {
    if (message.role === 'tool') {
      results += `${results === '' ? '' : '\n'}<tool_response>\n${message.content}\n</tool_response>`;
      continue;
    }
    giveResults();
    plain.push(withCalls(message));
  }
  giveResults();
  if (tools === '') return plain;
  const [first, ...rest] = plain;
  if (first?.role !== 'system') return [{ role: 'system', content: tools }, ...plain];
  return [{ role: 'system', content: `${first.content}\n\n${tools}` }, ...rest];
}

function withCalls({ tool_calls, ...turn }: Turn): Turn {
  if (!tool_calls) return turn;
  const calls = tool_calls.map(
    ({ function: { name, arguments: text } }) =>
      `<tool_call>\n{"name": ${JSON.stringify(name)}, "arguments": ${text || '{}'}}\n</tool_call>`,
  );
  return { ...turn, content: [turn.content, ...calls].filter((part) => part).join('\n') };
}
