import { expect, test } from 'vitest';
import { writeBehind } from './write-behind.ts';

const later = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

test.each([1, 2, 3])('at most %i pieces are on their way, and a buffer more than that is enough', async (pieces) => {
  const written: number[] = [];
  let running = 0;
  let most = 0;
  let last = Promise.resolve();
  const behind = writeBehind((bytes) => {
    most = Math.max(most, ++running);
    last = last.then(async () => {
      await later(1 + (written.length % 3));
      written.push(...bytes);
      running--;
    });
    return last;
  }, pieces);
  const buffers = Array.from({ length: pieces + 1 }, () => new Uint8Array(2));
  for (let i = 0; i < 20; i++) {
    const buffer = buffers[i % buffers.length];
    buffer.fill(i);
    await behind.append(buffer);
  }
  await behind.finish();
  expect(most).toBe(pieces);
  expect(written).toEqual(Array.from({ length: 40 }, (_, i) => i >> 1));
});

test('what fails is told to the next call that waits for it, and by finish', async () => {
  const failing = (at: number) => {
    let count = 0;
    return writeBehind(async () => {
      if (count++ === at) throw new Error('full');
    }, 2);
  };
  const bytes = new Uint8Array(1);
  const early = failing(0);
  await early.append(bytes);
  await early.append(bytes);
  await expect(early.append(bytes)).rejects.toThrow('full');
  const late = failing(1);
  await late.append(bytes);
  await late.append(bytes);
  await expect(late.finish()).rejects.toThrow('full');
});
