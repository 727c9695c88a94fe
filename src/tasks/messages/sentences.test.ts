import { expect, test } from 'vitest';
import { sentencesOf } from './sentences.ts';

const textsOf = (message: string) => sentencesOf(message).map(({ text }) => text);

test('greetings, thanks, signatures and quoted messages are left out; cut lines go together', () => {
  const mail = `Dear Sir or Madam,

I ordered a lamp three weeks ago and it still has
not come. Where is it?

Thank you in advance,
Ann Smith
12 High Street`;
  expect(textsOf(mail)).toEqual(['I ordered a lamp three weeks ago and it still has\nnot come.', 'Where is it?']);
  const reply = 'Mein Konto ist gesperrt.\n\nViele Grüße\nMax\n\nAm 3. März 2025 schrieb Shop:\n> Guten Tag\n';
  expect(textsOf(reply)).toEqual(['Mein Konto ist gesperrt.']);
  expect(textsOf('Bonjour, où est mon colis ? Cordialement, Jean')).toEqual(['où est mon colis ?']);
  expect(textsOf('Lost my card.\n-- \nAnn\n')).toEqual(['Lost my card.']);
});

test('lists and second things are apart', () => {
  expect(textsOf('Please:\n- cancel order 12\n- refund the shoes')).toEqual([
    'Please:',
    'cancel order 12',
    'refund the shoes',
  ]);
  expect(textsOf('where is my parcel and also I want to change my address')).toEqual([
    'where is my parcel',
    'I want to change my address',
  ]);
});

test('what only looks like a courtesy stays, and places are those of the message', () => {
  for (const text of ['Best price for this phone?', 'Hello', 'thanks', 'Dear shop where is it']) {
    expect(textsOf(text)).toEqual([text]);
  }
  expect(textsOf('Thank you for nothing, I want my money back')).toEqual([
    'Thank you for nothing, I want my money back',
  ]);
  const message = ' Hi,  where is it? \r\n Thanks';
  const [part] = sentencesOf(message);
  expect(message.slice(part.start, part.end)).toBe('where is it?');
  expect(sentencesOf('  \n ')).toEqual([]);
});

test('dots of abbreviations and of days end no sentence', () => {
  expect(textsOf('Bestellung Nr. 4711 ist nicht da. Bitte z. B. bis 5. Dezember liefern.')).toEqual([
    'Bestellung Nr. 4711 ist nicht da.',
    'Bitte z. B. bis 5. Dezember liefern.',
  ]);
  expect(textsOf('My order no. 88231 is late. I ordered 2. Where are they, Mr. Hill?')).toEqual([
    'My order no. 88231 is late.',
    'I ordered 2.',
    'Where are they, Mr. Hill?',
  ]);
});
