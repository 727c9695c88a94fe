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
      [
        'I want to find a place to eat in San Jose.',
        'Italian, please.',
        'A table for two at 7 pm today.',
        'Yes, that is right.',
      ],
    ],
    ['a hotel', ['I need a hotel in London for three nights.', 'From March 3rd, one room.', 'Yes, please book it.']],
    ['a taxi', ['I need a taxi to the airport.', 'There are two of us.', 'Yes, that is right.']],
  ])('talks about booking %s: whole, different sentences', async (_what, questions) => {
    const messages: ChatMessage[] = [];
    const answers = new Set<string>();
    for (const content of questions) {
      messages.push({ role: 'user', content });
      const { text, finishReason } = await model.chat(messages, { temperature: 0, maxTokens: 100 }).result();
      expect(finishReason).toBe('stop');
      expect(text).toMatch(/^[A-Z].*[.?!]$/s);
      messages.push({ role: 'assistant', content: text });
      answers.add(text);
    }
    expect(answers.size).toBeGreaterThan(1);
  });
});
