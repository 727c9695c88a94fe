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
  ['', []],
])('%s', (text, expected) => {
  expect(valuesIn(text)).toEqual(expected);
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
