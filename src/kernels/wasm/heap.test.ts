import { expect, it } from 'vitest';
import { Random } from '../../core/random.ts';
import { Heap } from './heap.ts';

it('never hands out overlapping ranges, and merges all of them back', () => {
  const seed = 11;
  const random = new Random(seed);
  const heap = new Heap(1 << 24);
  const held = new Map<number, number>();
  for (let step = 0; step < 2000; step++) {
    if (held.size > 40 || (held.size > 0 && random.uniform() < 0.4)) {
      const address = [...held.keys()][random.below(held.size)];
      heap.release(address);
      held.delete(address);
    } else {
      const bytes = 1 + random.below(100_000);
      const address = heap.allocate(bytes, 'test');
      expect(address % 64).toBe(0);
      for (const [other, size] of held) {
        expect(address + bytes <= other || other + size <= address, `seed ${seed}, step ${step}`).toBe(true);
      }
      held.set(address, bytes);
    }
  }
  for (const address of held.keys()) heap.release(address);
  expect(heap.allocatedBytes).toBe(0);
  // All free memory is one range again: nearly everything can be had at once.
  heap.allocate((1 << 24) - 65536, 'test');
});

it('clears memory that was used before, and only then', () => {
  const heap = new Heap(1 << 24);
  const first = heap.allocate(1000, 'test');
  heap.bytes(first, 1000).fill(7);
  heap.release(first);
  const again = heap.allocateZeroed(5000, 'test');
  expect(again).toBe(first);
  expect(heap.bytes(again, 5000).every((byte) => byte === 0)).toBe(true);
});

it('says what it needed and what the limit is when memory runs out, and goes on', () => {
  const heap = new Heap(1 << 20);
  expect(() => heap.allocate(1 << 21, 'the weight')).toThrow(/the weight: 2097152 more bytes .* 1048576/);
  heap.allocate(1 << 19, 'test');
});
