// The page's model slot: of several models that are asked for, the last one asked for stays, in whichever order they arrive. Needs dist/.
import { describe, expect, test } from 'vitest';
import { ModelSlot, type SlotEvent } from '../site/src/model-slot.ts';

/** A loader whose loads end when the test says so. */
function heldLoader() {
  const loads: { label: string; arrive: () => void; fail: (error: Error) => void }[] = [];
  const disposed: string[] = [];
  const loader = (input: unknown, { signal }: { signal?: AbortSignal } = {}) =>
    new Promise((resolve, reject) => {
      const label = String(input);
      const model = { label, info: { talks: true }, dispose: () => disposed.push(label) };
      loads.push({ label, arrive: () => resolve(model), fail: reject });
      if (label === 'deaf') return; // one that is past stopping
      signal?.addEventListener('abort', () => reject(signal.reason));
    });
  const slot = new ModelSlot(loader as never);
  const events: SlotEvent[] = [];
  slot.watch((event) => events.push(event));
  return { slot, loads, disposed, events };
}

describe('the model slot', () => {
  test('the last that was asked for stays, also when the one before arrives later', async () => {
    const { slot, loads, disposed, events } = heldLoader();
    const first = slot.load({ input: 'deaf', label: 'deaf' });
    const second = slot.load({ input: 'b', label: 'b' });
    loads[1].arrive();
    await second;
    loads[0].arrive();
    await expect(first).rejects.toMatchObject({ name: 'AbortError' });
    expect(slot.choice.label).toBe('b');
    expect(disposed).toEqual(['deaf']);
    expect(events.filter(({ type }) => type === 'ready')).toHaveLength(1);
    expect(events.some(({ type }) => type === 'failed')).toBe(false);
  });

  test('whoever waits gets the last that was asked for', async () => {
    const { slot, loads } = heldLoader();
    slot.load({ input: 'a', label: 'a' }).catch(() => {});
    const ready = slot.ready();
    slot.load({ input: 'b', label: 'b' });
    loads[1].arrive();
    expect(await ready).toMatchObject({ label: 'b' });
  });

  test('a load that fails leaves the model that was there', async () => {
    const { slot, loads, events } = heldLoader();
    const first = slot.load({ input: 'a', label: 'a' });
    loads[0].arrive();
    await first;
    const second = slot.load({ input: 'b', label: 'b' });
    loads[1].fail(new Error('no network'));
    await expect(second).rejects.toThrow('no network');
    expect(slot.choice.label).toBe('a');
    expect(await slot.ready()).toMatchObject({ label: 'a' });
    expect(events.at(-1)).toMatchObject({ type: 'failed' });
  });

  test('a person who stops a load is told, and keeps the model', async () => {
    const { slot, events } = heldLoader();
    const stop = new AbortController();
    const load = slot.load({ input: 'a', label: 'a' }, stop.signal);
    stop.abort(new DOMException('Stopped.', 'AbortError'));
    await expect(load).rejects.toMatchObject({ name: 'AbortError' });
    expect(events.at(-1)).toMatchObject({ type: 'failed' });
  });
});
