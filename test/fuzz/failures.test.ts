// Every allocation and every abort point of small requests fails in turn. The same for all of them, longer: node test/fuzz/failures-run.mjs.
import { expect, test } from 'vitest';
import { OnebitError } from '../../src/errors.ts';
import { load } from '../../src/index.ts';
import { Heap } from '../../src/kernels/wasm/heap.ts';
import { KvPages } from '../../src/model/kv-cache.ts';
import { tinyModel } from '../tiny-model.ts';
import { CountingSignal, failInTurn, failing } from './failures.mjs';
import { modelFailures } from './model-failures.mjs';

test('a failed allocation or an abort, wherever it is, gives its error, leaves nothing and changes nothing after it', async () => {
  const bytes = await tinyModel({ contextLength: 192, layers: 1 });
  const result = await modelFailures({ Heap, KvPages, OnebitError, load }, { bytes });
  expect(result.findings).toEqual([]);
  expect(result.failures).toBeGreaterThan(100);
}, 300_000);

test('the loop finds errors of the wrong kind, other results and what is left behind', async () => {
  const subject = { step: (n: number) => n };
  const place = failing(subject, 'step', () => new Error('planted'));
  const attempt = async (limit: number) => {
    place.arm(limit);
    try {
      let sum = 0;
      for (let i = 0; i < 5; i++) {
        try {
          sum += subject.step(i);
        } catch (error) {
          if (i === 1) throw new TypeError('wrong kind');
          if (i !== 2) throw error; // at 2 it goes on with another result
        }
      }
      return { result: sum, happened: place.disarm() };
    } catch (error) {
      return { error, happened: place.disarm() };
    }
  };
  let turns = 0;
  const after = async () => (++turns === 4 ? 'something was left' : undefined);
  const isExpected = (error: unknown) => (error as Error).message === 'planted';
  const { failures, findings } = await failInTurn({ attempt, isExpected, expected: '10', after });
  expect(failures).toBe(5);
  expect(findings.map((finding: string) => finding.slice(0, 40))).toEqual([
    expect.stringContaining('failure 2: TypeError'),
    expect.stringContaining('failure 3: gave another result'),
    expect.stringContaining('after failure 4: something was left'),
  ]);
  const signal = new CountingSignal(3);
  expect([signal.aborted, signal.aborted, signal.aborted, signal.aborted]).toEqual([false, false, true, true]);
});
