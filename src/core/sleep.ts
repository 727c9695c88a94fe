// Owns waiting for a while, which a signal ends.
import { onAbort } from './on-abort.ts';

/** Resolves after `ms` milliseconds, or throws the signal's reason at once when it aborts. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve) => {
    const end = () => {
      clearTimeout(timer);
      ended?.();
      resolve();
    };
    const timer = setTimeout(end, ms);
    const ended = signal && onAbort(signal, end);
  });
  signal?.throwIfAborted();
}
