// Owns hearing of an abort from many places: one listener a signal, however many wait. Node warns of more than ten.

const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls `call` when `signal` aborts. Returns what ends that. */
export function onAbort(signal: AbortSignal, call: () => void): () => void {
  let calls = waiting.get(signal);
  if (!calls) {
    const all = new Set<() => void>();
    waiting.set(signal, all);
    signal.addEventListener('abort', () => {
      for (const one of [...all]) one();
    });
    calls = all;
  }
  const own = calls;
  own.add(call);
  return () => void own.delete(call);
}
