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

  test('is what load() gives, in at most a megabyte, tokenizer and chat template included', () => {
    expect(model.config.name).toBe('seedling');
    expect(statSync(EMBEDDED_MODEL).size).toBeLessThanOrEqual(1_000_000);
    const prompt = model.chatPrompt([{ role: 'user', content: 'Hi' }]);
    expect(model.detokenize(prompt)).toContain('user\nHi');
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

  test.each([
    [
      'a table',
      ['I want to book a table at Golden Dragon in Oakland.', 'For four people.', 'On Friday.', 'At 7 pm.'],
      ['Golden Dragon', 'Oakland', '4', 'Friday', '7 pm'],
    ],
    [
      'a hotel',
      ['I need a hotel in London for three nights.', 'The Grand Hotel.', 'Two rooms.', 'From March 3rd.'],
      ['Grand Hotel', 'London', '2 rooms', 'March 3rd', '3 nights'],
    ],
    [
      'a taxi',
      ['I need a taxi to the airport for two.', 'A regular ride, please.', 'At 6:30 am.'],
      ['airport', '2', '6:30 am'],
    ],
  ])('books %s: asks for what is missing, repeats what it was told, and ends', async (_what, told, repeated) => {
    const messages: ChatMessage[] = [];
    const answers: string[] = [];
    for (const content of [...told, 'Yes, that is right.']) {
      messages.push({ role: 'user', content });
      const { text, finishReason } = await model.chat(messages, { temperature: 0, maxTokens: 100 }).result();
      expect(finishReason).toBe('stop');
      messages.push({ role: 'assistant', content: text });
      answers.push(text);
    }
    expect(new Set(answers).size).toBe(answers.length);
    for (const question of answers.slice(0, told.length - 1)) expect(question).toMatch(/\?$/);
    for (const value of repeated) expect(answers[told.length - 1]).toContain(value);
    expect(answers[told.length]).toMatch(/booked|reserv|on its way/);
  });
});
