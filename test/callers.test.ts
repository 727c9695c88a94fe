// Callers who err, in JavaScript: every public function says which argument is wrong, by an OnebitError.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  compileRegex,
  compileSchema,
  compileToolCalls,
  type LanguageModel,
  load,
  OneBitModel,
  OnebitError,
  train,
} from '../src/index.ts';

let model: LanguageModel;
beforeAll(async () => {
  model = await load(undefined, { backend: 'wasm', threads: 1, contextTokens: 256 });
});
afterAll(() => model.dispose());

// biome-ignore lint/suspicious/noExplicitAny: what TypeScript would refuse is the matter here
type Any = any;
const hi = { role: 'user', content: 'Hi' };

async function errorOf(run: () => unknown): Promise<unknown> {
  try {
    await run();
  } catch (error) {
    return error;
  }
}

const WRONG: [name: string, run: () => unknown, message: RegExp][] = [
  ['load a number', () => load(5 as Any), /load: input must be/],
  ['load nothing', () => load(null as Any), /load: input must be/],
  ['load an unknown option', () => load(undefined, { thread: 2 } as Any), /'thread'. Did you mean 'threads'/],
  ['load text for threads', () => load(undefined, { threads: '2' } as Any), /threads must be a number, got '2'/],
  ['load an unknown backend', () => load(undefined, { backend: 'gpu' } as Any), /backend must be one of/],
  ['load with null', () => load(undefined, null as Any), /options must be an object, got null/],
  ['messages as text', () => model.chat('hi' as Any), /messages must be a list, got 'hi'/],
  ['a message as text', () => model.chat(['hi'] as Any), /messages\[0\] must be an object/],
  ['no role', () => model.chat([{ content: 'x' }] as Any), /messages\[0\]\.role must be one of/],
  ['an unknown role', () => model.chat([{ role: 'bot', content: 'x' }] as Any), /role must be one of .*got 'bot'/],
  ['no content', () => model.chat([{ role: 'user' }] as Any), /messages\[0\]\.content must be a text/],
  ['content as an object', () => model.chat([{ role: 'user', content: { a: 1 } }] as Any), /content must be a text/],
  [
    'an image',
    () => model.chat([{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] as Any),
    /got 'image_url'/,
  ],
  [
    'a part without text',
    () => model.chat([{ role: 'user', content: [{ type: 'text' }] }] as Any),
    /content\[0\]\.text must be a text/,
  ],
  [
    'a field of another API',
    () => model.chat([{ role: 'assistant', content: '', tool_calls: [] }] as Any),
    /messages\[0\].*'tool_calls'. Did you mean 'toolCalls'/,
  ],
  [
    'calls with objects',
    () => model.chat([{ role: 'assistant', content: '', toolCalls: [{ name: 'f', arguments: {} }] }] as Any),
    /toolCalls\[0\].*arguments must be a text/,
  ],
  ['an option of another API', () => model.chat([hi] as Any, { max_tokens: 5 } as Any), /Did you mean 'maxTokens'/],
  ['tools as an object', () => model.chat([hi] as Any, { tools: {} } as Any), /tools must be a list/],
  ['a number to generate from', () => model.generate(5 as Any), /generate: prompt must be a text or token ids, got 5/],
  ['nothing to generate from', () => model.generate(undefined as Any), /prompt must be/],
  ['tokens that are none', () => model.generate(['a'] as Any), /prompt\[0\] must be a token id/],
  [
    'a constraint that is none',
    () => model.generate('a', { constraint: 'json' } as Any),
    /constraint must be an object/,
  ],
  ['a bias that is none', () => model.generate('a', { logitBias: 5 } as Any), /logitBias must be/],
  ['a signal that is none', () => model.generate('a', { signal: {} } as Any), /signal must be an AbortSignal/],
  ['text as a temperature', () => model.generate('a', { temperature: '0' } as Any), /temperature must be a number/],
  [
    'an unknown overflow',
    () => model.generate('a', { overflow: 'wrap' } as Any),
    /overflow must be one of stop, slide/,
  ],
  ['a session that is none', () => model.generateIn({} as Any, 'a'), /session must be one that session\(\) gave/],
  ['options of a session', () => model.session({ ownr: 'x' } as Any), /Did you mean 'owner'/],
  ['nothing to score', () => model.score(undefined as Any), /score: the document must be/],
  ['documents as text', () => model.scoreDocuments('text' as Any), /documents must be a list/],
  ['a number to embed', () => model.embed(5 as Any), /embed: input must be/],
  ['a number to attend to', () => model.attention(5 as Any), /attention: text must be a text/],
  ['nothing to tokenize', () => model.tokenize(undefined as Any), /tokenize: text must be a text/],
  ['text to detokenize', () => model.detokenize('text' as Any), /detokenize: tokens must be/],
  ['messages of a prompt', () => model.prompt('x' as Any), /prompt: messages must be a list/],
  ['options of a prompt', () => model.prompt([hi] as Any, { think: true } as Any), /Did you mean 'thinking'/],
  [
    'a tokenizer that is none',
    () => compileSchema({}, 'tokenizer' as Any),
    /compileSchema: tokenizer must be that of a model/,
  ],
  ['a pattern that is none', () => compileRegex(/a/ as Any, model.tokenizer), /compileRegex: pattern must be a text/],
  ['tools that are none', () => compileToolCalls({} as Any, model.tokenizer), /compileToolCalls: tools must be a list/],
  ['options of a schema', () => compileSchema({}, model.tokenizer, { before: 'x' } as Any), /got 'before'/],
  ['nothing to train on', () => train({} as Any).next(), /train: documents must be a list/],
  ['options of training', () => train({ documents: [], step: 5 } as Any).next(), /got 'step'/],
  ['a model of steps', () => new OneBitModel({ step: 5 } as Any), /Did you mean 'steps'/],
  ['a number to learn', () => new OneBitModel().train(5 as Any), /train: text must be a text, got 5/],
  ['a number to predict from', () => new OneBitModel().predict(5 as Any), /predict: words must be a text/],
];

describe('is refused by the name of the argument', () => {
  test.each(WRONG)('%s', async (_name, run, message) => {
    const error = await errorOf(run);
    expect(error).toBeInstanceOf(OnebitError);
    expect(error).toMatchObject({ code: 'bad-argument' });
    expect((error as Error).message).toMatch(message);
  });
});

test('content in parts is read as the text that it is', () => {
  const parts = [{ type: 'text', text: 'Book ' } as const, { type: 'text', text: 'a table' } as const];
  const whole = model.prompt([{ role: 'user', content: 'Book a table' }]);
  expect(model.prompt([{ role: 'user', content: parts }])).toBe(whole);
  expect(whole).toContain('Book a table');
});

describe('a conversation longer than the context', () => {
  const turns = Array.from({ length: 60 }, (_, i) => [
    { role: 'user' as const, content: `Question ${i} about the ferry` },
    { role: 'assistant' as const, content: `Answer ${i} about the ferry` },
  ]).flat();
  const messages = [
    { role: 'system' as const, content: 'Be brief.' },
    ...turns,
    { role: 'user' as const, content: 'And now?' },
  ];

  test('goes on without its oldest turns', async () => {
    const tokens = model.fittingPrompt(messages);
    const text = model.tokenizer.decode(tokens, { special: true });
    expect(tokens.length).toBeLessThan(256);
    expect(tokens.length).toBeGreaterThan(100);
    for (const kept of ['Be brief.', 'And now?', 'Question 59', 'Answer 59']) expect(text).toContain(kept);
    for (const gone of ['Question 0 ', 'Question 30 ']) expect(text).not.toContain(gone);
    const result = await model.chat(messages, { maxTokens: 4 }).result();
    expect(result.text).toBeTypeOf('string');
  });

  test('is refused where all is to be kept, and where the last turn alone is too long', async () => {
    expect(await errorOf(() => model.chat(messages, { keepAll: true }).result())).toMatchObject({
      code: 'bad-argument',
    });
    const long = [{ role: 'user' as const, content: 'word '.repeat(100_000) }];
    expect(await errorOf(() => model.chat(long).result())).toMatchObject({ code: 'bad-argument' });
  });
});
