// Owns work that has so long and no longer. Must not know what the work is.

/** The longest time that a timer takes. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * What `work` gives, which is told by its signal when `signal` is aborted or `ms` have passed. The timer is one that is held: `AbortSignal.any` of an `AbortSignal.timeout`
 * does not hold that one, and Node 20 collects it with the garbage before its time, so that it never ends anything.
 */
export async function withinTime<Result>(
  ms: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Result | Promise<Result>,
): Promise<Result> {
  const stop = new AbortController();
  const late = () => stop.abort(new DOMException(`it took longer than ${ms} ms`, 'TimeoutError'));
  const timer = setTimeout(late, Math.min(ms, LONGEST_MS));
  try {
    return await work(AbortSignal.any([signal, stop.signal]));
  } finally {
    clearTimeout(timer);
  }
}
