// Two turns of a conversation; the second reuses what the cache holds of the first. node examples/02-chat.mjs MODEL.gguf
import { load } from 'onebit';

const model = await load(process.argv[2]);
const messages = [{ role: 'user', content: 'Name a colour.' }];
for (const next of ['Another one, please.', undefined]) {
  const { text, cachedTokens } = await model.chat(messages, { maxTokens: 30, seed: 1 }).result();
  console.log(`${text}\n[${cachedTokens} of the prompt's tokens reused]`);
  messages.push({ role: 'assistant', content: text });
  if (next) messages.push({ role: 'user', content: next });
}
await model.dispose();
