// Templates come from files of strangers: whatever they do ends soon, in a typed error, with little memory.
import { describe, expect, test } from 'vitest';
import { OnebitError } from '../../errors.ts';
import { JinjaTemplate, TemplateError } from './jinja.ts';

const repeat = (times: number, body: string) => `{% for i in range(${times}) %}${body}{% endfor %}`;
const grow = (start: string, step: string, use: string) =>
  `{% set ns = namespace(x=${start}) %}${repeat(60, `{% set ns.x = ${step} %}`)}${use}`;
/** `body` with `s` a text of a million characters, again and again. */
const often = (text: string, body: string) => `{% set s = ${text} * 1000000 %}${repeat(99_999, body)}`;

const HOSTILE: Record<string, string> = {
  'loops in loops': repeat(9_999, repeat(9_999, repeat(9_999, ''))),
  'a macro that calls itself': '{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}',
  'a macro that calls itself for a default': '{% macro f(x=f()) %}{% endmacro %}{{ f() }}',
  'two macros that call each other':
    '{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{{ f() }}{% endmacro %}{{ g() }}',
  'a tree of calls': '{% macro f(n) %}{% if n > 0 %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(40) }}',
  'calls through blocks':
    '{% macro f() %}{{ caller() }}{% endmacro %}{% macro g() %}{% call f() %}{{ g() }}{% endcall %}{% endmacro %}{{ g() }}',
  'a block that writes itself': '{% block a %}{{ self.a() }}{% endblock %}',
  'two blocks that write each other':
    '{% block a %}{{ self.b() }}{{ self.b() }}{% endblock %}{% block b %}{{ self.a() }}{% endblock %}',
  'a recursive loop': '{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}',
  'a text that doubles': grow("'ab'", 'ns.x ~ ns.x', '{{ ns.x }}'),
  'a text that is replaced by ten': grow("'a'", "ns.x | replace('a', 'aaaaaaaaaa')", '{{ ns.x }}'),
  'a list that doubles': grow('[1]', 'ns.x + ns.x', '{{ ns.x }}'),
  'a list that holds itself twice, printed': grow('[1]', '[ns.x, ns.x]', '{{ ns.x }}'),
  'a list that holds itself twice, as JSON': grow('[1]', '[ns.x, ns.x]', '{{ ns.x | tojson }}'),
  'lists that hold themselves twice, compared':
    `{% set ns = namespace(x=[1], y=[1]) %}` +
    `${repeat(60, '{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}')}{{ ns.x == ns.y }}`,
  'a list nested deep': `{% set ns = namespace(x=[1]) %}${repeat(5_000, '{% set ns.x = [ns.x] %}')}{{ ns.x }}`,
  'numbers that square': grow('3', 'ns.x * ns.x', '{{ ns.x }}'),
  'a power': '{{ 10 ** 100000000 }}',
  'a text times a number': "{{ 'a' * 10000000000 }}",
  'a list times a number': '{{ ([1] * 10000000000) | length }}',
  'a long range': '{{ range(10 ** 15) | length }}',
  'many ranges': repeat(99_999, '{% set x = range(99999) %}'),
  'a wide indent': "{{ 'a\\nb' | indent(1000000000) }}",
  'a wide centre': "{{ 'a' | center(1000000000) }}",
  'a wide filling': "{{ 'a'.zfill(1000000000) }}",
  'a wide place': "{{ '%1000000000d' % 1 }}",
  'a wide field': "{{ '{:>1000000000}'.format(1) }}",
  'wide tabs': "{{ '\\t'.expandtabs(1000000000) }}",
  'a wide batch': '{{ [1] | batch(1000000000, 0) | list }}',
  'many slices': '{{ [1] | slice(1000000000, 0) | list }}',
  'JSON with a wide margin': '{{ [[1]] | tojson(indent=1000000000) }}',
  'JSON with long separators': "{{ range(999) | list | tojson(separators=('a' * 99999, '')) }}",
  'a join with much between': "{{ (['a'] * 10000) | join('b' * 100000) }}",
  stripping: often("' '", '{% set t = s.strip() %}'),
  'upper case': often("'é'", '{% set t = s.upper() %}'),
  titles: often("'a-'", '{% set t = s | title %}'),
  splitting: often("'a '", '{% set t = s.split() %}'),
  'replacing nothing': often("'a'", "{% set t = s.replace('', 'b') %}"),
  'looking for a text': often("'a'", "{% set t = ('a' * 9999 ~ 'b') in s %}"),
  'comparing texts': often("'a'", "{% set t = s == 'b' ~ s[1:] %}"),
  wrapping: often("'a-'", '{% set t = s | wordwrap(1) %}'),
  quoting: often("'\\n'", '{% set t = [s] | string %}'),
  words: often("'a '", '{% set t = s | wordcount %}'),
  tags: often("'<'", '{% set t = s | striptags %}'),
  dates: repeat(99_999, "{% set t = strftime_now('%c' * 1000) %}"),
  attributes: often("'<'", "{% set t = {'a': s} | xmlattr %}"),
  'much output': repeat(99_999, repeat(99_999, 'x'.repeat(99))),
  'what is kept': `{% set ns = namespace(x=[]) %}${repeat(999, repeat(9_999, "{% set ns.x = {'a': ns.x} %}"))}`,
  'looking for a text from its end': often("'a'", "{% set t = s.rfind('a' * 5000 ~ 'b' ~ 'a' * 5000) %}"),
  'stripping many characters': often("'a'", "{% set t = ''.strip(s) %}"),
  'many beginnings': `{% set s = ('x',) * 99999 %}${repeat(99_999, "{% set t = 'a'.startswith(s) %}")}`,
  'a wide filler': "{{ 'a'.ljust(2000000, '\\U0001f600') | length }}",
  'joined texts as keys': often("'a'", '{% set t = {(s ~ i): 1} %}'),
  'joined texts as places': often("'a'", '{% set t = {}[s ~ i] %}'),
  'joined texts as names': often("'a'", '{% set t = s[s ~ i] %}'),
  'joined texts compared': often("'a'", "{% set t = 'b' < s ~ i %}"),
  'joined texts that change': often("'a'", '{% set t = loop.changed(s ~ i % 2) %}'),
  'joined texts handed over': often("'a'", "{% set t = ''.startswith(s ~ i) %}"),
  'joined texts as numbers': often("'1'", '{% set t = (s ~ i) | float %}'),
  'a long path': `{% set s = '.' * 1000000 %}${repeat(99_999, '{% set t = [{}] | map(attribute=s) | list %}')}`,
  'copies of a list': `{% set s = range(99999) | list %}${repeat(99_999, '{% set t = s | list %}')}`,
  'copies of a list, kept': `{% set ns = namespace(x=[]) %}{% set s = range(99999) | list %}${repeat(999, '{% set ns.x = [ns.x, s | list] %}')}`,
  'joining nothing': `{% set s = [''] * 99999 %}${repeat(99_999, "{% set t = ''.join(s) %}")}`,
  'variables far out': `{% for x in [0] recursive %}{% if loop.depth < 160 %}{{ loop([0]) }}{% else %}${repeat(99_999, '{% set t = nothing %}')}{% endif %}{% endfor %}`,
  'characters in pairs': often("'😀'", '{% set t = s | length %}'),
  'quotes in addresses': often('"\'"', '{% set t = s | urlencode %}'),
  'lines without an indent': often("'\n'", '{% set t = s | indent(0) %}'),
  'texts shown in short': often("'ж'", "{% set t = '%.1s' % (s ~ i) %}"),
  'texts with a width': often("'ж'", "{% set t = '{:5}'.format(s ~ i) %}"),
  'long numbers in threes': `{% set n = 2 ** 4000 %}${repeat(99_999, "{% set t = '{:,}'.format(n) %}")}`,
  'long numbers': `{% set n = 2 ** 4000 %}${repeat(99_999, '{% set t = n * 3 // n %}')}`,
  'letters looked up': often("'ŉ'", '{% set t = s.casefold() %}'),
  'many decimals': repeat(99_999, '{% set t = 1.1 | round(50) %}'),
  sorting: `{% set s = range(99999) | list %}${repeat(99, '{% set t = s | sort(reverse=true) %}')}`,
};

