// Writes test/golden/tokenizer/trained-llama-cpp.json: what llama.cpp makes of the texts in test/golden/tokenizer/corpus.mjs with a vocabulary that
// onebit trained on these same texts (so that every script has merges).
//   npm install --prefix DIR --omit=optional node-llama-cpp @node-llama-cpp/linux-x64
//   npm run build && node bench/golden/trained-vocabulary-golden.mjs DIR
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { writeGguf } from '../../dist/gguf/write.js';
import { trainVocabulary } from '../../dist/tokenizer/train.js';
import { TRAINED_SPECIAL, tokenizerMetadata } from '../../dist/tokenizer/train-metadata.js';
import { specialTexts, texts } from '../../test/golden/tokenizer/corpus.mjs';

const modules = path.resolve(process.argv[2], 'node_modules');
const { getLlama } = await import(pathToFileURL(path.join(modules, 'node-llama-cpp/dist/index.js')).href);
const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'trained-vocabulary-'));
const file = path.join(temporary, 'vocabulary.gguf');
const vocabulary = trainVocabulary(Object.values(texts), { size: 700, special: TRAINED_SPECIAL });
const metadata = new Map([['general.architecture', 'qwen3'], ...tokenizerMetadata(vocabulary)]);
await writeGguf({ metadata, tensors: [] }, (bytes) => fs.appendFileSync(file, bytes));

const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error' });
const version = JSON.parse(fs.readFileSync(path.join(modules, 'node-llama-cpp/package.json'), 'utf8')).version;
const model = await llama.loadModel({ modelPath: file, vocabOnly: true });
const ids = (all, special) =>
  Object.fromEntries(Object.entries(all).map(([key, text]) => [key, [...model.tokenize(text, special)]]));
const golden = {
  madeBy: `node-llama-cpp ${version}, llama.cpp ${llama.llamaCppRelease.release}: node bench/golden/trained-vocabulary-golden.mjs`,
  tokens: vocabulary.tokens.length,
  bos: model.tokens.bos,
  eos: model.tokens.eos,
  addBos: model.tokens.shouldPrependBosToken,
  endOfGeneration: vocabulary.tokens.map((_, token) => token).filter((token) => model.isEogToken(token)),
  text: ids(texts, false),
  special: ids(specialTexts, true),
};
const json = JSON.stringify(golden, null, 1).replace(/\[[\d\s,]*\]/g, (list) => list.replace(/\s+/g, ''));
fs.writeFileSync(new URL('../../test/golden/tokenizer/trained-llama-cpp.json', import.meta.url), `${json}\n`);
fs.rmSync(temporary, { recursive: true });
console.log(json.length, 'bytes');
process.exit(0);
