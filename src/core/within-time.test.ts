// Bounds in time that hold on a machine that collects garbage.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { withinTime } from './within-time.ts';

const never = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));

test('work ends at its time, however much garbage is collected before', async () => {
  setFlagsFromString('--expose-gc');
  const collect = setInterval(runInNewContext('gc') as () => void, 20);
  await expect(withinTime(200, new AbortController().signal, never)).rejects.toMatchObject({ name: 'TimeoutError' });
  clearInterval(collect);
}, 5000);

test('work ends with the signal that was given, and gives what it makes', async () => {
  const given = new AbortController();
  const running = withinTime(1e12, given.signal, never);
  given.abort(new Error('gone'));
  await expect(running).rejects.toThrow('gone');
  expect(await withinTime(1e12, new AbortController().signal, () => 7)).toBe(7);
});
