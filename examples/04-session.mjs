// Keep what a model has read: save a session's cache, restore it elsewhere, go on at once. node examples/04-session.mjs MODEL.gguf
import { load } from 'onebit';

const model = await load(process.argv[2]);
const session = model.session();
const first = await model.generateIn(session, 'Once upon a time', { maxTokens: 20, temperature: 0 }).result();
const saved = await session.save();
session.dispose();

const later = model.session();
later.restore(saved);
const second = await model
  .generateIn(later, [...first.promptTokens, ...first.tokens], { maxTokens: 20, temperature: 0 })
  .result();
console.log(`${first.text}|${second.text}`);
console.log(`[${saved.length} bytes saved, ${second.cachedTokens} tokens reused]`);
later.dispose();
await model.dispose();