/** What breaks readers: each is read, or refused, without overflowing the stack. */
const SOURCES: Record<string, string> = {
  'nested brackets': `{{ ${'('.repeat(60_000)}1${')'.repeat(60_000)} }}`,
  'nested lists': `{{ ${'['.repeat(60_000)}1${']'.repeat(60_000)} }}`,
  'nested blocks': '{% if 1 %}'.repeat(6_000) + '{% endif %}'.repeat(6_000),
  'a chain of signs': `{{ ${'-'.repeat(100_000)}1 }}`,
  'a chain of nots': `{{ ${'not '.repeat(30_000)}1 }}`,
  'a long sum': `{{ 1${'+1'.repeat(60_000)} }}`,
  'a long path': `{{ a${'.a'.repeat(60_000)} }}`,
  'many filters': `{{ 'a'${'|upper'.repeat(20_000)} }}`,
  'many conditions': `{{ ${'1 if 0 else '.repeat(10_000)}1 }}`,
  'many branches': `{% if 0 %}${'{% elif 0 %}'.repeat(10_000)}{% endif %}`,
  'spaces in a tag': `{%${' '.repeat(120_000)}`,
  'many openings': '{{'.repeat(60_000),
  'many comments': '{#'.repeat(60_000),
  'many raw tags': `{% raw %}${'{% '.repeat(40_000)}`,
  'a long number': `{{ ${'9'.repeat(100_000)} }}`,
};

const MESSAGES = [{ role: 'user', content: 'hello' }];

