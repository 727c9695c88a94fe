import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { specialTexts, texts } from '../../test/golden/tokenizer/corpus.mjs';
import { Random } from '../core/random.ts';
import { trainVocabulary } from './train.ts';
import { TRAINED_SPECIAL, tokenizerMetadata, tokenizerOf } from './train-metadata.ts';

interface Golden {
  tokens: number;
  bos: number;
  eos: number;
  addBos: boolean;
  endOfGeneration: number[];
  text: Record<string, number[]>;
  special: Record<string, number[]>;
}
const golden = JSON.parse(
  readFileSync(new URL('../../test/golden/tokenizer/trained-llama-cpp.json', import.meta.url), 'utf8'),
) as Golden;
const train = (all: Iterable<string>, size: number) => trainVocabulary(all, { size, special: TRAINED_SPECIAL });
const merged = (all: Iterable<string>, size: number) => [...train(all, size).merges];

/** The textbook's way: count everything anew for each merge. Words without spaces, so that no pre-tokenizer is needed. */
function naiveMerges(words: readonly string[], count: number): string[] {
  const rows = words.map((word) => [...new TextEncoder().encode(word)]);
  const texts = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));
  const merges: string[] = [];
  while (texts.length < 256 + count) {
    const counts = new Map<string, { left: number; right: number; n: number }>();
    for (const row of rows) {
      for (let i = 0; i + 1 < row.length; i++) {
        const key = `${row[i]},${row[i + 1]}`;
        const pair = counts.get(key) ?? { left: row[i], right: row[i + 1], n: 0 };
        counts.set(key, { ...pair, n: pair.n + 1 });
      }
    }
    const best = [...counts.values()].sort((a, b) => b.n - a.n || a.left - b.left || a.right - b.right)[0];
    if (!best || best.n < 2) break;
    const text = texts[best.left] + texts[best.right];
    let id = texts.indexOf(text, 256);
    if (id < 0) id = texts.push(text) - 1;
    const line = `${texts[best.left]} ${texts[best.right]}`;
    if (!merges.includes(line)) merges.push(line);
    for (const row of rows) {
      for (let i = 0; i + 1 < row.length; i++) {
        if (row[i] === best.left && row[i + 1] === best.right) row.splice(i, 2, id);
      }
    }
  }
  return merges;
}

describe('training a vocabulary', () => {
  test('merges what counting everything anew for each merge merges', () => {
    for (let seed = 0; seed < 20; seed++) {
      const random = new Random(seed);
      const letters = 2 + random.below(4);
      const words = Array.from({ length: 60 }, () =>
        String.fromCharCode(...Array.from({ length: 2 + random.below(9) }, () => 97 + random.below(letters))),
      );
      expect(merged(words, 256 + 40 + 3), `seed ${seed}`).toEqual(naiveMerges(words, 40));
    }
  });

  test('equally frequent pairs are merged in the order of their ids', () => {
    expect(merged(['zy ba zy ba zy ba'], 256 + 4 + 3)).toEqual(['Ġ b', 'z y', 'Ġb a', 'Ġ zy']);
  });

  test('words are cut as qwen2 cuts them: never across lines, digits one by one', () => {
    const { tokens } = train(['12 12 12 a\nb a\nb a\nb'], 300);
    expect(tokens.some((text) => text.includes('12') || text.includes('aĊ') || text.includes('Ċb'))).toBe(false);
  });

  test('stops early where nothing occurs twice', () => {
    const { tokens, merges } = train(['abcdefg'], 4096);
    expect([tokens.length, merges.length]).toEqual([256 + 3, 0]);
  });

  test('refuses a size that does not hold the bytes and the special tokens', () => {
    expect(() => train(['a'], 258)).toThrow('259');
    expect(train([''], 259).tokens).toHaveLength(259);
  });

  test('an aborted training throws the reason', () => {
    const signal = AbortSignal.abort(new Error('enough'));
    expect(() => trainVocabulary(['a b'], { size: 300, special: TRAINED_SPECIAL, signal })).toThrow('enough');
  });

  test('any text, also of bytes never seen, decodes to itself', () => {
    const tokenizer = tokenizerOf(tokenizerMetadata(train(['the cat sat on the mat, the cat sat'], 270)));
    for (const text of Object.values(texts)) {
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text.replace(/\p{Surrogate}/gu, '\ufffd'));
    }
  });
});

describe(`llama.cpp reads a trained vocabulary alike (test/golden/tokenizer/trained-llama-cpp.json)`, () => {
  const tokenizer = tokenizerOf(tokenizerMetadata(train(Object.values(texts), 700)));

  test('ids of nasty texts', () => {
    for (const [name, text] of Object.entries(texts)) {
      expect([...tokenizer.encode(text)], name).toEqual(golden.text[name]);
    }
    for (const [name, text] of Object.entries(specialTexts)) {
      expect([...tokenizer.encode(text, { special: true })], name).toEqual(golden.special[name]);
    }
  });

  test('the golden texts use merges, not only bytes', () => {
    expect(golden.text['plain English'].length).toBeLessThan(0.7 * texts['plain English'].length);
  });

  test('special ids', () => {
    expect(tokenizer.vocabularySize).toBe(golden.tokens);
    expect([tokenizer.bos, tokenizer.eos, tokenizer.addBos]).toEqual([golden.bos, golden.eos, golden.addBos]);
    expect([...tokenizer.endOfGeneration].sort()).toEqual(golden.endOfGeneration);
  });
});
