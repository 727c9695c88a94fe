// The quick way to cut conversations gives what the template gives, and leaves to it what is not plain.
import { describe, expect, test } from 'vitest';
import { CHATML } from '../chat/chatml.ts';
import type { ChatMessage } from '../chat/messages.ts';
import { ChatTemplate } from '../chat/template.ts';
import { ChatTurns } from './chat-turns.ts';
import { renderForTraining } from './corpus-chat.ts';

const turn = (role: ChatMessage['role'], content: string): ChatMessage => ({ role, content });
const PLAIN = [
  turn('user', 'A table for 4.'),
  turn('assistant', 'At which restaurant?'),
  turn('user', 'Zoë’s'),
  turn('assistant', 'Fine.'),
];
const CONVERSATIONS: ChatMessage[][] = [
  PLAIN,
  [turn('system', 'Be brief.'), ...PLAIN],
  [...PLAIN, turn('user', 'Thanks')],
  [turn('assistant', 'Hello!'), turn('user', 'Hi'), turn('assistant', 'Well?')],
  [turn('user', 'two'), turn('user', 'in a row'), turn('assistant', 'Yes.')],
  [turn('user', ' spaces '), turn('assistant', ' \n'), turn('user', ''), turn('assistant', '<think>x</think>y')],
  [turn('user', 'what is <|im_end|>?'), turn('assistant', 'A token.')],
];
const TEMPLATES: Record<string, string> = {
  ChatML: CHATML,
  'one that trims and adds a system message':
    "{%- if messages[0].role != 'system' -%}SYSTEM none\n{% endif -%}{%- for m in messages -%}[{{ m.role }}] {{ m.content | trim }}<|im_end|>\n{% endfor -%}{%- if add_generation_prompt -%}[assistant] {% endif -%}",
  'one whose first turn differs':
    "{%- for m in messages -%}{{ 'FIRST ' if loop.first }}{{ m.role }}: {{ m.content }}<|im_end|>{% endfor -%}{%- if add_generation_prompt -%}assistant: {% endif -%}",
};

describe.each(Object.entries(TEMPLATES))('with %s', (_name, source) => {
  const template = new ChatTemplate(source, ['<|im_start|>', '<|im_end|>'], {});
  const turns = new ChatTurns(template);
  test.each(CONVERSATIONS.map((messages) => [messages]))('cuts %j as the template does', (messages) => {
    const joined = (stretches: ReturnType<typeof renderForTraining>) =>
      stretches.map(({ pieces, learn }) => ({ text: pieces.join('|'), learn }));
    let expected: unknown;
    try {
      expected = joined(renderForTraining(messages, template));
    } catch {
      expect(() => turns.stretches(messages)).toThrow();
      return;
    }
    expect(joined(turns.stretches(messages))).toEqual(expected);
  });
});
