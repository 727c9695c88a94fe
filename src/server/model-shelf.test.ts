import { describe, expect, test, vi } from 'vitest';
import type { LanguageModel } from '../language-model.ts';
import { ModelShelf, type ShelfOptions } from './model-shelf.ts';

/** A shelf of models of 10 bytes each; `events` tells what was loaded and put away. */
function shelfOf(ids: string[], options?: ShelfOptions) {
  const events: string[] = [];
  const entries = ids.map((id) => ({
    id,
    needBytes: async () => 10,
    load: async () => {
      await Promise.resolve();
      events.push(`load ${id}`);
      return { memoryBytes: 10, dispose: async () => events.push(`put away ${id}`) } as unknown as LanguageModel;
    },
  }));
  return { shelf: new ModelShelf(entries, options), events };
}

const loaded = (shelf: ModelShelf) => [...shelf.loaded()].map(({ id }) => id);

describe('ModelShelf', () => {
  test('loads a model once, when it is first asked for, however many ask', async () => {
    const { shelf, events } = shelfOf(['a', 'b']);
    expect(events).toEqual([]);
    const leases = await Promise.all([shelf.borrow(), shelf.borrow('a'), shelf.borrow(null)]);
    expect(new Set(leases.map((lease) => lease.model)).size).toBe(1);
    expect(events).toEqual(['load a']);
    await expect(shelf.borrow('c')).rejects.toMatchObject({ status: 404, code: 'model_not_found', param: 'model' });
  });

  test('says since when a model is there, and until when it stays', async () => {
    const began = Date.now() - 1;
    const entry = { needBytes: async () => 1, load: async () => ({ dispose: async () => {} }) as LanguageModel };
    const written = new Date('2024-05-06T07:08:09Z');
    const entries = [
      { ...entry, id: 'a', adapters: ['x'], modifiedAt: async () => written },
      { ...entry, id: 'b', modifiedAt: () => Promise.reject(new Error('gone')) },
    ];
    const shelf = new ModelShelf(entries, { idleMs: 60_000 });
    for (const name of ['a', 'a:latest', 'a:x']) expect(await shelf.modifiedAt(name)).toEqual(written);
    for (const name of ['b', 'no model']) expect((await shelf.modifiedAt(name)).getTime()).toBeGreaterThan(began);
    const lease = await shelf.borrow('a');
    expect(shelf.expiresAt('a').getTime() - Date.now()).toBeCloseTo(60_000, -3);
    lease.release();
    expect(shelf.expiresAt('a').getTime() - Date.now()).toBeCloseTo(60_000, -3);
    await shelf.dispose();
    const staying = new ModelShelf([entries[0]], { idleMs: 60_000 });
    expect(staying.expiresAt('a').getFullYear()).toBeGreaterThan(2300);
  });

  test('keeps the bound: the longest unused makes room, never one in use', async () => {
    const { shelf, events } = shelfOf(['a', 'b', 'c'], { memoryBytes: 20 });
    const a = await shelf.borrow('a');
    (await shelf.borrow('b')).release();
    const c = await shelf.borrow('c');
    expect(events.at(-2)).toBe('put away b');
    expect(loaded(shelf)).toEqual(['a', 'c']);
    await expect(shelf.borrow('b')).rejects.toMatchObject({ status: 503, code: 'no_memory' });
    a.release();
    a.release(); // a second time does nothing
    c.release();
    await shelf.borrow('b');
    expect(loaded(shelf)).toEqual(['b', 'c']);
  });

  test('refuses a model that can never fit, and can try again after a failure', async () => {
    await expect(shelfOf(['a'], { memoryBytes: 5 }).shelf.borrow()).rejects.toThrow(/needs 1 MB/);
    let attempts = 0;
    const load = async () => {
      if (attempts++ === 0) throw new Error('no disk');
      return { memoryBytes: 1, dispose: async () => {} } as unknown as LanguageModel;
    };
    const shelf = new ModelShelf([{ id: 'a', needBytes: async () => 1, load }]);
    await expect(shelf.borrow()).rejects.toThrow('no disk');
    expect((await shelf.borrow()).id).toBe('a');
  });

  test('puts away what nobody has used for a while, unless it is used again', async () => {
    vi.useFakeTimers();
    try {
      const { shelf, events } = shelfOf(['a', 'b'], { idleMs: 1000 });
      (await shelf.borrow('a')).release();
      await vi.advanceTimersByTimeAsync(900);
      const again = await shelf.borrow('a');
      await vi.advanceTimersByTimeAsync(5000);
      expect(events).toEqual(['load a']);
      again.release();
      await vi.advanceTimersByTimeAsync(1001);
      expect(events).toEqual(['load a', 'put away a']);
    } finally {
      vi.useRealTimers();
    }
  });

  test('puts all away at the end and loads no more', async () => {
    const { shelf, events } = shelfOf(['a', 'b']);
    (await shelf.borrow('a')).release();
    await shelf.dispose();
    expect(events.at(-1)).toBe('put away a');
    await expect(shelf.borrow('b')).rejects.toMatchObject({ code: 'disposed' });
  });

  test('refuses two models of one name, and none', () => {
    expect(() => shelfOf(['a', 'a'])).toThrow(/'a' twice/);
    expect(() => shelfOf([])).toThrow(/at least one/);
  });
});
