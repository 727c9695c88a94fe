// Texts of any length that somebody else sent: the same ids as in one go, with turns of the event loop, and an end where the limit is passed.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Budget } from '../core/budget.ts';
import type { GgufValue } from '../gguf/types.ts';
import { textOfBytes } from './byte-level.ts';
import { preTokenizers } from './pre-tokenizer.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';

const bytes = Array.from({ length: 256 }, (_, byte) => textOfBytes(Uint8Array.of(byte)));

function tokenizer(entries: Record<string, GgufValue>): Tokenizer {
  return createTokenizer(new Map(Object.entries(entries).map(([key, value]) => [`tokenizer.ggml.${key}`, value])));
}

const byteLevel = (pre: string, tokens = bytes) =>
  tokenizer({
    model: 'gpt2',
    pre,
    tokens: [...tokens, 'th', 'thth', 'ab', 'Ġth', '<end>', '<tool>', '<<'],
    token_type: Int32Array.from([...new Array(tokens.length + 4).fill(1), 3, 4, 4]),
    merges: ['t h', 'th th', 'a b', 'Ġ th'],
    add_bos_token: false,
  });
const sentencePiece = tokenizer({
  model: 'llama',
  tokens: ['<unk>', '<s>', '</s>', '▁', 't', 'h', 'th', '▁th', '<0x0A>', 'thth'],
  scores: Float32Array.of(0, 0, 0, -9, -9, -9, -1, -2, 0, -3),
  token_type: Int32Array.of(2, 3, 3, 1, 1, 1, 1, 1, 6, 1),
});
const vocabularies: [string, Tokenizer][] = [
  ...['qwen2', 'llama-bpe', 'gpt-2', 'default'].map((pre): [string, Tokenizer] => [pre, byteLevel(pre)]),
  ['llama', sentencePiece],
];

/** Texts of many thousands of characters, some of them one long word, and all kinds of borders. */
const texts = fc
  .array(
    fc.tuple(
      fc.constantFrom('th', ' ', '\n', '1', '.', '😀', 'é', '<end>', '<', '<<', " 't", '\ud800', 'th ', '12 ab', '！'),
      fc.constantFrom(1, 2, 3, 1000, 5000),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.map(([piece, times]) => piece.repeat(times)).join(''));

describe.each(vocabularies)('a bounded text of %s', (_, vocabulary) => {
  it('has the ids that it has in one go', async () => {
    await fc.assert(
      fc.asyncProperty(texts, fc.boolean(), async (text, special) => {
        const whole = vocabulary.encode(text, { special });
        const tokens = await vocabulary.encodeAsync(text, { special, maxTokens: whole.length });
        expect(tokens.join()).toBe(whole.join());
        if (whole.length === 0) return;
        const refused = vocabulary.encodeAsync(text, { special, maxTokens: whole.length - 1 });
        await expect(refused).rejects.toMatchObject({ code: 'too-long' });
      }),
      { numRuns: 12 },
    );
  });

  it.each(['th', ' ', '😀', '<end>', 'th th. 12\n', '\n\n '])(
    'of a million times %j lets others have their turn, and ends at a signal',
    async (piece) => {
      const text = piece.repeat(1e6 / piece.length);
      const abort = new AbortController();
      let turns = 0;
      const others = setInterval(() => {
        if (++turns === 3) abort.abort(new Error('enough'));
      }, 1);
      try {
        await vocabulary.encodeAsync(text, { special: true, signal: abort.signal });
        expect(turns).toBeGreaterThan(0);
      } catch (error) {
        expect(error).toEqual(new Error('enough'));
      } finally {
        clearInterval(others);
      }
    },
  );

  it('far beyond the limit is refused before it is looked at, and just beyond it soon after', async () => {
    const text = 'th '.repeat(3e5);
    const refused = expect.objectContaining({ code: 'too-long' });
    await expect(
      vocabulary.encodeAsync(text, { maxTokens: 1000, budget: new Budget({ computeMs: 0 }) }),
    ).rejects.toEqual(refused);
    await expect(
      vocabulary.encodeAsync(text, { maxTokens: 2e5, budget: new Budget({ computeMs: 0 }) }),
    ).rejects.toEqual(expect.objectContaining({ code: 'over-budget' }));
    await expect(vocabulary.encodeAsync('th '.repeat(5000), { maxTokens: 4000 })).rejects.toEqual(refused);
  });
});

it('a vocabulary that lacks bytes leaves them out, however many there are', async () => {
  const lacking = byteLevel(
    'qwen2',
    bytes.filter((text) => text !== 'x'),
  );
  expect(await lacking.encodeAsync('x'.repeat(100_000), { maxTokens: 1 })).toEqual(new Int32Array());
});

it.each([...preTokenizers.keys()])('the words of %s are the same however often one stops and goes on', (name) => {
  const { split } = preTokenizers.get(name)!;
  const pieces = fc.constantFrom(
    'a',
    'é',
    ' ',
    '  ',
    '\n',
    '\r\n',
    '1',
    '12345',
    '１',
    '.',
    '$',
    "'s",
    "'",
    '😀',
    '\t',
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 30 }), fc.integer({ min: 1, max: 4 }), (parts, wordsPerStop) => {
      const text = parts.join('');
      const whole: number[] = [];
      split(text, 0, text.length, (_, end) => void whole.push(end));
      const stopped: number[] = [];
      const place = { stretchEnd: 0 };
      for (let at = 0; at < text.length; ) {
        let words = 0;
        const word = (start: number, end: number) => {
          expect(start).toBe(at);
          at = end;
          stopped.push(end);
          return ++words === wordsPerStop;
        };
        split(text, at, text.length, word, place);
      }
      expect(stopped).toEqual(whole);
    }),
    { numRuns: 500 },
  );
});
