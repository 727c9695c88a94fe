// Fields from rows to answers: learnt in the same training, kept in the same file, measured, put into answers, hidden.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  evaluateSupport,
  loadSupport,
  parseRows,
  routeMessage,
  routeQuery,
  type SupportModel,
  type SupportRow,
  saveSupport,
  trainSupport,
  updateSupport,
} from '../src/tasks/support/index.ts';

const program = fileURLToPath(new URL('../bin/onebit.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'onebit-fields-'));
afterAll(() => rmSync(folder, { recursive: true }));

const cities = 'Rome|Oslo|Lima|New York|Paris|Cairo|San Jose|Delhi|Porto|Quito'.split('|');
const names = 'Ann Lee|Omar Diaz|Ben|Li Wei|Eva Novak|Tom|Ida Berg|Raj Patel|Mia|Jo Kent'.split('|');
/** Rows with marks, every place and name in every sentence of one half; sentences of the other half pair them otherwise. */
function lines(half: 0 | 1): string {
  const rows: string[] = [];
  for (let i = half; i < 100; i += 2) {
    const [from, to, name] = [cities[i % 10], cities[(i + 1 + Math.floor(i / 10)) % 10], names[(i + half) % 10]];
    rows.push(
      `"I want to fly from [${from}](from) to [${to}](to)",flight,"A flight to {to}: we look."`,
      `"please, a seat to [${to}](to) leaving [${from}](from)",flight,`,
      `"my name is [${name}](name), call me",callback,"We call you, {name}."`,
      `"call [${name}](name) back please",callback,`,
    );
  }
  return `text,intent,answer\n${rows.join('\n')}\n`;
}
const rows = parseRows(lines(0));
const unseen = parseRows(lines(1));
const options = { epochs: 8, networks: 1, phraseNetworks: 0, precision: 0.5, maxBytes: 1_500_000 };
let model: SupportModel;
let bytes: Uint8Array;
beforeAll(async () => {
  model = await trainSupport(rows, options);
  bytes = await saveSupport(model);
}, 300_000);

test('fields are learnt with intents and found in texts never seen', async () => {
  const { fields, accuracy } = await evaluateSupport(model, unseen);
  expect(accuracy).toBeGreaterThan(0.95);
  expect(fields?.f1).toBeGreaterThan(0.9);
  expect(Object.keys(fields!.perField)).toEqual(['from', 'name', 'to']);
  expect(bytes.length).toBeLessThan(1_500_000);
  for (const { start, end, text, probability } of model.predict('fly from Rome to Quito').fields) {
    expect('fly from Rome to Quito'.slice(start, end)).toBe(text);
    expect(probability).toBeGreaterThan(0.5);
    expect(probability).toBeLessThanOrEqual(1);
  }
});

test('fields of a message of one wish stand where they stand in the message', () => {
  const mail = 'Hello,\n\nI want to fly from Rome to Quito. Please, a seat to Quito leaving Rome.\n\n> call Ben back\n';
  const { wishes, prediction } = routeMessage(model, mail);
  expect(wishes).toHaveLength(1);
  const found = wishes[0].prediction.fields;
  expect(found.length).toBeGreaterThan(1);
  for (const { start, end, text } of [...found, ...prediction.fields]) expect(mail.slice(start, end)).toBe(text);
  expect(found.map(({ text }) => text)).not.toContain('Ben');
  const given = { label: 'where', text: 'Quito', start: mail.indexOf('Quito'), end: mail.indexOf('Quito') + 5 };
  const fields = [{ ...given, probability: 1 }];
  expect(routeMessage(model, mail, { fields }).wishes[0].prediction.fields).toEqual(fields);
});

test('the file gives the same fields, and what is broken in it is refused', async () => {
  const loaded = await loadSupport(bytes);
  const places = (of: SupportModel, text: string) =>
    of.predict(text).fields.map(({ probability: _, ...field }) => field);
  for (const { text } of unseen.slice(0, 20)) expect(places(loaded, text)).toEqual(places(model, text));
  const [a, b] = [loaded, model].map((of) => of.predict('call Eva Novak back please').fields[0].probability);
  expect(a).toBeCloseTo(b, 4);
  const text = new TextDecoder('latin1').decode(bytes);
  const broken = bytes.slice();
  broken[text.indexOf('fields.bag.weight') + 2] ^= 1;
  await expect(loadSupport(broken)).rejects.toMatchObject({ code: 'bad-file' });
});

test('answers take fields, and ask for those that are missing', () => {
  const said = (text: string) => routeQuery(model, text, { threshold: 0.3 });
  expect(said('I want to fly from Oslo to Lima')).toMatchObject({
    action: 'answer',
    text: 'A flight to Lima: we look.',
  });
  expect(said('I want to fly')).toMatchObject({ action: 'clarify', text: 'Please tell me: to.' });
});

test('update keeps the fields of the rows in the file', async () => {
  const more: SupportRow[] = [
    { text: 'hello there', intent: 'greeting' },
    { text: 'good day', intent: 'greeting' },
  ];
  const updated = await updateSupport(await loadSupport(bytes), more, options);
  expect(updated.fieldLabels).toEqual(['from', 'name', 'to']);
  expect(updated.parts.examples.filter(({ slots }) => slots)).toEqual(model.parts.examples);
}, 300_000);

test('rows of JSON lines carry spans, and wrong ones are refused with their row', () => {
  const line = (slots: unknown) => JSON.stringify({ text: 'to Rome', intent: 'a', slots });
  expect(parseRows(line([{ label: 'to', start: 3, end: 7 }]), 'x.jsonl')[0].slots).toHaveLength(1);
  expect(() => parseRows(`${line([])}\n${line([{ label: 'to', start: 3, end: 8 }])}`, 'x.jsonl')).toThrow(
    /read x.jsonl: row 2: slots must have whole numbers/,
  );
});

test('predict gives fields and redact hides them', () => {
  writeFileSync(join(folder, 'm.gguf'), bytes);
  const run = (...args: string[]) =>
    execFileSync(process.execPath, [program, 'support', ...args], { encoding: 'utf8' });
  const text = 'call Eva Novak back please, eva@shop.example';
  const { fields } = JSON.parse(run('predict', text, '-m', join(folder, 'm.gguf'), '--json'));
  expect(fields.at(-1)).toMatchObject({ label: 'email', value: 'eva@shop.example', probability: 1 });
  expect(run('redact', text).trim()).toBe('call Eva Novak back please, [EMAIL]');
  const hidden = run('redact', text, '-m', join(folder, 'm.gguf'), '--fields', 'name');
  expect(hidden.trim()).toBe('call [NAME] back please, eva@shop.example');
});
