// Owns giving the event loop a turn in the middle of long work, so that timers, signals and aborts are seen.

/** Lets the event loop run once. Cheaper than a timer, which browsers hold back to 4 ms. */
export function nextTurn(): Promise<void> {
  if (typeof setImmediate === 'function') return new Promise((resolve) => setImmediate(resolve));
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(0);
  });
}
