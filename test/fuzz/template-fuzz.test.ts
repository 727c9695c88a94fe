// Random chat templates, made of pieces that real ones have and of what breaks interpreters: each is rendered, refused or over its budget, soon, and without
// much memory. Every second one does one thing again and again, with long, periodic and joined texts, long lists and long numbers.
// TEMPLATE_FUZZ_SECONDS=600 runs it long; SEED repeats a run; TEMPLATE_FUZZ_MS=200 is for a quiet machine.
import { expect, test } from 'vitest';
import { JinjaTemplate, TemplateError } from '../../src/chat/jinja/jinja.ts';
import { Random } from '../../src/core/random.ts';
import { OnebitError } from '../../src/errors.ts';

const seconds = Number(process.env.TEMPLATE_FUZZ_SECONDS ?? 5);
const seed = Number(process.env.SEED ?? 1);
const messages = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'How deep is the 😀 lake?\n' },
  { role: 'assistant', content: '', tool_calls: [{ function: { name: 'depth', arguments: { lake: 'Bled' } } }] },
];

const VALUES = [
  'messages',
  'm.content',
  "'ab'",
  '3',
  '1.5',
  '[1, 2]',
  '{}',
  'none',
  'ns.x',
  'ns',
  'range(9)',
  'range(99999)',
  'nothing',
  'f(1)',
  'loop',
  '10 ** 9',
  '-1',
  'true',
  "(1, 'a')",
];
const OPERATORS = ['+', '-', '*', '/', '//', '%', '**', '~', '==', '<', 'in', 'not in', 'and', 'or', 'if 1 else'];
const FILTERS = [
  'length',
  'xmlattr',
  'upper',
  'tojson',
  'tojson(indent=9)',
  'list',
  'join(",")',
  'sort',
  'unique | list',
  'indent(99)',
  'center(99)',
  'batch(3) | list',
  "replace('a', 'aaaa')",
  'map("upper") | list',
  'groupby(0)',
  'int',
  'round',
  'reverse | list',
  'string',
  'title',
  'dictsort',
  'first',
  'sum',
  'truncate',
  'urlencode',
  'format(1, 2)',
  'e',
  'safe',
  'striptags',
];
const METHODS = [
  'strip("a")',
  'split()',
  'items()',
  'get("a")',
  'title()',
  'zfill(99)',
  'format(1)',
  'splitlines()',
  'x',
  '__class__',
  'constructor',
  'count(1)',
  'expandtabs(9)',
];

/** A random template of at most so many levels. */
function template(random: Random, depth: number): string {
  const pick = (list: readonly string[]) => list[random.below(list.length)];
  const value = (depth: number): string => {
    if (depth === 0 || random.below(3) === 0) return pick(VALUES);
    switch (random.below(5)) {
      case 0:
        return `(${value(depth - 1)} ${pick(OPERATORS)} ${value(depth - 1)})`;
      case 1:
        return `${value(depth - 1)} | ${pick(FILTERS)}`;
      case 2:
        return `(${value(depth - 1)}).${pick(METHODS)}`;
      case 3:
        return `[${value(depth - 1)}, ${value(depth - 1)}][${random.below(4)}:]`;
      default:
        return `(${value(depth - 1)})[${value(0)}]`;
    }
  };
  const body = () => (depth === 0 ? 'x' : template(random, depth - 1));
  const parts = [
    () => `{{ ${value(3)} }}`,
    () => `{% for m in ${value(1)} %}${body()}{% endfor %}`,
    () => `{% if ${value(2)} %}${body()}{% else %}${body()}{% endif %}`,
    () => `{% set ns.x = ${value(2)} %}`,
    () => `{% macro f(a) %}${body()}{% endmacro %}`,
    () => `{% set y %}${body()}{% endset %}{{ y }}`,
    () => `{%- filter upper -%}${body()}{%- endfilter %}`,
    () =>
      pick([
        '{% raw %}{{{% endraw %}',
        '{# c #}',
        '{%',
        '{{ ',
        '}}',
        ' \n ',
        '{% break %}',
        '{% endfor %}',
        "{{ 'a",
        '{{ (1 }}',
      ]),
  ];
  const text = Array.from({ length: 1 + random.below(4) }, () => parts[random.below(random.below(6) === 0 ? 8 : 7)]());
  return text.join('');
}

