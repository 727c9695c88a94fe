import fc from 'fast-check';
import { expect, it } from 'vitest';
import { AddedTokens } from './added-tokens.ts';

type Part = string | number;

function partition(texts: string[], source: string): Part[] {
  const parts: Part[] = [];
  const tokens = new AddedTokens(
    texts,
    texts.map((_, token) => token),
    (token) => new TextEncoder().encode(texts[token]).length,
  );
  for (const part of tokens.parts(source)) {
    if (part) parts.push(part.token < 0 ? source.slice(part.from, part.to) : part.token);
  }
  return parts;
}

/** llama.cpp's rule, written plainly: the longest token first, in every stretch that is still text. */
function partitionByRule(texts: string[], source: string): Part[] {
  const order = texts.map((_, token) => token).sort((a, b) => texts[b].length - texts[a].length || a - b);
  let parts: Part[] = [source];
  for (const token of order)
    parts = parts.flatMap((part) =>
      typeof part === 'number'
        ? [part]
        : part.split(texts[token]).flatMap((piece, i) => (i ? [token, piece] : [piece])),
    );
  return parts.filter((part) => part !== '');
}

it('takes the longest token first, wherever it stands', () => {
  expect(partition(['ab', 'bcd', 'abc'], 'xabcdx')).toEqual(['xa', 1, 'x']);
  expect(partition(['ab', 'abc', 'cdef'], 'abcdef')).toEqual([0, 2]);
});

it('agrees with the plain rule on overlapping tokens', () => {
  const letters = (minLength: number, maxLength: number) =>
    fc.array(fc.constantFrom('a', 'b', 'c'), { minLength, maxLength }).map((all) => all.join(''));
  fc.assert(
    fc.property(fc.uniqueArray(letters(1, 5), { maxLength: 8 }), letters(0, 40), (texts, source) => {
      expect(partition(texts, source)).toEqual(partitionByRule(texts, source));
    }),
    { numRuns: 1000 },
  );
});

it('takes a few seconds at most for a million characters that all could start a token', () => {
  const texts = Array.from({ length: 250 }, (_, i) => 'a'.repeat(i + 1));
  const start = performance.now();
  partition(texts, 'a'.repeat(1_000_000));
  expect(performance.now() - start).toBeLessThan(20_000);
});
