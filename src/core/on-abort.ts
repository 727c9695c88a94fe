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

/** What `result` gives, or the reason of `signal` when that is aborted before. */
export function orAborted<Result>(result: Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
  if (!signal) return result;
  return new Promise((resolve, reject) => {
    const give = () => reject(signal.reason);
    if (signal.aborted) give();
    const end = onAbort(signal, give);
    result.then(resolve, reject).finally(end);
  });
}
