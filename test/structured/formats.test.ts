// Formats against the documents that define them, by examples, and against Ajv's expressions, as automata: whatever is written passes there.
import formatsOfAjv from 'ajv-formats/dist/formats.js';
import { expect, test } from 'vitest';
import { isEmpty, without } from '../../src/structured/automaton.ts';
import { compileSchema } from '../../src/structured/compile.ts';
import { formats } from '../../src/structured/formats.ts';
import { searchInJson } from '../../src/structured/pattern.ts';
import { finish, Meter } from '../../src/structured/work.ts';
import { qwen } from './qwen-vocabulary.ts';

test.each([
  [
    'ipv6',
    [
      '::',
      '::1',
      '1::',
      '1:2:3:4:5:6:7:8',
      '1:2:3:4:5:6:1.2.3.4',
      '::ffff:10.0.0.255',
      '1::2:3:4.4.4.4',
      '1:2:3:4:5::9.9.9.9',
    ],
    ['1:2:3', '1:2:3:4:5:6:7:1.2.3.4', '::1.2.3', '::256.1.1.1', '1::2::3', '1:2:3:4:5:6::1.2.3.4', '12345::'],
  ],
  [
    'duration',
    ['P1D', 'PT0S', 'P3Y6M4DT12H30M5S', 'P0012345678901W', 'P1Y2M'],
    ['P', 'PT', 'P1Y2D', 'PT1H5S', 'P1W2D', '1D', 'P1S'],
  ],
  [
    'time',
    ['08:30:06Z', '08:30:06.123456789012+05:45', '23:59:60Z', '23:59:60.5+00:00', '08:30:06z'],
    ['24:00:00Z', '08:30:06', '08:30Z', '22:59:60Z', '08:60:00Z', '8:30:06Z'],
  ],
  [
    'date-time',
    ['1996-02-29T08:30:06Z', '1963-06-19t08:30:06.283185z'],
    ['1998-02-29T08:30:06Z', '1963-06-19 08:30:06Z', '1963-06-19T08:30'],
  ],
  [
    'uri',
    ['http://[::ffff:1.2.3.4]:80/a?b#c', 'urn:isbn:0451450523', 'mailto:a@b.c', 'file:///a', 'x://u:p@h%20/%41'],
    ['//a/b', 'a b:c', 'http://[::1', 'http://a/%4', ':a', 'http://a\\b', '1a:b'],
  ],
  ['iri', ['http://ferjusigling.fo/Tórshavn?ø=å#ð', 'urn:é:b'], ['/é', 'http://a b', 'é:b', 'http://[::1']],
  ['iri-reference', ['/é', '#ð', '', '//ø/x?y'], ['a\\b', '#a#b']],
  [
    'regex',
    ['^[a-z]{2,3}$|\\d+', 'a{10,25}', '(?:x|^y$)*?', '', '|'],
    ['(', '[a', 'a**', 'a{3,2}', '$a', 'a^', 'a{25,10}'],
  ],
  ['uri-reference', ['', '#a', '//a/b', 'a/b:c', '?q', './a:b'], ['1a:b', ':', 'a\\b', '##', 'http://[::1']],
])('%s', (format, good, bad) => {
  const grammar = compileSchema({ type: 'string', format }, qwen);
  for (const text of [...good, ...bad])
    expect([text, grammar.accepts(JSON.stringify(text))]).toEqual([text, good.includes(text)]);
});

test.each(['email', 'ipv4', 'ipv6', 'uuid', 'duration', 'uri-reference', 'json-pointer', 'relative-json-pointer'])(
  'Ajv takes whatever is written as %s',
  (name) => {
    const { source, flags } = formatsOfAjv.fullFormats[name as 'email'] as RegExp;
    // Expressions have no flag i here.
    const both = flags.includes('i') ? source.replaceAll(/a-z|a-f|(?<=[(|:])v(?=\[)/g, upperToo) : source;
    const read = (text: string) => finish(searchInJson(text, new Meter()));
    expect(isEmpty(finish(without(read(formats.get(name)!), read(both), new Meter())))).toBe(true);
  },
);

function upperToo(range: string): string {
  return range === 'v' ? '[vV]' : `${range}${range.toUpperCase()}`;
}

test('every format is read', () => {
  for (const format of formats.keys()) expect(compileSchema({ format }, qwen).accepts('"\u0001 "')).toBe(false);
});

test('a format that is unknown says nothing, not even that a text is meant', () => {
  const grammar = compileSchema({ properties: { n: { format: 'positive-whole-number' } }, required: ['n'] }, qwen);
  for (const text of ['{"n": 2}', '{"n": "two"}', '{"n": [2]}']) expect(grammar.accepts(text)).toBe(true);
  const known = compileSchema({ format: 'date' }, qwen);
  expect(['2', '"2026-11-30"'].map((text) => known.accepts(text))).toEqual([false, true]);
});
