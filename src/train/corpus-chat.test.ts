import { describe, expect, test } from 'vitest';
import type { ChatMessage } from '../chat/messages.ts';
import { ChatTemplate } from '../chat/template.ts';
import { trainVocabulary } from '../tokenizer/train.ts';
import { TRAINED_SPECIAL, tokenizerMetadata, tokenizerOf } from '../tokenizer/train-metadata.ts';
import { parseChatLines, parseDialogue, renderForTraining } from './corpus-chat.ts';
import { DocumentEncoder } from './corpus-tokens.ts';

const conversation: ChatMessage[] = [
  { role: 'system', content: 'Be kind.' },
  { role: 'user', content: 'Hi' },
  { role: 'assistant', content: 'Hello there' },
  { role: 'user', content: 'Bye' },
  { role: 'assistant', content: 'See you' },
];

describe('JSONL', () => {
  test('conversations and texts, empty lines skipped', () => {
    const line = JSON.stringify({ messages: conversation, id: 7 });
    expect(parseChatLines('c.jsonl', `${line}\n\n{"text":"plain"}\n`)).toEqual([
      { messages: conversation },
      { text: 'plain' },
    ]);
  });

  test('a line that is something else is named', () => {
    const cases = ['{', '[]', '{"messages":[]}', '{"messages":[{"role":"user","content":"a"}]}', 'null'];
    cases.push('{"messages":[{"role":"boss","content":"a"}]}', '{"messages":[{"role":"assistant","content":1}]}');
    for (const line of cases)
      expect(() => parseChatLines('c.jsonl', `{"text":"a"}\n${line}`)).toThrow('c.jsonl line 2');
  });
});

describe('dialogues', () => {
  test('speaker labels become roles, and lines of the same speaker one turn', () => {
    expect(parseDialogue('User: I want pizza: now\nAgent: Sure.\nAgent: Which?\nUser: Any')).toEqual([
      { role: 'user', content: 'I want pizza: now' },
      { role: 'assistant', content: 'Sure.\nWhich?' },
      { role: 'user', content: 'Any' },
    ]);
  });

  test('questions and answers, customers and shops are speakers too', () => {
    for (const [asks, answers] of [
      ['Q', 'A'],
      ['Question', 'Answer'],
      ['CUSTOMER', 'Shop'],
      ['guest', 'staff'],
    ]) {
      const roles = parseDialogue(`${asks}: Are you open?\n${answers}: We are.`)?.map(({ role }) => role);
      expect(roles).toEqual(['user', 'assistant']);
    }
  });

  test('other texts are none', () => {
    for (const text of ['Once upon a time', 'User: alone', 'User: a\nno label', 'Note: a\nUser: b']) {
      expect(parseDialogue(text)).toBeUndefined();
    }
  });
});

describe('rendering', () => {
  const chatml = new ChatTemplate(undefined, ['<|im_start|>', '<|im_end|>'], {});

  test("the assistant's turns with their ends are to be learnt, nothing else, and nothing is lost", () => {
    const stretches = renderForTraining(conversation, chatml);
    const learnt = stretches.filter(({ learn }) => learn).map(({ pieces }) => pieces.join(''));
    expect(learnt).toEqual(['Hello there<|im_end|>', 'See you<|im_end|>']);
    expect(stretches.flatMap(({ pieces }) => pieces).join('')).toBe(
      chatml.render(conversation, { addGenerationPrompt: false }).join(''),
    );
  });

  test('a template that rewrites earlier turns is refused', () => {
    const last = new ChatTemplate(
      '{% for m in messages %}{% if loop.last %}LAST {% endif %}{{ m.content }}\n{% endfor %}',
      [],
      {},
    );
    expect(() => renderForTraining(conversation, last)).toThrow('chat template');
  });
});

describe('tokens', () => {
  const tokenizer = tokenizerOf(
    tokenizerMetadata(trainVocabulary(['User: hello hello\nAgent: hello'], { size: 300, special: TRAINED_SPECIAL })),
  );
  const encoder = new DocumentEncoder(tokenizer);
  const text = (tokens: ArrayLike<number>) => tokenizer.decode(tokens, { special: true });

  test('a text begins and ends with the token that stands between documents', () => {
    const { plain, chat } = encoder.forms({ text: 'hello' }, true);
    expect(text(plain.tokens)).toBe('<|endoftext|>hello<|endoftext|>');
    expect([plain.counted, chat]).toEqual([undefined, undefined]);
  });

  test('a dialogue has a second form in the chat template, of which the turns of the user count less', () => {
    const { chat } = encoder.forms({ text: 'User: hello\nAgent: hi' }, true);
    expect(text(chat!().tokens)).toBe(
      '<|endoftext|><|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\nhi<|im_end|>\n',
    );
    const { tokens, counted } = chat!();
    const answer = tokens.filter((_, i) => counted![i] === 1);
    expect(text(answer)).toBe('hi<|im_end|>');
    expect(Math.min(...counted!)).toBeGreaterThan(0);
    expect(Math.min(...counted!)).toBeLessThan(0.5);
    expect(encoder.forms({ text: 'User: hello\nAgent: hi' }, false).chat).toBeUndefined();
  });

  test("of a conversation the tokens of the assistant's turns count", () => {
    const { tokens, counted } = encoder.forms({ messages: conversation }, false).plain;
    expect(text(tokens.filter((_, i) => counted![i]))).toBe('Hello there<|im_end|>See you<|im_end|>');
  });

  test('control tokens in a message stay text', () => {
    const messages: ChatMessage[] = [
      { role: 'user', content: 'a<|im_end|>b' },
      { role: 'assistant', content: 'c<|im_end|>d' },
    ];
    const { tokens } = encoder.forms({ messages }, false).plain;
    expect(tokens.filter((token) => token === tokenizer.tokenId('<|im_end|>'))).toHaveLength(2);
    expect(text(tokens)).toContain('a<|im_end|>b');
  });

  test('measured bytes are those of the predicted tokens', () => {
    const measured = encoder.measured({ text: 'Zwölf' });
    expect([measured.bytes, text(measured.tokens)]).toEqual([6, '<|endoftext|>Zwölf']);
    const dialogue = encoder.measured({ text: 'User: hello\nAgent: hi' }, true);
    expect(text(dialogue.tokens)).toContain('assistant\nhi<|im_end|>');
    expect(dialogue.bytes).toBe('User: hello\nAgent: hi'.length);
    expect(encoder.measured({ messages: conversation }).bytes).toBe('Hello thereSee you'.length);
  });
});
