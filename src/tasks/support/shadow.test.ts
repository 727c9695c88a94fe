import { expect, test } from 'vitest';
import type { JudgedRow } from './evaluate.ts';
import { compareWithPeople } from './shadow.ts';
import { suggestIntents } from './suggest.ts';

function judged(intent: string, said: string, answered: boolean, confidence = 0.9): JudgedRow {
  const prediction = {
    ...{
      intent: said,
      probability: confidence,
      outOfScope: 0,
      confidence,
      answered,
      intents: [],
      fields: [],
      flags: [],
    },
  };
  const inScope = intent !== 'oos' && intent !== 'new';
  return { row: { text: `${intent} ${said}`, intent }, prediction, inScope, right: inScope && intent === said };
}

test('what it would have done, where it would have erred, what that saves', () => {
  const rows = [
    ...Array.from({ length: 6 }, () => judged('refund', 'refund', true)),
    judged('refund', 'order', true, 0.7),
    judged('refund', 'order', false),
    judged('new', 'order', true, 0.8),
    judged('oos', 'refund', false),
  ];
  const found = compareWithPeople(rows, { costPerQuery: 5, queriesPerMonth: 100 });
  expect(found.agreement).toMatchObject({ count: 6, of: 8 });
  expect(found.takenOver).toMatchObject({ count: 8, of: 10 });
  expect(found.rightOfTakenOver).toMatchObject({ count: 6, of: 8 });
  expect(found.perIntent[0]).toEqual({ intent: 'refund', rows: 8, agreed: 6, takenOver: 7, erred: 1 });
  expect(found.unknownIntents).toEqual([{ intent: 'new', rows: 1 }]);
  expect(found.errors.map(({ people }) => people)).toEqual(['new', 'refund']);
  expect(found.month).toEqual({ takenOver: 80, wrong: 20, saved: 80 * 5 - 20 * 10 });
  expect(compareWithPeople([]).agreement.share).toBeNull();
});

test('messages that are alike come together, with their words; others stay alone', async () => {
  const things = ['jacket', 'lamp', 'table', 'phone', 'ticket', 'shoes'];
  const texts = [
    ...things.map((thing) => `I want a refund for the ${thing}`),
    ...things.map((thing) => `when will my ${thing} be delivered by the courier`),
    ...things.map((thing) => `please cancel my order of the ${thing}`),
    '???',
  ];
  const { intents, rest } = await suggestIntents(texts, { groups: 3 });
  expect(intents).toHaveLength(3);
  for (const { members } of intents) {
    expect(new Set(members.map(({ index }) => Math.floor(index / 6))).size).toBe(1);
    expect(members).toHaveLength(6);
  }
  expect(intents.find(({ members }) => members[0].index < 6)?.words).toContain('refund');
  expect(rest).toEqual([18]);
  expect(await suggestIntents([])).toEqual({ intents: [], rest: [] });
});
