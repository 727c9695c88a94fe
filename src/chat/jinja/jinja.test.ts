import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { JinjaTemplate, TemplateError } from './jinja.ts';
import { strftime } from './strftime.ts';

const golden = JSON.parse(readFileSync(new URL('../../../test/golden/templates/lines.json', import.meta.url), 'utf8'));
const render = (source: string, variables = {}) => new JinjaTemplate(source).render(variables);

test.each(golden.lines as { source: string; text: string }[])(
  'gives what Jinja2 gives: $source',
  ({ source, text }) => {
    expect(render(source, { x: { y: 1 } })).toBe(text);
  },
);

test('dates as Linux and Python write them in English', () => {
  const date = new Date(2026, 0, 3, 15, 4, 5, 678);
  const codes =
    '%Y-%m-%d %a %A %b %B %j %U %W %V %G %u %w %y %C %e %-d %-m %p %I %D %F %h %x %X %c %g %H %T %R %r %l %k %P';
  // Python 3.11: datetime(2026, 1, 3, 15, 4, 5, 678000).strftime(codes)
  expect(strftime(date, codes)).toBe(
    '2026-01-03 Sat Saturday Jan January 003 00 00 01 2026 6 6 26 20  3 3 1 PM 03 01/03/26 2026-01-03 Jan 01/03/26 ' +
      '15:04:05 Sat Jan  3 15:04:05 2026 26 15 15:04:05 15:04 03:04:05 PM  3 15 pm',
  );
  expect(strftime(date, '%_d|%^a|%#p|%05d|%-I|%f|%z|%Z|%%|%')).toBe(' 3|SAT|pm|00003|3|678000|||%|%');
});

describe('refuses', () => {
  test.each([
    ["{{ raise_exception('no ' ~ 1) }}", /^no 1$/],
    ['{{ a.b }}', /'a' is undefined/],
    ['{{ a.b.c }}', /'a' is undefined/],
    ['{{ none + 1 }}', /does not go with None and int/],
    ["{{ 'a' + 1 }}", /does not go with str and int/],
    ['{{ 1 / 0 }}', /division by zero/],
    ['{{ 1 | nofilter }}', /no filter 'nofilter'/],
    ['{{ [1] | random }}', /'random' is left out: a prompt must be the same each time/],
    ["{{ 'a.b' | urlize }}", /'urlize' is left out: it writes HTML/],
    ['{{ lipsum() }}', /'lipsum' is left out/],
    ["{{ {'a b': 1} | xmlattr }}", /no white space/],
    ['{{ 1 | xmlattr }}', /int has no attributes/],
    ['{{ self.a() }}', /'self' is undefined/],
    ['{% block a %}{% endblock %}{{ self.b() }}', /'self.b' is undefined/],
    ['{{ 1 is notest }}', /no test 'notest'/],
    ['{{ f() }}', /'f' is undefined/],
    ['{{ [1].append(2) }}', /is undefined/],
    ['{{ {}.update(1) }}', /cannot change/],
    ['{{ 5 | length }}', /int has no length/],
    ["{{ 'a'.strip(1) }}", /must be a text, got int/],
    ['{% for a, b in [[1]] %}{% endfor %}', /2 values were expected, got 1/],
    ['{% set x = 1 %}{% set x.y = 2 %}', /only a namespace can be changed/],
    ['{{ range(0, 1, 0) }}', /must not be 0/],
    ['{{ nothing < 1 }}', /no order/],
  ])('%s', (source, message) => {
    expect(() => render(source)).toThrow(TemplateError);
    expect(() => render(source)).toThrow(message);
  });
  test.each([
    ['{% if %}{% endif %}', /value was expected, got the end of the tag/],
    ['{% for x in y %}', /'endfor' is missing/],
    ['{{ 1', /'\{\{' has no end/],
    ['{% nosuch %}', /no tag 'nosuch'/],
    ['{% autoescape true %}{% endautoescape %}', /only 'autoescape false'/],
    ["{% include 'a' %}", /'include' wants another template/],
    ['{% block a %}{% endblock %}{% block a %}{% endblock %}', /block 'a' is there twice/],
    ['{# x', /comment has no end/],
    ['{{ (1 }}', /has no end|closes nothing|expected/],
    ['{{ 1 $ 2 }}', /'\$' cannot stand there/],
    ["{{ 'abc }}", /text has no end/],
    ['{% break %}', /outside of a loop/],
    ['{% endif %}', /no tag 'endif'/],
  ])('to read %s', (source, message) => {
    expect(() => new JinjaTemplate(source)).toThrow(TemplateError);
    expect(() => new JinjaTemplate(source)).toThrow(message);
  });
});

test('names of JavaScript are no names of templates', () => {
  for (const name of ['constructor', '__proto__', 'toString', 'valueOf', 'prototype']) {
    expect(render(`{{ ({}).${name} is defined }}{{ 'a'['${name}'] is defined }}{{ [].${name} is defined }}`)).toBe(
      'FalseFalseFalse',
    );
    expect(render(`{{ ${name} is defined }}`)).toBe('False');
    expect(() => render(`{{ 1 | ${name} }}`)).toThrow(/no filter/);
    expect(() => render(`{{ 1 is ${name} }}`)).toThrow(/no test/);
  }
});
