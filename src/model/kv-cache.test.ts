import { expect, test } from 'vitest';
import type { Backend, KvPool } from '../kernels/backend.ts';
import { KV_PAGE } from '../kernels/backend.ts';
import { KvPages, KvSequence } from './kv-cache.ts';

/** A pool that keeps nothing. */
const pagesOf = (pages: number) =>
  new KvPages({ copyKvPage() {} } as unknown as Backend, { pages } as KvPool, () => false);
const grow = (sequence: KvSequence, pages: number) => {
  sequence.reserve(sequence.length + pages * KV_PAGE);
  sequence.append(new Int32Array(pages * KV_PAGE));
};
/** How often the pages of `sequence` do not follow each other. */
const breaks = (sequence: KvSequence) =>
  sequence.pageTable().filter((page, i, table) => i > 0 && page !== table[i - 1] + 1).length;

test('a sequence gets pages that follow each other, also after others were disposed or cut back', () => {
  const pages = pagesOf(16);
  for (let round = 0; round < 3; round++) {
    const sequence = new KvSequence(pages);
    grow(sequence, 5);
    sequence.truncate(2 * KV_PAGE);
    grow(sequence, 6);
    expect([...sequence.pageTable()]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    sequence.dispose();
  }
  expect(pages.available).toBe(16);
});

test('sequences that grow in turns keep out of each other’s way while there is room', () => {
  const pages = pagesOf(64);
  const sequences = [new KvSequence(pages), new KvSequence(pages), new KvSequence(pages)];
  for (let step = 0; step < 14; step++) for (const sequence of sequences) grow(sequence, 1);
  expect(sequences.map(breaks)).toEqual([0, 0, 0]);
  const held = sequences.flatMap((sequence) => [...sequence.pageTable()]);
  expect(new Set(held).size).toBe(42);
});

test('every page is handed out once before the pool is empty', () => {
  const pages = pagesOf(9);
  const sequences = [new KvSequence(pages), new KvSequence(pages)];
  grow(sequences[0], 3);
  grow(sequences[1], 5);
  grow(sequences[0], 1);
  const held = sequences.flatMap((sequence) => [...sequence.pageTable()]);
  expect(held.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  expect(() => grow(sequences[0], 1)).toThrow(/in use/);
});
