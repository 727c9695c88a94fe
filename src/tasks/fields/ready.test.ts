import { expect, test } from 'vitest';
import { readyFields, withReadyFields } from './ready.ts';
import { redactFields } from './redact.ts';

const read = await readyFields({ country: 'DE', writtenAt: new Date(2026, 10, 30, 12) });
const valuesIn = (text: string) => read(text).map(({ label, value }) => [label, value]);

test.each([
  ['Write to Ann.Lee+shop@mail.example.co.uk, please', [['email', 'ann.lee+shop@mail.example.co.uk']]],
  ['see www.example.com/a?b=1. Thanks', [['url', 'https://www.example.com/a?b=1']]],
  ['my IBAN is DE89 3704 0044 0532 0130 00 and it is valid', [['iban', 'DE89370400440532013000']]],
  ['my IBAN is DE88370400440532013000', []],
  ['I paid 1.234,50 € too much', [['amount', '1234.50 EUR']]],
  [
    'refund $1,200 or £ 15.9',
    [
      ['amount', '1200 USD'],
      ['amount', '15.9 GBP'],
    ],
  ],
  [
    'call 030 901820 or +44 20 7946 0958',
    [
      ['phone', '+4930901820'],
      ['phone', '+442079460958'],
    ],
  ],
  ['order number is AB-12345', [['order_number', 'AB-12345']]],
  ['Bestellnummer: 4711-0815', [['order_number', '4711-0815']]],
  ['where is #100234?', [['order_number', '100234']]],
  ['I ordered 2 shirts', []],
  ['deliver it tomorrow at 5pm', [['datetime', '2026-12-01T17:00']]],
  ['from 3 March 2027', [['datetime', '2027-03-03']]],
  [
    'is it 12.05.2027 or 2027-05-12?',
    [
      ['datetime', '2027-05-12'],
      ['datetime', '2027-05-12'],
    ],
  ],
  ['due 05/01/2027', [['datetime', '2027-01-05']]],
  ['the sun is out, version 1.2, 24/7, I waited 10 days for a 5m cable', []],
  ['my number 4711-8820 is on it', []],
  ['an karin.möller@web.example', [['email', 'karin.möller@web.example']]],
  ['it cost R$ 30,00, £3.5m in all', [['amount', '30.00 BRL']]],
  ['', []],
])('%s', (text, expected) => {
  expect(valuesIn(text)).toEqual(expected);
});

test.each([
  ['de', 'am 3. März um 14 Uhr', '2027-03-03T14:00'],
  ['de', 'spätestens morgen', '2026-12-01'],
  ['de', 'bis 5.1. um 15.30 Uhr', '2027-01-05T15:30'],
  ['fr', 'livré le 5 janvier 2027', '2027-01-05'],
  ['es', 'mañana a las 10', '2026-12-01T10:00'],
  ['pt', '05/01/2027', '2027-01-05'],
  ['it', 'domani', '2026-12-01'],
  ['constructor', 'tomorrow', '2026-12-01'],
])('dates in the language of the text: %s, %s', (language, text, value) => {
  expect(read(text, language).map((field) => [field.label, field.value])).toEqual([['datetime', value]]);
});

test.each([
  ['de', 'so ein Mist, do it'],
  ['fr', 'au bord de la mar'],
  ['es', 'hace tres días'],
])('what only looks like a date is none: %s, %s', (language, text) => {
  expect(read(text, language)).toEqual([]);
});

test.each([
  ['call me at 555 123 456 please', '555 123 456'],
  ['Tel.: 030/1234567', '030/1234567'],
  ['erreichbar unter 0171 2345678', '0171 2345678'],
  ['my phone number is 91234567', '91234567'],
  ['téléphone 06 12 34 56 78', '06 12 34 56 78'],
])('a phone number without its country is found, without a value: %s', async (text, number) => {
  const anywhere = await readyFields();
  expect(anywhere(text).map((field) => [field.label, field.text, field.value])).toEqual([['phone', number, undefined]]);
  expect(anywhere('phone model 2024, 0 of 100 sold in 05/01/2027').filter(({ label }) => label === 'phone')).toEqual(
    [],
  );
});

test('kinds can be chosen, and wrong ones are refused by name', async () => {
  const emails = await readyFields({ kinds: ['email'] });
  expect(emails('a@b.example on 3 March 2027').map(({ label }) => label)).toEqual(['email']);
  await expect(readyFields({ kinds: ['colour' as 'email'] })).rejects.toThrow(/kinds must be of .*got colour/);
  await expect(readyFields({ country: 'Germany' })).rejects.toThrow(/two letters/);
});

test('a learnt field counts before a ready one and takes its value', () => {
  const text = 'arrive tomorrow from Rome';
  const learnt = [{ label: 'arrival', text: 'tomorrow', start: 7, end: 15, probability: 0.9 }];
  expect(withReadyFields(learnt, read(text))).toEqual([{ ...learnt[0], value: '2026-12-01' }]);
});

test('a part of an address is no field', () => {
  const text = 'write to ann@shop.example';
  const learnt = [{ label: 'name', text: 'ann', start: 9, end: 12, probability: 0.9 }];
  expect(withReadyFields(learnt, read(text)).map(({ label }) => label)).toEqual(['email']);
});

test('fields are replaced by their labels', () => {
  const text = 'I am at a@b.example, pay 5 €';
  expect(redactFields(text, read(text))).toBe('I am at [EMAIL], pay [AMOUNT]');
  expect(redactFields(text, read(text), ['email'])).toBe('I am at [EMAIL], pay 5 €');
});

test('long texts made to be slow are read in time', () => {
  for (const piece of ['a@', 'www.', '1,000', 'DE89 ', '#1-', 'order number ', '1 ', 'a.', '(', '1/']) {
    const started = performance.now();
    read(piece.repeat(20_000 / piece.length));
    expect(performance.now() - started, piece).toBeLessThan(30_000);
  }
}, 300_000);

test('a date far into a long text is found in its place', async () => {
  const read = await readyFields({ country: 'DE' });
  const text = `${'a word or two. '.repeat(300)}Come on 3 June 2027, please. ${'more '.repeat(300)}`;
  const found = read(text, 'en').filter(({ label }) => label === 'datetime');
  expect(found.map(({ start, text }) => [start, text])).toEqual([[text.indexOf('on 3 June'), 'on 3 June 2027']]);
});
