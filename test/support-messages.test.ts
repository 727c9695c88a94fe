// Whole messages: several wishes, flags that rows define, texts and languages of the business. One small training.
import { beforeAll, describe, expect, test, vi } from 'vitest';
import {
  decide,
  languageReader,
  loadSupport,
  MessageRouter,
  READY_FIELDS,
  routeMessage,
  type SupportModel,
  saveSupport,
  trainDecision,
  trainSupport,
  updateSupport,
  voiceOf,
  withTexts,
} from '../src/tasks/support/index.ts';
import { trainingRows } from './support-rows.ts';

const quick = { epochs: 5, networks: 1, phraseNetworks: 0, precision: 0.8 };
const URGENT = ['immediately', 'this is urgent', 'right now', 'as soon as possible', 'urgently please'];
/** Every sixth row is said with haste. */
const rows = trainingRows.map((row, i) =>
  i % 6 === 0 ? { ...row, text: `${row.text}, ${URGENT[(i / 6) % 5]}`, flags: ['urgent'] } : { ...row, flags: [] },
);
const texts = {
  texts: { de: { handover: 'Wir melden uns.' } },
  names: { parcel_status: { en: 'your parcel', de: 'Ihr Paket' } },
  answers: { refund: { en: 'The money comes back.', de: 'Das Geld kommt zurück.' } },
};
let model: SupportModel;
beforeAll(async () => {
  model = await loadSupport(await saveSupport(await trainSupport(rows, { ...quick, texts })));
}, 600_000);

describe('several wishes', () => {
  const mail = `Hello,

where is my parcel? Thursday was sunny. I also want a refund for the shoes.

Kind regards
Ann`;

  test('are sorted apart, each with its place and its own decision', () => {
    const { wishes, action, text } = routeMessage(model, mail);
    expect(wishes.map(({ prediction }) => prediction.intent)).toEqual(['parcel_status', 'refund']);
    expect(wishes[0].query).toMatch(/^where is my parcel\?/);
    const [{ start, end }] = wishes[1].parts.slice(-1);
    expect(mail.slice(start, end)).toBe('I also want a refund for the shoes.');
    expect(wishes.flatMap(({ parts }) => parts)).toHaveLength(3);
    expect(action).toBe('answer');
    expect(text).toBe('Your question goes to: your parcel.\n\nThe money comes back.');
  });

  test('each answer is filled with what its own wish names, and what is missing is asked for in the language', async () => {
    const own = withTexts(model, {
      ...{ answers: { parcel_status: 'On its way: {thing}.', refund: 'Paid back: {thing}.' }, country: 'DE' },
    });
    const fields = ['shoes', 'parcel'].map((text) => {
      const start = mail.indexOf(text);
      return { label: 'thing', text, start, end: start + text.length, probability: 1 };
    });
    expect(routeMessage(own, mail, { fields }).text).toBe('On its way: parcel.\n\nPaid back: shoes.');
    const router = await MessageRouter.of(withTexts(own, { answers: { refund: 'Of {order_number}.' }, country: 'DE' }));
    expect(router.route('I also want a refund for the shoes.', { language: 'de' }).text).toBe(
      'Bitte nennen Sie mir: Bestellnummer.',
    );
    expect(router.fieldsOf('ruf an: 030 901820', 'de').map(({ value }) => value)).toEqual(['+4930901820']);
    expect(READY_FIELDS.map((label) => voiceOf({}, 'sv').field(label))).not.toContain(undefined);
    expect([voiceOf({}, 'de').field('amount'), voiceOf({}, 'de').field('datetime')]).toEqual([
      'Betrag',
      'Datum oder Uhrzeit',
    ]);
    expect(() => withTexts(model, { country: 'Germany' })).toThrow(/texts\.country must be two letters/);
  });

  test('a person takes over where one of them needs one, with what can be said of the others', () => {
    const { action, text, wishes } = routeMessage(model, 'I want a refund for the shoes. Where is my parcel?', {
      threshold: 1,
      language: 'de',
    });
    expect(wishes).toHaveLength(2);
    expect([action, text]).toEqual(['handover', 'Wir melden uns.']);
  });

  test('one wish in several sentences is one', () => {
    const { wishes } = routeMessage(model, 'where is my parcel? I am still waiting for my parcel!');
    expect(wishes).toHaveLength(1);
    expect(routeMessage(model, '')).toMatchObject({ action: 'handover', wishes: [{ query: '' }] });
  });

  test('a message of one sentence is judged once', () => {
    const predict = vi.spyOn(model, 'predict');
    routeMessage(model, 'where is my parcel?');
    expect(predict).toHaveBeenCalledTimes(1);
    predict.mockRestore();
  });
});

