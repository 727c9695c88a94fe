import { describe, expect, test } from 'vitest';
import { LEAST_HELD_OUT, parseCorpus, splitCorpus } from './corpus.ts';
import { documentKey, hashDocuments, hashText, type TrainingDocument } from './corpus-document.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const texts = (documents: readonly TrainingDocument[]) => documents.map(documentKey);
const parse = (text: string, options = {}) => texts(parseCorpus('c.txt', bytes(text), options).documents);
const many = Array.from({ length: 4000 }, (_, i) => ({ text: `document number ${i} with some words in it` }));

describe('reading text', () => {
  test('documents are separated by lines that are blank', () => {
    expect(parse('a\nb\n\nc\n \t\nd\n\n\n\n')).toEqual(['a\nb', 'c', 'd']);
  });

  test('line ends become \\n and a byte order mark goes', () => {
    expect(parse('\ufeffa\r\nb\r\n\r\nc\rd')).toEqual(['a\nb', 'c\nd']);
  });

  test('a whole file is one document', () => {
    expect(parse('a\n\nb\n', { format: 'whole' })).toEqual(['a\n\nb']);
  });

  test('nothing but white space is no document', () => {
    expect(parse(' \n\n\t\n')).toEqual([]);
  });

  test('the first byte that is not UTF-8 is named', () => {
    const cases: [number[], number][] = [
      [[0x61, 0xff, 0x62], 1],
      [[0xc3, 0xa4, 0xc3, 0x28], 2],
      [[0x61, 0x62, 0xe2, 0x82], 2],
      [[0xed, 0xa0, 0x80], 0],
      [[0xc3, 0xa4, 0x80], 2],
    ];
    for (const [broken, at] of cases) {
      expect(() => parseCorpus('c.txt', Uint8Array.from(broken))).toThrow(`c.txt must be UTF-8 text, got `);
      expect(() => parseCorpus('c.txt', Uint8Array.from(broken))).toThrow(`at byte ${at}.`);
    }
  });

  test('replacing counts only what was broken, not what the file spells so', () => {
    const broken = Uint8Array.from([...bytes('a\ufffd'), 0xff, 0x62, 0xfe]);
    const { documents, replaced } = parseCorpus('c.txt', broken, { replaceInvalid: true });
    expect([texts(documents), replaced]).toEqual([['a\ufffd\ufffdb\ufffd'], 2]);
  });

  test('UTF-16 and binary files are recognised', () => {
    expect(texts(parseCorpus('c.txt', Uint8Array.from([0xff, 0xfe, 0x61, 0])).documents)).toEqual(['a']);
    expect(() => parseCorpus('c.txt', Uint8Array.from([0xff, 0xfe, 0x61]))).toThrow('UTF-16LE that is damaged');
    expect(() => parseCorpus('c.gguf', Uint8Array.from([0x47, 0x47, 0, 1]))).toThrow('zero byte at 2');
  });
});

describe('holding documents out', () => {
  test('the same documents for a seed, others for another, wherever they stand', () => {
    const split = splitCorpus(many, 1);
    expect(new Set(texts(splitCorpus([...many].reverse(), 1).validation))).toEqual(new Set(texts(split.validation)));
    expect(texts(splitCorpus(many, 2).validation)).not.toEqual(texts(split.validation));
    expect(split.validation.length).toBeGreaterThan(60);
    expect(split.validation.length).toBeLessThan(110);
    expect(split.training.length + split.validation.length).toBe(many.length);
  });

  test('copies of a held-out text are all held out', () => {
    const { training, validation } = splitCorpus([...many, ...many, ...many], 1);
    const held = new Set(texts(validation));
    expect(texts(training).filter((text) => held.has(text))).toEqual([]);
    expect(validation.length).toBe(3 * held.size);
  });

  test('of one long document the end is held out, of a short one nothing', () => {
    const text = 'some words and a line\n'.repeat(2000);
    const { training, validation } = splitCorpus([{ text }], 1);
    expect(text.startsWith(texts(training)[0])).toBe(true);
    expect(text.endsWith(texts(validation)[0])).toBe(true);
    expect(texts(validation)[0].length / text.length).toBeCloseTo(0.05, 2);
    expect(splitCorpus([{ text: 'a short text' }], 1).validation).toEqual([]);
  });

  test('where all documents are alike they are learnt', () => {
    const text = 'the same words again and again. '.repeat(1000);
    const { training, validation } = splitCorpus([{ text }, { text }], 1);
    expect([training.length, validation.length]).toEqual([2, 0]);
  });

  test('a corpus that cannot spare two thousand characters is all learnt; a larger one holds out at least so many', () => {
    for (const count of [2, 40, 200, 900]) {
      expect(splitCorpus(many.slice(0, count), 1).validation).toEqual([]);
    }
    for (const count of [1200, 2000]) {
      const { validation } = splitCorpus(many.slice(0, count), 1);
      expect(texts(validation).join('').length).toBeGreaterThanOrEqual(LEAST_HELD_OUT);
    }
  });
});

test('hashes tell documents, their order and their kinds apart', async () => {
  const hash = (documents: TrainingDocument[]) => hashDocuments(documents);
  const one = await hash([{ text: 'a' }, { text: 'b' }]);
  expect(await hash([{ text: 'a' }, { text: 'b' }])).toBe(one);
  expect(await hash([{ text: 'b' }, { text: 'a' }])).not.toBe(one);
  expect(await hash([{ text: 'ab' }])).not.toBe(one);
  expect(await hash([{ messages: [{ role: 'user', content: 'a' }] }, { text: 'b' }])).not.toBe(one);
  expect(new Set(Array.from({ length: 1000 }, (_, seed) => hashText('a', seed))).size).toBe(1000);
});
