// What templates expect of messages, and what is done where they refuse the usual form.
import { describe, expect, test } from 'vitest';
import type { ChatMessage } from './messages.ts';
import { ChatTemplate, type ChatTemplateOptions } from './template.ts';

const render = (source: string, messages: readonly ChatMessage[], options: ChatTemplateOptions = {}) =>
  new ChatTemplate(source, [], { bos: '<s>', eos: '</s>' }).render(messages, options).join('');

const asked = (text: string, id?: string): ChatMessage => ({
  role: 'assistant',
  content: '',
  toolCalls: [{ name: 'tides', arguments: text, ...(id ? { id } : {}) }],
});
const user: ChatMessage = { role: 'user', content: 'When is high water?' };
const tools = [{ type: 'function', function: { name: 'tides', parameters: { type: 'object' } } }];
/** Prints arguments, as a template that knows tools. */
const ARGUMENTS =
  '{% if tools %}T{% endif %}{% for m in messages %}{{ m.content }}{% for c in m.tool_calls %}<{{ c.function.name }} ' +
  '{{ c.function.arguments | tojson }}>{% endfor %}{% endfor %}';

describe('arguments of calls', () => {
  test('keep the order of their fields, names that are numbers too, and their numbers', () => {
    const text = '{"b": 1.0, "2": {"z": [1e2], "1": "x:\\"1\\": 2"}, "1": null}';
    expect(render(ARGUMENTS, [asked(text)])).toContain(
      '{"b": 1.0, "2": {"z": [100.0], "1": "x:\\"1\\": 2"}, "1": null}',
    );
  });

  test.each([
    ['{"port": "Łódź", "days": 2}', '{"port": "Łódź", "days": 2}'],
    [
      '{"a": 1.0, "b": 12345678901234567890, "c": 1e2, "d": "1.0", "e": -0.50}',
      '{"a": 1.0, "b": 12345678901234567890, "c": 100.0, "d": "1.0", "e": -0.5}',
    ],
    ['', '{}'],
    ['  ', '{}'],
    ['[1]', '"[1]"'],
    ['12', '"12"'],
    ['{"port": ', '"{\\"port\\": "'],
  ])('%s reach the template as an object where they are one', (text, printed) => {
    expect(render(ARGUMENTS, [user, asked(text)])).toBe(`When is high water?<tides ${printed}>`);
  });

  test('are iterated by name', () => {
    const source = `{# tools #}{% for m in messages %}{{ m.content }}{% for c in m.tool_calls %}{{ c.function.name }}:{% for k, v in c.function.arguments | items %}{{ k }}={{ v }};{% endfor %}{% endfor %}{% endfor %}`;
    expect(render(source, [user, asked('{"port": "Brest", "days": 2}')])).toBe(
      'When is high water?tides:port=Brest;days=2;',
    );
  });

  test('stay text for templates that add them to one', () => {
    const source =
      '{# tools #}{% for m in messages %}{{ m.content }}{% for c in m.tool_calls %}{{ c.function.name + c.function.arguments }}{% endfor %}{% endfor %}';
    expect(render(source, [user, asked('{"a":1}')])).toBe('When is high water?tides{"a":1}');
  });
});

describe('ids and names', () => {
  const result = (toolCallId?: string, name?: string): ChatMessage => ({
    role: 'tool',
    content: '12:05',
    toolCallId,
    name,
  });
  test('reach the template as they are', () => {
    const source =
      '{# tools #}{% for m in messages %}{{ m.tool_call_id }}{{ m.name }}{% for c in m.tool_calls %}{{ c.id }}{{ c.function.name }}={% endfor %}{{ m.content }}{% endfor %}';
    expect(render(source, [user, asked('{}', 'x-1'), result('x-1', 'tides')])).toBe(
      'When is high water?x-1tides=x-1tides12:05',
    );
  });

  const strict =
    "{# tools #}{% for m in messages %}{% for c in m.tool_calls %}{% if c.id is not defined or c.id | length != 9 %}{{ raise_exception('nine!') }}{% endif %}" +
    "[{{ c.id }} {{ c.function.name }}]{% endfor %}{% if m.role == 'tool' %}{% if m.tool_call_id | length != 9 %}{{ raise_exception('nine!') }}{% endif %}" +
    '({{ m.tool_call_id }}){% endif %}{{ m.content }}{% endfor %}';
  test('are made to fit where a template insists on nine characters', () => {
    const fits = render(strict, [user, asked('{}', 'call_0123456789'), result('call_0123456789')]);
    expect(fits).toMatch(/^When is high water\?\[([a-zA-Z0-9]{9}) tides\]\(\1\)12:05$/);
    expect(render(strict, [user, asked('{}', 'abcDEF123'), result('abcDEF123')])).toContain(
      '[abcDEF123 tides](abcDEF123)',
    );
    expect(render(strict, [user, asked('{}'), result()])).toMatch(/\[(\w{9}) tides\]\(\1\)/);
  });

  test('the result of a call gets its name where a template insists', () => {
    const source =
      "{# tools #}{% for m in messages %}{% if m.role == 'tool' %}{{ m.name + ': ' }}{% endif %}{{ m.content }}{% for c in m.tool_calls %}{{ c.function.name }} {% endfor %}{% endfor %}";
    expect(render(source, [user, asked('{}', 'a'), result('a')])).toBe('When is high water?tides tides: 12:05');
  });
});

