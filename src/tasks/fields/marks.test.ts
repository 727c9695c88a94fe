import { expect, test } from 'vitest';
import { markedText, spansIn } from './marks.ts';
import { runsOf, tagsOf, tokensOf } from './tokens.ts';

test('marks name parts of a text; links and brackets are none', () => {
  expect(markedText('A table for [two](party size) on [next Friday](date), [please]')).toEqual({
    text: 'A table for two on next Friday, [please]',
    slots: [
      { label: 'party size', start: 12, end: 15 },
      { label: 'date', start: 19, end: 30 },
    ],
  });
  for (const text of ['see [our page](https://a.example/x)', 'f(x)[i](2)', '[a]( )', 'plain']) {
    expect(markedText(text)).toEqual({ text });
  }
});

test.each([
  ['no list', 'x', 'must be a list'],
  ['no label', [{ start: 0, end: 1 }], 'must have labels'],
  ['a place outside', [{ label: 'a', start: 0, end: 9 }], '0 <= start < end <= 5'],
  ['an empty span', [{ label: 'a', start: 2, end: 2 }], '0 <= start < end'],
  ['half a place', [{ label: 'a', start: 0.5, end: 2 }], 'whole numbers'],
  [
    'overlap',
    [
      { label: 'a', start: 0, end: 3 },
      { label: 'b', start: 2, end: 4 },
    ],
    'must not overlap',
  ],
  ['null', [null], 'must have labels'],
])('spans are refused that are %s', (_, slots, message) => {
  expect(() => spansIn(slots, 'a bcd', 'row 3')).toThrow(
    new RegExp(`^row 3: slots .*${message.replace(/[<>=]/g, '.')}`),
  );
});

test('spans become tags and runs, cut where tokens are', () => {
  const text = 'From São Paulo, 12kg';
  const tokens = tokensOf(text);
  expect(tokens.map((token) => token.text)).toEqual(['From', 'São', 'Paulo', ',', '12', 'kg']);
  const tags = tagsOf(
    tokens,
    [
      { label: 'city', start: 5, end: 14 },
      { label: 'weight', start: 16, end: 18 },
    ],
    new Map([
      ['city', 0],
      ['weight', 1],
    ]),
  );
  expect([...tags]).toEqual([0, 1, 2, 0, 3, 0]);
  expect(runsOf(tags)).toEqual([
    { label: 0, first: 1, last: 2 },
    { label: 1, first: 4, last: 4 },
  ]);
});
