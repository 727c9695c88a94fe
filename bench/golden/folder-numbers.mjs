// Tokens and log-probabilities of a model as JSON, for bench/golden/judge_folders.py to judge.
//
//   node bench/golden/folder-numbers.mjs MODEL|FOLDER OUT.json
import { writeFileSync } from 'node:fs';
import { load } from '../../dist/index.js';

const [input, out] = process.argv.slice(2);
const model = await load(input, { backend: 'reference', kvFormat: 'f32' });
const TEXTS = [
  'Once upon a time, there was a little girl named Lily.',
  "I'd like a table for 12 at Café Zoë, please! 你好 \n\n  x 123456",
  'the cat',
  ' two  spaces',
  'for name in config: return model(config(shape, extra))',
];
const texts = [];
for (const text of TEXTS) {
  const ids = [...model.tokenize(text)];
  const { logprobs } = await model.score(ids);
  texts.push({ text, ids, logprobs: [...logprobs].slice(-(ids.length - 1)) });
}
const turns = [
  { role: 'user', content: 'Hi there' },
  { role: 'assistant', content: 'Yes?' },
  { role: 'user', content: 'Bye' },
];
const hasTemplate = model.metadata.has('tokenizer.chat_template');
const chat = hasTemplate ? [...model.chatPrompt(turns)] : undefined;
writeFileSync(out, JSON.stringify({ texts, chat }));
await model.dispose();