describe('a template without a system role', () => {
  const source =
    "{% for m in messages %}{% if m.role not in ['user', 'assistant'] %}{{ raise_exception('no ' + m.role) }}{% endif %}<{{ m.role }}>{{ m.content }}</{{ m.role }}>{% endfor %}";
  test('gets its text before the first user text', () => {
    expect(render(source, [{ role: 'system', content: 'Be brief.' }, user])).toBe(
      '<user>Be brief.\n\nWhen is high water?</user>',
    );
    expect(render(source, [{ role: 'system', content: 'Be brief.' }])).toBe('<user>Be brief.</user>');
  });
  test('gets our description of tools there too', () => {
    const text = render(source, [user], { tools });
    expect(text).toMatch(/^<user>Tools:\n\{"name":"tides".*\n\nWhen is high water\?<\/user>$/s);
  });
  test('gets results as a user turn, which may follow another', () => {
    const strict = `{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('alternate') }}{% endif %}{% endfor %}${source}`;
    const text = render(
      strict,
      [{ role: 'system', content: 'S' }, user, asked('{}'), { role: 'tool', content: '12:05' }, user],
      { tools },
    );
    expect(text).toContain('12:05\n</tool_response>\n\nWhen is high water?</user>');
  });
});

describe('content', () => {
  test('in parts for templates that know only parts', () => {
    const source =
      "{% for m in messages %}{{ m.role }}:{% for part in m.content %}{% if part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %};{% endfor %}";
    expect(render(source, [user, { role: 'assistant', content: 'Noon.' }])).toBe(
      'user:When is high water?;assistant:Noon.;',
    );
  });
  test('in parts too where it is long', () => {
    const source =
      "{% for m in messages %}{% for part in m.content %}{% if part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %}{% endfor %}";
    const long = 'long '.repeat(200_000);
    expect(render(source, [{ role: 'user', content: long }])).toBe(long);
  });
  test('none for templates that write calls only of turns without', () => {
    const source =
      '{# tools #}{% for m in messages %}{% if m.content is none %}{{ m.tool_calls[0].function.name }}{% else %}{{ m.content }}{% endif %}{% endfor %}';
    expect(render(source, [user, asked('{}')])).toBe('When is high water?tides');
  });
});

test('no tools are none, documents too, and more variables come from the caller', () => {
  const source =
    '{{ tools is none }}{{ documents is none }}{{ enable_thinking }}{{ effort }}{{ add_generation_prompt }}{{ messages[0].content }}';
  expect(render(source, [user], { variables: { effort: 'low' } })).toBe('TrueTrueFalselowTrueWhen is high water?');
});

test('control tokens in arguments stay text, also where JSON hides them', () => {
  const template = new ChatTemplate(ARGUMENTS, ['<|"|>', '<a>'], {});
  const pieces = template.render([user, asked('{"x": "<|\\"|><a>"}'), user], { variables: { y: '<a>' } });
  expect(pieces.join('')).toContain('<a>');
  for (const piece of pieces) expect(piece).not.toMatch(/<\|"\|>|<a>/);
});

test('overlapping control tokens are all parted', () => {
  const template = new ChatTemplate('{{ messages[0].content }}', ['aba', 'bab'], {});
  const pieces = template.render([{ role: 'user', content: 'ababab' }]);
  expect(pieces.join('')).toBe('ababab');
  for (const piece of pieces) expect(piece).not.toMatch(/aba|bab/);
});
