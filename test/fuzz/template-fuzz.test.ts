// Random chat templates, made of pieces that real ones have and of what breaks interpreters: each is rendered, refused or over its budget, soon.
// TEMPLATE_FUZZ_SECONDS=600 runs it long; SEED repeats a run.
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

test(
  `random templates end soon and in order (seed ${seed})`,
  () => {
    const random = new Random(seed);
    const end = performance.now() + seconds * 1000;
    const outcome = { rendered: 0, refused: 0, overBudget: 0 };
    for (let i = 0; i < 50 || performance.now() < end; i++) {
      const source = `{% set ns = namespace(x='ab') %}${template(random, 4)}`;
      const start = process.cpuUsage();
      try {
        new JinjaTemplate(source).render({ messages });
        outcome.rendered++;
      } catch (error) {
        if (error instanceof TemplateError) outcome.refused++;
        else if (error instanceof OnebitError && error.code === 'over-budget') outcome.overBudget++;
        else throw new Error(`template ${i} of seed ${seed}: ${JSON.stringify(source)}`, { cause: error });
      }
      const { user, system } = process.cpuUsage(start);
      expect(user + system, source).toBeLessThan(3e6);
    }
    console.log('templates:', outcome);
  },
  1000 * seconds + 120_000,
);
