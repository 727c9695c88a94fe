// Owns doing something with each of many items, some at a time. Must not know what.

/**
 * Calls `work` for each item, at most `parallel` at once. What one throws aborts the signal that all are given, ends the reading of items, and is thrown when
 * all have ended. Throws the reason of `signal` when that is aborted.
 */
export async function inParallel<Item>(
  items: (signal: AbortSignal) => AsyncIterable<Item>,
  parallel: number,
  work: (item: Item, signal: AbortSignal) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const stop = new AbortController();
  const both = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const running = new Set<Promise<void>>();
  try {
    for await (const item of items(both)) {
      both.throwIfAborted();
      const one = work(item, both)
        .catch((error) => stop.abort(error)) // the first one ends all
        .finally(() => running.delete(one));
      running.add(one);
      if (running.size >= parallel) await Promise.race(running);
      both.throwIfAborted();
    }
  } finally {
    await Promise.all(running);
  }
  both.throwIfAborted();
}
