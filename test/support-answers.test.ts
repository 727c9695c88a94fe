// Answers from documents, from files to what a customer reads.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { loadSupport, readDocuments, routeQuery, saveSupport, trainSupport } from '../src/tasks/support/index.ts';

const program = fileURLToPath(new URL('../bin/onebit.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'onebit-answers-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

const page = `# Delivery
Parcels leave our warehouse within two days.
## Tracking a parcel
You find the tracking number in the mail that we sent when it left; enter it at *track.example*.
## Deliveries abroad
We deliver to all of Europe; customs duties are yours to pay.
# Returning goods
Within 30 days, unworn, with the slip that lay in the box.
# Paying by instalments
Three, six or twelve monthly instalments, from 100 euros on.
`;
const documents = readDocuments(new TextEncoder().encode(page), 'terms.md');
const model = await trainSupport([], { documents });

test('a model of documents alone gives a passage word for word with its source, or hands over', async () => {
  const loaded = await loadSupport(await saveSupport(model));
  for (const one of [model, loaded]) {
    expect(routeQuery(one, 'How can I track my parcel?')).toMatchObject({
      ...{ action: 'answer', source: 'terms.md#delivery-tracking-a-parcel', text: documents[1].answer },
      probability: expect.closeTo(routeQuery(model, 'How can I track my parcel?').probability!, 5),
    });
    expect(routeQuery(one, 'Do you hire students for the summer?').action).toBe('handover');
    expect(one.predict('anything')).toMatchObject({ intent: 'oos', answered: false, intents: [], fields: [] });
  }
  expect(model.findAnswers('How do I send goods back?')[0].id).toBe('terms.md#returning-goods');
  expect(model.findAnswers('')).toHaveLength(3);
});

test('documents are refused that repeat an id, have no answer or are too long', async () => {
  const of = (...list: object[]) => trainSupport([], { documents: list as never });
  const one = { id: 'a', question: 'q', answer: 'b', source: 's' };
  await expect(of(one, one)).rejects.toThrow(/ids of documents must differ, got a twice/);
  await expect(of({ ...one, answer: ' ' })).rejects.toThrow(/must have an answer/);
  await expect(of({ ...one, answer: 'x'.repeat(30_000) })).rejects.toThrow(/at most 20000 characters/);
  await expect(of({ ...one, question: 7 })).rejects.toThrow(/documents\[0\]\.question must be a text/);
});

test('train takes documents without rows, predict answers from them, evaluate measures', () => {
  writeFileSync(at('terms.md'), page);
  const rows = [
    { text: 'track a parcel', id: 'terms.md#delivery-tracking-a-parcel' },
    { text: 'paying in instalments', id: 'terms.md#paying-by-instalments' },
    { text: 'do you have a job for me', id: null },
  ];
  writeFileSync(at('asked.jsonl'), rows.map((row) => JSON.stringify(row)).join('\n'));
  const run = (...args: string[]) =>
    execFileSync(process.execPath, [program, 'support', ...args], { encoding: 'utf8' });
  run('train', '--documents', at('terms.md'), '-o', at('m.gguf'));
  const said = JSON.parse(run('predict', 'How can I track my parcel?', '-m', at('m.gguf'), '--json'));
  expect(said).toMatchObject({ action: 'answer', answer: documents[1].answer, source: documents[1].source });
  const { answers } = JSON.parse(run('evaluate', at('asked.jsonl'), '-m', at('m.gguf'), '--json'));
  expect(answers).toMatchObject({ top1: 1, top3: 1, mrr: 1, unanswerableRejected: 1 });
});