describe('a hostile template', () => {
  test.each(Object.keys(HOSTILE))('ends soon: %s', (name) => {
    const template = new JinjaTemplate(HOSTILE[name]);
    const [start, memory] = [process.cpuUsage(), process.memoryUsage().heapUsed];
    const error = errorOf(() => template.render({ messages: MESSAGES }));
    expect(error).toBeInstanceOf(OnebitError);
    expect(error).toMatchObject({ code: 'over-budget' });
    // Measured 0 to 160 ms on a quiet core
    expect(cpuMsSince(start)).toBeLessThan(3_000);
    expect(process.memoryUsage().heapUsed - memory).toBeLessThan(200e6);
  });

  test.each(Object.keys(SOURCES))('is read or refused: %s', (name) => {
    const start = process.cpuUsage();
    const error = errorOf(() => new JinjaTemplate(SOURCES[name]).render({}));
    if (error !== undefined) expect(error instanceof TemplateError || error instanceof OnebitError).toBe(true);
    expect(cpuMsSince(start)).toBeLessThan(3_000);
  });
});

/** What took minutes, or broke V8's own limits, for so short a template: it now ends at once, whatever the result. */
const SLOW: Record<string, string> = {
  'a long text from the end': "{% set s = 'a' * 1000000 %}{{ s.rfind('a' * 500000 ~ 'b') }}",
  'a long text around one': "{% set s = 'a' * 1000000 %}{{ s.split('a' * 5000 ~ 'b' ~ 'a' * 5000) | length }}",
  'digits that are no number': "{{ ('1' * 1000000 ~ 'x') | float }}",
  'digits that are no size': "{{ ('1' * 1000000 ~ 'x') | filesizeformat }}",
  'commas in a text': "{{ '{:,}'.format('1' * 1000000) }}",
  'a long filler': "{{ 'a'.ljust(2000000, 'b' * 2000) }}",
  'a list as a path': `{% set ns = namespace(x=[1]) %}${repeat(40, '{% set ns.x = [ns.x, ns.x] %}')}{{ [1] | map(attribute=ns.x) | list }}`,
  'a list as a name': `{% set ns = namespace(x=[1]) %}${repeat(40, '{% set ns.x = [ns.x, ns.x] %}')}{{ ns[ns.x] }}`,
  'no character': "{{ '%c' % 99999999 }}",
  'more decimals than there are': "{{ '%.100g' % 0.0001 }}",
  'keys that V8 tells apart slowly':
    "{% set d = dict((range(24000) | join('0' * 64 ~ ' ')).split() | map('int') | batch(1)) %}",
  'rounded far': '{{ 3 | round(-5) }}{{ 7 | round(-22) }}{{ (10 ** 300) | round(-3) }}',
};

test.each(Object.keys(SLOW))('a template that asks for much at once ends soon: %s', (name) => {
  const start = process.cpuUsage();
  const error = errorOf(() => new JinjaTemplate(SLOW[name]).render({}));
  if (error !== undefined) expect(error instanceof TemplateError || error instanceof OnebitError).toBe(true);
  expect(cpuMsSince(start)).toBeLessThan(3_000);
});

test('a text is found where it is, by whatever way', () => {
  const render = (source: string) => new JinjaTemplate(source).render({});
  const text = "{% set p = 'ab' * 40 ~ 'c' %}{% set s = 'ab' * 9 ~ p ~ 'x' ~ 'ab' ~ p ~ 'ab' %}";
  expect(render(`${text}{{ s.find(p) }} {{ s.rfind(p) }} {{ s.count(p) }} {{ p in s }} {{ p ~ 'd' in s }}`)).toBe(
    '18 102 2 True False',
  );
  expect(render(`${text}{{ s.split(p) }} {{ s.rpartition(p)[2] }} {{ s.replace(p, '-', 1)[18:24] }}`)).toBe(
    `['${'ab'.repeat(9)}', 'xab', 'ab'] ab -xabab`,
  );
  expect(render("{{ 'a😀b'.replace('', '.') }} {{ 'aaa'.replace('a', 'b', 2) }}")).toBe('.a.😀.b. bba');
  expect(() => render("{{ 'a'.center(9, 'xy') }}")).toThrow(TemplateError);
});

test('a long conversation has the room it needs', () => {
  const template = new JinjaTemplate(
    "{% for m in messages %}{% if '</think>' in m.content %}{% set c = m.content.split('</think>')[-1].lstrip('\\n') %}" +
      "{% else %}{% set c = m.content | trim %}{% endif %}{{ '<|im_start|>' + m.role + '\\n' + c + '<|im_end|>\\n' }}{% endfor %}",
  );
  const messages = Array.from({ length: 10_000 }, (_, i) => ({ role: 'user', content: `${i} ${'word '.repeat(50)}` }));
  expect(template.render({ messages })).toHaveLength(10_000 * (250 + 28) + 38_890);
});

/** Of computing, however busy the machine is. */
function cpuMsSince(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

function errorOf(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
}
