import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OnebitError } from '../errors.ts';
import type { GgufValue } from '../gguf/types.ts';
import { textOfBytes } from './byte-level.ts';
import { createTokenizer } from './tokenizer.ts';

type Entries = Record<string, GgufValue | undefined>;
const KEY = 'tokenizer.ggml.';

function metadata(entries: Entries): Map<string, GgufValue> {
  const map = new Map<string, GgufValue>();
  for (const [key, value] of Object.entries(entries)) if (value !== undefined) map.set(KEY + key, value);
  return map;
}

const bytes = Array.from({ length: 256 }, (_, byte) => textOfBytes(Uint8Array.of(byte)));
/** All bytes, three merges, a control token and a user-defined one. */
const byteLevel: Entries = {
  model: 'gpt2',
  pre: 'qwen2',
  tokens: [...bytes, 'ab', 'abc', 'Ġab', '<end>', '<tool>'],
  token_type: Int32Array.from([...new Array(259).fill(1), 3, 4]),
  merges: ['a b', 'ab c', 'Ġ ab'],
  eos_token_id: 259,
};
const sentencePiece: Entries = {
  model: 'llama',
  tokens: ['<unk>', '<s>', '</s>', '▁', 'a', 'b', 'ab', '▁ab', '<0x0A>'],
  scores: Float32Array.of(0, 0, 0, -9, -9, -9, -1, -2, 0),
  token_type: Int32Array.of(2, 3, 3, 1, 1, 1, 1, 1, 6),
};

function failure(entries: Entries): OnebitError {
  try {
    createTokenizer(metadata(entries));
  } catch (error) {
    if (error instanceof OnebitError) return error;
    throw error;
  }
  throw new Error('no error');
}

describe('a small byte-level vocabulary', () => {
  const tokenizer = createTokenizer(metadata(byteLevel));
  it('merges in the order of the file', () => {
    expect([...tokenizer.encode('abc ab')]).toEqual([257, 258]);
  });
  it('keeps control tokens out of plain text and in text of templates', () => {
    expect(tokenizer.encode('<end>')).not.toContain(259);
    expect([...tokenizer.encode('ab<end>', { special: true })]).toEqual([256, 259]);
    expect([...tokenizer.encode('ab<tool>')]).toEqual([256, 260]);
  });
  it('leaves control tokens out of decoded text unless asked', () => {
    expect(tokenizer.decode([256, 259, 260])).toBe('ab<tool>');
    expect(tokenizer.decode([256, 259, 260], { special: true })).toBe('ab<end><tool>');
  });
  it('holds back a character until it is complete, and replaces one that never is', () => {
    const decoder = tokenizer.decoder();
    expect([0xe4, 0xb8, 0x96, 0xf0, 0x9f].map((byte) => decoder.push(byte))).toEqual(['', '', '世', '', '']);
    expect(decoder.flush()).toBe('\ufffd');
    expect(decoder.push(0x61)).toBe('a');
  });
  it('answers a token that is not one with bad-argument', () => {
    for (const token of [-1, 261, 0.5, Number.NaN])
      expect(() => tokenizer.decode([token])).toThrow(expect.objectContaining({ code: 'bad-argument' }));
    expect(() => tokenizer.encode('a', { bos: true })).toThrow(expect.objectContaining({ code: 'bad-argument' }));
  });
  it('drops bytes that the vocabulary lacks, as llama.cpp does', () => {
    const tokens = (byteLevel.tokens as string[]).with(0x7a, '[gone]');
    expect([...createTokenizer(metadata({ ...byteLevel, tokens })).encode('azb')]).toEqual([0x61, 0x62]);
  });
  it('never merges into a control token', () => {
    const token_type = (byteLevel.token_type as Int32Array).with(256, 3);
    expect([...createTokenizer(metadata({ ...byteLevel, token_type })).encode('ab')]).toEqual([0x61, 0x62]);
  });
});

