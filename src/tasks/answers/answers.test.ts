import { expect, test } from 'vitest';
import { readDocuments } from './documents.ts';
import { measureAnswers } from './measure.ts';
import { stemOf } from './passage-index.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

test('questions with answers are read from JSON and tables, word for word', () => {
  const list = [
    { id: 'a', question: 'Q?', answer: ' A.\n' },
    { question: 'R?', answer: 'B' },
  ];
  expect(readDocuments(bytes(JSON.stringify(list)), 'x/faq.json')).toEqual([
    { id: 'a', question: 'Q?', answer: ' A.\n', source: 'faq.json#a' },
    { id: 'faq.json#2', question: 'R?', answer: 'B', source: 'faq.json#2' },
  ]);
  expect(readDocuments(bytes('Question;Answer\nQ?;"A; b"\n'), 'faq.csv')).toEqual([
    { id: 'faq.csv#1', question: 'Q?', answer: 'A; b', source: 'faq.csv#1' },
  ]);
});

test('pages are cut at headings, which code does not have', () => {
  const page = '# Shop\nWelcome.\n## Returns\nSend it *back*.\n```\n# no heading\n```\n## Returns\nAgain.\n# Jobs\n';
  expect(readDocuments(bytes(page), 'terms.md')).toEqual([
    { id: 'terms.md#shop', question: 'Shop', answer: 'Welcome.', source: 'terms.md#shop' },
    ...[
      { id: 'terms.md#shop-returns', answer: 'Send it *back*.\n```\n# no heading\n```' },
      { id: 'terms.md#shop-returns~2', answer: 'Again.' },
    ].map(({ id, answer }) => ({ id, question: 'Shop › Returns', answer, source: id })),
  ]);
});

test.each([
  ['no JSON', 'x', 'faq.json', /must be JSON/],
  ['no list', '{"a":1}', 'faq.json', /must be a list/],
  ['no answer', '[{"question":"a"}]', 'faq.json', /entry 1 .* texts question and answer/],
  ['no columns', 'a,b\n1,2', 'faq.csv', /columns question and answer/],
])('documents are refused that have %s', (_, text, name, message) => {
  expect(() => readDocuments(bytes(text), name)).toThrow(message);
});

test('figures are those of their definitions', () => {
  const judged = [
    { id: 'a', found: ['a', 'b'], answered: true },
    { id: 'b', found: ['a', 'b'], answered: true },
    { id: 'c', found: ['a', 'b'], answered: false },
    { id: null, found: ['a', 'b'], answered: true },
    { id: null, found: ['b', 'a'], answered: false },
  ];
  expect(measureAnswers(judged)).toEqual({
    ...{
      top1: 1 / 3,
      top3: 2 / 3,
      mrr: 0.5,
      answeredShare: 2 / 3,
      precisionAtThreshold: 1 / 3,
      unanswerableRejected: 0.5,
    },
  });
  expect(measureAnswers([])).toMatchObject({ top1: null, unanswerableRejected: null });
});

test('endings are left off alike', () => {
  for (const [a, b] of [
    ['parcels', 'parcel'],
    ['deleting', 'delete'],
    ['copies', 'copy'],
    ['stopped', 'stop'],
  ]) {
    expect(stemOf(a)).toBe(stemOf(b));
  }
  expect(stemOf('address')).toBe('address');
});
