// A short run of the GGUF fuzzer; longer ones: node test/fuzz/run.mjs --cases 50000 --seed 1 (after npm run build).
import { expect, test } from 'vitest';
import { memorySource } from '../../src/bytes/memory-source.ts';
import { Random } from '../../src/core/random.ts';
import { OnebitError } from '../../src/errors.ts';
import { readGguf } from '../../src/gguf/read.ts';
import { writeGguf } from '../../src/gguf/write.ts';
import { load } from '../../src/index.ts';
import { formatByName, formats } from '../../src/quant/formats.ts';
import { fuzz } from './fuzz.mjs';
import { ggufConsumers } from './gguf-consumers.mjs';
import { ggufSeeds } from './gguf-seeds.mjs';
import { findFields } from './mutate.mjs';

const CASES = 1500;
const SEED = 2;
const isTyped = (error: unknown) => error instanceof OnebitError;

test(`damaged GGUF files (${CASES} cases, seed ${SEED}) are read or refused with an OnebitError, quickly`, async () => {
  const seeds = await ggufSeeds({ writeGguf, formats, formatByName, Random });
  // One seed's header must not fit the reader's first piece, or fetching more is never fuzzed.
  expect(Math.max(...seeds.map(({ bytes }) => findFields(bytes).headerEnd))).toBeGreaterThan(256 * 1024);
  const consumers = ggufConsumers({ memorySource, readGguf, formatByName, load }, 'reference');
  const result = await fuzz({ seeds, consumers, isTyped, Random, cases: CASES, seed: SEED });
  expect(result.findings).toEqual([]);
  // Damage that is never accepted, or always, would mean that the fuzzer does not reach what it should.
  expect(result.outcomes.accepted).toBeGreaterThan(CASES / 20);
  expect(result.outcomes['read: bad-file']).toBeGreaterThan(CASES / 5);
});

test('the fuzzer reports untyped errors and slow cases with the number that repeats them', async () => {
  const seeds = (await ggufSeeds({ writeGguf, formats: formats.slice(0, 1), formatByName, Random })).slice(0, 1);
  let calls = 0;
  const consume = async () => {
    calls++;
    if (calls === 3) throw new TypeError('planted');
    if (calls === 4 || calls === 5) await new Promise((resolve) => setTimeout(resolve, 60));
  };
  const consumers = [{ name: 'planted', consume }];
  const result = await fuzz({ seeds, consumers, isTyped, Random, cases: 5, seed: SEED, caseLimitMs: 50 });
  expect(result.findings.map(({ index }) => index)).toEqual([1, 2]);
  expect(result.findings[0].what).toContain('planted');
  expect(result.findings[1].what).toContain('took');
});
