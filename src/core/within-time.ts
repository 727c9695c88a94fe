// Owns work that has so long and no longer. Must not know what the work is.

import { orAborted } from './on-abort.ts';

/** The longest time that a timer takes. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * What `work` gives, or a failure when `signal` is aborted or `ms` have passed; its signal tells it, whether it hears or not. The timer is one that is held: `AbortSignal.any` of an `AbortSignal.timeout`
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
    const both = AbortSignal.any([signal, stop.signal]);
    return await orAborted(Promise.resolve(work(both)), both);
  } finally {
    clearTimeout(timer);
  }
}
