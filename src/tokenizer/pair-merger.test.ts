import fc from 'fast-check';
import { expect, it } from 'vitest';
import { runSteps } from '../core/steps.ts';
import { type Merges, mergeSymbols, PairTable } from './pair-merger.ts';

/** Random merges over a few symbols; several can have the same rank. */
const merges = fc
  .array(fc.tuple(fc.nat(6), fc.nat(6), fc.nat(12), fc.nat(6)), { maxLength: 40 })
  .map((rows): Merges => {
    const table = new PairTable(1);
    for (const [i, [left, right]] of rows.entries()) table.add(left, right, i);
    const column = (k: number) => Int32Array.from(rows, (row) => row[k]);
    return { find: (left, right) => table.get(left, right), result: column(2).map((v) => v % 7), rank: column(3) };
  });

/** The rule itself: of all pairs that merge, the one of lowest rank, the leftmost of equals. */
function mergeByRule(symbols: number[], { find, rank, result }: Merges): number[] {
  for (;;) {
    let best = -1;
    for (let i = 0; i + 1 < symbols.length; i++) {
      const merge = find(symbols[i], symbols[i + 1]);
      if (merge >= 0 && (best < 0 || rank[merge] < rank[find(symbols[best], symbols[best + 1])])) best = i;
    }
    if (best < 0) return symbols;
    symbols.splice(best, 2, result[find(symbols[best], symbols[best + 1])]);
  }
}

it.each([
  ['short words', { maxLength: 40 }],
  ['words that go through the heap', { minLength: 41, maxLength: 200 }],
])('merges %s by rank, then leftmost', (_, length) => {
  fc.assert(
    fc.property(fc.array(fc.nat(6), length), merges, (symbols, rules) => {
      const work = Int32Array.from(symbols);
      const count = runSteps(mergeSymbols(work, work.length, rules));
      expect([...work.subarray(0, count)]).toEqual(mergeByRule(symbols, rules));
    }),
    { numRuns: 300 },
  );
});

it('finds every pair that was added, and the first number of each', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(50), fc.nat(50)), { maxLength: 500 }), (pairs) => {
      const table = new PairTable(1);
      const known = new Map<string, number>();
      for (const [i, [left, right]] of pairs.entries()) {
        expect(table.add(left, right, i)).toBe(!known.has(`${left} ${right}`));
        if (!known.has(`${left} ${right}`)) known.set(`${left} ${right}`, i);
      }
      expect(table.size).toBe(known.size);
      for (let left = 0; left <= 50; left++)
        for (let right = 0; right <= 50; right++)
          expect(table.get(left, right)).toBe(known.get(`${left} ${right}`) ?? -1);
    }),
    { numRuns: 20 },
  );
});