test('flags are learnt from examples, kept in the file, and raised by one sentence of many', async () => {
  expect(model.flagLabels).toEqual(['urgent']);
  expect(model.predict('cancel my order immediately').flags).toMatchObject([{ flag: 'urgent' }]);
  expect(model.predict('are you open on Sunday').flags).toEqual([]);
  const long = `${'I ordered a lamp. '.repeat(6)}Please refund the ticket as soon as possible.`;
  expect(routeMessage(model, long).flags).toMatchObject([{ flag: 'urgent' }]);
  expect(model.parts.flags?.facts[0]).toMatchObject({ flag: 'urgent', rows: 32 });
  expect(model.parts.flags?.facts[0].recall).toBeGreaterThan(0.7);
  const updated = await updateSupport(model, [{ text: 'hurry', intent: 'complaint', flags: ['urgent'] }], quick);
  expect(updated.flagLabels).toEqual(['urgent']);
  expect(updated.texts).toEqual(model.texts);
  // As it was given, not what four bytes of the file make of it.
  expect([model.facts.precision, model.facts.expectedOutOfScope]).toEqual([0.8, 0.05]);
}, 600_000);

test('texts are those of the language, of the business where it wrote them', async () => {
  const read = await languageReader();
  const languages = ['en', 'de', 'fr', 'es', 'pt', 'it', 'nl', 'pl', 'sv', 'tr'];
  expect(read('Wo bleibt mein Paket?', languages)).toBe('de');
  expect(read('¿dónde está mi pedido?', languages)).toBe('es');
  for (const text of [
    'no',
    'no internet',
    'reset password',
    'merci',
    'adidas sneaker 42',
    '<img src=x onerror=alert(1)>',
  ])
    expect(read(text, languages, 'en') ?? 'en', text).toBe('en');
  for (const text of ['Wo bleibt mein Paket?', 'Rückerstattung', 'Ich will mein Geld'])
    expect(read(text, languages, 'en'), text).toBe('de');
  expect(routeMessage(model, 'zzz qqq', { language: 'de' })).toMatchObject({ text: 'Wir melden uns.', language: 'de' });
  expect(routeMessage(model, 'zzz qqq', { language: 'fr' }).text).toMatch(/^Je ne suis pas/);
  expect(routeMessage(model, 'zzz qqq', { language: 'ja' })).toMatchObject({ language: 'en' });
  const french = withTexts(model, { language: 'fr' });
  expect(routeMessage(french, 'zzz qqq')).toMatchObject({ language: 'fr' });
  expect(routeMessage(model, 'please refund the shoes', { language: 'de' }).text).toBe('Das Geld kommt zurück.');
  expect(() => withTexts(model, { texts: { de: { clarify: 'Bitte?' } } })).toThrow(/must hold \{options\}/);
  expect(() => withTexts(model, { texts: { de: { handovr: 'x' } } } as never)).toThrow(/Did you mean 'handover'/);
});

test('a model is trained for one question: yes or no, and levels; flags answer questions that name them', async () => {
  const [yes] = await decide(model, 'cancel my order immediately', [{ type: 'yes-no', instructions: 'Is it urgent?' }]);
  expect(yes.type === 'yes-no' && yes.probability).toBeGreaterThan(0.5);

  const labelled = rows.map(({ text, flags }) => ({ text, label: String(flags.length > 0) }));
  const urgent = await loadSupport(
    await saveSupport(await trainDecision(labelled, { epochs: 4, networks: 1, instructions: 'Urgent?' })),
  );
  expect(urgent.parts.question).toEqual({ type: 'yes-no', instructions: 'Urgent?', labels: ['no', 'yes'] });
  const ask = async (text: string) => {
    const [decision] = await decide(urgent, text, [{ type: 'yes-no', instructions: 'Urgent?' }]);
    return decision.type === 'yes-no' ? decision.probability : Number.NaN;
  };
  expect(await ask('cancel my order right now')).toBeGreaterThan(0.5);
  expect(await ask('are you open on Sunday')).toBeLessThan(0.5);
  const options = ['yes', 'no'].map((label) => ({ label }));
  const [choice] = await decide(urgent, 'right now', [{ type: 'choice', instructions: '', options }]);
  expect(choice).toMatchObject({ type: 'choice', choice: 'yes' });
  const others = [{ type: 'score' as const, instructions: '', levels: [{ label: 'calm' }, { label: 'angry' }] }];
  await expect(decide(urgent, 'x', others)).rejects.toThrow(/answers one question .* with no, yes/);
  await expect(trainDecision([{ text: 'a', label: 'calm' }], { levels: ['low', 'high'] })).rejects.toThrow(/row 1/);
  const onlyLow = [{ text: 'a', label: 'low' }];
  await expect(trainDecision(onlyLow, { levels: ['low', 'high'] })).rejects.toThrow(/there are none of high/);
}, 600_000);
