import { expect, test } from 'vitest';
import { ApiKey } from './keys.ts';
import { MemoryQuota } from './quota.ts';

const keyOf = (limits: object) =>
  new ApiKey({ name: 'shop', sha256: '0'.repeat(64), ...limits }, new MemoryQuota(() => 0));
const need = { promptTokens: 10, answers: 1, answerTokens: 90, known: true };
/** How many of `ask` there are before one is refused. */
const taken = async (ask: () => Promise<unknown>) => {
  for (let count = 0; ; count++) {
    const refused = await ask().then(
      () => undefined,
      (error: unknown) => error,
    );
    if (!refused) continue;
    expect(refused).toMatchObject({ status: 429 });
    return count;
  }
};

test('lines of batches leave a quarter of a minute and a sixteenth of a day to whoever waits', async () => {
  const requests = keyOf({ requestsPerMinute: 40 });
  expect(await taken(() => requests.admit(true))).toBe(30);
  expect(await taken(() => requests.admit())).toBe(10);
  for (const [limits, lines, others] of [
    [{ tokensPerMinute: 1000 }, 7, 3],
    [{ tokensPerDay: 1600 }, 15, 1],
  ] as const) {
    const key = keyOf(limits);
    expect(await taken(() => key.reserve(need, undefined, true))).toBe(lines);
    expect(await taken(() => key.reserve(need))).toBe(others);
  }
});

test('what a line leaves to others cuts no answer whose length it says, and no line waits for ever', async () => {
  const large = { ...need, answerTokens: 990 };
  for (const tokensPerMinute of [1000, 500, 1]) {
    const of = (isOfBatch: boolean) => keyOf({ tokensPerMinute }).reserve(large, undefined, isOfBatch);
    expect(await of(true)).toEqual(await of(false));
  }
  expect(await keyOf({ tokensPerMinute: 1000 }).reserve(large, undefined, true)).toMatchObject({ answerTokens: 990 });
  await keyOf({ requestsPerMinute: 1 }).admit(true);
});
