import { expect, test } from 'vitest';
import { Trunk } from '../support/trunk.ts';
import { readDocuments } from './documents.ts';
import { measureAnswers } from './measure.ts';
import { LIKENESSES, PassageIndex, stemOf } from './passage-index.ts';
import { surenessOf } from './ranking.ts';

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

test('what a query says that the answer says too counts, less than in the question; more words that agree say more', () => {
  const passage = (id: string, question: string, answer: string) => ({ id, question, answer, source: id });
  const list = [
    passage('a', 'Watering roses', 'Every second day.'),
    passage('b', 'Moving house', 'Take the roses along and go on watering.'),
    passage('c', 'Opening hours', 'From nine to five.'),
  ];
  const index = new PassageIndex(list, new Trunk(new Uint32Array(0), new Float32Array(0), new Uint8Array(0)));
  const found = (query: string) => {
    const likenesses = index.likenesses(query);
    return list.map((_, p) => likenesses[p * LIKENESSES.length + LIKENESSES.indexOf('foundInPassage')]);
  };
  const [a, b, c] = found('watering roses');
  expect(a).toBeGreaterThan(b);
  expect(b).toBeGreaterThan(0);
  expect(c).toBe(0);
  expect(found('roses')[1]).toBeLessThan(b);
});

test('being sure takes a passage that has the words and whose answer is of a like sense, not one of them', () => {
  const likenesses = (values: Partial<Record<(typeof LIKENESSES)[number], number>>) =>
    Float64Array.from(LIKENESSES, (name) => values[name] ?? 0);
  const last = (values: Parameters<typeof likenesses>[0]) => surenessOf(likenesses(values), [5])[2];
  expect(last({ foundInPassage: 0.9 })).toBe(0);
  expect(last({ senseOfAnswer: 0.5 })).toBe(0);
  expect(last({ foundInPassage: 0.9, senseOfAnswer: 0.5 })).toBeCloseTo(0.45, 10);
});