describe('a small SentencePiece-style vocabulary', () => {
  const tokenizer = createTokenizer(metadata(sentencePiece));
  it('puts a space first, falls back to bytes, then to the unknown token', () => {
    expect([...tokenizer.encode('ab\nz', { bos: true })]).toEqual([1, 7, 8, 0]);
  });
  it('takes the ids of begin and end that llama.cpp assumes', () => {
    expect(tokenizer).toMatchObject({ bos: 1, eos: 2, addBos: true, addEos: false });
  });
  it('drops the first space when decoding a text and keeps it when continuing one', () => {
    expect(tokenizer.decode([1, 7, 7])).toBe('ab ab');
    expect(tokenizer.decoder().push(7)).toBe(' ab');
  });
});

describe('files that are refused', () => {
  const badByteLevel: [string, Entries][] = [
    ['no tokens', { tokens: undefined }],
    ['an empty list of tokens', { tokens: [] }],
    ['tokens that are numbers', { tokens: Int32Array.of(1) }],
    ['equal tokens', { tokens: (byteLevel.tokens as string[]).with(1, 'ab') }],
    ['no merges', { merges: undefined }],
    ['merges of absent tokens', { merges: ['a b', 'x y'] }],
    ['merges without a space', { merges: ['ab'] }],
    ['an id past the end', { eos_token_id: 261 }],
    ['an id that is a text', { bos_token_id: 'one' }],
    ['an id that is a fraction', { eot_token_id: 1.5 }],
    ['too few types', { token_type: Int32Array.of(1) }],
    ['types as text', { token_type: ['1'] }],
    ['a flag that is a number', { add_bos_token: 1 }],
    ['bos wanted but missing', { add_bos_token: true }],
    ['an added token of 300 characters', { tokens: (byteLevel.tokens as string[]).with(260, 'x'.repeat(300)) }],
    ['pre that is a number', { pre: 5 }],
    ['model that is missing', { model: undefined }],
  ];
  it.each(badByteLevel)('bad-file: %s', (_, entries) => {
    expect(failure({ ...byteLevel, ...entries }).code).toBe('bad-file');
  });
  it.each([
    ['too few scores', { scores: Float32Array.of(1) }],
    ['NaN among the scores', { scores: (sentencePiece.scores as Float32Array).with(3, Number.NaN) }],
    ['scores as text', { scores: ['1'] }],
    ['a space flag that is a text', { add_space_prefix: 'yes' }],
  ] as [string, Entries][])('bad-file: %s', (_, entries) => {
    expect(failure({ ...sentencePiece, ...entries }).code).toBe('bad-file');
  });
  it.each([
    ['another model', { model: 't5' }, /"t5"/],
    ['another split', { pre: 'viking' }, /"viking".*Use/],
  ] as [string, Entries, RegExp][])('unsupported: %s, with its name and what to do', (_, entries, message) => {
    expect(failure({ ...byteLevel, ...entries })).toMatchObject({
      code: 'unsupported',
      message: expect.stringMatching(message),
    });
  });
  it('all problems of a file at once', () => {
    const error = failure({ ...byteLevel, merges: ['q'], eos_token_id: -1, add_eos_token: 'x', pre: 'viking' });
    expect(error.problems).toHaveLength(4);
  });
  it('nothing but OnebitError from arbitrary metadata, and no crash when encoding with what is accepted', () => {
    const value = fc.oneof(
      fc.integer({ min: -2, max: 300 }),
      fc.double(),
      fc.boolean(),
      fc.string({ maxLength: 8 }),
      fc.constantFrom('gpt2', 'llama', 'qwen2'),
      fc.array(fc.string({ maxLength: 4 }), { maxLength: 20 }),
      fc.int32Array({ min: -1, max: 8, maxLength: 300 }),
      fc.float32Array({ maxLength: 20 }),
    );
    const keys = [
      ...Object.keys(byteLevel),
      'scores',
      'bos_token_id',
      'unknown_token_id',
      'fim_pad_token_id',
      'add_space_prefix',
    ];
    const changes = fc.dictionary(fc.constantFrom(...keys), value, { maxKeys: 4 });
    fc.assert(
      fc.property(fc.constantFrom(byteLevel, sentencePiece), changes, fc.string(), (base, change, text) => {
        try {
          const tokenizer = createTokenizer(metadata({ ...base, ...change }));
          tokenizer.decode(tokenizer.encode(text, { special: true }), { special: true });
        } catch (error) {
          expect(error).toBeInstanceOf(OnebitError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