const PIECES = [
  'a',
  'ab',
  'a ',
  'a-',
  '1',
  '1_',
  ' ',
  '\\n',
  '\\t',
  '"',
  '<',
  '%',
  '{',
  '\\x01',
  'é',
  'ß',
  'ж',
  'ŉ',
  '字',
  '\\u3000',
  '😀',
];
const LISTS = [
  'range(99999) | list',
  "[''] * 99999",
  '[s] * 999',
  'range(9999) | batch(1) | list',
  "(range(9999) | join(' x')).split()",
];
const ARGUMENTS = [
  's',
  '(s ~ i)',
  "(s[:31] ~ 'c')",
  "('c' ~ s[:9000])",
  'l',
  'd',
  'n',
  'i',
  '1.1',
  '[s ~ i]',
  '99999',
  '50',
  '-1',
  'none',
  "'a'",
  '{}',
];
const ALL_FILTERS =
  'abs attr batch capitalize center count d default dictsort e escape filesizeformat first float forceescape format groupby indent int items join last length list lower map max min pprint reject rejectattr replace reverse round safe select selectattr slice sort string striptags sum title tojson trim truncate unique upper urlencode wordcount wordwrap'.split(
    ' ',
  );
const ALL_METHODS =
  'upper lower casefold swapcase title capitalize strip lstrip rstrip split rsplit splitlines partition rpartition join replace startswith endswith removeprefix removesuffix find rfind index rindex count center ljust rjust zfill expandtabs isdigit isdecimal isnumeric isalpha isalnum isascii isspace isidentifier islower isupper istitle format copy items keys values get'.split(
    ' ',
  );
const ALL_TESTS = 'defined divisibleby eq lt even float in iterable lower upper mapping none number sameas sequence string filter test'.split(' '); // biome-ignore format: tables

/** A template that does one thing again and again. */
function insistent(random: Random): string {
  const pick = (list: readonly string[]) => list[random.below(list.length)];
  const given = () => pick(ARGUMENTS);
  const some = (most: number) => Array.from({ length: random.below(most + 1) }, given).join(', ');
  const things = [
    () => `${given()} | ${pick(ALL_FILTERS)}(${some(2)})`,
    () => `${given()} | ${pick(ALL_FILTERS)}`,
    () => `${given()} | map('${pick(ALL_FILTERS)}') | list`,
    () => `(${given()}).${pick(ALL_METHODS)}(${some(2)})`,
    () => `(${given()}).${pick(ALL_METHODS)}()`,
    () => `${given()} is ${pick(ALL_TESTS)}(${given()})`,
    () => `${given()} ${pick(OPERATORS.slice(0, 12))} ${given()}`,
    () => `(${given()})[${pick(['1', ':9', '::-1', 'i:', given()])}]`,
    () => `'${pick(['%s', '%.1s', '%r', '%5s', '%x', '%c', '%.99f', '%(a)s'])}' % ${given()}`,
    () => `'${pick(['{}', '{:,}', '{:5}', '{:.1}', '{!r}', '{0[a]}'])}'.format(${given()})`,
    () =>
      pick([
        '{s ~ i: n}',
        'dict(l | map("string") | batch(1))',
        'namespace(**d)',
        'dict(d, **d)',
        '[l, l]',
        'd == dict(d)',
      ]),
  ];
  const thing = things[random.below(things.length)]();
  const text = `'${pick(PIECES)}' * ${pick(['99', '9999', '300000', '999999'])}`;
  const start = `{% set s = ${text} %}{% set l = ${pick(LISTS)} %}{% set n = 2 ** 4000 %}{% set d = dict((range(999) | join(' x')).split() | batch(1)) %}`;
  const kept = random.below(3) === 0 ? `{% set ns.x = [ns.x, ${thing}] %}` : `{% set t = ${thing} %}`;
  return `${start}{% for i in range(99999) %}${kept}{% endfor %}`;
}

/** Longest that a template may take, of computing, with much room for slow machines, and the memory that it may make the process take. */
const MOST_MS = Number(process.env.TEMPLATE_FUZZ_MS ?? 3000);
const MOST_KB = 256_000;

test(
  `random templates end soon and in order (seed ${seed})`,
  () => {
    const random = new Random(seed);
    const end = performance.now() + seconds * 1000;
    const outcome = { rendered: 0, refused: 0, overBudget: 0 };
    for (let i = 0; i < 50 || performance.now() < end; i++) {
      const source = `{% set ns = namespace(x='ab') %}${i % 2 === 0 ? template(random, 4) : insistent(random)}`;
      const [start, memory] = [process.cpuUsage(), process.resourceUsage().maxRSS];
      try {
        new JinjaTemplate(source).render({ messages });
        outcome.rendered++;
      } catch (error) {
        if (error instanceof TemplateError) outcome.refused++;
        else if (error instanceof OnebitError && error.code === 'over-budget') outcome.overBudget++;
        else throw new Error(`template ${i} of seed ${seed}: ${JSON.stringify(source)}`, { cause: error });
      }
      const { user, system } = process.cpuUsage(start);
      expect(user + system, source).toBeLessThan(1000 * MOST_MS);
      expect(process.resourceUsage().maxRSS - memory, source).toBeLessThan(MOST_KB);
    }
    console.log('templates:', outcome);
  },
  1000 * seconds + 120_000,
);
