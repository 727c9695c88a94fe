// The model that comes with the package: its size, its card's figures, and that it holds a conversation.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ChatMessage } from '../src/chat/messages.ts';
import { EMBEDDED_MODEL, type LanguageModel, load } from '../src/index.ts';

const dialogues = fileURLToPath(new URL('../../shared/data/lm/sgd-dev.txt', import.meta.url));
const reason = existsSync(dialogues) ? '' : ' (skipped: ../shared/data/lm/sgd-dev.txt is missing)';

describe('the seedling', () => {
  let model: LanguageModel;
  beforeAll(async () => {
    model = await load();
  });
  afterAll(() => model.dispose());

  test('is what load() gives, in at most 1.1 megabytes, tokenizer and chat template included', () => {
    expect(model.config.name).toBe('seedling');
    expect(statSync(EMBEDDED_MODEL).size).toBeLessThanOrEqual(1_100_000);
    const prompt = model.chatPrompt([{ role: 'user', content: 'Hi' }]);
    expect(model.detokenize(prompt)).toContain('user\n Hi');
  });

  test.skipIf(reason)(`finds unseen dialogues as likely as its card says${reason}`, async () => {
    const card = readFileSync(new URL('../models/README.md', import.meta.url), 'utf8');
    const [, stated] = /\*\*(\d\.\d+) bits per byte\*\* on the first 60 documents/.exec(card) ?? [];
    const documents = readFileSync(dialogues, 'utf8')
      .split(/\n\s*\n/)
      .slice(0, 60);
    const { bitsPerByte } = await model.scoreDocuments(documents.map((document) => document.trim()));
    expect(Math.abs(bitsPerByte / Number(stated) - 1)).toBeLessThan(0.002);
  });

  /** The answers to messages said one after the other, greedily. */
  async function answersTo(...said: string[]): Promise<string[]> {
    const messages: ChatMessage[] = [];
    const answers: string[] = [];
    for (const content of said) {
      messages.push({ role: 'user', content });
      const { text, finishReason } = await model.chat(messages, { temperature: 0, maxTokens: 120 }).result();
      expect(finishReason).toBe('stop');
      messages.push({ role: 'assistant', content: text });
      answers.push(text);
    }
    return answers;
  }

  test.each([
    [
      'a table',
      ['I want to book a table at Golden Dragon in Oakland.', 'For four people.', 'On Friday.', 'At 7 pm.'],
      ['Golden Dragon', 'Oakland', 'four', 'Friday', '7 pm'],
    ],
    [
      'a table told in two messages',
      ['I would like a table at Chez Marie in Lyon for two on Sunday at 8 pm.', 'Sorry, make it 9 pm.'],
      ['Chez Marie', 'Lyon', 'two', 'Sunday', '9 pm'],
    ],
    [
      'a taxi',
      ['I need a taxi to the airport for two.', 'A regular ride, please.', 'At 6:30 am.'],
      ['airport', 'two', '6:30 am'],
    ],
    [
      'a table that is told all at once',
      ['Table for four on Saturday at 7:30 please, at Le Petit Hibou in Kraków.'],
      ['Le Petit Hibou', 'Kraków', 'four', 'Saturday', '7:30'],
    ],
  ])('books %s: asks for what is missing, repeats what it was told, and ends', async (_what, told, repeated) => {
    const answers = await answersTo(...told, 'Yes, that is right.');
    expect(new Set(answers).size).toBe(answers.length);
    for (const question of answers.slice(0, told.length)) expect(question).toMatch(/\?$/);
    for (const value of repeated) expect(answers[told.length - 1]).toContain(value);
    expect(answers[told.length]).toMatch(/booked/);
  });

  test('takes a correction and keeps the rest', async () => {
    const answers = await answersTo(
      'I want to book a table at Café Zoë in Nîmes for 2 people on Sunday at 8 pm.',
      'No, make it 7:30.',
      'Sorry, I meant five people.',
    );
    for (const value of ['Café Zoë', 'Nîmes', '2', 'Sunday', '7:30']) expect(answers[1]).toContain(value);
    for (const value of ['Café Zoë', 'Nîmes', 'five', 'Sunday', '7:30']) expect(answers[2]).toContain(value);
    expect(answers[1]).not.toContain('8 pm');
  });

  test.each(['Where is my parcel?', 'What is the weather in Oslo?', '¿Cuánto cuesta?', 'My card was charged twice.'])(
    'declines "%s" in a sentence that says what it can, and offers a person',
    async (question) => {
      const [answer] = await answersTo(question);
      expect(answer).toMatch(/^Sorry, .*book.*table.*person/);
      expect(answer).not.toMatch(/\d/);
    },
  );

  test('does not know what nobody told it', async () => {
    const answers = await answersTo('A table at Chez Benoît in Lille, please', 'What is their phone number?');
    expect(answers[1]).toMatch(/do not know/);
    expect(answers[1]).not.toMatch(/\d/);
  });

  test('greets, says who it is and what it can do', async () => {
    expect((await answersTo('Hello!'))[0]).toMatch(/^Hello!/);
    expect((await answersTo('Who are you?'))[0]).toContain('seedling');
    expect((await answersTo('What can you do?'))[0]).toMatch(/table.*hotel.*ride/);
    expect((await answersTo('Thank you!'))[0]).toContain('welcome');
  });
});
