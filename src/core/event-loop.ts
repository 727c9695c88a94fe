// Owns giving the event loop turns in the middle of long work, so that timers, signals and aborts are seen, and others are served.

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

const line: (() => void)[] = [];
let moving = false;

/**
 * Like `nextTurn`, but of all who wait only the first goes on in each turn: the work of many requests then holds up the event loop no longer than the
 * work of one.
 */
export function turnInLine(): Promise<void> {
  return new Promise((resolve) => {
    line.push(resolve);
    if (!moving) void moveLine();
  });
}

async function moveLine(): Promise<void> {
  moving = true;
  while (line.length > 0) {
    await nextTurn();
    line.shift()!();
  }
  moving = false;
}
