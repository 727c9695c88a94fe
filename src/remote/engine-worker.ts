// The file that a worker starts with. It loads what serves the page and belongs to no one else: nothing may import it. What parts share would otherwise be
// bundled into it, its parts would import it back, and WebKit runs a worker's first file once more when something imports it.
import type { Port } from './protocol.ts';

const port = globalThis as unknown as Port;
/** Calls that come while the file is loaded. */
const early: MessageEvent[] = [];
port.onmessage = (event) => early.push(event as MessageEvent);

import('./host.ts').then(
  ({ serveCalls }) => {
    serveCalls(port);
    for (const event of early) port.onmessage?.(event as never);
  },
  // Nobody is told of a promise that fails in a worker; of an error, the page is.
  (error) =>
    setTimeout(() => {
      throw error;
    }),
);
